/* runs.h - the generations an engine has been given and not ended yet.
 *
 * Owner   the engine.
 * Limits  RUNS_MAX; runs_add must not pass it.
 */
#ifndef RUNNEL_ENGINE_RUNS_H
#define RUNNEL_ENGINE_RUNS_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>

#define RUNS_MAX     4096
#define RUNS_BUCKETS 256

struct run {
    struct list_node in_order; /* of the generate */
    struct run *next;          /* in its bucket */
    bool is_cancelled;
    char id[];
};

struct runs {
    struct list_node order;
    size_t count;
    struct run *buckets[RUNS_BUCKETS];
};

void runs_init(struct runs *runs);
void runs_deinit(struct runs *runs);

void runs_add(struct runs *runs, const char *id);
struct run *runs_find(const struct runs *runs, const char *id); /* NULL: unknown */
struct run *runs_first(const struct runs *runs);                /* the oldest; NULL: none */

/* runs_take removes the run without freeing it: its id is still needed. Free it with free(). */
void runs_take(struct runs *runs, struct run *run);

#endif
