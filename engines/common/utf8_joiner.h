/* utf8_joiner.h - the bytes of tokens, joined to whole characters ([E12]).
 *
 * A token may end inside a character; half a character must never leave the engine. The joiner holds an unfinished
 * character back until a later token completes it or shows that it never will. Bytes that can never become valid come
 * out as U+FFFD, one per maximal subpart (Unicode 15, section 3.9).
 *
 * Memory  plain memory of the caller; zeroed is empty.
 * Thread  one at a time.
 * Limits  at most 3 bytes are held.
 */
#ifndef RUNNEL_ENGINES_COMMON_UTF8_JOINER_H
#define RUNNEL_ENGINES_COMMON_UTF8_JOINER_H

#include "base/bytes.h"

#include <stddef.h>

#define UTF8_JOINER_HELD_MAX 3

struct utf8_joiner {
    char held[UTF8_JOINER_HELD_MAX];
    size_t n_held;
};

/* utf8_joiner_add appends to `out` all characters that are whole once `data` follows what is held. */
void utf8_joiner_add(struct utf8_joiner *joiner, const char *data, size_t n_bytes, struct bytes *out);

/* utf8_joiner_finish says that nothing follows: an unfinished character becomes one U+FFFD. */
void utf8_joiner_finish(struct utf8_joiner *joiner, struct bytes *out);

#endif
