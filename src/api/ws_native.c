/* ws_native.c - GET /ws: one WebSocket, many conversations (docs/protocol.md part 3).
 *
 * A watched conversation is a struct native_watch: a place in it, read when the socket can take a frame (P7). Answers to what the
 * client said go through the outbox of net, before anything that is read from a watcher: so the ack of a `send` comes before its
 * first event.
 *
 *   a watch:  opening (the conversation is being loaded) → snapshot due → live     opening → live with a good cursor
 *
 * Thread  the loop thread only.
 * Limits  NATIVE_WATCHES_MAX conversations, NATIVE_CALLS_MAX sends and stops without an answer; beyond: error{queue_full}.
 */
#include "api/api_internal.h"
#include "api/request.h"
#include "api/ws_frame.h"
#include "api/ws_native_frames.h"
#include "base/clock.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NATIVE_PROTOCOL_VERSION 1
#define NATIVE_WATCHES_MAX      64
#define NATIVE_CALLS_MAX        64
/* A reader learns that a message waits no more from the frames of its own turn: `queue` may come so many frames after them. */
#define NATIVE_QUEUE_LAG_MAX 4
/* Names in `about` that a client may get back; longer ones are no ids of ours. */
#define NATIVE_ABOUT_BYTES_MAX 128

struct native {
    struct api_conn conn;
    struct list_node node;    /* in api->natives, once it said hello */
    struct list_node watches; /* the first is the next to be read */
    size_t n_watches;
    struct list_node calls;
    size_t n_calls;
    bool model_due;   /* the model changed since it was told */
    bool storage_due; /* so did what is wrong with the disk */
    bool is_greeted;
};

struct native_watch {
    struct list_node node;
    struct native *native;
    struct chat_call *opening; /* NULL: it is open */
    struct watcher watcher;
    struct cursor cursor;
    char conversation[ID_CONVERSATION_BYTES];
    bool has_cursor;
    bool snapshot_due;
    uint64_t queue_version; /* of the queue that was told last */
    unsigned n_queue_lag;   /* frames written since the queue changed */
};

/* A send, a stop or a continue that waits for the disk. */
struct native_call {
    struct list_node node;
    struct native *native;
    struct chat_call *call;
    char generation[ID_HEX_BYTES]; /* of a continue, or a stop; empty: none */
    char client_msg_id[ID_CLIENT_BYTES_MAX + 1];
    char conversation[ID_CONVERSATION_BYTES]; /* empty: a new one */
};

static struct native *native_of(struct api_conn *conn) {
    return (struct native *)conn;
}

static void fail(struct native *native, enum status status, const char *text,
                 const struct native_about *about) {
    ws_frame_send(&native->conn, native_frame_error(reply_error_code(status), text, about));
}

/* A string of a request that may be repeated in `about`; NULL: it may not. */
static const char *repeatable(const json_t *request, const char *key) {
    const char *text = json_string_value(json_object_get(request, key));
    return text && strlen(text) <= NATIVE_ABOUT_BYTES_MAX ? text : NULL;
}

static void refuse(struct native *native, const json_t *request, enum status status, const char *text) {
    fail(native, status, text,
         &(struct native_about){ .type = repeatable(request, "type"),
                                 .client_msg_id = repeatable(request, "client_msg_id"),
                                 .conversation = repeatable(request, "conversation"),
                                 .generation = repeatable(request, "generation") });
}

/* ---- Watching ---- */

static void on_change(void *ctx) {
    struct native *native = ctx;
    net_conn_want_write(native->conn.net);
}

static struct native_watch *find_watch(struct native *native, const char *conversation) {
    LIST_EACH(node, &native->watches) {
        struct native_watch *watch = CONTAINER_OF(node, struct native_watch, node);
        if (strcmp(watch->conversation, conversation) == 0) {
            return watch;
        }
    }
    return NULL;
}

