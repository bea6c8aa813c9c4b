#include "api/event_stream.h"

#include "base/log.h"

#include <string.h>

/* Proxies must not hold it back. */
#define STREAM_HEADERS API_HEADERS "X-Accel-Buffering: no\r\n"
/* A comment: a sign of life (P11). */
#define STREAM_PING ": ping\n\n"

void event_stream_read(struct event_stream *self, struct conversation *conversation, size_t index,
                       void (*on_change)(void *ctx)) {
    watcher_init(&self->watcher, conversation, on_change, self);
    watcher_seek_message(&self->watcher, index);
    self->message = conversation->messages[index];
    self->stream = self->message->first;
}

void event_stream_on_change(void *ctx) {
    struct event_stream *self = ctx;
    if (!self->is_complete) {
        net_conn_want_write(self->call.conn.net);
    }
}

void event_stream_begin(struct event_stream *self) {
    struct net_conn *net = self->call.conn.net;
    if (!net_conn_is_answered(net)) {
        net_stream_begin(net, self->content_type ? self->content_type : "text/event-stream; charset=utf-8",
                         STREAM_HEADERS);
        net_conn_want_write(net);
    }
}

static void add_item(struct event_stream *self, struct bytes *frame, const struct watch_item *item) {
    if (item->stream) {
        self->stream = item->stream;
    }
    if (item->kind != WATCH_END || !reply_goes_on(self->call.conn.api, item->stream)) {
        self->encoder->add_item(self, frame, item);
    } else if (self->encoder->add_seam) {
        self->encoder->add_seam(self, frame, item);
    }
}

/* Nothing will come any more, though it has not ended. */
static bool is_left(const struct event_stream *self) {
    return !self->is_complete && !self->stream->is_ended && !watcher_has_more(&self->watcher) &&
           chat_is_left(self->call.conn.api->chat, self->stream->id);
}

static void add_left(struct event_stream *self, struct bytes *frame) {
    if (self->encoder->add_left) {
        self->encoder->add_left(self, frame);
    }
    self->is_complete = true;
}

static void write_frame(struct event_stream *self, const struct bytes *frame) {
    struct net_conn *net = self->call.conn.net;
    if (frame->failed) {
        LOG_WARN("stream_token_too_large", "generation=%s", self->stream->id);
        net_conn_close(net, NET_CLOSE_TOO_LARGE, "");
        return;
    }
    if (frame->size) {
        net_conn_write(net, frame->data, frame->size);
    }
    if (self->is_complete) {
        net_stream_end(net);
    } else if (watcher_has_more(&self->watcher)) {
        net_conn_want_write(net);
    }
}

void event_stream_on_writable(struct api_conn *conn) {
    struct event_stream *self = (struct event_stream *)conn;
    struct bytes *frame = &conn->api->frame;
    struct watch_item item;
    bytes_clear(frame);
    while (!self->is_complete && frame->size < EVENT_STREAM_WRITE_BYTES &&
           watcher_next(&self->watcher, 1, API_FRAME_TEXT_BYTES, &item) != WATCH_NONE) {
        add_item(self, frame, &item);
    }
    if (is_left(self)) {
        add_left(self, frame);
    }
    write_frame(self, frame);
}

void event_stream_on_silence(struct api_conn *conn) {
    const char *ping = ((struct event_stream *)conn)->ping;
    ping = ping ? ping : STREAM_PING;
    net_conn_send(conn->net, ping, strlen(ping));
}

void event_stream_on_close(struct api_conn *conn) {
    struct event_stream *self = (struct event_stream *)conn;
    watcher_deinit(&self->watcher);
    api_call_on_close(conn);
}
