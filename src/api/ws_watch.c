/* ws_watch.c - GET /ws/conversation/watch/{id}, the original protocol [W13]: one conversation, as increments and as a whole.
 *
 * `update` holds the transcript up to where the watcher stands: exactly what the increments have said, and no reader of both sees a text
 * twice. Beside increments it is written when the watcher has nothing left to read. It costs with the square of the answer, hence the
 * throttle.
 *
 * Thread  the loop thread only.
 * Limits  one `update` per WATCH_UPDATE_MS while text grows; a transcript larger than a frame closes the socket with 4009.
 */
#include "api/api_internal.h"
#include "api/request.h"
#include "api/ws_frame.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WATCH_PATH        "/ws/conversation/watch/"
#define WATCH_UPDATE_MS   250
#define WATCH_QUERY_BYTES 64

enum watch_updates {
    UPDATES_BOTH,  /* increments, and a throttled update */
    UPDATES_DELTA, /* after the first update increments alone */
    UPDATES_FULL,  /* an update per token and no increments */
};

struct watch_socket {
    struct api_conn conn;
    enum watch_updates updates;
    bool has_cursor;
    bool first_due; /* the update that everything else begins with */
    bool has_grown; /* since the last update */
    bool has_ended; /* since the last update: the next one need not wait */
    struct cursor cursor;
    char conversation[ID_CONVERSATION_BYTES];
    struct chat_call *opening;
    struct watcher watcher;
    struct loop_timer *timer;
    uint64_t updated_ms;
    const struct message *current; /* whose path the last update had */
    struct bytes transcript;
};

static struct watch_socket *socket_of(struct api_conn *conn) {
    return (struct watch_socket *)conn;
}

static void want_write(void *ctx) {
    struct watch_socket *socket = ctx;
    net_conn_want_write(socket->conn.net);
}

static void fail(struct watch_socket *socket, const char *text) {
    ws_frame_send(&socket->conn, json_pack("{s:s, s:s}", "type", "error", "error", text));
    ws_frame_close_not_found(&socket->conn, text);
}

/* ---- Opening ---- */

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct watch_socket *socket = ctx;
    socket->opening = NULL;
    if (status) {
        fail(socket, status == STATUS_NOT_FOUND ? CHAT_NO_CONVERSATION
                                                : "the conversation could not be read: look at the log");
        return;
    }
    watcher_init(&socket->watcher, conversation, want_write, socket);
    socket->first_due = true;
    if (socket->has_cursor) {
        const char *reset =
            watcher_seek(&socket->watcher, &socket->cursor, chat_epoch(socket->conn.api->chat));
        socket->first_due = reset != NULL;
        if (reset) {
            ws_frame_send(&socket->conn, json_pack("{s:s, s:s}", "type", "reset", "reason", reset));
        }
    }
    net_conn_want_write(socket->conn.net);
}

static void on_open(struct api_conn *conn) {
    struct watch_socket *socket = socket_of(conn);
    LOG_DEBUG("[WS_WATCH]", "request conn=%llu conversation=%s",
              (unsigned long long)net_conn_number(conn->net), socket->conversation);
    const struct loop *loop = net_loop(conn->api->net);
    socket->timer = loop->timer_new(loop->self, want_write, socket);
    struct chat_call *call = chat_open_conversation(conn->api->chat, socket->conversation, on_opened, socket);
    if (call) {
        socket->opening = call;
    }
}

/* ---- The whole ---- */

static const struct message *current_of(const struct watch_socket *socket) {
    return conversation_current_of(socket->watcher.conversation, watcher_n_given(&socket->watcher));
}

/* Another branch is shown, and nothing else has happened. */
static bool has_switched(const struct watch_socket *socket) {
    const struct message *current = current_of(socket);
    return socket->updates != UPDATES_DELTA && !socket->has_grown && current != socket->current &&
           current == socket->watcher.conversation->current;
}

