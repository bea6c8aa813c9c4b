/* store_file.h - a database file, opened to be read while no server has it.
 *
 * Nothing of it is changed, neither the file nor its log: what the log holds is read from it and stays there.
 *
 * Owner   the caller, who holds the lock of the folder if there is one (store_lock.h). */
#ifndef RUNNEL_STORE_STORE_FILE_H
#define RUNNEL_STORE_STORE_FILE_H

#include "base/status.h"

#include <sqlite3.h>

/* store_file_check_log: STATUS_CONFLICT: the log beside the database at `path` belongs to another one: SQLite does not look, and would
 * write the pages of one into the other. A copy that was put in place of a database has no epoch; a database without its file has
 * nothing. What is damaged is not judged. */
MUST_CHECK enum status store_file_check_log(const char *path, struct fault *fault);

/* STATUS_NOT_FOUND: there is no such file. STATUS_CONFLICT: a salvage that was cut off is to be finished first (store_place.h), or
 * store_file_check_log. A file that is no database is opened: reading it will say so. */
MUST_CHECK enum status store_file_open(const char *path, sqlite3 **out, struct fault *fault);
void store_file_close(sqlite3 *sqlite);

#endif
