/* ws_native.c - GET /ws: one WebSocket, many conversations (docs/protocol.md part 3).
 *
 * Answers to what the client said go through the outbox of net, before anything that is read from a conversation that it watches: so the ack
 * of a `send` comes before its first event.
 *
 * Thread  the loop thread only.
 * Limits  NATIVE_WATCHES_MAX conversations, NATIVE_CALLS_MAX sends and stops without an answer; beyond: error{queue_full}.
 */
#include "api/ws_frame.h"
#include "api/ws_native_internal.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define NATIVE_PROTOCOL_VERSION 1
/* Names in `about` that a client may get back; longer ones are no ids of ours. */
#define NATIVE_ABOUT_BYTES_MAX 128

static struct native *native_of(struct api_conn *conn) {
    return (struct native *)conn;
}

void native_fail(struct native *native, enum status status, const char *text,
                 const struct native_about *about) {
    ws_frame_send(&native->conn, native_frame_error(reply_error_code(status), text, about));
}

/* A string of a request that may be repeated in `about`; NULL: it may not. */
static const char *repeatable(const json_t *request, const char *key) {
    const char *text = json_string_value(json_object_get(request, key));
    return text && strlen(text) <= NATIVE_ABOUT_BYTES_MAX ? text : NULL;
}

static void refuse(struct native *native, const json_t *request, enum status status, const char *text) {
    native_fail(native, status, text,
                &(struct native_about){ .type = repeatable(request, "type"),
                                        .client_msg_id = repeatable(request, "client_msg_id"),
                                        .conversation = repeatable(request, "conversation"),
                                        .generation = repeatable(request, "generation") });
}

/* ---- Receiving ---- */

static enum status on_ping(struct native *native, const json_t *request, struct fault *fault) {
    (void)request;
    (void)fault;
    ws_frame_send_ping(&native->conn);
    return STATUS_OK;
}

static enum status on_second_hello(struct native *native, const json_t *request, struct fault *fault) {
    (void)native;
    (void)request;
    return fault_set(fault, STATUS_INVALID, "hello was said already: go on without it");
}

/* [N33] */
static enum status on_inspect(struct native *native, const json_t *request, struct fault *fault) {
    bool is_on = true;
    enum status status = json_take_bool(request, "on", &is_on, fault);
    if (status == STATUS_OK) {
        native->inspects = is_on;
        ws_frame_send(&native->conn, native_frame_clock());
    }
    return status;
}

static const struct {
    const char *type;
    enum status (*on_request)(struct native *native, const json_t *request, struct fault *fault);
    enum gate_need needs;
} requests[] = {
    { "hello", on_second_hello, GATE_READS },
    { "watch", native_on_watch, GATE_READS },
    { "unwatch", native_on_unwatch, GATE_READS },
    { "send", native_on_send, GATE_BEGINS_ANSWER },
    { "edit", native_on_edit, GATE_BEGINS_ANSWER },
    { "regenerate", native_on_regenerate, GATE_BEGINS_ANSWER },
    { "select", native_on_select, GATE_CHANGES },
    { "seen", native_on_seen, GATE_READS },
    { "draft", native_on_draft, GATE_CHANGES },
    { "continue", native_on_continue, GATE_BEGINS_ANSWER },
    { "stop", native_on_stop, GATE_CHANGES },
    { "ping", on_ping, GATE_READS },
    { "inspect", on_inspect, GATE_READS },
};

static void on_request(struct native *native, const json_t *request) {
    const json_t *type = json_object_get(request, "type");
    if (!json_is_string(type)) {
        refuse(native, request, STATUS_INVALID, "\"type\" must be a string");
        return;
    }
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        if (strcmp(json_string_value(type), requests[i].type) == 0) {
            struct fault fault;
            enum status status = gate_message(native->conn.api, native->conn.net, requests[i].needs, &fault);
            status = status ? status : requests[i].on_request(native, request, &fault);
            if (status) {
                refuse(native, request, status, fault.text);
            }
            return;
        }
    }
}

static void on_hello(struct native *native, const json_t *request) {
    const char *type = NULL;
    const char *token = NULL;
    int64_t protocol = 0;
    struct fault fault;
    bool is_good = request && json_take_string(request, "type", &type, &fault) == STATUS_OK && type &&
                   strcmp(type, "hello") == 0 &&
                   json_take_string(request, "token", &token, &fault) == STATUS_OK &&
                   json_take_int(request, "protocol", 1, INT64_MAX, &protocol, &fault) == STATUS_OK &&
                   protocol == NATIVE_PROTOCOL_VERSION;
    if (!is_good) {
        net_conn_close(native->conn.net, NET_CLOSE_BAD_HELLO,
                       "the first frame must be hello with protocol 1");
        return;
    }
    /* Browsers cannot set headers of a WebSocket: the door lets the upgrade in without a token, and hello brings it [W5]. */
    struct api *api = native->conn.api;
    if (!gate_hello(api, native->conn.net, token)) {
        net_conn_close(native->conn.net, NET_CLOSE_DENIED, "a key is needed");
        return;
    }
    native->is_greeted = true;
    list_append(&native->conn.api->natives, &native->node);
    ws_frame_send(&native->conn, native_frame_hello(native->conn.api));
    if (chat_storage(api->chat) != STORE_FINE) {
        ws_frame_send(&native->conn, native_frame_storage(api));
    }
}

