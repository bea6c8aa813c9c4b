/* piece.h - from the raw bytes of a token to the text that may be sent with it: utf8_joiner, then stop_matcher.
 *
 * Owner   one generation.
 * Thread  one at a time.
 * Memory  piece_init copies the stop strings; piece_deinit frees. `text` is valid until the next call.
 * Limits  those of utf8_joiner.h and stop_matcher.h.
 */
#ifndef RUNNEL_ENGINES_COMMON_PIECE_H
#define RUNNEL_ENGINES_COMMON_PIECE_H

#include "common/stop_matcher.h"
#include "common/utf8_joiner.h"

struct piece {
    struct utf8_joiner joiner;
    struct stop_matcher stops;
    struct bytes whole;
    struct bytes text; /* what the last call made ready to send */
};

void piece_init(struct piece *piece, const char *const *stop, size_t n_stop);
void piece_deinit(struct piece *piece);

/* piece_add takes the bytes of one token. True: a stop string is complete, nothing may be added any more. */
bool piece_add(struct piece *piece, const char *data, size_t n_bytes);

/* piece_finish adds to `text` all that is still held back ([E14]); right after piece_add it joins that token's text.
 * After a complete stop string it adds nothing. True: a stop string was completed by the end itself (its last character
 * was U+FFFD). */
bool piece_finish(struct piece *piece);

/* piece_add_said takes bytes that were said in an earlier run ([E21]): as piece_add, but what is ready is not sent. */
bool piece_add_said(struct piece *piece, const char *data, size_t n_bytes);

/* piece_finish_said: all that is held was said in an earlier run, too. True as for piece_finish. */
bool piece_finish_said(struct piece *piece);

/* piece_clear_text forgets the text that was sent. */
void piece_clear_text(struct piece *piece);

#endif
