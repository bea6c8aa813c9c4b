/* candidates.h - the few tokens worth a closer look, out of all logits of one position.
 *
 * A vocabulary has 50,000 entries and more. What can be decided in one pass over the logits is decided here, before anything
 * is copied or sorted.
 *
 * Memory  the caller's. Logits may be changed in place: they are read once.
 * Thread  any; no state.
 */
#ifndef RUNNEL_ENGINES_LLAMA_CANDIDATES_H
#define RUNNEL_ENGINES_LLAMA_CANDIDATES_H

#include <llama.h>
#include <stddef.h>
#include <stdint.h>

/* candidates_best is the token with the highest logit; the first of equals. */
llama_token candidates_best(const float *logits, int n_vocab);

/* candidates_penalize lowers the logit of each token of `recent` once: divided by `penalty` above zero, multiplied below. */
void candidates_penalize(float *logits, int n_vocab, const llama_token *recent, size_t n_recent,
                         float penalty);

/* candidates_lower takes from the logit of tokens[i], which are all different: `frequency` for each of its counts[i] times, and
 * `presence` once. */
void candidates_lower(float *logits, int n_vocab, const llama_token *tokens, const uint32_t *counts, size_t n,
                      float frequency, float presence);

/* candidates_forbid makes tokens impossible. */
void candidates_forbid(float *logits, int n_vocab, const llama_token *tokens, size_t n_tokens);

/* candidates_take_all writes one entry per token, unsorted; returns n_vocab. */
size_t candidates_take_all(const float *logits, int n_vocab, llama_token_data *out);

/* candidates_take_top writes the k highest, highest first, and returns how many there are. One pass and a heap of k: for k far
 * below n_vocab. Of equal logits the lower token wins. */
size_t candidates_take_top(const float *logits, int n_vocab, size_t k, llama_token_data *out);

#endif