static void on_message(struct api_conn *conn, const char *text, size_t n_bytes) {
    struct native *native = native_of(conn);
    LOG_DEBUG("[WS]", "request conn=%llu bytes=%zu", (unsigned long long)net_conn_number(conn->net), n_bytes);
    json_t *request = NULL;
    struct fault fault;
    enum status status = json_parse_object(text, n_bytes, &request, &fault);
    if (!native->is_greeted) {
        on_hello(native, request);
    } else if (status) {
        ws_frame_send(conn, native_frame_error("bad_json", fault.text, &(struct native_about){ 0 }));
    } else {
        on_request(native, request);
    }
    json_decref(request);
}

/* ---- Writing ---- */

/* True: a frame about the whole server was written. */
static bool write_state(struct native *native) {
    const struct api *api = native->conn.api;
    const struct {
        bool *due;
        json_t *(*frame)(const struct api *api);
    } states[] = { { &native->storage_due, native_frame_storage },
                   { &native->model_due, native_frame_model },
                   { &native->downloads_due, native_frame_downloads } };
    size_t i = 0;
    while (i < sizeof states / sizeof states[0] && !*states[i].due) {
        i++;
    }
    if (i == sizeof states / sizeof states[0]) {
        return false;
    }
    json_t *frame = states[i].frame(api);
    *states[i].due = false;
    return ws_frame_write(&native->conn, frame) == STATUS_OK;
}

static void on_writable(struct api_conn *conn) {
    struct native *native = native_of(conn);
    if (!write_state(native)) {
        native_watches_write(native);
    }
    if (native->model_due || native->storage_due || native->downloads_due ||
        native_watches_have_more(native)) {
        net_conn_want_write(conn->net);
    }
}

static void on_silence(struct api_conn *conn) {
    if (!native_of(conn)->is_greeted) {
        net_conn_close(conn->net, NET_CLOSE_BAD_HELLO, "no hello came");
        return;
    }
    ws_frame_send_ping(conn);
}

/* ---- To all who said hello ---- */

void ws_native_broadcast_conversation(struct api *api, const struct conversation *conversation,
                                      enum conversation_event event) {
    if (list_is_empty(&api->natives)) {
        return;
    }
    json_t *frame = native_frame_conversation(conversation, event);
    char *text = json_text(frame);
    json_decref(frame);
    LIST_EACH(node, &api->natives) {
        net_conn_send(CONTAINER_OF(node, struct native, node)->conn.net, text, strlen(text));
    }
    free(text);
}

void ws_native_broadcast_reshaped(struct api *api, const struct store_reshaped *reshaped, bool are_hidden) {
    LIST_EACH(node, &api->natives) {
        native_watch_reshaped(CONTAINER_OF(node, struct native, node), reshaped, are_hidden);
    }
}

/* Only the newest state matters: a slow socket gets it when it can take a frame, and not each one before it. */
void ws_native_broadcast_model(struct api *api) {
    LIST_EACH(node, &api->natives) {
        struct native *native = CONTAINER_OF(node, struct native, node);
        native->model_due = true;
        net_conn_want_write(native->conn.net);
    }
}

void ws_native_broadcast_storage(struct api *api) {
    LIST_EACH(node, &api->natives) {
        struct native *native = CONTAINER_OF(node, struct native, node);
        native->storage_due = true;
        net_conn_want_write(native->conn.net);
    }
}

void ws_native_broadcast_downloads(struct api *api) {
    LIST_EACH(node, &api->natives) {
        struct native *native = CONTAINER_OF(node, struct native, node);
        native->downloads_due = true;
        net_conn_want_write(native->conn.net);
    }
}

/* ---- Life ---- */

static void on_close(struct api_conn *conn) {
    struct native *native = native_of(conn);
    list_remove(&native->node);
    native_watches_free(native);
    native_calls_free(native);
    draft_free(native->draft);
    free(native);
}

void ws_native_handle(struct api *api, struct net_conn *net) {
    static const struct api_conn_ops ops = {
        .on_message = on_message,
        .on_writable = on_writable,
        .on_silence = on_silence,
        .on_close = on_close,
    };
    struct native *native = mem_alloc(sizeof *native);
    api_conn_attach(&native->conn, &ops, api, net);
    list_init(&native->watches);
    list_init(&native->calls);
}
