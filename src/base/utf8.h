/* utf8.h - whole characters only.
 *
 * Half a character in a WebSocket text frame closes the socket (RFC 6455 section 8.1), so text that enters or
 * leaves the program passes here. The definition is RFC 3629: no surrogates, no overlong forms, at most
 * U+10FFFF.
 *
 * Thread  any; no state.
 */
#ifndef RUNNEL_BASE_UTF8_H
#define RUNNEL_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* utf8_is_valid: all n_bytes are whole, valid characters. */
bool utf8_is_valid(const char *text, size_t n_bytes);

/* utf8_whole_length is the length of `text` without an unfinished character at its end. Bytes before it are
 * not checked. */
size_t utf8_whole_length(const char *text, size_t n_bytes);

/* utf8_step looks at the character that begins at text[0] (n_bytes ≥ 1).
 * > 0: its length, it is valid. 0: it is unfinished, more bytes may complete it. < 0: −(length of the maximal
 * subpart) that can never become valid (Unicode 15, section 3.9). */
int utf8_step(const char *text, size_t n_bytes);

#endif
