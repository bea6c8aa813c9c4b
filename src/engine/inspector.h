/* inspector.h - what model files say about themselves, asked of an engine program that loads none of them ([E8]).
 *
 * One process answers one question after the other, and goes when nothing was asked for a while: many files cost one start. A file that
 * kills the process is answered as damaged, one that takes too long as unknown, and the next has a process of its own.
 *
 * Owner   whoever made it.
 * Thread  the loop thread only.
 * Memory  paths are copied; what a callback receives is valid during it.
 * Limits  INSPECTOR_QUESTIONS_MAX wait.
 */
#ifndef RUNNEL_ENGINE_INSPECTOR_H
#define RUNNEL_ENGINE_INSPECTOR_H

#include "base/json.h"
#include "base/loop.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define INSPECTOR_QUESTIONS_MAX 8192
#define INSPECTOR_IDLE_MS       1000
#define INSPECTOR_ANSWER_MS     20000 /* of one file; usually it takes one or two */

struct inspector;

struct inspector_options {
    const struct loop *loop;
    const char *program; /* the engine program's path */
    bool is_sandboxed;
    const char *const *
        folders; /* that it may read; at most 8, NULL ends the list; borrowed. A link that leads elsewhere is followed all the same */
    uint32_t answer_ms; /* 0: INSPECTOR_ANSWER_MS */
};

struct inspector *inspector_new(const struct inspector_options *options);
/* inspector_free ends the process. What waits is answered (STATUS_UNAVAILABLE) from inside it. Not from inside a callback. NULL is fine. */
void inspector_free(struct inspector *inspector);

/* inspector_ask answers once, never before it returned. `info` is the object of [E8], borrowed, NULL on failure; the text says what is wrong:
 * STATUS_NOT_FOUND, STATUS_CORRUPT (the file), STATUS_IO (the program). STATUS_FULL: it was not asked. */
typedef void (*inspector_on_answer)(void *ctx, enum status status, const json_t *info, const char *text);
MUST_CHECK enum status inspector_ask(struct inspector *inspector, const char *path,
                                     inspector_on_answer on_answer, void *ctx);

#endif
