/* store_backup_job.c - store_backup: the steps are the store thread's, the wait for the disk is another thread's. */
#include "base/log.h"
#include "store/store.h"
#include "store/store_backup.h"
#include "store/store_job.h"

#include <stdlib.h>

struct backup_job {
    struct store_job job;
    store_on_backed_up callback;
    struct store_backup *backup;
    char *path;
    uint64_t size_bytes;
};

/* Here and now: what is half done belongs to the connection, and its removal may take long. */
static void fail(struct backup_job *job, enum status status, const char *why) {
    LOG_ERROR("store_backup", "path=%s error=%s", job->path ? job->path : "", why);
    job->job.status = status;
    store_backup_free(job->backup);
    job->backup = NULL;
}

static bool step(struct store_db *db, struct store_job *base, bool gives_up) {
    struct backup_job *job = (struct backup_job *)base;
    struct fault fault = { .text = "stopping" };
    enum status status = gives_up ? STATUS_CLOSED : STATUS_OK;
    bool is_last = false;
    if (status == STATUS_OK && job->backup == NULL) {
        job->path = store_backup_make_path(db->path);
        status = job->path ? store_backup_begin(db->sqlite, job->path, &job->backup, &fault)
                           : fault_set(&fault, STATUS_IO, "the folder cannot be named");
    }
    if (status == STATUS_OK) {
        status = store_backup_step(job->backup, &is_last, &fault);
    }
    if (status != STATUS_OK) {
        fail(job, status, fault.text);
    }
    return is_last || status != STATUS_OK;
}

static void finish(struct store_job *base) {
    struct backup_job *job = (struct backup_job *)base;
    struct fault fault;
    enum status status = store_backup_finish(job->backup, &job->size_bytes, &fault);
    if (status != STATUS_OK) {
        fail(job, status, fault.text);
    }
}

static void answer(struct store_job *base) {
    struct backup_job *job = (struct backup_job *)base;
    bool is_ok = base->status == STATUS_OK;
    job->callback(base->ctx, &(struct store_backed_up){ .status = base->status,
                                                        .path = is_ok ? job->path : "",
                                                        .size_bytes = is_ok ? job->size_bytes : 0 });
}

/* A backup that is still there here has had its last step, and needs the connection no more. */
static void forget(struct store_job *base) {
    struct backup_job *job = (struct backup_job *)base;
    store_backup_free(job->backup);
    free(job->path);
    job->backup = NULL;
    job->path = NULL;
}

enum status store_backup(struct store *store, store_on_backed_up callback, void *ctx) {
    static const struct job_kind kind = {
        .step = step, .finish = finish, .forget = forget, .answer = answer
    };
    struct backup_job *job = store_job_new(&kind, ctx, sizeof *job, 0);
    job->callback = callback;
    return store_post(store, &job->job);
}