static struct native_watch *add_watch(struct native *native, const char *conversation) {
    struct native_watch *watch = mem_alloc(sizeof *watch);
    watch->native = native;
    snprintf(watch->conversation, sizeof watch->conversation, "%s", conversation);
    list_append(&native->watches, &watch->node);
    native->n_watches++;
    return watch;
}

static void remove_watch(struct native_watch *watch) {
    if (watch == NULL) {
        return;
    }
    chat_abandon(watch->opening);
    watcher_deinit(&watch->watcher);
    list_remove(&watch->node);
    watch->native->n_watches--;
    free(watch);
}

/* What waits is told when there is something; afterwards at each change (N14). */
static void begin_queue(struct native_watch *watch) {
    const struct conversation *conversation = watch->watcher.conversation;
    bool waits = conversation_shown(conversation) < conversation->n_messages;
    watch->queue_version = conversation->queue_version - waits;
    watch->n_queue_lag = waits ? NATIVE_QUEUE_LAG_MAX : 0;
}

static bool is_queue_due(const struct native_watch *watch) {
    const struct conversation *conversation = watch->watcher.conversation;
    return conversation && !conversation->is_gone && conversation->queue_version != watch->queue_version;
}

/* Where a watch begins: after its cursor, or with everything there is (N4). */
static void begin_watch(struct native_watch *watch, struct conversation *conversation) {
    struct native *native = watch->native;
    watcher_init(&watch->watcher, conversation, on_change, native);
    const char *reset = NULL;
    if (watch->has_cursor) {
        reset = watcher_seek(&watch->watcher, &watch->cursor, chat_epoch(native->conn.api->chat));
        ws_frame_send(&native->conn, reset ? native_frame_reset(watch->conversation, reset)
                                           : native_frame_resumed(watch->conversation));
    }
    watch->snapshot_due = !watch->has_cursor || reset;
    begin_queue(watch);
    net_conn_want_write(native->conn.net);
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct native_watch *watch = ctx;
    watch->opening = NULL;
    if (status == STATUS_OK) {
        begin_watch(watch, conversation);
        return;
    }
    const char *text = status == STATUS_NOT_FOUND ? CHAT_NO_CONVERSATION
                                                  : "the conversation could not be read: look at the log";
    fail(watch->native, status, text,
         &(struct native_about){ .type = "watch", .conversation = watch->conversation });
    remove_watch(watch);
}

/* A text that cannot be an id of ours becomes "", which is the id of nothing. */
static void copy_id(char *out, size_t out_bytes, const char *text) {
    snprintf(out, out_bytes, "%s", strlen(text) < out_bytes ? text : "");
}

static enum status take_cursor(const json_t *request, struct native_watch *watch, struct fault *fault) {
    const json_t *object = json_object_get(request, "cursor");
    if (object == NULL || json_is_null(object)) {
        return STATUS_OK;
    }
    if (!json_is_object(object)) {
        return fault_set(fault, STATUS_INVALID, "\"cursor\" must be an object");
    }
    const char *generation = NULL;
    const char *epoch = NULL;
    int64_t after_seq = -1;
    enum status status = json_take_string(object, "generation", &generation, fault);
    status = status ? status : json_take_string(object, "epoch", &epoch, fault);
    status = status ? status : json_take_int(object, "after_seq", 0, INT64_MAX, &after_seq, fault);
    if (status) {
        return status;
    }
    if (generation == NULL || epoch == NULL || after_seq < 0) {
        return fault_set(fault, STATUS_INVALID,
                         "\"cursor\" needs \"generation\", \"epoch\" and \"after_seq\"");
    }
    copy_id(watch->cursor.generation, sizeof watch->cursor.generation, generation);
    copy_id(watch->cursor.epoch, sizeof watch->cursor.epoch, epoch);
    watch->cursor.after_seq = (uint64_t)after_seq;
    watch->has_cursor = true;
    return STATUS_OK;
}

