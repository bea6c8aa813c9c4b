/* import_split.h - a file of conversations, taken apart without reading it whole: a JSON array of objects, one object, or plain text.
 *
 * Only braces, brackets and strings are followed here; whether a piece is JSON is json_parse's to say.
 *
 * Thread  any, one at a time. Blocks for the disk. Limits: IMPORT_PIECE_BYTES_MAX for one conversation.
 */
#ifndef RUNNEL_CHAT_IMPORT_SPLIT_H
#define RUNNEL_CHAT_IMPORT_SPLIT_H

#include "base/bytes.h"
#include "base/status.h"

#include <stdbool.h>

#define IMPORT_PIECE_BYTES_MAX (48u << 20) /* an attachment of 32 MiB in base64 */
#define IMPORT_BUFFER_BYTES    (64u << 10)

enum import_form { IMPORT_ARRAY, IMPORT_OBJECT, IMPORT_TEXT };

struct import_split {
    int fd; /* the owner's */
    enum import_form form;
    size_t n_pieces;
    bool is_over;
    size_t at;
    size_t n_bytes;
    char buffer[IMPORT_BUFFER_BYTES];
};

/* import_split_open looks at the beginning of the file, from its first byte on. STATUS_INVALID: it is empty, or an archive; STATUS_IO. */
MUST_CHECK enum status import_split_open(struct import_split *split, int fd, struct fault *fault);

/* import_split_next adds the next piece to `out` (NULL: it is only looked for); *is_end: there is none. STATUS_TOO_LARGE: this piece is larger
 * than out may be, the next one can be had. STATUS_INVALID: the file is cut short, or no list of objects: nothing more can be had. */
MUST_CHECK enum status import_split_next(struct import_split *split, struct bytes *out, bool *is_end,
                                         struct fault *fault);

#endif
