#include "ngram.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 256

/* So many places of the same n-gram are compared, and so many of all with its hash are looked at. */
#define CANDIDATES_MAX 16
#define LOOKS_MAX      128

void ngram_init(struct ngram *ngram) {
    *ngram = (struct ngram){ .capacity = 0 };
}

void ngram_deinit(struct ngram *ngram) {
    free(ngram->tokens);
    free(ngram->previous);
    free(ngram->heads);
    ngram_init(ngram);
}

/* Of the n-gram that ends at `end`. The capacity is a power of two. */
static int hash_at(const struct ngram *ngram, int end) {
    uint32_t hash = 0;
    for (int i = end - NGRAM_TOKENS + 1; i <= end; i++) {
        hash = (hash ^ (uint32_t)ngram->tokens[i]) * 2654435761u; /* Knuth: the golden ratio of 2^32 */
        hash ^= hash >> 15;
    }
    return (int)(hash & (uint32_t)(ngram->capacity - 1));
}

static void enter(struct ngram *ngram, int end) {
    ngram->previous[end] = -1;
    if (end >= NGRAM_TOKENS - 1) {
        int hash = hash_at(ngram, end);
        ngram->previous[end] = ngram->heads[hash];
        ngram->heads[hash] = end;
    }
}

static void grow(struct ngram *ngram) {
    ngram->capacity = ngram->capacity ? 2 * ngram->capacity : CAPACITY_MIN;
    size_t n = (size_t)ngram->capacity;
    ngram->tokens = mem_resize(ngram->tokens, n * sizeof *ngram->tokens);
    ngram->previous = mem_resize(ngram->previous, n * sizeof *ngram->previous);
    ngram->heads = mem_resize(ngram->heads, n * sizeof *ngram->heads);
    memset(ngram->heads, 0xff, n * sizeof *ngram->heads); /* −1 */
    for (int i = 0; i < ngram->n_tokens; i++) {
        enter(ngram, i);
    }
}

void ngram_add(struct ngram *ngram, llama_token token) {
    if (ngram->n_tokens == ngram->capacity) {
        grow(ngram);
    }
    ngram->tokens[ngram->n_tokens] = token;
    enter(ngram, ngram->n_tokens++);
}

/* How many tokens up to `end` are the last ones of the sequence. */
static int count_same(const struct ngram *ngram, int end) {
    int n = 0;
    while (n <= end && n < NGRAM_MATCH_MAX &&
           ngram->tokens[end - n] == ngram->tokens[ngram->n_tokens - 1 - n]) {
        n++;
    }
    return n;
}

int ngram_find(const struct ngram *ngram, int *n_match) {
    int best = -1;
    *n_match = NGRAM_TOKENS - 1;
    int end = ngram->n_tokens > 0 ? ngram->previous[ngram->n_tokens - 1] : -1;
    int n_candidates = 0;
    for (int n = 0; end >= 0 && n < LOOKS_MAX && n_candidates < CANDIDATES_MAX;
         n++, end = ngram->previous[end]) {
        int n_same = count_same(ngram, end);
        n_candidates += n_same >= NGRAM_TOKENS;
        if (n_same > *n_match) {
            *n_match = n_same;
            best = end + 1;
        }
    }
    return best;
}