static enum status need_conversation(const json_t *request, char out[ID_CONVERSATION_BYTES],
                                     struct fault *fault) {
    enum status status = request_take_conversation(request, "conversation", out, fault);
    return status == STATUS_OK && out[0] == '\0' ? request_missing("conversation", fault) : status;
}

static enum status on_watch(struct native *native, const json_t *request, struct fault *fault) {
    char conversation[ID_CONVERSATION_BYTES];
    struct native_watch asked = { 0 };
    enum status status = need_conversation(request, conversation, fault);
    status = status ? status : take_cursor(request, &asked, fault);
    if (status) {
        return status;
    }
    remove_watch(find_watch(native, conversation));
    if (native->n_watches >= NATIVE_WATCHES_MAX) {
        return fault_set(fault, STATUS_FULL,
                         "at most %d conversations are watched by one socket: unwatch one first",
                         NATIVE_WATCHES_MAX);
    }
    struct native_watch *watch = add_watch(native, conversation);
    watch->cursor = asked.cursor;
    watch->has_cursor = asked.has_cursor;
    struct chat_call *call = chat_open_conversation(native->conn.api->chat, conversation, on_opened, watch);
    if (call) {
        watch->opening = call;
    }
    return STATUS_OK;
}

static enum status on_unwatch(struct native *native, const json_t *request, struct fault *fault) {
    char conversation[ID_CONVERSATION_BYTES];
    enum status status = need_conversation(request, conversation, fault);
    if (status == STATUS_OK) {
        remove_watch(find_watch(native, conversation));
    }
    return status;
}

/* ---- Sending and stopping ---- */

static struct native_call *add_call(struct native *native, const char *conversation) {
    struct native_call *call = mem_alloc(sizeof *call);
    call->native = native;
    snprintf(call->conversation, sizeof call->conversation, "%s", conversation);
    list_append(&native->calls, &call->node);
    native->n_calls++;
    return call;
}

static void remove_call(struct native_call *call) {
    chat_abandon(call->call);
    list_remove(&call->node);
    call->native->n_calls--;
    free(call);
}

/* Whoever began a conversation sees it from its first message on (N6). */
static void watch_new(struct native *native, const struct chat_sent *sent) {
    struct native_watch *watch = add_watch(native, sent->conversation->name);
    watcher_init(&watch->watcher, sent->conversation, on_change, native);
    watcher_seek_message(&watch->watcher, sent->user_index);
    begin_queue(watch);
    net_conn_want_write(native->conn.net);
}

static void on_sent(void *ctx, const struct chat_sent *sent) {
    struct native_call *call = ctx;
    struct native *native = call->native;
    call->call = NULL;
    if (sent->status) {
        fail(native, sent->status, sent->fault,
             &(struct native_about){ .type = "send",
                                     .client_msg_id = call->client_msg_id,
                                     .conversation = call->conversation[0] ? call->conversation : NULL });
    } else {
        LOG_DEBUG("[WS]", "ack conn=%llu generation=%s duplicate=%d",
                  (unsigned long long)net_conn_number(native->conn.net), sent->generation_id,
                  sent->duplicate);
        FAULT_POINT("ack.before");
        ws_frame_send(&native->conn, native_frame_ack(sent, call->client_msg_id));
        FAULT_POINT("ack.after");
        if (call->conversation[0] == '\0' && find_watch(native, sent->conversation->name) == NULL) {
            watch_new(native, sent);
        }
    }
    remove_call(call);
}

static enum status take_client_msg_id(const json_t *request, const char **out, struct fault *fault) {
    enum status status = json_take_string(request, "client_msg_id", out, fault);
    if (status == STATUS_OK && (*out == NULL || !id_is_client(*out))) {
        return fault_set(fault, STATUS_INVALID,
                         "\"client_msg_id\" must be 1 to %d characters of A-Z a-z 0-9 - _",
                         ID_CLIENT_BYTES_MAX);
    }
    return status;
}

