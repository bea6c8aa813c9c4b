/* net.c - the loop: the libwebsockets context, the epoll of the links inside it, and the one callback that hands events on. */
#include "net/net.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/net_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define NET_TICK_MS    1000
#define NET_EVENTS_MAX 64

static int on_socket_event(struct net *net, struct lws *wsi, enum lws_callback_reasons reason, void *in,
                           size_t length) {
    struct net_conn *conn = lws_get_opaque_user_data(wsi);
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return ws_on_confirm(net, wsi);
    case LWS_CALLBACK_HTTP: /* it gets no requests */
        return -1;
    case LWS_CALLBACK_ESTABLISHED:
        return conn ? ws_on_open(conn) : -1;
    case LWS_CALLBACK_RECEIVE:
        return conn ? ws_on_receive(conn, in, length) : -1;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return conn ? ws_on_writable(conn) : 0;
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_WSI_DESTROY:
        conn_free(conn);
        return 0;
    default:
        return 0;
    }
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length) {
    (void)user;
    struct net *net = lws_context_user(lws_get_context(wsi));
    if (net == NULL || net->context == NULL) {
        return 0;
    }
    if (reason == LWS_CALLBACK_EVENT_WAIT_CANCELLED) {
        return 0; /* net_wake: net_run_once returns after it */
    }
    /* The library tells the first protocol of some events of the others; watched descriptors carry another kind of pointer. */
    const struct lws_protocols *protocol = lws_get_protocol(wsi);
    if (protocol && strcmp(protocol->name, WATCH_PROTOCOL) == 0) {
        return 0;
    }
    return on_socket_event(net, wsi, reason, in, length);
}

static void on_tick(lws_sorted_usec_list_t *entry) {
    struct net *net = lws_container_of(entry, struct net, tick);
    uint64_t now_ms = clock_now_ms();
    LIST_EACH(node, &net->conns) {
        conn_tick(CONTAINER_OF(node, struct net_conn, node), now_ms);
    }
    LIST_EACH(link_node, &net->links) {
        link_tick(CONTAINER_OF(link_node, struct link, node), now_ms);
    }
    lws_sul_schedule(net->context, 0, &net->tick, on_tick, (lws_usec_t)NET_TICK_MS * 1000);
}

static void on_library_log(int level, const char *line) {
    LOG_DEBUG("lws", "level=%d %s", level, line);
}

static void on_pump(lws_sorted_usec_list_t *entry) {
    link_pump(lws_container_of(entry, struct net, pump));
}

void net_pump_soon(struct net *net) {
    lws_sul_schedule(net->context, 0, &net->pump, on_pump, 1);
}

static void on_epoll(void *ctx) {
    struct net *net = ctx;
    struct epoll_event events[NET_EVENTS_MAX];
    int n = epoll_wait(net->epoll, events, NET_EVENTS_MAX, 0);
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr) {
            link_on_event(events[i].data.ptr, events[i].events);
        } else {
            listen_on_readable(net);
        }
    }
}

static struct lws_context *create_context(struct net *net) {
    static const struct lws_protocols protocols[] = {
        { .name = "http", .callback = on_event },
        { 0 },
    };
    static const lws_retry_bo_t no_pings = { .secs_since_valid_ping = 0 };
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .user = net,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_DISABLE_IPV6 |
                   LWS_SERVER_OPTION_VALIDATE_UTF8,
        .fd_limit_per_thread = NET_CONNECTIONS_MAX + 64,
        .timeout_secs = NET_HEADER_TIME_S,
        .retry_and_idle_policy = &no_pings,
        .pt_serv_buf_size = 32 << 10,
    };
    return lws_create_context(&info);
}

static struct lws_vhost *create_vhost(struct net *net, const char *name) {
    static const struct lws_protocols protocols[] = {
        { .name = "http", .callback = on_event },
        { .name = WATCH_PROTOCOL, .callback = watch_on_event },
        { 0 },
    };
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_DISABLE_IPV6,
        .vhost_name = name,
        .timeout_secs = NET_HEADER_TIME_S,
    };
    return lws_create_vhost(net->context, &info);
}

static bool open_loop(struct net *net) {
    net->context = create_context(net);
    net->files = net->context ? create_vhost(net, "files") : NULL;
    net->sockets = net->files ? create_vhost(net, "sockets") : NULL;
    net->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (net->sockets == NULL || net->epoll < 0) {
        return false;
    }
    net->epoll_watch = net->loop.watch_fd(net, net->epoll, on_epoll, NULL, net);
    return net->epoll_watch != NULL;
}

enum status net_open(struct net **out, struct fault *fault) {
    *out = NULL;
    lws_set_log_level(LLL_ERR | LLL_WARN, on_library_log);
    struct net *net = mem_alloc(sizeof *net);
    list_init(&net->conns);
    list_init(&net->links);
    list_init(&net->closed_links);
    list_init(&net->ready);
    bytes_init(&net->scratch, NET_FRAME_BYTES_MAX + LWS_PRE);
    watch_init_loop(net);
    net->listener = net->epoll = -1;
    if (!open_loop(net)) {
        net_close(net);
        return fault_set(fault, STATUS_IO, "the event loop could not be made");
    }
    lws_sul_schedule(net->context, 0, &net->tick, on_tick, (lws_usec_t)NET_TICK_MS * 1000);
    *out = net;
    return STATUS_OK;
}

enum status net_listen(struct net *net, const struct net_options *options, struct fault *fault) {
    net->handlers = *options->handlers;
    net->ctx = options->ctx;
    net->slow_ms = options->slow_ms ? options->slow_ms : NET_SLOW_MS;
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
    lws_sul_cancel(&net->tick);
    lws_sul_cancel(&net->pump);
    net->loop.unwatch(net->epoll_watch);
    if (net->epoll >= 0) {
        close(net->epoll);
    }
    if (net->context) {
        lws_context_destroy(net->context);
    }
    bytes_deinit(&net->scratch);
    free(net);
}

void net_run_once(struct net *net) {
    lws_service(net->context, 0);
}

void net_wake(struct net *net) {
    lws_cancel_service(net->context);
}

const struct loop *net_loop(struct net *net) {
    return &net->loop;
}

uint16_t net_port(const struct net *net) {
    return net->port;
}

size_t net_conn_count(const struct net *net) {
    return net->n_conns;
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
