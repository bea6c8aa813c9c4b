/* rest_chat_stream.c - [W15] an answer as server-sent events.
 *
 * A request with Last-Event-ID goes on behind that event, one with a message makes a new answer; after that
 * both are the same walk.
 */
#include "api/api_internal.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct sse {
    struct api_call call;
    struct watcher watcher;
    struct cursor cursor; /* of a resumption */
    struct stream
        *stream; /* of the one answer that this is about; lives as long as the watcher's conversation */
    bool is_complete;
};

static void on_close(struct api_conn *conn) {
    struct sse *self = (struct sse *)conn;
    watcher_deinit(&self->watcher);
    api_call_on_close(conn);
}

static void add_id(const struct sse *self, struct bytes *frame, uint64_t seq) {
    bytes_add_format(frame, "id: %s.%s.%llu\n", self->stream->id, chat_epoch(self->call.conn.api->chat),
                     (unsigned long long)seq);
}

static void add_token(const struct sse *self, struct bytes *frame, const struct watch_item *item) {
    add_id(self, frame, item->seq);
    bytes_add_text(frame, "data: {\"token\":");
    bytes_add_json_string(frame, item->text, item->text_size);
    bytes_add_format(frame, ",\"tokens_used\":%u,\"max_tokens\":%u}\n\n", item->tokens_used,
                     item->context_size);
    LOG_DEBUG("[SSE]", "token #%llu sent conn=%llu seq=%llu t_ns=%llu", (unsigned long long)item->seq - 1,
              (unsigned long long)net_conn_number(self->call.conn.net), (unsigned long long)item->seq,
              (unsigned long long)clock_now_ns());
}

static void add_error(const struct sse *self, struct bytes *frame, uint64_t seq, const char *text) {
    add_id(self, frame, seq);
    bytes_add_text(frame, "event: error\ndata: {\"error\":");
    bytes_add_json_string(frame, text, strlen(text));
    bytes_add_text(frame, "}\n\n");
}

static void add_done(struct sse *self, struct bytes *frame, uint64_t seq) {
    add_id(self, frame, seq);
    bytes_add_text(frame, "data: [DONE]\n\n");
    self->is_complete = true;
}

static void add_end(struct sse *self, struct bytes *frame) {
    const struct stream *stream = self->stream;
    if (strcmp(stream->reason, "error") == 0 || strcmp(stream->reason, "interrupted") == 0) {
        add_error(self, frame, stream->last_seq, reply_end_text(stream));
    }
    add_done(self, frame, stream->last_seq);
}

static void add_item(struct sse *self, struct bytes *frame, const struct watch_item *item) {
    if (item->kind == WATCH_TOKENS) {
        add_token(self, frame, item);
    } else if (item->kind == WATCH_END) {
        add_end(self, frame);
    } else if (item->kind == WATCH_GONE) {
        add_error(self, frame, self->stream->last_seq, "the conversation was deleted");
        add_done(self, frame, self->stream->last_seq);
    }
}

static void on_writable(struct api_conn *conn) {
    struct sse *self = (struct sse *)conn;
    struct bytes *frame = &conn->api->frame;
    struct watch_item item;
    bytes_clear(frame);
    while (!self->is_complete && frame->size < API_STREAM_WRITE_BYTES &&
           watcher_next(&self->watcher, 1, API_FRAME_TEXT_BYTES, &item) != WATCH_NONE) {
        add_item(self, frame, &item);
    }
    if (frame->failed) {
        LOG_WARN("stream_token_too_large", "generation=%s", self->stream->id);
        net_conn_close(conn->net, NET_CLOSE_TOO_LARGE, "");
        return;
    }
    if (frame->size) {
        net_conn_write(conn->net, frame->data, frame->size);
    }
    if (self->is_complete) {
        net_stream_end(conn->net);
    } else if (watcher_has_more(&self->watcher)) {
        net_conn_want_write(conn->net);
    }
}

static void on_silence(struct api_conn *conn) {
    net_conn_send(conn->net, API_STREAM_PING, sizeof API_STREAM_PING - 1);
}

static const struct api_conn_ops ops = { .on_writable = on_writable,
                                         .on_silence = on_silence,
                                         .on_close = on_close };

static void on_change(void *ctx) {
    struct sse *self = ctx;
    if (!self->is_complete) {
        net_conn_want_write(self->call.conn.net);
    }
}