static enum status take_send(const json_t *request, struct chat_send *send, struct fault *fault) {
    enum status status = take_client_msg_id(request, &send->client_msg_id, fault);
    status = status ? status : request_need_string(request, "text", &send->text, fault);
    status = status ? status : json_take_string(request, "parent", &send->parent, fault);
    if (status) {
        return status;
    }
    if (send->parent && !id_is_hex(send->parent)) {
        return fault_set(fault, STATUS_INVALID,
                         "\"parent\" must be an id of a message: 32 hexadecimal digits");
    }
    return STATUS_OK;
}

/* The server's settings with what the request changes. */
static enum status take_settings(struct native *native, const json_t *request, struct settings *settings,
                                 struct fault *fault) {
    settings_copy(settings, chat_settings(native->conn.api->chat));
    const json_t *object = json_object_get(request, "settings");
    if (object == NULL || json_is_null(object)) {
        return STATUS_OK;
    }
    if (!json_is_object(object)) {
        return fault_set(fault, STATUS_INVALID, "\"settings\" must be an object");
    }
    return settings_merge(settings, object, SETTINGS_SAMPLING, fault);
}

/* A place for the answer, and for the watch that a new conversation gets. */
static enum status check_room(const struct native *native, bool is_new, struct fault *fault) {
    if (native->n_calls >= NATIVE_CALLS_MAX) {
        return fault_set(fault, STATUS_FULL,
                         "%d requests of this socket wait already: wait for their answers", NATIVE_CALLS_MAX);
    }
    if (is_new && native->n_watches + native->n_calls >= NATIVE_WATCHES_MAX) {
        return fault_set(fault, STATUS_FULL,
                         "at most %d conversations are watched by one socket: unwatch one first",
                         NATIVE_WATCHES_MAX);
    }
    return STATUS_OK;
}

static enum status on_send(struct native *native, const json_t *request, struct fault *fault) {
    char conversation[ID_CONVERSATION_BYTES];
    struct settings settings = { 0 };
    struct chat_send send = { .settings = &settings };
    enum status status = request_take_conversation(request, "conversation", conversation, fault);
    status = status ? status : take_send(request, &send, fault);
    status = status ? status : check_room(native, conversation[0] == '\0', fault);
    status = status ? status : take_settings(native, request, &settings, fault);
    if (status == STATUS_OK) {
        struct native_call *call = add_call(native, conversation);
        snprintf(call->client_msg_id, sizeof call->client_msg_id, "%s", send.client_msg_id);
        send.conversation = conversation[0] ? conversation : NULL;
        struct chat_call *pending = chat_send(native->conn.api->chat, &send, on_sent, call);
        if (pending) {
            call->call = pending;
        }
    }
    settings_deinit(&settings);
    return status;
}

static void on_stop_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct native_call *call = ctx;
    call->call = NULL;
    struct chat *chat = call->native->conn.api->chat;
    if (status == STATUS_OK && call->generation[0]) {
        chat_cancel_generation(chat, call->generation);
    } else if (status == STATUS_OK) {
        chat_cancel(chat, conversation);
    }
    remove_call(call);
}

static enum status take_stop(const json_t *request, char conversation[ID_CONVERSATION_BYTES],
                             char generation[ID_HEX_BYTES], struct fault *fault) {
    enum status status = request_take_conversation(request, "conversation", conversation, fault);
    status = status ? status : request_take_generation(request, "generation", generation, fault);
    if (status == STATUS_OK && generation[0] == '\0' && conversation[0] == '\0') {
        return fault_set(fault, STATUS_INVALID, "\"stop\" needs \"generation\" or \"conversation\"");
    }
    return status;
}

