/* draw.h - one of the candidates, by a random number that depends on the seed and the place in the answer alone.
 *
 * Nothing goes from one token to the next: an answer that is gone on with draws at its n-th token what it would have drawn, and
 * what runs beside it changes nothing ([E20]).
 *
 * Thread  any; the state of Mirostat belongs to one generation.
 * Memory  the caller's; the candidates are changed in place.
 */
#ifndef RUNNEL_ENGINES_LLAMA_DRAW_H
#define RUNNEL_ENGINES_LLAMA_DRAW_H

#include <llama.h>
#include <stddef.h>
#include <stdint.h>

/* draw_uniform is in [0, 1). `attempt` tells apart the draws for one place. */
double draw_uniform(uint64_t seed, uint64_t place, unsigned attempt);

/* draw_pick turns the logits into probabilities (`p`), and gives the index of the candidate at `uniform` of their sum. n ≥ 1. */
size_t draw_pick(llama_token_data *candidates, size_t n, double uniform);

/* Mirostat 2.0 (Basu and others, 2021): candidates whose surprise is above `limit` are left out, and the limit follows the surprise
 * of what is taken. */
struct draw_mirostat {
    double tau;   /* the surprise that is aimed at, in bits */
    double eta;   /* how fast the limit follows */
    double limit; /* 2 tau at the beginning */
};

/* draw_mirostat_cut turns the logits into probabilities and moves the candidates within the limit to the front, at least the most
 * likely one; returns how many they are. */
size_t draw_mirostat_cut(const struct draw_mirostat *mirostat, llama_token_data *candidates, size_t n);

/* draw_mirostat_note: `token` of the n candidates that were left was taken. One that is not among them changes nothing. */
void draw_mirostat_note(struct draw_mirostat *mirostat, const llama_token_data *candidates, size_t n,
                        llama_token token);

#endif