static void begin_stream(struct sse *self) {
    if (net_conn_is_answered(self->call.conn.net)) {
        return;
    }
    net_stream_begin(self->call.conn.net, "text/event-stream; charset=utf-8", API_STREAM_HEADERS);
    net_conn_want_write(self->call.conn.net);
}

static void on_sent(void *ctx, const struct chat_sent *sent) {
    struct sse *self = ctx;
    self->call.call = NULL;
    if (sent->status) {
        reply_status(self->call.conn.net, sent->status, sent->fault);
        return;
    }
    watcher_init(&self->watcher, sent->conversation, on_change, self);
    watcher_seek_message(&self->watcher, sent->user_index + 1);
    self->stream = sent->conversation->messages[sent->user_index + 1]->stream;
    begin_stream(self);
}

static void send_message(struct sse *self, const json_t *body) {
    char conversation[ID_CONVERSATION_BYTES];
    struct chat_send send;
    if (rest_chat_take_send(self->call.conn.net, body, conversation, &send)) {
        LOG_DEBUG("[SSE]", "request conn=%llu", (unsigned long long)net_conn_number(self->call.conn.net));
        self->call.call = chat_send(self->call.conn.api->chat, &send, on_sent, self);
    }
}

/* ---- Resumption ---- */

/* GENERATION.EPOCH.SEQ */
static bool parse_event_id(const char *text, struct cursor *cursor) {
    size_t n_generation = ID_HEX_BYTES - 1;
    size_t n_epoch = STORE_EPOCH_BYTES - 1;
    if (strlen(text) < n_generation + n_epoch + 3 || text[n_generation] != '.' ||
        text[n_generation + 1 + n_epoch] != '.') {
        return false;
    }
    memcpy(cursor->generation, text, n_generation);
    cursor->generation[n_generation] = '\0';
    memcpy(cursor->epoch, text + n_generation + 1, n_epoch);
    cursor->epoch[n_epoch] = '\0';
    const char *digits = text + n_generation + n_epoch + 2;
    if (!id_is_hex(cursor->generation) || strspn(digits, "0123456789") != strlen(digits)) {
        return false;
    }
    errno = 0;
    cursor->after_seq = strtoull(digits, NULL, 10);
    return errno == 0;
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct sse *self = ctx;
    struct net_conn *net = self->call.conn.net;
    self->call.call = NULL;
    size_t index;
    const struct message *message =
        status ? NULL : conversation_find_generation(conversation, self->cursor.generation, &index);
    if (message == NULL) {
        reply_status(net, status ? status : STATUS_NOT_FOUND,
                     "Last-Event-ID names no known answer (generation)");
        return;
    }
    watcher_init(&self->watcher, conversation, on_change, self);
    const char *epoch = chat_epoch(self->call.conn.api->chat);
    const char *reset = watcher_seek(&self->watcher, &self->cursor, epoch);
    if (reset) {
        reply_error(net, 404,
                    strcmp(reset, "epoch") == 0
                        ? "Last-Event-ID is of another database (epoch)"
                        : "Last-Event-ID names an event that does not exist yet (ahead)");
        return;
    }
    self->stream = message->stream;
    begin_stream(self);
    if (self->stream->is_ended && self->cursor.after_seq == self->stream->last_seq) {
        /* Everything was seen but, perhaps, the last line. */
        struct bytes *frame = &self->call.conn.api->frame;
        bytes_clear(frame);
        add_done(self, frame, self->stream->last_seq);
        net_conn_send(net, frame->data, frame->size);
        net_stream_end(net);
    }
}

void rest_chat_stream_handle(struct api *api, struct net_conn *net) {
    if (net_conn_method(net) == NET_HEAD) {
        reply_not_allowed(net, "GET, POST");
        return;
    }
    const char *last = net_conn_header(net, NET_HEADER_LAST_EVENT_ID);
    json_t *body = reply_body_object(net);
    if (body == NULL) {
        return;
    }
    struct sse *self = api_call_begin(sizeof *self, api, net);
    api_conn_attach(&self->call.conn, &ops, api, net);
    if (*last == '\0' && net_conn_method(net) != NET_POST) {
        reply_error(net, 400, "send a message with POST, or the header Last-Event-ID");
    } else if (*last == '\0') {
        send_message(self, body);
    } else if (!parse_event_id(last, &self->cursor)) {
        reply_error(net, 400, "Last-Event-ID is no id of an event");
    } else {
        self->call.call = chat_open_generation(api->chat, self->cursor.generation, on_opened, self);
    }
    json_decref(body);
}