/* Of a generation that ended, or of nothing: silence (N8). What is not in memory may be about to begin. */
static enum status on_stop(struct native *native, const json_t *request, struct fault *fault) {
    struct chat *chat = native->conn.api->chat;
    char generation[ID_HEX_BYTES];
    char conversation[ID_CONVERSATION_BYTES];
    enum status status = take_stop(request, conversation, generation, fault);
    if (status == STATUS_OK && generation[0] && chat_cancel_generation(chat, generation)) {
        return STATUS_OK;
    }
    status = status ? status : check_room(native, false, fault);
    if (status) {
        return status;
    }
    struct native_call *call = add_call(native, conversation);
    id_copy(call->generation, sizeof call->generation, generation);
    struct chat_call *pending = generation[0]
                                    ? chat_open_generation(chat, generation, on_stop_opened, call)
                                    : chat_open_conversation(chat, conversation, on_stop_opened, call);
    if (pending) {
        call->call = pending;
    }
    return STATUS_OK;
}

/* ---- Going on ---- */

static void on_continued(void *ctx, const struct chat_sent *sent) {
    struct native_call *call = ctx;
    struct native *native = call->native;
    call->call = NULL;
    if (sent->status) {
        fail(native, sent->status, sent->fault,
             &(struct native_about){
                 .type = "continue", .client_msg_id = call->client_msg_id, .generation = call->generation });
    } else {
        ws_frame_send(&native->conn, native_frame_ack(sent, call->client_msg_id));
    }
    remove_call(call);
}

static enum status take_continue(const json_t *request, const char **client_msg_id,
                                 char generation[ID_HEX_BYTES], struct fault *fault) {
    enum status status = take_client_msg_id(request, client_msg_id, fault);
    status = status ? status : request_take_generation(request, "generation", generation, fault);
    return status == STATUS_OK && generation[0] == '\0' ? request_missing("generation", fault) : status;
}

