/* store_salvage.h - a new database of everything that can still be read in a damaged one.
 *
 * The damaged file and its log stay, whole, as runnel.db.damaged-<UTC>: never is anything written over. The new one takes the
 * name when it is complete, checked (store_check.h) and on disk; before that, a crash or an error leaves runnel.db as it was; a crash in
 * the middle of it leaves what the next start finishes (store_place.h).
 * It has a new epoch: cursors get their reset (P3).
 *
 * What is mended: a message whose conversation is lost gets a new one, one whose parent is lost the message before it; text that
 * is no longer UTF-8 gets U+FFFD; an answer of which pieces are lost keeps its text and loses its events.
 *
 * Blocks; any thread. */
#ifndef RUNNEL_STORE_STORE_SALVAGE_H
#define RUNNEL_STORE_STORE_SALVAGE_H

#include "base/status.h"

#include <stdbool.h>

struct store_salvage {
    void (*say)(void *ctx, const char *line); /* what was saved and what was lost */
    void *ctx;
    bool has_lost; /* out */
};

/* store_salvage_directory takes the lock (STATUS_BUSY). STATUS_NOT_FOUND: there is no database. STATUS_CONFLICT: it is good. STATUS_CORRUPT: nothing of it can be read;
 * nothing was changed. */
MUST_CHECK enum status store_salvage_directory(const char *directory, struct store_salvage *salvage,
                                               struct fault *fault);

#endif
