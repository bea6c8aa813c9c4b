/* fetch_file.h - the part file of a download.
 *
 * Thread  the fetch thread. Blocks.
 * Errors  a sentence that says what to do.
 */
#ifndef RUNNEL_DOWNLOAD_FETCH_FILE_H
#define RUNNEL_DOWNLOAD_FETCH_FILE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* fetch_file_open opens it for this process alone, and cuts it to its first `safe` bytes; *n_bytes is how many there are. −1: the fault says why. */
int fetch_file_open(const char *path, uint64_t safe, uint64_t *n_bytes /* out */, struct fault *fault);
MUST_CHECK enum status fetch_file_write(int fd, const char *bytes, size_t n_bytes, struct fault *fault);
/* fetch_file_check_room: is there room for so much more, and the reserve? */
MUST_CHECK enum status fetch_file_check_room(int fd, uint64_t n_more_bytes, struct fault *fault);

/* fetch_file_hash writes 64 hex digits. on_tick comes between pieces; false ends it: STATUS_CLOSED. */
MUST_CHECK enum status fetch_file_hash(int fd, bool (*on_tick)(void *ctx, uint64_t done), void *ctx,
                                       char out[65], struct fault *fault);

/* fetch_file_install gives a part its name, durably. STATUS_CONFLICT: there is a file of this name. */
MUST_CHECK enum status fetch_file_install(const char *part, const char *path, struct fault *fault);

#endif
