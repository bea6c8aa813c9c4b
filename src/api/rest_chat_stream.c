/* rest_chat_stream.c - [W15] an answer as server-sent events.
 *
 * A request with Last-Event-ID goes on behind that event, one with a message makes a new answer; after that
 * both are the same walk (sse.h).
 */
#include "api/request.h"
#include "api/sse.h"
#include "base/clock.h"
#include "base/log.h"

#include <string.h>

static void add_token(const struct event_stream *events, struct bytes *frame, const struct watch_item *item) {
    sse_add_id(events, frame, item->seq);
    bytes_add_text(frame, "data: {\"token\":");
    bytes_add_json_string(frame, item->text, item->text_size);
    bytes_add_format(frame, ",\"tokens_used\":%u,\"max_tokens\":%u}\n\n", item->tokens_used,
                     item->context_size);
    LOG_DEBUG("[SSE]", "token #%llu sent conn=%llu seq=%llu t_ns=%llu", (unsigned long long)item->seq - 1,
              (unsigned long long)net_conn_number(events->call.conn.net), (unsigned long long)item->seq,
              (unsigned long long)clock_now_ns());
}

static void add_error(const struct event_stream *events, struct bytes *frame, const char *text) {
    sse_add_id(events, frame, events->stream->last_seq);
    bytes_add_text(frame, "event: error\ndata: {\"error\":");
    bytes_add_json_string(frame, text, strlen(text));
    bytes_add_text(frame, "}\n\n");
}

static void add_done(struct event_stream *events, struct bytes *frame) {
    sse_add_id(events, frame, events->stream->last_seq);
    bytes_add_text(frame, "data: [DONE]\n\n");
    events->is_complete = true;
}

static void add_end(struct event_stream *events, struct bytes *frame) {
    if (reply_is_failure(events->stream)) {
        add_error(events, frame, reply_end_text(events->stream));
    }
    add_done(events, frame);
}

static void add_item(struct event_stream *events, struct bytes *frame, const struct watch_item *item) {
    if (item->kind == WATCH_TOKENS) {
        add_token(events, frame, item);
    } else if (item->kind == WATCH_END) {
        add_end(events, frame);
    } else if (item->kind == WATCH_GONE) {
        add_error(events, frame, REPLY_DELETED_TEXT);
        add_done(events, frame);
    }
}

static void add_left(struct event_stream *events, struct bytes *frame) {
    add_error(events, frame, REPLY_LEFT_TEXT);
    add_done(events, frame);
}

static const struct sse_encoder encoder = {
    .events = { .add_item = add_item, .add_left = add_left }, /* over a seam as if nothing had been [W31] */
    .cursor_name = "Last-Event-ID",
    .add_rest = add_done,
};

static void on_sent(void *ctx, const struct chat_sent *sent) {
    struct sse *sse = ctx;
    sse->events.call.call = NULL;
    if (sent->status) {
        reply_status(sse->events.call.conn.net, sent->status, sent->fault);
    } else {
        sse_begin(sse, sent->conversation, sent->answer_index);
    }
}

static void send_message(struct sse *sse, const json_t *body) {
    const struct api_conn *conn = &sse->events.call.conn;
    char conversation[ID_CONVERSATION_BYTES];
    struct chat_send send;
    struct fault fault;
    if (request_take_message(body, conversation, &send, &fault) != STATUS_OK) {
        reply_error(conn->net, 400, fault.text);
    } else {
        LOG_DEBUG("[SSE]", "request conn=%llu", (unsigned long long)net_conn_number(conn->net));
        send.asker = gate_asker(conn->api, conn->net);
        sse->events.call.call = chat_send(conn->api->chat, &send, on_sent, sse);
    }
}

void rest_chat_stream_handle(struct api *api, struct net_conn *net) {
    if (net_conn_method(net) == NET_HEAD) {
        reply_not_allowed(net, "GET, POST");
        return;
    }
    const char *last = net_conn_header(net, NET_HEADER_LAST_EVENT_ID);
    json_t *body = request_body(net);
    if (body == NULL) {
        return;
    }
    struct sse *sse = sse_new(&encoder, api, net);
    if (*last == '\0' && net_conn_method(net) != NET_POST) {
        reply_error(net, 400,
                    "there is nothing to go on with: send a message with POST, or the header Last-Event-ID");
    } else if (*last == '\0') {
        send_message(sse, body);
    } else if (!sse_parse_id(last, &sse->cursor)) {
        reply_error(net, 400, SSE_ID_FORM);
    } else {
        sse_resume(sse);
    }
    json_decref(body);
}
