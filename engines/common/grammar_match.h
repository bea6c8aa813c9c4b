/* grammar_match.h - how far a text has come in a grammar, and what may follow.
 *
 * All ways to read the text are kept at once, and what they have in common is kept once: the calls that are open form a graph, in which a
 * rule that is begun at one place is one node, whoever called it (Tomita, 1985). So an ambiguous text costs, for a byte, its
 * states times the places where their calls began, and a rule that calls itself first is no endless loop.
 *
 * Owner   one generation.
 * Thread  one at a time.
 * Memory  grows with the depth of what is open, not with the text: what nobody can come back to is dropped.
 * Limits  GRAMMAR_MATCH_STATES_MAX ways at one place, and as much work for a byte; beyond it STATUS_TOO_LARGE, and the match is of no use any
 *         more. GRAMMAR_WORD_BYTES_MAX of one word: a longer one does not fit.
 */
#ifndef RUNNEL_ENGINES_COMMON_GRAMMAR_MATCH_H
#define RUNNEL_ENGINES_COMMON_GRAMMAR_MATCH_H

#include "common/grammar.h"

#define GRAMMAR_MATCH_STATES_MAX 8192
#define GRAMMAR_MATCH_OPEN_MAX   (1u << 20) /* calls that are open, over all ways to read the text */
#define GRAMMAR_WORD_BYTES_MAX   255

struct grammar_match;

/* grammar_match_new keeps the grammar. NULL is fine for grammar_match_free. */
MUST_CHECK enum status grammar_match_new(const struct grammar *grammar, struct grammar_match **out);
void grammar_match_free(struct grammar_match *match);

/* grammar_match_take goes on by some bytes: STATUS_INVALID: they do not fit, and nothing changed. */
MUST_CHECK enum status grammar_match_take(struct grammar_match *match, const char *bytes, size_t n);

/* grammar_match_fits: could these bytes come next? */
bool grammar_match_fits(struct grammar_match *match, const char *bytes, size_t n);

/* grammar_match_may_end: the text is whole. */
bool grammar_match_may_end(const struct grammar_match *match);

/* grammar_match_has_failed: it was too much work. */
bool grammar_match_has_failed(const struct grammar_match *match);

/* A word of a vocabulary. */
struct grammar_word {
    const char *bytes;
    uint32_t size;
    int32_t token;
};

/* grammar_words_sort puts them into the order that grammar_match_filter needs. */
void grammar_words_sort(struct grammar_word *words, size_t n);

/* grammar_match_filter sets fits[token] for each word that could come next, and leaves the others alone. Beginnings that words share
 * are looked at once. An empty word never fits. */
void grammar_match_filter(struct grammar_match *match, const struct grammar_word *words, size_t n,
                          bool *fits);

#endif
