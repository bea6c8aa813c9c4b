/* store_job.h - one job: made by the loop thread, run by the store thread, synced by the sync thread,
 * answered and freed by the loop thread. It is the same piece of memory all the way, given from mailbox to
 * mailbox.
 *
 * A kind of job is a struct that begins with a struct store_job and holds copies of its arguments in the same
 * allocation. */
#ifndef RUNNEL_STORE_STORE_JOB_H
#define RUNNEL_STORE_STORE_JOB_H

#include "base/mailbox.h"
#include "base/status.h"
#include "store/store_db.h"

#include <stdbool.h>

struct store;
struct store_job;

enum job_outcome {
    JOB_DONE,  /* job->status says how; what it wrote, if anything, is to be committed */
    JOB_UNDO,  /* job->status says why not; what it wrote must not be committed */
    JOB_RETRY, /* the database could not: the whole batch is rolled back and tried again */
};

struct job_kind {
    bool writes;
    bool is_durable; /* (D2): when it is OK, its answer waits for the disk */
    enum job_outcome (*run)(struct store_db *db, struct store_job *job); /* may run again, after `forget` */
    /* In the place of `run`: work in steps between the batches, in no transaction. True: it is done, and job->status says how. */
    bool (*step)(struct store_db *db, struct store_job *job, bool gives_up);
    void (*finish)(
        struct store_job
            *job); /* then, when it is OK, on a thread of its own (store_finish.h); may set job->status */
    void (*forget)(struct store_job *job); /* frees results; NULL: it has none */
    void (*answer)(struct store_job *job);
};

struct store_job {
    struct mail mail;
    const struct job_kind *kind;
    void *ctx;
    enum status status;
    bool is_durable;
    uint64_t give_up_ms; /* of one that is owed (store_batch.h) */
    uint64_t alone_ms;   /* since when it has failed where others do not; 0: it has not */
};

/* store_job_new makes a job of `size` bytes that begins with a struct store_job, followed by n_text_bytes for
 * copies. */
void *store_job_new(const struct job_kind *kind, void *ctx, size_t size, size_t n_text_bytes);
void store_job_free(struct store_job *job);

/* store_job_text_bytes is the room that the copy of a text takes, 0 for NULL. store_job_pack copies it to
 * *at, moves *at behind it, and returns the copy. */
size_t store_job_text_bytes(const char *text);
const char *store_job_pack(char **at, const char *text);

/* store_job_failed is what a run function returns when a statement failed. A fault of this job alone (a
 * constraint, a size, damaged rows) undoes it; any other is the disk's, and the batch is tried again. */
enum job_outcome store_job_failed(struct store_db *db, struct store_job *job, int result);

/* store_job_finish is JOB_DONE, or what store_job_failed says of a result that is not SQLITE_OK. */
enum job_outcome store_job_finish(struct store_db *db, struct store_job *job, int result);

/* store_job_refuse: the job does not apply, and has written nothing. */
enum job_outcome store_job_refuse(struct store_job *job, enum status status);

/* store_post gives the job to the store thread. STATUS_FULL, STATUS_CLOSED: the job was freed. Loop thread
 * only. */
MUST_CHECK enum status store_post(struct store *store, struct store_job *job);

#endif
