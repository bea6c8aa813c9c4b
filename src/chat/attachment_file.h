/* attachment_file.h - the bytes of attachments: one file for each, named by its SHA-256, in <folder>/aa/ (the first two digits).
 *
 * A file that comes in is <folder>/incoming-HEX until it is whole and on the disk; what a crash leaves of those goes with the next start.
 *
 * Thread  any. Blocks: on the loop thread only what is said to be for it; the rest goes aside (store_aside).
 * Limits  ATTACHMENT_BYTES_MAX; of its text STORE_ATTACHED_TEXT_MAX.
 */
#ifndef RUNNEL_CHAT_ATTACHMENT_FILE_H
#define RUNNEL_CHAT_ATTACHMENT_FILE_H

#include "base/status.h"
#include "store/store.h"

#define ATTACHMENT_BYTES_MAX (32u << 20)
#define ATTACHMENT_PIECE     (256u << 10)

/* attachment_file_create makes a file that comes in, with its folder; the path is new memory. −1 and errno. For the loop thread. */
int attachment_file_create(const char *folder, char **path);

/* attachment_file_tidy removes those that came in when the program ended. */
void attachment_file_tidy(const char *folder);

/* attachment_file_look reads a file that came in, makes it safe on the disk, and says what it is: id, type, size_bytes, and its text where it is
 * one. STATUS_INVALID: empty, a picture, or of no kind that can be read; STATUS_TOO_LARGE: its text; STATUS_IO. name, text and type are new
 * memory. */
MUST_CHECK enum status attachment_file_look(const char *path, struct store_attachment *out,
                                            struct fault *fault);

/* attachment_file_keep gives it its name for good; on the disk when it returns. attachment_file_remove is the end of it. */
MUST_CHECK enum status attachment_file_keep(const char *folder, const char *path, const char *id);
void attachment_file_remove(const char *folder, const char *id);

/* attachment_file_open: −1: it is not there. */
int attachment_file_open(const char *folder, const char *id);

/* attachment_file_verify reads one: STATUS_OK; STATUS_NOT_FOUND; STATUS_CORRUPT: it has other bytes than its id says; STATUS_IO. */
MUST_CHECK enum status attachment_file_verify(const char *folder, const char *id);

/* attachment_file_copy_all makes the folder `to` with all that is kept in `folder`, by second names of the files where the file system can, on the
 * disk when it returns. Where there is none, none is made. STATUS_CONFLICT: `to` is there; STATUS_IO: nothing of it is left. While it is at it
 * none may be removed from there. attachment_file_remove_all removes such a copy. */
MUST_CHECK enum status attachment_file_copy_all(const char *folder, const char *to);
void attachment_file_remove_all(const char *folder);

#endif
