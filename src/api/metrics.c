#include "api/metrics.h"

#include "api/api_internal.h"
#include "base/mem.h"

#include <stdlib.h>

static const int statuses[METRICS_N_STATUSES] = { 0,   101, 200, 204, 206, 304, 400, 401, 403,
                                                  404, 405, 408, 409, 413, 415, 417, 421, 422,
                                                  426, 429, 431, 500, 501, 503, 505, -1 };

int metrics_status_at(size_t i) {
    return statuses[i];
}

static size_t place_of(int status) {
    size_t i = 0;
    while (i < METRICS_N_STATUSES - 1 && statuses[i] != status) {
        i++;
    }
    return i;
}

struct metrics *metrics_new(void) {
    struct metrics *metrics = mem_alloc(sizeof *metrics);
    metrics->n_requests = mem_alloc(router_n_kinds() * sizeof *metrics->n_requests);
    metrics->engine_state = -1;
    return metrics;
}

void metrics_free(struct metrics *metrics) {
    if (metrics) {
        free(metrics->n_requests);
        free(metrics);
    }
}

void metrics_on_close(struct metrics *metrics, const struct net_conn *net) {
    metrics->n_requests[net_conn_kind(net)][place_of(net_conn_status(net))]++;
}

void metrics_on_refused(struct metrics *metrics, int status) {
    metrics->n_refused[place_of(status)]++;
}

/* An engine that died waits for its back-off before it is started again. */
void metrics_on_model(struct metrics *metrics, struct models *models) {
    const struct engine *engine = models_engine(models);
    int state = engine ? (int)engine_state(engine) : -1;
    metrics->n_engine_restarts += state == ENGINE_WAITING && metrics->engine_state != ENGINE_WAITING;
    metrics->engine_state = state;
}