/* What the watcher has given out up to now: the text, and where it stands. */
static void write_update(struct watch_socket *socket) {
    struct watch_place place = watcher_place(&socket->watcher);
    struct bytes frame;
    bytes_init(&frame, WS_FRAME_BYTES_MAX);
    bytes_clear(&socket->transcript);
    if (watcher_transcript(&socket->watcher, &socket->transcript) != STATUS_OK) {
        LOG_WARN("transcript_too_large", "conversation=%s", socket->conversation);
        frame.failed = true;
    }
    bytes_add_text(&frame, "{\"type\":\"update\",\"content\":");
    bytes_add_json_string(&frame, socket->transcript.data ? socket->transcript.data : "",
                          socket->transcript.size);
    bytes_add_format(&frame, ",\"tokens_used\":%u,\"max_tokens\":%u,\"generation\":", place.tokens_used,
                     place.context_size);
    bytes_add_format(&frame, place.generation ? "\"%s\"" : "null", place.generation);
    bytes_add_format(&frame, ",\"epoch\":\"%s\",\"seq\":%llu}", chat_epoch(socket->conn.api->chat),
                     (unsigned long long)place.seq);
    ws_frame_write_bytes(&socket->conn, &frame);
    bytes_deinit(&frame);
    socket->current = current_of(socket);
    socket->updated_ms = clock_now_ms();
    socket->has_grown = false;
    socket->has_ended = false;
}

static void write_first_update(struct watch_socket *socket) {
    struct conversation *conversation = conversation_ref(socket->watcher.conversation);
    watcher_deinit(&socket->watcher);
    watcher_init(&socket->watcher, conversation, want_write, socket);
    conversation_unref(conversation);
    socket->first_due = false;
    write_update(socket);
}

/* ---- Increments ---- */

static void write_json(struct watch_socket *socket, json_t *frame) {
    if (ws_frame_write(&socket->conn, frame) != STATUS_OK) {
        ws_frame_close_too_large(&socket->conn);
    }
}

static void write_message(struct watch_socket *socket, const struct message *message) {
    json_t *frame = json_pack("{s:s, s:s, s:s}", "type", "message", "id", message->id, "role",
                              message_role_name(message));
    json_object_set_new(frame, "content", json_stringn(message->content, message->content_size));
    write_json(socket, frame);
}

static void write_delta(struct watch_socket *socket, const struct watch_item *item) {
    struct bytes *frame = &socket->conn.api->frame;
    bytes_clear(frame);
    bytes_add_format(frame,
                     "{\"type\":\"delta\",\"generation\":\"%s\",\"seq\":%llu,\"text\":", item->stream->id,
                     (unsigned long long)item->seq);
    bytes_add_json_string(frame, item->text, item->text_size);
    bytes_add_format(frame, ",\"tokens_used\":%u,\"max_tokens\":%u}", item->tokens_used, item->context_size);
    ws_frame_write_bytes(&socket->conn, frame);
}

static void write_end(struct watch_socket *socket, const struct watch_item *item) {
    const struct stream *stream = item->stream;
    json_t *frame = json_pack("{s:s, s:s, s:I, s:s}", "type", "end", "generation", stream->id, "seq",
                              (json_int_t)item->seq, "reason", stream->reason);
    if (stream->error) {
        json_object_set(frame, "error", stream->error);
    }
    if (stream->next) {
        json_object_set_new(frame, "continued_by", json_string(stream->next->id));
    }
    write_json(socket, frame);
}

static void write_increment(struct watch_socket *socket, const struct watch_item *item) {
    switch (item->kind) {
    case WATCH_MESSAGE:
        write_message(socket, item->message);
        break;
    case WATCH_TOKENS:
        write_delta(socket, item);
        break;
    default:
        write_end(socket, item);
    }
}

static void log_token(const struct watch_socket *socket, const struct watch_item *item) {
    LOG_DEBUG("[WS_WATCH]", "token #%llu sent watcher=%llu seq=%llu t_ns=%llu",
              (unsigned long long)item->seq - 1, (unsigned long long)net_conn_number(socket->conn.net),
              (unsigned long long)item->seq, (unsigned long long)clock_now_ns());
}

/* True: a frame was written, or the socket is being closed. */
static bool write_next(struct watch_socket *socket) {
    struct watch_item item;
    enum watch_kind kind;
    do {
        kind = watcher_next(&socket->watcher, 1, SIZE_MAX, &item);
    } while (kind == WATCH_START || kind == WATCH_PHASE);
    if (kind == WATCH_GONE) {
        fail(socket, REPLY_DELETED_TEXT);
        return true;
    }
    if (kind == WATCH_NONE) {
        return false;
    }
    socket->has_grown = true;
    socket->has_ended = socket->has_ended || kind == WATCH_END;
    if (socket->updates == UPDATES_FULL) {
        write_update(socket);
    } else {
        write_increment(socket, &item);
    }
    if (kind == WATCH_TOKENS) {
        log_token(socket, &item);
    }
    return true;
}

