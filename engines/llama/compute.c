#include "compute.h"

#include "backend.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>

#define NS_PER_MS 1000000.0

static bool on_operation(void *ctx) {
    struct compute *compute = ctx;
    if (compute->look_ns == UINT64_MAX) {
        return false;
    }
    uint64_t now_ns = clock_now_ns();
    if (now_ns < compute->look_ns) {
        return false;
    }
    compute->look_ns = now_ns + (uint64_t)(COMPUTE_LOOK_MS * NS_PER_MS);
    bool is_over = compute->must_stop(compute->ctx);
    if (is_over) {
        backend_expect_errors(true);
    }
    return is_over;
}

void compute_init(struct compute *compute, const struct model *model, struct llama_context *context,
                  bool (*must_stop)(void *ctx), void *ctx) {
    *compute =
        (struct compute){ .context = context, .must_stop = must_stop, .ctx = ctx, .look_ns = UINT64_MAX };
    compute->pools[compute->n_pools++] =
        (struct compute_pool){ .n_threads = model->n_threads, .pool = model->threads };
    compute->n_threads = model->n_threads;
    llama_set_abort_callback(context, must_stop ? on_operation : NULL, compute);
}

void compute_deinit(struct compute *compute) {
    llama_set_abort_callback(compute->context, NULL, NULL);
    llama_detach_threadpool(compute->context);
    for (int i = 1; i < compute->n_pools; i++) {
        backend_free_threads(compute->pools[i].pool);
    }
}

static struct ggml_threadpool *find_pool(struct compute *compute, int n_threads) {
    for (int i = 0; i < compute->n_pools; i++) {
        if (compute->pools[i].n_threads == n_threads) {
            return compute->pools[i].pool;
        }
    }
    assert(compute->n_pools < COMPUTE_POOLS_MAX);
    struct compute_pool *made = &compute->pools[compute->n_pools++];
    *made = (struct compute_pool){ .n_threads = n_threads, .pool = backend_new_threads(n_threads) };
    return made->pool;
}

/* The library puts the threads of the pool before to sleep. */
static void use_threads(struct compute *compute, int n_threads) {
    if (compute->n_threads == n_threads) {
        return;
    }
    struct llama_context *context = compute->context;
    struct ggml_threadpool *pool = find_pool(compute, n_threads);
    if (pool) {
        llama_attach_threadpool(context, pool, NULL);
    }
    llama_set_n_threads(context, n_threads, n_threads);
    compute->n_threads = n_threads;
}

enum compute_result compute_run(struct compute *compute, struct llama_batch batch, int n_threads,
                                bool may_stop, double *ms) {
    use_threads(compute, n_threads);
    uint64_t began_ns = clock_now_ns();
    bool is_asked = may_stop && compute->must_stop;
    compute->look_ns = is_asked ? began_ns + (uint64_t)(COMPUTE_LOOK_MS * NS_PER_MS) : UINT64_MAX;
    int code = llama_decode(compute->context, batch);
    backend_expect_errors(false);
    if (code == 0) {
        llama_synchronize(compute->context);
    }
    *ms = (double)(clock_now_ns() - began_ns) / NS_PER_MS;
    switch (code) {
    case 0:
        return COMPUTE_DONE;
    case 1:
        return COMPUTE_FULL;
    case 2:
        return COMPUTE_STOPPED;
    default:
        LOG_ERROR("decode_failed", "code=%d tokens=%d", code, batch.n_tokens);
        return COMPUTE_FAILED;
    }
}
