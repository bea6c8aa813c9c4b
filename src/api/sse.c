#include "api/sse.h"

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

void sse_add_id(const struct event_stream *events, struct bytes *frame, uint64_t seq) {
    bytes_add_format(frame, "id: %s.%s.%llu\n", events->stream->id, chat_epoch(events->call.conn.api->chat),
                     (unsigned long long)seq);
}

/* ---- Beginning ---- */

void sse_begin(struct sse *sse, struct conversation *conversation, size_t index) {
    event_stream_read(&sse->events, conversation, index, event_stream_on_change);
    event_stream_begin(&sse->events);
}

static void refuse(struct sse *sse, enum status status, const char *reason) {
    struct fault fault;
    fault_set(&fault, status, "%s %s", sse->encoder->cursor_name,
              strcmp(reason, "epoch") == 0
                  ? "is of another database: read the answer from its beginning (epoch)"
              : strcmp(reason, "ahead") == 0
                  ? "names an event that does not exist yet: read from one that was seen (ahead)"
                  : "names no answer that is known: look at its conversation (generation)");
    reply_status(sse->events.call.conn.net, status, fault.text);
}

/* Everything was seen but, perhaps, the last line. */
static void begin_rest(struct sse *sse) {
    struct net_conn *net = sse->events.call.conn.net;
    sse->events.is_complete = true;
    if (sse->encoder->add_rest == NULL) {
        reply_text(net, 204, NULL, "", 0); /* a browser that reconnects by itself stops */
        return;
    }
    struct bytes *frame = &sse->events.call.conn.api->frame;
    bytes_clear(frame);
    sse->encoder->add_rest(&sse->events, frame);
    event_stream_begin(&sse->events);
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
    struct watcher *watcher = &sse->events.watcher;
    const char *reset = watcher_seek(watcher, &sse->cursor, chat_epoch(sse->events.call.conn.api->chat));
    bool waits = index >= conversation_shown(watcher->conversation);
    if (reset == NULL || strcmp(reset, "ahead") != 0 || !waits || sse->cursor.after_seq > 1) {
        return reset;
    }
    struct watch_item item;
    watcher_seek_message(watcher, index);
    if (sse->cursor.after_seq == 1) {
        watcher_next(watcher, 1, SIZE_MAX, &item);
    }
    return NULL;
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct sse *sse = ctx;
    struct event_stream *events = &sse->events;
    size_t index;
    events->call.call = NULL;
    const struct message *message = status ? NULL : find_message(sse, conversation, &index);
    if (message == NULL) {
        refuse(sse, status ? status : STATUS_NOT_FOUND, "generation");
        return;
    }
    event_stream_read(events, conversation, index, event_stream_on_change);
    const char *reset = seek(sse, index);
    if (reset) {
        refuse(sse, STATUS_NOT_FOUND, reset);
        return;
    }
    events->stream = message_find_generation(message, sse->cursor.generation);
    bool is_behind_end = events->stream->is_ended && sse->cursor.after_seq == events->stream->last_seq;
    if (is_behind_end && !reply_goes_on(events->call.conn.api, events->stream)) {
        begin_rest(sse);
    } else {
        event_stream_begin(events);
    }
}

void sse_resume(struct sse *sse) {
    struct api_call *call = &sse->events.call;
    call->call = chat_open_generation(call->conn.api->chat, sse->cursor.generation, on_opened, sse);
}

/* ---- Life ---- */

struct sse *sse_new(const struct sse_encoder *encoder, struct api *api, struct net_conn *net) {
    static const struct api_conn_ops ops = { .on_writable = event_stream_on_writable,
                                             .on_silence = event_stream_on_silence,
                                             .on_close = event_stream_on_close };
    struct sse *sse = api_call_begin(sizeof *sse, api, net);
    api_conn_attach(&sse->events.call.conn, &ops, api, net);
    sse->events.encoder = &encoder->events;
    sse->encoder = encoder;
    return sse;
}
