/* store_file.h - a database file, opened to be read while no server has it.
 *
 * Nothing of it is changed, neither the file nor its log: what the log holds is read from it and stays there.
 *
 * Owner   the caller, who holds the lock of the folder if there is one (store_lock.h). */
#ifndef RUNNEL_STORE_STORE_FILE_H
#define RUNNEL_STORE_STORE_FILE_H

#include "base/status.h"

#include <sqlite3.h>

/* STATUS_NOT_FOUND: there is no such file. STATUS_CONFLICT: a salvage that was cut off is to be finished first (store_place.h). A file that is no database is opened: reading it will say so. */
MUST_CHECK enum status store_file_open(const char *path, sqlite3 **out, struct fault *fault);
void store_file_close(sqlite3 *sqlite);

/* store_file_copy copies the bytes of any file into a new one, and syncs it. −1 and errno; then there is no new one. */
MUST_CHECK int store_file_copy(const char *from_path, const char *to_path);

#endif
