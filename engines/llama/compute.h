/* compute.h - llama_decode on a chosen number of threads, with a clock, and a way to stop it.
 *
 * Between two operations of a step that may be stopped the owner is asked, every COMPUTE_LOOK_MS at the most, whether it is still
 * wanted. Operations take milliseconds, deep in a long context tens of them. Backends other than the processor finish their step.
 *
 * Each number of threads has a pool of its own, made when it is first used: a thread that has no part in a step sleeps, where one of
 * a larger pool would spin for a while behind each step.
 *
 * Owner   the scheduler.
 * Thread  one; `must_stop` is called on it, inside compute_run.
 * Limits  COMPUTE_POOLS_MAX numbers of threads.
 */
#ifndef RUNNEL_ENGINES_LLAMA_COMPUTE_H
#define RUNNEL_ENGINES_LLAMA_COMPUTE_H

#include "model.h"
#include "tuner.h"

#define COMPUTE_LOOK_MS   5
#define COMPUTE_POOLS_MAX TUNER_COUNTS_MAX

enum compute_result {
    COMPUTE_DONE,
    COMPUTE_STOPPED, /* must_stop said so */
    COMPUTE_FULL,    /* the cache has no room */
    COMPUTE_FAILED,  /* the engine's log says why */
};

struct compute_pool {
    int n_threads;
    struct ggml_threadpool *pool; /* NULL: the backend has none of its own */
};

struct compute {
    struct llama_context *context;
    bool (*must_stop)(void *ctx);
    void *ctx;
    struct compute_pool pools[COMPUTE_POOLS_MAX]; /* the first is the model's own */
    int n_pools;
    int n_threads;    /* as last used */
    uint64_t look_ns; /* the next look; UINT64_MAX: this step is not stopped */
};

/* compute_init: `context` is the model's own, or another one of it, and has the model's threads attached. `must_stop` NULL: nothing is
 * stopped. */
void compute_init(struct compute *compute, const struct model *model, struct llama_context *context,
                  bool (*must_stop)(void *ctx), void *ctx);
void compute_deinit(struct compute *compute);

/* compute_run computes the batch. After all but COMPUTE_DONE the cache has none, some or all of its tokens: cut them off. */
enum compute_result compute_run(struct compute *compute, struct llama_batch batch, int n_threads,
                                bool may_stop, double *ms /* out */);

#endif
