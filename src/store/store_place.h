/* store_place.h - a salvaged database takes the place of the damaged one.
 *
 * A database is two files, and two files do not change places in one step. So the new one, whole and on disk, first gets the name
 * runnel.db.salvaged-<UTC>. From then on it is the database: whoever holds the lock and finds it finishes what is left, which is to
 * move the damaged one and its log to runnel.db.damaged-<UTC>, and the new one to runnel.db. A crash leaves one or the other, never a
 * database with somebody else's log or without its own.
 *
 * Owner   who holds the lock of the folder; Thread: any. Blocks. */
#ifndef RUNNEL_STORE_STORE_PLACE_H
#define RUNNEL_STORE_STORE_PLACE_H

#include "base/status.h"

#include <stdbool.h>

/* store_place_put does it all with `fresh`, a closed database of one file that is on disk; *damaged is the damaged one's new path, the
 * caller's to free, NULL on failure. */
MUST_CHECK enum status store_place_put(const char *directory, const char *fresh, char **damaged,
                                       struct fault *fault);

/* store_place_finish does what is left to do, if anything. *damaged is NULL when there was nothing. */
MUST_CHECK enum status store_place_finish(const char *directory, char **damaged, struct fault *fault);

/* store_place_is_waiting: something is left to do for the database at `path`. */
bool store_place_is_waiting(const char *path);

#endif
