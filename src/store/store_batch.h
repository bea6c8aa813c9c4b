/* store_batch.h - group commit: all jobs that wait are one transaction.
 *
 * A job that does not apply refuses itself before it writes, and the others go on. When one must be undone
 * after it has written (rare), the batch is run again with a savepoint per job, so that the common case pays
 * for none.
 *
 * When the database cannot take a batch, its writes are owed: they are tried again, in their order and with
 * those that came since, until each has waited for retry_ms; the first of them for a second only, when the disk is
 * well but for what this one needs, because those behind it wait for it. Reading goes on meanwhile: it sees the database
 * without what is owed. While the disk is in trouble and nothing is owed, a small write of its own finds out
 * whether that is over.
 *
 * Jobs that work in steps take one step after each batch, one job at a time.
 *
 * Thread  the store thread. */
#ifndef RUNNEL_STORE_STORE_BATCH_H
#define RUNNEL_STORE_STORE_BATCH_H

#include "base/mailbox.h"
#include "store/store_health.h"
#include "store/store_job.h"

#include <stdint.h>

struct store_batch_list {
    struct mail *first;
    struct mail *last;
};

struct store_batch {
    struct store_db *db;
    struct store_health *health;
    struct mailbox *box; /* once it is closed, nothing is tried more than once */
    int64_t retry_ms;
    struct store_batch_list reads;  /* owed */
    struct store_batch_list writes; /* owed */
    struct store_batch_list steps;  /* jobs that work in steps: the first is at work */
    uint64_t next_ms;               /* when they are tried again, or the disk is probed */
    int64_t pause_ms;
};

/* store_batch_run takes the jobs of the list, which may be empty, and does what is due. It returns those that
 * are done, with their statuses; what is not done stays in the batch. */
struct mail *store_batch_run(struct store_batch *batch, struct mail *arrived);

/* store_batch_wait_ms is how long the thread may wait for jobs before it must call store_batch_run again; −1:
 * for ever. */
int64_t store_batch_wait_ms(const struct store_batch *batch);

/* store_batch_is_owing: some of its jobs are not done. */
bool store_batch_is_owing(const struct store_batch *batch);

#endif
