/* store_backup.h - a copy of a database that is in use: SQLite's backup, some pages at a time, so that batches go on between.
 * A page that is written after it was copied is copied again by the same connection.
 *
 * The copy is one file without a log. It has no epoch: whoever opens it as a database draws a new one, and cursors of the
 * original get their reset (P3). It grows beside its name, as NAME.part, and gets the name when it is whole and on disk.
 *
 * Thread  begin and step: that of the connection; finish: any, after the last step. */
#ifndef RUNNEL_STORE_STORE_BACKUP_H
#define RUNNEL_STORE_STORE_BACKUP_H

#include "base/status.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct store_backup;

/* store_backup_make_path is backups/runnel-2026-11-22-21-05-10-123.db beside the database, from the root on, because it is told to other
 * processes; the folder is made. The caller's to free. NULL: there is no such database. */
char *store_backup_make_path(const char *database_path);

/* store_backup_begin: STATUS_CONFLICT: there is a file of that name, or NAME.part. The source may be in no transaction. */
MUST_CHECK enum status store_backup_begin(sqlite3 *source, const char *path, struct store_backup **out,
                                          struct fault *fault);

/* store_backup_step copies some pages. *is_last: all are copied. */
MUST_CHECK enum status store_backup_step(struct store_backup *backup, bool *is_last, struct fault *fault);

/* store_backup_finish waits for the disk and gives the copy its name. */
MUST_CHECK enum status store_backup_finish(struct store_backup *backup, uint64_t *size_bytes,
                                           struct fault *fault);

/* store_backup_free removes what is not finished. NULL is fine. Before the source is closed, unless all steps are done. */
void store_backup_free(struct store_backup *backup);

/* store_backup_copy does it all. Blocks. */
MUST_CHECK enum status store_backup_copy(sqlite3 *source, const char *path, uint64_t *size_bytes,
                                         struct fault *fault);

/* store_backup_copy_file: the same of a database that nobody has open; the caller has the lock of its folder. */
MUST_CHECK enum status store_backup_copy_file(const char *database_path, const char *path,
                                              uint64_t *size_bytes, struct fault *fault);

#endif