/* [N13] What makes it idempotent is the generation that it goes on with. */
static enum status on_continue(struct native *native, const json_t *request, struct fault *fault) {
    const char *client_msg_id = NULL;
    char generation[ID_HEX_BYTES];
    enum status status = take_continue(request, &client_msg_id, generation, fault);
    status = status ? status : check_room(native, false, fault);
    if (status) {
        return status;
    }
    struct native_call *call = add_call(native, "");
    snprintf(call->client_msg_id, sizeof call->client_msg_id, "%s", client_msg_id);
    id_copy(call->generation, sizeof call->generation, generation);
    struct chat_call *pending = chat_continue(native->conn.api->chat, generation, on_continued, call);
    if (pending) {
        call->call = pending;
    }
    return STATUS_OK;
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

static const struct {
    const char *type;
    enum status (*on_request)(struct native *native, const json_t *request, struct fault *fault);
} requests[] = {
    { "hello", on_second_hello }, { "watch", on_watch },       { "unwatch", on_unwatch }, { "send", on_send },
    { "stop", on_stop },          { "continue", on_continue }, { "ping", on_ping },
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
            enum status status = requests[i].on_request(native, request, &fault);
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
    const struct api *api = native->conn.api;
    if (token ? !doors_token_is_good(api, token) : !doors_request_has_token(api, native->conn.net)) {
        net_conn_close(native->conn.net, NET_CLOSE_DENIED, "a token is needed");
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

/* The watcher is put behind what the snapshot holds in the same step, so nothing lies between the two (P2). */
static void write_snapshot(struct native_watch *watch) {
    struct native *native = watch->native;
    struct conversation *conversation = conversation_ref(watch->watcher.conversation);
    watcher_deinit(&watch->watcher);
    watcher_init(&watch->watcher, conversation, on_change, native);
    conversation_unref(conversation);
    watch->snapshot_due = false;
    begin_queue(watch);
    enum status status = ws_frame_write(&native->conn, native_frame_snapshot(native->conn.api, conversation));
    if (status) {
        fail(native, status,
             "this conversation is larger than one frame can hold: read it with GET /api/conversation",
             &(struct native_about){ .type = "watch", .conversation = watch->conversation });
        remove_watch(watch);
    }
}

static void write_tokens(struct native *native, const struct conversation *conversation,
                         const struct watch_item *item) {
    struct bytes *frame = &native->conn.api->frame;
    bytes_clear(frame);
    native_frame_add_tokens(frame, conversation, item);
    ws_frame_write_bytes(&native->conn, frame);
    LOG_DEBUG("[WS]", "token #%llu sent watcher=%llu seq=%llu n=%u t_ns=%llu",
              (unsigned long long)item->seq - 1, (unsigned long long)net_conn_number(native->conn.net),
              (unsigned long long)item->seq, item->n, (unsigned long long)clock_now_ns());
}

/* A large queue is told by its reader's own turn: what does not fit into a frame is not told. */
static bool write_queue(struct native_watch *watch) {
    const struct conversation *conversation = watch->watcher.conversation;
    watch->queue_version = conversation->queue_version;
    watch->n_queue_lag = 0;
    return ws_frame_write(&watch->native->conn, native_frame_queue(conversation)) == STATUS_OK;
}

/* True: a frame was written. The watch may be gone after it. */
static bool write_watch(struct native_watch *watch) {
    struct native *native = watch->native;
    const struct conversation *conversation = watch->watcher.conversation;
    if (conversation == NULL) {
        return false;
    }
    if (watch->snapshot_due && !conversation->is_gone) {
        write_snapshot(watch);
        return true;
    }
    if (is_queue_due(watch) && watch->n_queue_lag >= NATIVE_QUEUE_LAG_MAX) {
        return write_queue(watch);
    }
    watch->n_queue_lag = is_queue_due(watch) ? watch->n_queue_lag + 1 : 0;
    struct watch_item item;
    switch (watcher_next(&watch->watcher, UINT32_MAX, API_FRAME_TEXT_BYTES, &item)) {
    case WATCH_NONE:
        return is_queue_due(watch) && write_queue(watch);
    case WATCH_GONE:
        /* `conversation` with the event `deleted` told it. */
        remove_watch(watch);
        return false;
    case WATCH_TOKENS:
        write_tokens(native, conversation, &item);
        return true;
    default:
        if (ws_frame_write(&native->conn, native_frame_item(conversation, &item)) != STATUS_OK) {
            ws_frame_close_too_large(&native->conn);
        }
        return true;
    }
}

static bool has_more(const struct native *native) {
    bool more = native->model_due || native->storage_due;
    LIST_EACH(node, &native->watches) {
        const struct native_watch *watch = CONTAINER_OF(node, struct native_watch, node);
        more = more || watch->snapshot_due || is_queue_due(watch) ||
               (watch->watcher.conversation && watcher_has_more(&watch->watcher));
    }
    return more;
}

/* True: a frame about the whole server was written. */
static bool write_state(struct native *native) {
    const struct api *api = native->conn.api;
    bool *due = native->storage_due ? &native->storage_due : &native->model_due;
    if (!*due) {
        return false;
    }
    json_t *frame = native->storage_due ? native_frame_storage(api) : native_frame_model(api);
    *due = false;
    return ws_frame_write(&native->conn, frame) == STATUS_OK;
}

static void on_writable(struct api_conn *conn) {
    struct native *native = native_of(conn);
    bool wrote = write_state(native);
    for (size_t i = native->n_watches; i > 0 && !wrote; i--) {
        struct native_watch *watch = CONTAINER_OF(native->watches.next, struct native_watch, node);
        list_remove(&watch->node);
        list_append(&native->watches, &watch->node);
        wrote = write_watch(watch);
    }
    if (has_more(native)) {
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

/* ---- Life ---- */

static void on_close(struct api_conn *conn) {
    struct native *native = native_of(conn);
    list_remove(&native->node);
    LIST_EACH(watch, &native->watches) {
        remove_watch(CONTAINER_OF(watch, struct native_watch, node));
    }
    LIST_EACH(call, &native->calls) {
        remove_call(CONTAINER_OF(call, struct native_call, node));
    }
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
