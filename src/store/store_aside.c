/* store_aside.c - work of others on the finish thread. */
#include "store/store.h"
#include "store/store_job.h"

struct aside_job {
    struct store_job job;
    void (*work)(void *ctx);
    store_on_done callback;
};

static enum job_outcome run_aside(struct store_db *db, struct store_job *base) {
    (void)db;
    (void)base;
    return JOB_DONE;
}

static void finish_aside(struct store_job *base) {
    ((struct aside_job *)base)->work(base->ctx);
}

static void answer_aside(struct store_job *base) {
    ((struct aside_job *)base)->callback(base->ctx, base->status);
}

enum status store_aside(struct store *store, void (*work)(void *ctx), store_on_done callback, void *ctx) {
    static const struct job_kind kind = { .run = run_aside, .finish = finish_aside, .answer = answer_aside };
    struct aside_job *job = store_job_new(&kind, ctx, sizeof *job, 0);
    job->work = work;
    job->callback = callback;
    return store_post(store, &job->job);
}
