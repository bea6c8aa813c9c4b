/* multipart.h - the one file out of a multipart/form-data body (RFC 7578), found while it arrives.
 *
 * Owner   whoever declares it; multipart_deinit frees the little that is held.
 * Thread  one at a time.
 * Memory  the file is handed on piece by piece: never more than one piece and a boundary is kept.
 * Limits  MULTIPART_HEAD_BYTES_MAX for the headers of a part, MULTIPART_PIECE_BYTES_MAX for one call of
 *         multipart_feed. Parts that are no files are skipped; a second file is an error.
 */
#ifndef RUNNEL_API_MULTIPART_H
#define RUNNEL_API_MULTIPART_H

#include "base/bytes.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

#define MULTIPART_HEAD_BYTES_MAX     (8u << 10)
#define MULTIPART_PIECE_BYTES_MAX    (1u << 20)
#define MULTIPART_BOUNDARY_BYTES_MAX 70 /* RFC 2046 section 5.1.1 */
#define MULTIPART_NAME_BYTES         512

enum multipart_state {
    MULTIPART_PREAMBLE,  /* before the first boundary */
    MULTIPART_DELIMITER, /* behind a boundary: another part, or the end */
    MULTIPART_HEAD,      /* the headers of a part */
    MULTIPART_FILE,      /* the bytes of the file */
    MULTIPART_SKIPPED,   /* the bytes of another part */
    MULTIPART_COMPLETE,  /* the last boundary was seen; what follows is ignored */
};

struct multipart_handlers {
    /* A failure of either ends the parse with that status. */
    enum status (*on_file)(void *ctx, const char *file_name);
    enum status (*on_bytes)(void *ctx, const char *bytes, size_t n_bytes);
};

struct multipart {
    const struct multipart_handlers *handlers;
    void *ctx;
    enum multipart_state state;
    bool has_file;
    char delimiter[MULTIPART_BOUNDARY_BYTES_MAX + 5]; /* CR LF - - boundary */
    size_t delimiter_size;
    struct bytes pending;
};

/* multipart_init reads the boundary from the request's Content-Type. STATUS_INVALID: there is none. */
MUST_CHECK enum status multipart_init(struct multipart *multipart, const char *content_type,
                                      const struct multipart_handlers *handlers, void *ctx);
void multipart_deinit(struct multipart *multipart);

/* multipart_feed takes the next piece. STATUS_INVALID: it is no multipart body; else what a handler returned.
 * After a failure it takes no more. */
MUST_CHECK enum status multipart_feed(struct multipart *multipart, const char *bytes, size_t n_bytes);

/* multipart_is_complete: the last boundary was seen and there was a file. */
bool multipart_is_complete(const struct multipart *multipart);

/* multipart_take_parameter copies a parameter of "value; name=token; name2=\"quoted\"". False: it is absent,
 * or does not fit. */
bool multipart_take_parameter(const char *header, const char *name, char *out, size_t out_bytes);

#endif
