/* sampler.h - which token comes next: the settings of `sampling` (docs/engine-protocol.md).
 *
 * Greedy takes the highest logit and needs nothing else. All others look at the top_k highest where the settings allow it,
 * and at the whole vocabulary where they do not; the cutters are the library's, the draw is ours (draw.h).
 *
 *   Temperature  temperature, draw               TopK       top_k, temperature, draw
 *   TopP         top_p, temperature, draw        ChainFull  top_k, top_p, min_p, temperature, draw
 *   Mirostat     temperature, Mirostat 2.0
 * Before that, in every type: logit_bias; a repeat_penalty other than 1, over the last SAMPLER_RECENT_TOKENS of prompt and answer;
 * frequency_penalty and presence_penalty, over the whole answer.
 *
 * Owner   one generation.
 * Thread  one at a time.
 * Memory  sampler_free: NULL is fine.
 */
#ifndef RUNNEL_ENGINES_LLAMA_SAMPLER_H
#define RUNNEL_ENGINES_LLAMA_SAMPLER_H

#include "model.h"

#define SAMPLER_RECENT_TOKENS 64

struct sampler;

/* sampler_is_repeatable: the same prompt gives the same answer again, as far as sums are rounded alike ([E20]). */
bool sampler_is_repeatable(const struct sampling *sampling);

/* sampler_needs_replay: what it does next hangs on the logits of all tokens before, which a prefix has to be computed for. */
bool sampler_needs_replay(const struct sampling *sampling);

/* sampler_new keeps `generate`. */
struct sampler *sampler_new(const struct model *model, const struct generate *generate);
void sampler_free(struct sampler *sampler);

/* sampler_note_prompt: a token of the conversation, for the penalty. sampler_note_said: one of the answer, said in an earlier run.
 * Tokens that are sampled or replayed are noted by themselves. */
void sampler_note_prompt(struct sampler *sampler, llama_token token);
void sampler_note_said(struct sampler *sampler, llama_token token);

/* sampler_sample picks the next token from the logits at `index` of the last batch; changes them. */
llama_token sampler_sample(struct sampler *sampler, int index);

/* sampler_replay: an earlier run picked `token` from the logits at `index`. */
void sampler_replay(struct sampler *sampler, int index, llama_token token);

#endif
