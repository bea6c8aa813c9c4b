/* ws_echo.c - GET /__echo: a WebSocket that says what it hears, for the conformance cases of tests/threats. Only builds with
 * RUNNEL_FAULTS have it. */
#include "api/api_internal.h"
#include "base/mem.h"

#include <stdlib.h>

static void on_close(struct api_conn *conn) {
    free(conn);
}

void ws_echo_handle(struct api *api, struct net_conn *net) {
    static const struct api_conn_ops ops = { .on_close = on_close };
    api_conn_attach(mem_alloc(sizeof(struct api_conn)), &ops, api, net);
    net_conn_echo(net);
}
