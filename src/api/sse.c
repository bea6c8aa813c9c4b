#include "api/sse.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Ids ---- */

bool sse_parse_id(const char *text, struct cursor *cursor) {
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

void sse_add_id(const struct sse *sse, struct bytes *frame, uint64_t seq) {
    bytes_add_format(frame, "id: %s.%s.%llu\n", sse->stream->id, chat_epoch(sse->call.conn.api->chat),
                     (unsigned long long)seq);
}

/* ---- Writing ---- */

static void add_item(struct sse *sse, struct bytes *frame, const struct watch_item *item) {
    if (item->stream) {
        sse->stream = item->stream;
    }
    if (item->kind == WATCH_END && reply_goes_on(sse->call.conn.api, item->stream)) {
        sse->encoder->add_seam(sse, frame, item);
    } else {
        sse->encoder->add_item(sse, frame, item);
    }
}

static void add_left(struct sse *sse, struct bytes *frame) {
    if (sse->encoder->add_left) {
        sse->encoder->add_left(sse, frame);
    }
    sse->is_complete = true;
}

static void on_writable(struct api_conn *conn) {
    struct sse *sse = (struct sse *)conn;
    struct bytes *frame = &conn->api->frame;
    struct watch_item item;
    bytes_clear(frame);
    while (!sse->is_complete && frame->size < API_STREAM_WRITE_BYTES &&
           watcher_next(&sse->watcher, 1, API_FRAME_TEXT_BYTES, &item) != WATCH_NONE) {
        add_item(sse, frame, &item);
    }
    bool is_waiting = !sse->is_complete && !sse->stream->is_ended && !watcher_has_more(&sse->watcher);
    if (is_waiting && chat_is_left(conn->api->chat, sse->stream->id)) {
        add_left(sse, frame);
    }
    if (frame->failed) {
        LOG_WARN("stream_token_too_large", "generation=%s", sse->stream->id);
        net_conn_close(conn->net, NET_CLOSE_TOO_LARGE, "");
        return;
    }
    if (frame->size) {
        net_conn_write(conn->net, frame->data, frame->size);
    }
    if (sse->is_complete) {
        net_stream_end(conn->net);
    } else if (watcher_has_more(&sse->watcher)) {
        net_conn_want_write(conn->net);
    }
}

static void on_silence(struct api_conn *conn) {
    net_conn_send(conn->net, API_STREAM_PING, sizeof API_STREAM_PING - 1);
}

static void on_change(void *ctx) {
    struct sse *sse = ctx;
    if (!sse->is_complete) {
        net_conn_want_write(sse->call.conn.net);
    }
}

/* ---- Beginning ---- */

static void begin_stream(struct sse *sse) {
    if (net_conn_is_answered(sse->call.conn.net)) {
        return;
    }
    net_stream_begin(sse->call.conn.net, "text/event-stream; charset=utf-8", API_STREAM_HEADERS);
    net_conn_want_write(sse->call.conn.net);
}

void sse_begin(struct sse *sse, struct conversation *conversation, size_t index) {
    watcher_init(&sse->watcher, conversation, on_change, sse);
    watcher_seek_message(&sse->watcher, index);
    sse->message = conversation->messages[index];
    sse->stream = sse->message->first;
    begin_stream(sse);
}

static void refuse(struct sse *sse, enum status status, const char *reason) {
    struct fault fault;
    fault_set(&fault, status, "%s %s", sse->encoder->cursor_name,
              strcmp(reason, "epoch") == 0
                  ? "is of another database: read the answer from its beginning (epoch)"
              : strcmp(reason, "ahead") == 0
                  ? "names an event that does not exist yet: read from one that was seen (ahead)"
                  : "names no answer that is known: look at its conversation (generation)");
    reply_status(sse->call.conn.net, status, fault.text);
}

/* Everything was seen but, perhaps, the last line. */
static void begin_rest(struct sse *sse) {
    struct net_conn *net = sse->call.conn.net;
    sse->is_complete = true;
    if (sse->encoder->add_rest == NULL) {
        reply_text(net, 204, NULL, "", 0); /* a browser that reconnects by itself stops */
        return;
    }
    struct bytes *frame = &sse->call.conn.api->frame;
    bytes_clear(frame);
    sse->encoder->add_rest(sse, frame);
    begin_stream(sse);
    net_conn_send(net, frame->data, frame->size);
    net_stream_end(net);
}

/* NULL: no answer, or another than the one that was asked for. */
static const struct message *find_message(const struct sse *sse, const struct conversation *conversation,
                                          size_t *index) {
    const struct message *message = conversation_find_generation(conversation, sse->cursor.generation, index);
    const char *wanted = sse->of_generation[0] ? sse->of_generation : sse->cursor.generation;
    return message && message_find_generation(message, wanted) ? message : NULL;
}

/* What waits in the queue is no place for a watcher to come back to, but all there is of it is `start`. */
static const char *seek(struct sse *sse, size_t index) {
    const char *epoch = chat_epoch(sse->call.conn.api->chat);
    const char *reset = watcher_seek(&sse->watcher, &sse->cursor, epoch);
    bool waits = index >= conversation_shown(sse->watcher.conversation);
    if (reset == NULL || strcmp(reset, "ahead") != 0 || !waits || sse->cursor.after_seq > 1) {
        return reset;
    }
    struct watch_item item;
    watcher_seek_message(&sse->watcher, index);
    if (sse->cursor.after_seq == 1) {
        watcher_next(&sse->watcher, 1, SIZE_MAX, &item);
    }
    return NULL;
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct sse *sse = ctx;
    size_t index;
    sse->call.call = NULL;
    sse->message = status ? NULL : find_message(sse, conversation, &index);
    if (sse->message == NULL) {
        refuse(sse, status ? status : STATUS_NOT_FOUND, "generation");
        return;
    }
    watcher_init(&sse->watcher, conversation, on_change, sse);
    const char *reset = seek(sse, index);
    if (reset) {
        refuse(sse, STATUS_NOT_FOUND, reset);
        return;
    }
    sse->stream = message_find_generation(sse->message, sse->cursor.generation);
    bool is_behind_end = sse->stream->is_ended && sse->cursor.after_seq == sse->stream->last_seq;
    if (is_behind_end && !reply_goes_on(sse->call.conn.api, sse->stream)) {
        begin_rest(sse);
    } else {
        begin_stream(sse);
    }
}

void sse_resume(struct sse *sse) {
    sse->call.call = chat_open_generation(sse->call.conn.api->chat, sse->cursor.generation, on_opened, sse);
}

/* ---- Life ---- */

static void on_close(struct api_conn *conn) {
    struct sse *sse = (struct sse *)conn;
    watcher_deinit(&sse->watcher);
    api_call_on_close(conn);
}

struct sse *sse_new(const struct sse_encoder *encoder, struct api *api, struct net_conn *net) {
    static const struct api_conn_ops ops = { .on_writable = on_writable,
                                             .on_silence = on_silence,
                                             .on_close = on_close };
    struct sse *sse = api_call_begin(sizeof *sse, api, net);
    api_conn_attach(&sse->call.conn, &ops, api, net);
    sse->encoder = encoder;
    return sse;
}