/* The throttled update, or the timer for it. */
static void write_due_update(struct watch_socket *socket) {
    if (socket->updates != UPDATES_BOTH || !socket->has_grown) {
        return;
    }
    uint64_t passed_ms = clock_now_ms() - socket->updated_ms;
    if (socket->has_ended || passed_ms >= WATCH_UPDATE_MS) {
        write_update(socket);
        return;
    }
    net_loop(socket->conn.api->net)->timer_set(socket->timer, (int64_t)(WATCH_UPDATE_MS - passed_ms));
}

static void on_writable(struct api_conn *conn) {
    struct watch_socket *socket = socket_of(conn);
    if (socket->watcher.conversation == NULL) {
        return;
    }
    if (socket->first_due && !socket->watcher.conversation->is_gone) {
        write_first_update(socket);
        net_conn_want_write(conn->net);
    } else if (write_next(socket)) {
        net_conn_want_write(conn->net);
    } else if (has_switched(socket)) {
        write_update(socket);
    } else {
        write_due_update(socket);
    }
}

/* ---- Life ---- */

static void on_close(struct api_conn *conn) {
    struct watch_socket *socket = socket_of(conn);
    chat_abandon(socket->opening);
    watcher_deinit(&socket->watcher);
    if (socket->timer) {
        net_loop(conn->api->net)->timer_free(socket->timer);
    }
    bytes_deinit(&socket->transcript);
    free(socket);
}

/* False: the cursor of the query is not whole. */
static bool take_cursor(const struct net_conn *net, struct watch_socket *socket) {
    struct cursor *cursor = &socket->cursor;
    struct fault fault;
    enum net_query generation =
        net_conn_query(net, "generation", cursor->generation, sizeof cursor->generation);
    enum net_query epoch = net_conn_query(net, "epoch", cursor->epoch, sizeof cursor->epoch);
    cursor->after_seq = UINT64_MAX;
    if (request_take_number(net, "after", 0, INT64_MAX, &cursor->after_seq, &fault) != STATUS_OK) {
        return false;
    }
    bool has_after = cursor->after_seq != UINT64_MAX;
    socket->has_cursor = generation == NET_QUERY_FOUND && epoch == NET_QUERY_FOUND && has_after;
    return socket->has_cursor || (generation == NET_QUERY_ABSENT && epoch == NET_QUERY_ABSENT && !has_after);
}

static bool take_updates(const struct net_conn *net, enum watch_updates *out) {
    char text[WATCH_QUERY_BYTES];
    bool is_given = net_conn_query(net, "updates", text, sizeof text) != NET_QUERY_ABSENT;
    if (strcmp(text, "full") == 0) {
        *out = UPDATES_FULL;
    } else if (strcmp(text, "delta") == 0) {
        *out = UPDATES_DELTA;
    } else {
        return !is_given;
    }
    return true;
}

/* What is wrong with the request; NULL: nothing. */
static const char *take_request(const struct net_conn *net, struct watch_socket *socket) {
    if (!id_parse_conversation(net_conn_path(net) + strlen(WATCH_PATH), socket->conversation)) {
        return "the address " REQUEST_CONVERSATION_FORM;
    }
    if (!take_cursor(net, socket)) {
        return "a cursor needs \"generation\", \"epoch\" and \"after\", a number: all three";
    }
    if (!take_updates(net, &socket->updates)) {
        return "\"updates\" must be full or delta";
    }
    if (socket->has_cursor && socket->updates == UPDATES_BOTH) {
        socket->updates = UPDATES_DELTA;
    }
    return NULL;
}

void ws_watch_handle(struct api *api, struct net_conn *net) {
    static const struct api_conn_ops ops = {
        .on_open = on_open,
        .on_writable = on_writable,
        .on_silence = ws_frame_send_ping,
        .on_close = on_close,
    };
    struct watch_socket *socket = mem_alloc(sizeof *socket);
    const char *wrong = take_request(net, socket);
    if (wrong) {
        free(socket);
        reply_error(net, 400, wrong);
        return;
    }
    bytes_init(&socket->transcript, WS_FRAME_BYTES_MAX);
    api_conn_attach(&socket->conn, &ops, api, net);
}
