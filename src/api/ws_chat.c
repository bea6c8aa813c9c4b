/* ws_chat.c - GET /ws/chat/stream, the original protocol [W12]: questions in, one frame per token out.
 *
 *   IDLE → SENDING (the message is being stored) → STREAMING (its answer is read) → IDLE, with the next question
 *
 * Questions are answered one after the other, and so are wrong ones: an error in between would look like the end of the answer
 * that is being written. Only a full queue is said at once.
 *
 * Thread  the loop thread only.
 * Limits  CHAT_QUESTIONS_MAX wait. The socket's end stops no answer; questions that wait go with it.
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

#define CHAT_QUESTIONS_MAX 16

enum chat_state { CHAT_IDLE, CHAT_SENDING, CHAT_STREAMING };

struct question {
    struct list_node node;
    char *text;
    char conversation[ID_CONVERSATION_BYTES]; /* empty: a new one */
    struct fault fault;                       /* other than OK: what is wrong with it */
};

struct chat_socket {
    struct api_conn conn;
    enum chat_state state;
    struct list_node questions;
    size_t n_questions;
    struct chat_call *call;
    struct watcher watcher; /* while STREAMING */
};

static void advance(struct chat_socket *socket);

static struct chat_socket *socket_of(struct api_conn *conn) {
    return (struct chat_socket *)conn;
}

static json_t *error_frame(const char *text) {
    return json_pack("{s:s, s:s}", "type", "error", "error", text);
}

static void on_change(void *ctx) {
    struct chat_socket *socket = ctx;
    net_conn_want_write(socket->conn.net);
}

static void free_question(struct chat_socket *socket, struct question *question) {
    list_remove(&question->node);
    socket->n_questions--;
    free(question->text);
    free(question);
}

/* ---- Asking ---- */

static void on_sent(void *ctx, const struct chat_sent *sent) {
    struct chat_socket *socket = ctx;
    socket->call = NULL;
    if (sent->status) {
        socket->state = CHAT_IDLE;
        ws_frame_send(&socket->conn, error_frame(sent->fault));
        advance(socket);
        return;
    }
    socket->state = CHAT_STREAMING;
    watcher_init(&socket->watcher, sent->conversation, on_change, socket);
    watcher_seek_message(&socket->watcher, sent->answer_index);
    net_conn_want_write(socket->conn.net);
}

static void ask(struct chat_socket *socket, struct question *question) {
    socket->state = CHAT_SENDING;
    struct chat_send send = {
        .asker = gate_asker(socket->conn.api, socket->conn.net),
        .conversation = question->conversation[0] ? question->conversation : NULL,
        .text = question->text,
    };
    /* The callback may come before the call returns, and go on with the next question. */
    struct chat_call *call = chat_send(socket->conn.api->chat, &send, on_sent, socket);
    if (call) {
        socket->call = call;
    }
}

static void advance(struct chat_socket *socket) {
    while (socket->state == CHAT_IDLE && !list_is_empty(&socket->questions)) {
        struct question *question = CONTAINER_OF(socket->questions.next, struct question, node);
        list_remove(&question->node);
        struct fault *fault = &question->fault;
        fault->status = fault->status
                            ? fault->status
                            : gate_message(socket->conn.api, socket->conn.net, GATE_BEGINS_ANSWER, fault);
        if (fault->status) {
            ws_frame_send(&socket->conn, error_frame(question->fault.text));
        } else {
            ask(socket, question);
        }
        free_question(socket, question);
    }
}

/* ---- Receiving ---- */

static void take_question(struct question *question, const char *text, size_t n_bytes) {
    json_t *request = NULL;
    struct chat_send send = { 0 };
    struct fault fault = { 0 };
    enum status status = json_parse_object(text, n_bytes, &request, &fault);
    status = status ? status : request_take_message(request, question->conversation, &send, &fault);
    question->text = mem_copy_string(send.text);
    question->fault = fault;
    question->fault.status = status;
    json_decref(request);
}

