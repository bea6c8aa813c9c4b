/* store_finish.h - the thread that does the end of a job which takes long and needs neither the database nor the log: waiting until a
 * copy of many megabytes is on disk, and what others do aside (store_aside). What promises to be safe waits for the log alone (store_sync.h), not for that.
 *
 * Thread  post: the store thread; new and free: when nobody posts. */
#ifndef RUNNEL_STORE_STORE_FINISH_H
#define RUNNEL_STORE_STORE_FINISH_H

#include "base/mailbox.h"
#include "store/store_job.h"

struct store_finish;

MUST_CHECK enum status store_finish_new(struct mailbox *done, struct store_finish **out, struct fault *fault);

/* store_finish_free waits for the jobs it has. NULL is fine. Blocks. */
void store_finish_free(struct store_finish *finish);

/* store_finish_post runs job->kind->finish on the thread and passes the job on to `done`. */
void store_finish_post(struct store_finish *finish, struct store_job *job);

#endif
