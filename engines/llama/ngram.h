/* ngram.h - where in a sequence its last tokens stood before.
 *
 * The last NGRAM_TOKENS are looked up in a hash of all that were added; of the places found the one is taken where the most tokens before it
 * are the same, and of equals the latest. Adding and looking up take the same time however long the sequence is.
 *
 * Owner   one generation.
 * Thread  one.
 * Memory  about 16 bytes a token.
 */
#ifndef RUNNEL_ENGINES_LLAMA_NGRAM_H
#define RUNNEL_ENGINES_LLAMA_NGRAM_H

#include <llama.h>
#include <stddef.h>

#define NGRAM_TOKENS    3
#define NGRAM_MATCH_MAX 32 /* further back nobody looks */

struct ngram {
    llama_token *tokens;
    int *
        previous; /* of the n-gram that ends at a token: where one with the same hash ended before; −1: nowhere */
    int n_tokens;
    int capacity; /* a power of two, or 0 */
    int *heads;   /* the latest end, by hash; `capacity` of them; −1: none */
};

void ngram_init(struct ngram *ngram);
void ngram_deinit(struct ngram *ngram);

void ngram_add(struct ngram *ngram, llama_token token);

/* ngram_find is the place of the token that followed the last time; −1: these tokens are new. In *n_match how many were the same. */
int ngram_find(const struct ngram *ngram, int *n_match);

#endif
