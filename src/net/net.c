/* net.c - opens and closes the parts, looks at all connections once a second, ends them when the server stops. */
#include "net/net.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/net_internal.h"

#include <stdlib.h>

#define NET_TICK_MS 1000

static void on_tick(void *ctx) {
    struct net *net = ctx;
    uint64_t now_ms = clock_now_ms();
    LIST_EACH(node, &net->conns) {
        conn_tick(CONTAINER_OF(node, struct net_conn, node), now_ms);
    }
    LIST_EACH(link_node, &net->links) {
        link_tick(CONTAINER_OF(link_node, struct link, node), now_ms);
    }
    for (size_t i = 0; i < net->n_listeners; i++) {
        if (net->listeners[i].tls) {
            tls_tick(net->listeners[i].tls);
        }
    }
    net_loop(net)->timer_set(net->tick, NET_TICK_MS);
}

static void on_pump(void *ctx) {
    link_pump(ctx);
}

void net_pump_soon(struct net *net) {
    net_loop(net)->timer_set(net->pump, 0);
}

enum status net_open(struct net **out, struct fault *fault) {
    *out = NULL;
    struct event_loop *loop;
    enum status status = event_loop_open(&loop, fault);
    if (status) {
        return status;
    }
    struct net *net = mem_alloc(sizeof *net);
    const struct loop *face = event_loop_face(loop);
    net->loop = loop;
    list_init(&net->conns);
    list_init(&net->links);
    list_init(&net->closed_links);
    list_init(&net->ready);
    net->tick = face->timer_new(face->self, on_tick, net);
    net->pump = face->timer_new(face->self, on_pump, net);
    net->accept_again = face->timer_new(face->self, listen_on_pause_end, net);
    face->timer_set(net->tick, NET_TICK_MS);
    *out = net;
    return STATUS_OK;
}

void net_serve(struct net *net, const struct net_handlers *handlers, void *ctx, uint32_t slow_ms) {
    net->handlers = *handlers;
    net->ctx = ctx;
    net->slow_ms = slow_ms ? slow_ms : NET_SLOW_MS;
}

enum status net_listen(struct net *net, const struct net_options *options, struct fault *fault) {
    return listen_open(net, options, fault);
}

void net_drop_clients(struct net *net) {
    while (!list_is_empty(&net->conns)) {
        conn_free(CONTAINER_OF(net->conns.next, struct net_conn, node));
    }
    LIST_EACH(node, &net->links) {
        link_close(CONTAINER_OF(node, struct link, node));
    }
    link_sweep(net);
    listen_close(net);
}

void net_close(struct net *net) {
    if (net == NULL) {
        return;
    }
    const struct loop *face = net_loop(net);
    face->timer_free(net->tick);
    face->timer_free(net->pump);
    face->timer_free(net->accept_again);
    event_loop_close(net->loop);
    free(net);
}

void net_run_once(struct net *net) {
    event_loop_run_once(net->loop);
}

void net_wake(struct net *net) {
    event_loop_wake(net->loop);
}

const struct loop *net_loop(struct net *net) {
    return event_loop_face(net->loop);
}

uint16_t net_port(const struct net *net) {
    uint16_t port = 0;
    for (size_t i = 0; i < net->n_listeners && port == 0; i++) {
        port = net->listeners[i].port;
    }
    return port;
}

size_t net_conn_count(const struct net *net) {
    return net->n_conns;
}

struct net_figures net_figures(const struct net *net) {
    struct net_figures figures = net->figures;
    figures.n_sockets = net->n_links;
    for (size_t i = 0; i < net->n_listeners; i++) {
        const struct tls *tls = net->listeners[i].tls;
        figures.certificate_expires_s = tls ? tls_expires_s(tls) : figures.certificate_expires_s;
    }
    return figures;
}

void net_stop(struct net *net) {
    LIST_EACH(node, &net->conns) {
        struct net_conn *conn = CONTAINER_OF(node, struct net_conn, node);
        if (conn->state == CONN_STREAMING) {
            net_stream_end(conn);
        } else if (conn->state != CONN_REPLYING) {
            /* An answer that is on its way arrives. */
            conn->is_draining = true;
            net_conn_close(conn, NET_CLOSE_GOING_AWAY, "the server is stopping");
        }
    }
}
