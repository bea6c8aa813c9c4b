/* net.c - the libwebsockets context: listening, the loop, and the one callback that hands events on. */
#include "net/net.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/net_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NET_TICK_MS       1000
#define NET_HEADER_TABLES 64
#define NET_KEEPALIVE_S   60

static int on_http_event(struct net *net, struct lws *wsi, enum lws_callback_reasons reason, void *in,
                         size_t length) {
    struct net_conn *conn = lws_get_opaque_user_data(wsi);
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return http_on_head(net, wsi);
    case LWS_CALLBACK_HTTP_BODY:
        return conn ? http_on_body(conn, in, length) : 0;
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return conn ? http_on_body_end(conn) : 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return conn ? http_on_writable(conn) : 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return ws_on_upgrade(net, wsi, in);
    case LWS_CALLBACK_ESTABLISHED:
        return conn ? ws_on_open(conn) : -1;
    case LWS_CALLBACK_RECEIVE:
        return conn ? ws_on_receive(conn, in, length) : -1;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return conn ? ws_on_writable(conn) : 0;
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLOSED_HTTP:
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
    return on_http_event(net, wsi, reason, in, length);
}

static void on_tick(lws_sorted_usec_list_t *entry) {
    struct net *net = lws_container_of(entry, struct net, tick);
    uint64_t now_ms = clock_now_ms();
    LIST_EACH(node, &net->conns) {
        conn_tick(CONTAINER_OF(node, struct net_conn, node), now_ms);
    }
    lws_sul_schedule(net->context, 0, &net->tick, on_tick, (lws_usec_t)NET_TICK_MS * 1000);
}

static void on_library_log(int level, const char *line) {
    LOG_DEBUG("lws", "level=%d %s", level, line);
}

/* The library logs a port in use and goes on without it; asking the kernel first gives a clear answer. */
static enum status check_port(const struct net_options *options, struct fault *fault) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(options->port) };
    if (inet_pton(AF_INET, options->host, &address.sin_addr) != 1) {
        return fault_set(fault, STATUS_INVALID,
                         "--host %s is no IPv4 address: use 127.0.0.1 or an address of this machine",
                         options->host);
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool is_free = bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 1) == 0;
    int error = errno;
    close(fd);
    if (is_free) {
        return STATUS_OK;
    }
    if (error == EADDRINUSE) {
        return fault_set(fault, STATUS_BUSY,
                         "port %u is in use: stop the program that listens there, or start with --port N",
                         options->port);
    }
    return fault_set(fault, STATUS_IO, "cannot listen on %s port %u: %s", options->host, options->port,
                     strerror(error));
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
        .max_http_header_data = NET_HEAD_BYTES_MAX,
        .max_http_header_pool = NET_HEADER_TABLES,
        .timeout_secs = NET_HEADER_TIME_S,
        .retry_and_idle_policy = &no_pings,
        .pt_serv_buf_size = 32 << 10,
    };
    return lws_create_context(&info);
}

static struct lws_vhost *create_vhost(struct net *net, const char *name, const struct net_options *options) {
    static const struct lws_protocols protocols[] = {
        { .name = "http", .callback = on_event },
        { .name = WATCH_PROTOCOL, .callback = watch_on_event },
        { 0 },
    };
    struct lws_context_creation_info info = {
        .port = options ? options->port : CONTEXT_PORT_NO_LISTEN,
        .iface = options ? options->host : NULL,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_DISABLE_IPV6,
        .vhost_name = name,
        .keepalive_timeout = NET_KEEPALIVE_S,
        .timeout_secs = NET_HEADER_TIME_S,
    };
    return lws_create_vhost(net->context, &info);
}

enum status net_open(struct net **out, struct fault *fault) {
    *out = NULL;
    lws_set_log_level(LLL_ERR | LLL_WARN, on_library_log);
    struct net *net = mem_alloc(sizeof *net);
    list_init(&net->conns);
    bytes_init(&net->scratch, NET_FRAME_BYTES_MAX + LWS_PRE);
    watch_init_loop(net);
    net->context = create_context(net);
    net->files = net->context ? create_vhost(net, "files", NULL) : NULL;
    if (net->files == NULL) {
        net_close(net);
        return fault_set(fault, STATUS_IO, "the event loop could not be made");
    }
    lws_sul_schedule(net->context, 0, &net->tick, on_tick, (lws_usec_t)NET_TICK_MS * 1000);
    *out = net;
    return STATUS_OK;
}

enum status net_listen(struct net *net, const struct net_options *options, struct fault *fault) {
    enum status status = check_port(options, fault);
    if (status) {
        return status;
    }
    net->handlers = *options->handlers;
    net->ctx = options->ctx;
    struct lws_vhost *vhost = create_vhost(net, "clients", options);
    int port = vhost ? lws_get_vhost_listen_port(vhost) : 0;
    if (port <= 0) {
        return fault_set(fault, STATUS_IO, "cannot listen on %s port %u", options->host, options->port);
    }
    net->port = (uint16_t)port;
    return STATUS_OK;
}

void net_drop_clients(struct net *net) {
    while (!list_is_empty(&net->conns)) {
        conn_free(CONTAINER_OF(net->conns.next, struct net_conn, node));
    }
}

void net_close(struct net *net) {
    if (net == NULL) {
        return;
    }
    lws_sul_cancel(&net->tick);
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
