/* store_health.h - what is wrong with the disk, as the threads that use it saw last, and how long it takes.
 *
 * Each part says for itself: what one mends, another may still suffer from.
 *
 * Owner   the store; Thread: set, each part one thread at a time; the others any. */
#ifndef RUNNEL_STORE_STORE_HEALTH_H
#define RUNNEL_STORE_STORE_HEALTH_H

#include "store/store.h"

#include <stdatomic.h>

enum store_part { STORE_PART_COMMIT, STORE_PART_SYNC, STORE_PART_CHECKPOINT, STORE_PARTS_N };

struct store_health {
    void (*wake)(void *ctx); /* called when something changes */
    void *ctx;
    atomic_int troubles[STORE_PARTS_N]; /* enum store_trouble */
    struct histogram commits; /* from the first job of a transaction to its end: the store thread's */
    struct histogram syncs;   /* fdatasync: the sync thread's */
};

/* store_health_classify: `result` is SQLite's, or SQLITE_IOERR; `error` is the errno that goes with it, or 0. */
enum store_trouble store_health_classify(int result, int error);

void store_health_set(struct store_health *health, enum store_part part, enum store_trouble trouble);

/* store_health_of is one part's; store_health_now that of the first part that has trouble. */
enum store_trouble store_health_of(const struct store_health *health, enum store_part part);
enum store_trouble store_health_now(const struct store_health *health);

#endif
