/* store_batch.h - group commit: all jobs that wait are one transaction.
 *
 * A job that does not apply refuses itself before it writes, and the others go on. When one must be undone
 * after it has written (rare), the batch is run again with a savepoint per job, so that the common case pays
 * for none. */
#ifndef RUNNEL_STORE_STORE_BATCH_H
#define RUNNEL_STORE_STORE_BATCH_H

#include "base/mailbox.h"
#include "store/store_job.h"

#include <stdint.h>

/* store_batch_run runs the jobs of the list and sets the status of each. When the database cannot, it tries
 * again for retry_ms (no longer than one pause once `box` is closed); then the jobs that write get STATUS_IO,
 * and those that read are run alone. */
void store_batch_run(struct store_db *db, struct mail *first, int64_t retry_ms, struct mailbox *box);

#endif
