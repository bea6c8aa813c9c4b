/* store_sync.h - the thread that waits for the disk, so that the store thread does not have to.
 *
 * It calls fdatasync on its own descriptor of the write-ahead log: at once for the jobs it is given, which it
 * then passes on to `done` (all that wait share one call), and within STORE_SYNC_MS of any other commit. The
 * log is no file that SQLite locks, so closing this descriptor is harmless.
 *
 * Thread  mark and post: the store thread; new and free: when the store thread does not run.
 */
#ifndef RUNNEL_STORE_STORE_SYNC_H
#define RUNNEL_STORE_STORE_SYNC_H

#include "base/mailbox.h"
#include "store/store_health.h"
#include "store/store_job.h"

#include <stdbool.h>
#include <stdint.h>

struct store_sync_options {
    const char *log_path; /* its folder is synced once: the files' names must survive too */
    uint32_t n_frames;    /* the log has at least so many */
    struct mailbox *done;
    struct store_health *health;
    int64_t retry_ms;
};

struct store_sync;

/* store_sync_new writes again and syncs what is there, and starts the thread. */
MUST_CHECK enum status store_sync_new(const struct store_sync_options *options, struct store_sync **out,
                                      struct fault *fault);

/* store_sync_free syncs, passes the last jobs on, and ends the thread. False: some of the n_frames are perhaps not on disk, so the
 * log must stay where it is. NULL is fine. Blocks. */
bool store_sync_free(struct store_sync *sync, uint32_t n_frames);

/* store_sync_mark says that something was committed. Before the post of that commit's jobs. */
void store_sync_mark(struct store_sync *sync);

/* store_sync_post takes a committed job. When the disk refuses for retry_ms, the job's status becomes
 * STATUS_IO. */
void store_sync_post(struct store_sync *sync, struct store_job *job);

/* After fdatasync has failed the log is written again (store_wal.h) before it is synced again. That is the store thread's: nobody
 * else writes the log meanwhile. store_sync_wants_rewrite: it must be done; until it is, jobs wait. store_sync_rewrite: STATUS_CORRUPT:
 * of the n_frames that were committed some are lost, and what reads them reads something else. */
bool store_sync_wants_rewrite(struct store_sync *sync);
MUST_CHECK enum status store_sync_rewrite(struct store_sync *sync, uint32_t n_frames);

/* store_sync_look_ms is how soon a rewrite may be wanted: something is not on disk yet. −1: nothing is. */
int64_t store_sync_look_ms(struct store_sync *sync);

#endif
