/* probabilities.h - how likely the tokens were at one place, before any setting of `sampling` ([E44]).
 *
 * Owner   one sampler; probabilities_free: NULL is fine.
 * Thread  one at a time.
 * Memory  a copy of the logits.
 */
#ifndef RUNNEL_ENGINES_LLAMA_PROBABILITIES_H
#define RUNNEL_ENGINES_LLAMA_PROBABILITIES_H

#include "model.h"

struct probabilities;

/* probabilities_new: n_top alternatives are told with each token. */
struct probabilities *probabilities_new(int n_vocab, int n_top);
void probabilities_free(struct probabilities *probabilities);

/* probabilities_take copies the logits, before anything changes them. */
void probabilities_take(struct probabilities *probabilities, const float *logits);

/* probabilities_add appends the members of an item of a step: what is known of `token`. */
void probabilities_add(const struct probabilities *probabilities, const struct model *model,
                       llama_token token, struct bytes *out);

#endif
