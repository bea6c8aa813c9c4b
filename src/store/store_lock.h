/* store_lock.h - the file `lock` of a data directory: one owner at a time (P13).
 *
 * flock holds it; its text, "PID\nURL\n", tells others who that is and where it serves. The file stays when the lock
 * goes: removing it would let two owners in, each with its own file. So the text may be an older owner's.
 *
 * Thread  any. Blocks: take and borrow half a second at most, when the lock is held and its text names nobody who lives. */
#ifndef RUNNEL_STORE_STORE_LOCK_H
#define RUNNEL_STORE_STORE_LOCK_H

#include "base/status.h"

#include <stdbool.h>

#define STORE_LOCK_URL_BYTES 200

/* store_lock_take: STATUS_BUSY names the directory and, unless a command has it, the owner's pid. *fd is the owner's to close, which gives the lock
 * back. */
MUST_CHECK enum status store_lock_take(const char *directory, int *fd, struct fault *fault);

/* store_lock_borrow is for who only reads: it changes no file and makes none. *fd is −1 when there is no lock file. */
MUST_CHECK enum status store_lock_borrow(const char *directory, int *fd, struct fault *fault);

/* store_lock_publish writes where the owner serves. A disk that refuses costs only `runnel backup` its way to the server. */
void store_lock_publish(int fd, const char *url);

/* store_lock_find_owner: false: nobody has it. url is "" when the owner has not said it. Changes nothing. */
bool store_lock_find_owner(const char *directory, char url[STORE_LOCK_URL_BYTES]);

#endif
