/* metrics.h - what GET /metrics tells of the requests that ended. [W48]
 *
 * A request is known by its route, as the router's table has it: no id, name or query of anybody is in a label, and their number is bounded.
 *
 * Owner   the api.
 * Thread  the loop thread: counting is an addition.
 */
#ifndef RUNNEL_API_METRICS_H
#define RUNNEL_API_METRICS_H

#include "chat/models.h"
#include "net/net.h"

/* 0: the client left before there was an answer; the last: any other. */
#define METRICS_N_STATUSES 26
int metrics_status_at(size_t i); /* −1: any other */

struct metrics {
    uint64_t (*n_requests)[METRICS_N_STATUSES]; /* by net_conn_kind */
    uint64_t n_refused[METRICS_N_STATUSES];
    uint64_t n_engine_restarts;
    int engine_state; /* as it was seen last; −1: no engine */
};

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics); /* NULL is fine */

void metrics_on_close(struct metrics *metrics, const struct net_conn *net);
void metrics_on_refused(struct metrics *metrics, int status);
/* metrics_on_model: the engine's state may have changed. */
void metrics_on_model(struct metrics *metrics, struct models *models);

#endif
