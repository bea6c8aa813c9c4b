/* bytes.h - a buffer that grows up to a stated maximum.
 *
 * Owner   whoever declares it; `data` moves when it grows.
 * Thread  one at a time.
 * Memory  bytes_init allocates nothing; bytes_deinit frees. Zeroed memory with a max set is a valid buffer.
 * Units   bytes. `data` is always followed by a NUL that is not counted, once anything was added.
 * Limits  size never passes size_max: an append that would is refused whole (STATUS_FULL), and the buffer is
 *         marked `failed`, so that a row of appends can be checked once at its end.
 */
#ifndef RUNNEL_BASE_BYTES_H
#define RUNNEL_BASE_BYTES_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct bytes {
    char *data;
    size_t size;
    size_t size_max;
    size_t capacity;
    bool failed;
};

void bytes_init(struct bytes *bytes, size_t size_max);
void bytes_deinit(struct bytes *bytes);

/* bytes_clear forgets the contents and the failed mark, and keeps the memory. */
void bytes_clear(struct bytes *bytes);

/* bytes_drop removes the first n bytes; n ≤ size. */
void bytes_drop(struct bytes *bytes, size_t n);

/* bytes_reserve makes room for n more bytes and returns where they go; NULL when that passes size_max. */
char *bytes_reserve(struct bytes *bytes, size_t n);

/* The appends return STATUS_FULL when the maximum is passed; the result may be ignored where `failed` is
 * checked. */
enum status bytes_add(struct bytes *bytes, const void *data, size_t n);
enum status bytes_add_text(struct bytes *bytes, const char *text);
enum status bytes_add_char(struct bytes *bytes, char c);
enum status bytes_add_format(struct bytes *bytes, const char *format, ...) PRINTF_LIKE(2, 3);

/* bytes_add_json_string adds `text` as a JSON string with its quotes (RFC 8259 section 7): the characters
 * that must be escaped are, and U+2028, U+2029, '<' too, so that the line is safe inside a script or an event
 * stream. `text` must be valid UTF-8. */
enum status bytes_add_json_string(struct bytes *bytes, const char *text, size_t n);

#endif
