/* file.h - small files, whole: read, replaced, and looked at for changes.
 *
 * Thread  any. Blocks as long as the file system does. file_stamp_of asks only for what a local one has in memory.
 * Limits  the caller's.
 */
#ifndef RUNNEL_BASE_FILE_H
#define RUNNEL_BASE_FILE_H

#include "base/bytes.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* file_read adds the whole file to `out`. STATUS_NOT_FOUND: there is none; STATUS_TOO_LARGE: it passes out->size_max; STATUS_IO. */
MUST_CHECK enum status file_read(const char *path, struct bytes *out, struct fault *fault);

/* file_replace puts new contents in the place of a file, so that whoever reads it finds the old ones or the new ones: for this user alone
 * (0600), by way of PATH.new. is_durable: it is on the disk when this returns; else a power loss may leave the old one, or an empty one. */
MUST_CHECK enum status file_replace(const char *path, const char *bytes, size_t n_bytes, bool is_durable,
                                    struct fault *fault);

/* file_sync_folder makes the names of the folder last in which `path` lies. −1 and errno. */
MUST_CHECK int file_sync_folder(const char *path);

/* file_copy copies the bytes of any file into a new one, and syncs it. −1 and errno; then there is no new one. */
MUST_CHECK int file_copy(const char *from_path, const char *to_path);

/* file_write writes all of it; false and errno: some of it. */
bool file_write(int fd, const void *bytes, size_t n_bytes);

/* file_plain_name is the last component of a path of either kind, borrowed; NULL: it is empty, longer than FILE_NAME_BYTES_MAX, no UTF-8, or has
 * control characters. file_safe_name: nor does it begin with a point, so that a file of ours may be called so. */
#define FILE_NAME_BYTES_MAX 200
const char *file_plain_name(const char *given);
const char *file_safe_name(const char *given);

/* file_take_name renames and replaces nothing. False and errno: EEXIST, or what the system says. */
MUST_CHECK bool file_take_name(const char *from, const char *to);

/* Has a file changed since it was read? Links are followed, so the exchange of a link is a change too. Zeroed: there is no file. */
struct file_stamp {
    uint64_t device;
    uint64_t inode;
    int64_t size;
    int64_t changed_ns; /* wall clock: compared for being the same, never for order */
};

struct file_stamp file_stamp_of(const char *path);
bool file_stamp_is_same(const struct file_stamp *a, const struct file_stamp *b);

#endif
