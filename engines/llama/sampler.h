/* sampler.h - which token comes next: the settings of `sampling` (docs/engine-protocol.md).
 *
 * Greedy takes the highest logit and needs nothing else. All others look at the top_k highest where the settings allow it,
 * and at the whole vocabulary where they do not; the probabilities are the library's.
 *
 *   Temperature  temperature, draw               TopK       top_k, temperature, draw
 *   TopP         top_p, temperature, draw        ChainFull  top_k, top_p, min_p, temperature, draw
 *   Mirostat     temperature, Mirostat 2.0
 * A repeat_penalty other than 1 comes first, in every type, over the last SAMPLER_RECENT_TOKENS of prompt and answer.
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

bool sampler_is_greedy(const struct sampling *sampling);

struct sampler *sampler_new(const struct model *model, const struct sampling *sampling, bool ignore_eos);
void sampler_free(struct sampler *sampler);

/* sampler_note_token: a token of the prompt, for the penalty. Tokens that are sampled are noted by themselves. */
void sampler_note_token(struct sampler *sampler, llama_token token);

/* sampler_sample picks the next token from the logits at `index` of the last batch; changes them. */
llama_token sampler_sample(struct sampler *sampler, int index);

/* sampler_replay does the same for a token that an earlier run picked here, so that the random numbers go on where they did. */
void sampler_replay(struct sampler *sampler, int index, llama_token token);

#endif
