/* chunked.h - a request's body that comes in chunks (RFC 9112 section 7.1), undone as it comes.
 *
 * Strict, so that its end is where everybody sees it: a size is hex digits alone, each CR LF stands where it must. Extensions are
 * refused: nobody sends them, and readers that skip them differ about where they end. A trailer's fields are read by the rules of a
 * head and thrown away.
 *
 * Pure: no socket, no clock.
 * Thread  any, one at a time.
 * Memory  none; `data` points into the bytes of the call.
 * Limits  CHUNKED_DIGITS_MAX: 400. CHUNKED_TRAILER_BYTES_MAX: 431. How much the body may be is the caller's to count.
 * Errors  CHUNKED_BAD: `status` and `error` are the answer; the socket can take no other request.
 */
#ifndef RUNNEL_NET_CHUNKED_H
#define RUNNEL_NET_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

#define CHUNKED_DIGITS_MAX        15
#define CHUNKED_TRAILER_BYTES_MAX (4u << 10)

enum chunked_event { CHUNKED_MORE, CHUNKED_DATA, CHUNKED_END, CHUNKED_BAD };

/* SIZE → SIZE_LF → DATA → DATA_CR → DATA_LF → SIZE …; behind the size 0: LINE, or NAME → VALUE → VALUE_LF → LINE …, then END_LF. */
enum chunked_state {
    CHUNKED_IN_SIZE,
    CHUNKED_IN_SIZE_LF,
    CHUNKED_IN_DATA,
    CHUNKED_IN_DATA_CR,
    CHUNKED_IN_DATA_LF,
    CHUNKED_IN_LINE,
    CHUNKED_IN_NAME,
    CHUNKED_IN_VALUE,
    CHUNKED_IN_VALUE_LF,
    CHUNKED_IN_END_LF,
};

/* Zeroed: nothing came yet. */
struct chunked {
    enum chunked_state state;
    uint64_t n_left; /* of the chunk under way, behind `data` */
    unsigned n_digits;
    unsigned n_trailer;
    const char *data; /* of CHUNKED_DATA: n_data bytes of the body */
    size_t n_data;
    int status; /* of CHUNKED_BAD: 400 or 431 */
    const char *error;
};

/* chunked_next looks at what came next and is not taken yet, and takes *n_taken of it: all of it when it says CHUNKED_MORE. */
enum chunked_event chunked_next(struct chunked *chunked, const char *bytes, size_t n_bytes, size_t *n_taken);

#endif
