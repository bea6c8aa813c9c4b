#include "api/api.h"

#include "api/access_log.h"
#include "api/api_internal.h"
#include "api/metrics.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

/* A key that ends by its time ends so much later at most. */
#define API_TICK_MS 1000

static struct api_conn *conn_of(struct net_conn *net) {
    return net_conn_ctx(net);
}

void api_conn_attach(struct api_conn *conn, const struct api_conn_ops *ops, struct api *api,
                     struct net_conn *net) {
    *conn = (struct api_conn){ .ops = ops, .api = api, .net = net };
    net_conn_set_ctx(net, conn);
}

void api_call_on_close(struct api_conn *conn) {
    struct api_call *self = (struct api_call *)conn;
    chat_abandon(self->call);
    free(self);
}

void *api_call_begin(size_t n_bytes, struct api *api, struct net_conn *net) {
    static const struct api_conn_ops ops = { .on_close = api_call_on_close };
    struct api_call *self = mem_alloc(n_bytes);
    api_conn_attach(&self->conn, &ops, api, net);
    return self;
}

/* ---- Upcalls of the net: handed on to whoever is attached ---- */

static void on_open(void *ctx, struct net_conn *net) {
    (void)ctx;
    struct api_conn *conn = conn_of(net);
    if (conn && conn->ops->on_open) {
        conn->ops->on_open(conn);
    }
}

static void on_message(void *ctx, struct net_conn *net, const char *text, size_t n_bytes) {
    (void)ctx;
    struct api_conn *conn = conn_of(net);
    if (conn && conn->ops->on_message) {
        conn->ops->on_message(conn, text, n_bytes);
    }
}

static void on_writable(void *ctx, struct net_conn *net) {
    (void)ctx;
    struct api_conn *conn = conn_of(net);
    if (conn && conn->ops->on_writable) {
        conn->ops->on_writable(conn);
    }
}

static void on_silence(void *ctx, struct net_conn *net) {
    (void)ctx;
    struct api_conn *conn = conn_of(net);
    if (conn && conn->ops->on_silence) {
        conn->ops->on_silence(conn);
    }
}

static void on_close(void *ctx, struct net_conn *net) {
    struct api *api = ctx;
    struct api_conn *conn = conn_of(net);
    metrics_on_close(api->metrics, net);
    access_log_request(api->options.access_log, api->access, net);
    if (conn) {
        net_conn_set_ctx(net, NULL);
        conn->ops->on_close(conn);
    }
}

static void on_refused(void *ctx, const uint8_t *peer, int status) {
    struct api *api = ctx;
    metrics_on_refused(api->metrics, status);
    access_log_refused(api->options.access_log, peer, status);
}

struct net_handlers api_handlers(void) {
    return (struct net_handlers){
        .on_head = router_on_head,
        .on_request = router_on_request,
        .on_open = on_open,
        .on_message = on_message,
        .on_writable = on_writable,
        .on_silence = on_silence,
        .on_close = on_close,
        .on_refused = on_refused,
    };
}

/* ---- Upcalls of the chat ---- */

static void on_conversation(void *ctx, const struct conversation *conversation,
                            enum conversation_event event) {
    ws_native_broadcast_conversation(ctx, conversation, event);
}

static void on_reshaped(void *ctx, const struct store_reshaped *reshaped, bool are_hidden) {
    ws_native_broadcast_reshaped(ctx, reshaped, are_hidden);
}

static void tell_watchers(struct list_node *watchers) {
    LIST_EACH(node, watchers) {
        struct api_watcher *watcher = CONTAINER_OF(node, struct api_watcher, node);
        watcher->on_change(watcher->ctx);
    }
}

static void on_model(void *ctx) {
    struct api *api = ctx;
    metrics_on_model(api->metrics, chat_models(api->chat));
    ws_native_broadcast_model(api);
    tell_watchers(&api->model_watchers);
}

static void on_storage(void *ctx) {
    ws_native_broadcast_storage(ctx);
}

static void on_downloads(void *ctx) {
    struct api *api = ctx;
    ws_native_broadcast_downloads(api);
    tell_watchers(&api->download_watchers);
}

/* ---- Life ---- */

struct api *api_open(const struct api_options *options) {
    struct api *api = mem_alloc(sizeof *api);
    api->options = *options;
    api->chat = options->chat;
    api->access = options->access;
    list_init(&api->natives);
    list_init(&api->model_watchers);
    list_init(&api->download_watchers);
    llama_streams_init(&api->streams);
    bytes_init(&api->frame, API_FRAME_BYTES_MAX);
    api->system = rest_system_new();
    api->metrics = metrics_new();
    api->started_ms = clock_wall_ms();
    downloads_listen(options->downloads, on_downloads, api);
    chat_listen(api->chat, &(struct chat_listener){ .on_conversation = on_conversation,
                                                    .on_reshaped = on_reshaped,
                                                    .on_model = on_model,
                                                    .on_storage = on_storage,
                                                    .ctx = api });
    return api;
}

static void on_tick(void *ctx) {
    struct api *api = ctx;
    gate_refresh(api);
    access_log_tick(api->options.access_log);
    net_loop(api->net)->timer_set(api->tick, API_TICK_MS);
}

void api_listening(struct api *api, struct net *net) {
    const struct loop *loop = net_loop(net);
    api->net = net;
    api->tick = loop->timer_new(loop->self, on_tick, api);
    loop->timer_set(api->tick, API_TICK_MS);
}

/* The chat may be closed already: it is not asked any more. */
void api_close(struct api *api) {
    if (api == NULL) {
        return;
    }
    if (api->tick) {
        net_loop(api->net)->timer_free(api->tick);
    }
    bytes_deinit(&api->frame);
    rest_system_free(api->system);
    metrics_free(api->metrics);
    llama_streams_deinit(&api->streams);
    free(api);
}
