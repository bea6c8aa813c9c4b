/* sampler.h - which token comes next: the settings of `sampling` (docs/engine-protocol.md).
 *
 * Greedy takes the highest logit and needs nothing else. All others look at the top_k highest where the settings allow it,
 * and at the whole vocabulary where they do not; the cutters are the library's, the draw is ours (draw.h).
 *
 *   Temperature  temperature, draw               TopK       top_k, temperature, draw
 *   TopP         top_p, temperature, draw        ChainFull  top_k, top_p, min_p, temperature, draw
 *   Mirostat     temperature, Mirostat 2.0
 * Before that, in every type: logit_bias; a repeat_penalty other than 1, over the last SAMPLER_RECENT_TOKENS of prompt and answer;
 * frequency_penalty and presence_penalty, over the whole answer. A token that the constraint does not allow is drawn again among
 * those that it does.
 *
 * Owner   one generation.
 * Thread  one at a time.
 * Memory  sampler_free: NULL is fine.
 */
#ifndef RUNNEL_ENGINES_LLAMA_SAMPLER_H
#define RUNNEL_ENGINES_LLAMA_SAMPLER_H

#include "constraint.h"
#include "model.h"
#include "probabilities.h"

#define SAMPLER_RECENT_TOKENS 64

struct sampler;

/* sampler_is_repeatable: the same prompt gives the same answer again, as far as sums are rounded alike ([E20]). */
bool sampler_is_repeatable(const struct sampling *sampling);

/* sampler_needs_replay: what it does next hangs on the logits of all tokens before, which a prefix has to be computed for. */
bool sampler_needs_replay(const struct sampling *sampling);

/* sampler_new keeps `generate`, and takes the constraint (NULL: none). */
struct sampler *sampler_new(const struct model *model, const struct generate *generate,
                            struct constraint *constraint);
void sampler_free(struct sampler *sampler);

/* sampler_note_prompt: a token of the conversation, for the penalty. sampler_note_said: one of the answer, said in an earlier run.
 * Tokens that are sampled or replayed are noted by themselves. */
void sampler_note_prompt(struct sampler *sampler, llama_token token);
void sampler_note_said(struct sampler *sampler, llama_token token);

/* sampler_sample picks the next token from the logits at `index` of the last batch; changes them. LLAMA_TOKEN_NULL: no token fits the
 * constraint. */
llama_token sampler_sample(struct sampler *sampler, int index);

/* sampler_probabilities: of the token sampled last ([E44]); NULL: they are not wanted. */
const struct probabilities *sampler_probabilities(const struct sampler *sampler);

/* sampler_may_end: when no token fits: what was said is all that the constraint wants. */
bool sampler_may_end(const struct sampler *sampler);

/* sampler_replay: an earlier run picked `token` from the logits at `index`. */
void sampler_replay(struct sampler *sampler, int index, llama_token token);

#endif
