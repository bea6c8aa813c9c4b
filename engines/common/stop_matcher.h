/* stop_matcher.h - stop strings that never leak, wherever the borders of tokens fall ([E13]).
 *
 * Text goes in piece by piece; what can be sent comes out. Text that may be the beginning of a stop string is held back.
 * The generation stops at the first byte with which a stop string is complete; when several are complete there, the
 * longest is cut off. The result depends on the text alone, never on how it was split.
 *
 * Each string has its Knuth-Morris-Pratt automaton: one state number per string and byte, no text is looked at twice.
 *
 * Owner   one generation.
 * Thread  one at a time.
 * Memory  stop_matcher_init copies the strings; stop_matcher_deinit frees. Zeroed memory matches nothing.
 * Units   bytes of valid UTF-8.
 * Limits  STOP_STRINGS_MAX strings of 1 to STOP_STRING_BYTES_MAX bytes; the caller has checked them.
 */
#ifndef RUNNEL_ENGINES_COMMON_STOP_MATCHER_H
#define RUNNEL_ENGINES_COMMON_STOP_MATCHER_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STOP_STRINGS_MAX      16
#define STOP_STRING_BYTES_MAX 1024

struct stop_string {
    char *text;
    size_t size;
    uint16_t *fallback; /* fallback[k]: length of the longest proper border of the first k bytes */
    size_t n_matched;   /* how much of it the end of the text matches */
};

struct stop_matcher {
    struct stop_string strings[STOP_STRINGS_MAX];
    size_t n_strings;
    struct bytes held;
    bool stopped;
};

void stop_matcher_init(struct stop_matcher *matcher, const char *const *strings, size_t n_strings);
void stop_matcher_deinit(struct stop_matcher *matcher);

/* stop_matcher_add appends to `out` the text that can be sent. True: a stop string is complete; what precedes it is in
 * `out`, and everything else is gone for good. */
bool stop_matcher_add(struct stop_matcher *matcher, const char *text, size_t n_bytes, struct bytes *out);

/* stop_matcher_found is the string that was complete, if it is one of the first n; NULL: none was. Borrowed. */
const char *stop_matcher_found(const struct stop_matcher *matcher, size_t n);

/* stop_matcher_finish says that nothing follows: the held text is sent. */
void stop_matcher_finish(struct stop_matcher *matcher, struct bytes *out);

#endif
