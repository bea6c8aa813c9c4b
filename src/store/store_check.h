/* store_check.h - is a database whole? SQLite's own checks, and what must be true of streams (ARCHITECTURE.md):
 *
 *   the events of a stream that has not ended are 2 to its last one, and one that has ended has none left;
 *   each has one end at most, and only the newest of a message may be without;
 *   the texts of a message's streams, by the sizes of their events, are its content, in whole characters;
 *   there is one epoch (none in a backup).
 *
 * Nothing is changed. Blocks; any thread. */
#ifndef RUNNEL_STORE_STORE_CHECK_H
#define RUNNEL_STORE_STORE_CHECK_H

#include "base/status.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_CHECK_LINES_MAX 20

struct store_check {
    /* One line for each thing that is wrong, STORE_CHECK_LINES_MAX at most. NULL: nobody wants to know. */
    void (*say)(void *ctx, const char *line);
    /* Each file that a message has. has_text: its text is in the database. NULL: nobody wants to know. */
    void (*on_attachment)(void *ctx, const char *id, bool has_text);
    void *ctx;
    /* What was found: */
    size_t n_wrong;
    int64_t n_conversations;
    int64_t n_messages;
    int64_t n_generations;
};

/* store_check_file: STATUS_OK; STATUS_CORRUPT: something is wrong, and was said; else the file could not be looked at (STATUS_NOT_FOUND,
 * STATUS_IO, STATUS_CONFLICT: of a newer Runnel), and the fault says why. */
MUST_CHECK enum status store_check_file(const char *path, struct store_check *check, struct fault *fault);

#endif