static void on_message(struct api_conn *conn, const char *text, size_t n_bytes) {
    struct chat_socket *socket = socket_of(conn);
    LOG_DEBUG("[WS_CHAT]", "request conn=%llu bytes=%zu", (unsigned long long)net_conn_number(conn->net),
              n_bytes);
    if (socket->n_questions >= CHAT_QUESTIONS_MAX) {
        ws_frame_send(conn, error_frame("16 messages wait already: wait for their answers"));
        return;
    }
    struct question *question = mem_alloc(sizeof *question);
    take_question(question, text, n_bytes);
    list_append(&socket->questions, &question->node);
    socket->n_questions++;
    advance(socket);
}

/* ---- Writing ---- */

static void write_token(struct chat_socket *socket, const struct watch_item *item) {
    struct bytes *frame = &socket->conn.api->frame;
    bytes_clear(frame);
    bytes_add_text(frame, "{\"type\":\"token\",\"token\":");
    bytes_add_json_string(frame, item->text, item->text_size);
    bytes_add_format(frame,
                     ",\"tokens_used\":%u,\"max_tokens\":%u,\"generation\":\"%s\",\"seq\":%llu,"
                     "\"conversation_id\":\"%s\"}",
                     item->tokens_used, item->context_size, item->stream->id, (unsigned long long)item->seq,
                     socket->watcher.conversation->name);
    ws_frame_write_bytes(&socket->conn, frame);
    LOG_DEBUG("[WS_CHAT]", "token #%llu sent watcher=%llu seq=%llu t_ns=%llu",
              (unsigned long long)item->seq - 1, (unsigned long long)net_conn_number(socket->conn.net),
              (unsigned long long)item->seq, (unsigned long long)clock_now_ns());
}

/* `done`, or `error` for an answer that is not whole. */
static json_t *last_frame(const struct chat_socket *socket, const struct watch_item *item) {
    const struct stream *stream = item->stream;
    json_t *frame =
        reply_is_failure(stream) ? error_frame(reply_end_text(stream)) : json_pack("{s:s}", "type", "done");
    json_object_set_new(frame, "conversation_id", json_string(socket->watcher.conversation->name));
    json_object_set_new(frame, "reason", json_string(stream->reason));
    json_object_set_new(frame, "generation", json_string(stream->id));
    json_object_set_new(frame, "message_id", json_string(item->message->id));
    return frame;
}

static void finish(struct chat_socket *socket, json_t *frame) {
    if (ws_frame_write(&socket->conn, frame) != STATUS_OK) {
        ws_frame_close_too_large(&socket->conn);
    }
    watcher_deinit(&socket->watcher);
    socket->state = CHAT_IDLE;
    advance(socket);
}

static void on_writable(struct api_conn *conn) {
    struct chat_socket *socket = socket_of(conn);
    while (socket->state == CHAT_STREAMING) {
        struct watch_item item;
        switch (watcher_next(&socket->watcher, 1, SIZE_MAX, &item)) {
        case WATCH_TOKENS:
            write_token(socket, &item);
            net_conn_want_write(conn->net);
            return;
        case WATCH_END:
            if (reply_goes_on(conn->api, item.stream)) {
                break; /* as if nothing had been [W31] */
            }
            finish(socket, last_frame(socket, &item));
            return;
        case WATCH_GONE:
            finish(socket, error_frame(REPLY_DELETED_TEXT));
            return;
        case WATCH_NONE:
            return;
        default:
            break; /* the start and the phases have no frame here */
        }
    }
}

/* ---- Life ---- */

static void on_close(struct api_conn *conn) {
    struct chat_socket *socket = socket_of(conn);
    chat_abandon(socket->call);
    watcher_deinit(&socket->watcher);
    LIST_EACH(node, &socket->questions) {
        free_question(socket, CONTAINER_OF(node, struct question, node));
    }
    free(socket);
}

void ws_chat_handle(struct api *api, struct net_conn *net) {
    static const struct api_conn_ops ops = {
        .on_message = on_message,
        .on_writable = on_writable,
        .on_silence = ws_frame_send_ping,
        .on_close = on_close,
    };
    struct chat_socket *socket = mem_alloc(sizeof *socket);
    api_conn_attach(&socket->conn, &ops, api, net);
    list_init(&socket->questions);
}
