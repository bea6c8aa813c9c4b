/* rest_chat.c - [W14] an answer as one piece, [W16] the end of one, and [W28] going on with one. */
#include "api/api_internal.h"
#include "api/request.h"

#include <stdlib.h>
#include <string.h>

struct rest_chat {
    struct api_call call;
    struct watcher watcher;
    const struct message *message; /* the answer; lives as long as the watcher's conversation */
    char generation[ID_HEX_BYTES]; /* [W16] what was named */
};

static void on_close(struct api_conn *conn) {
    struct rest_chat *self = (struct rest_chat *)conn;
    watcher_deinit(&self->watcher);
    api_call_on_close(conn);
}

static const struct api_conn_ops ops = { .on_close = on_close };

static struct rest_chat *begin(struct api *api, struct net_conn *net) {
    struct rest_chat *self = api_call_begin(sizeof *self, api, net);
    api_conn_attach(&self->call.conn, &ops, api, net);
    return self;
}

/* ---- [W14] ---- */

static void reply_answer(struct rest_chat *self, const struct stream *stream) {
    struct net_conn *net = self->call.conn.net;
    if (reply_is_failure(stream)) {
        reply_error(net, reply_end_http_status(stream), reply_end_text(stream));
        return;
    }
    reply_json(net, 200,
               json_pack("{s:o, s:s, s:I, s:I}", "message", encode_message(self->message), "conversation_id",
                         self->watcher.conversation->name, "tokens_used",
                         (json_int_t)stream_tokens_used(stream, stream->last_seq), "max_tokens",
                         (json_int_t)stream->context_size));
}

/* `answer` gets the last generation of the answer when it has ended. */
static void read_until_end(struct rest_chat *self,
                           void (*answer)(struct rest_chat *self, const struct stream *stream)) {
    struct watch_item item;
    while (watcher_next(&self->watcher, UINT32_MAX, SIZE_MAX, &item) != WATCH_NONE) {
        if (item.kind == WATCH_GONE) {
            reply_error(self->call.conn.net, 404, REPLY_DELETED_TEXT);
        } else if (item.kind == WATCH_END && item.message == self->message &&
                   !reply_goes_on(self->call.conn.api, item.stream)) {
            answer(self, item.stream);
        }
    }
}

static void read_message(struct rest_chat *self, struct conversation *conversation, size_t index,
                         void (*on_change)(void *ctx)) {
    watcher_init(&self->watcher, conversation, on_change, self);
    watcher_seek_message(&self->watcher, index);
    self->message = conversation->messages[index];
}

static void on_chat_change(void *ctx) {
    struct rest_chat *self = ctx;
    read_until_end(self, reply_answer);
    const struct stream *stream = self->message->stream;
    if (!stream->is_ended && chat_is_left(self->call.conn.api->chat, stream->id)) {
        reply_error(self->call.conn.net, 503, REPLY_LEFT_TEXT);
    }
}

static void on_sent(void *ctx, const struct chat_sent *sent) {
    struct rest_chat *self = ctx;
    self->call.call = NULL;
    if (sent->status) {
        reply_status(self->call.conn.net, sent->status, sent->fault);
        return;
    }
    read_message(self, sent->conversation, sent->answer_index, on_chat_change);
    on_chat_change(self);
}

void rest_chat_handle(struct api *api, struct net_conn *net) {
    if (net_conn_tag(net) == API_DOOR_OLLAMA) {
        ollama_chat_handle(api, net);
        return;
    }
    char conversation[ID_CONVERSATION_BYTES];
    struct chat_send send;
    struct fault fault;
    json_t *body = request_body(net);
    if (body == NULL) {
        return;
    }
    if (request_take_message(body, conversation, &send, &fault) != STATUS_OK) {
        reply_error(net, 400, fault.text);
    } else {
        struct rest_chat *self = begin(api, net);
        send.asker = gate_asker(api, net);
        /* Whoever goes away leaves the answer to be made: it belongs to the conversation (P8). */
        self->call.call = chat_send(api->chat, &send, on_sent, self);
    }
    json_decref(body);
}

/* ---- [W16] ---- */

static void reply_end(struct rest_chat *self, const struct stream *stream) {
    reply_json(self->call.conn.net, 200,
               json_pack("{s:b, s:s, s:s?, s:I}", "success", true, "generation_id", stream->id, "reason",
                         stream->reason, "seq", (json_int_t)stream->last_seq));
}

static void on_cancel_change(void *ctx) {
    read_until_end(ctx, reply_end);
}

/* The answer at `index` has not ended: that one alone. */
static void cancel_answer(struct rest_chat *self, struct conversation *conversation, size_t index) {
    read_message(self, conversation, index, on_cancel_change);
    chat_cancel_generation(self->call.conn.api->chat, self->message->stream->id);
    on_cancel_change(self);
}

/* Its answer that runs, and what waits behind it. */
static void cancel_conversation(struct rest_chat *self, struct conversation *conversation) {
    read_message(self, conversation, conversation_shown(conversation) - 1, on_cancel_change);
    chat_cancel(self->call.conn.api->chat, conversation);
    on_cancel_change(self);
}

static void on_generation(void *ctx, enum status status, struct conversation *conversation) {
    struct rest_chat *self = ctx;
    self->call.call = NULL;
    size_t index;
    const struct message *answer =
        status ? NULL : conversation_find_generation(conversation, self->generation, &index);
    if (answer == NULL) {
        reply_status(self->call.conn.net, status ? status : STATUS_NOT_FOUND, CHAT_NO_ANSWER);
    } else if (answer->stream->is_ended) {
        reply_end(self, message_find_generation(answer, self->generation));
    } else {
        cancel_answer(self, conversation, index);
    }
}

static bool has_open_answer(const struct conversation *conversation) {
    size_t n_shown = conversation_shown(conversation);
    const struct stream *last = n_shown ? conversation->messages[n_shown - 1]->stream : NULL;
    return last && !last->is_ended;
}

static void on_conversation(void *ctx, enum status status, struct conversation *conversation) {
    struct rest_chat *self = ctx;
    self->call.call = NULL;
    if (status) {
        reply_status(self->call.conn.net, status, CHAT_NO_CONVERSATION);
    } else if (has_open_answer(conversation)) {
        cancel_conversation(self, conversation);
    } else {
        /* A message may be on its way to the disk: its reply will not begin. */
        bool is_stopped = chat_cancel(self->call.conn.api->chat, conversation);
        reply_json(self->call.conn.net, 200,
                   json_pack("{s:b, s:s?}", "success", true, "reason", is_stopped ? "cancelled" : NULL));
    }
}

/* Front ends with one chat on the screen name nothing: there must be no doubt about what is meant. */
static void cancel_only(struct api *api, struct net_conn *net) {
    struct conversation *running = chat_find_only_running(api->chat);
    if (running) {
        cancel_conversation(begin(api, net), running);
    } else {
        reply_error(net, 400, "what shall end must be named: \"conversation_id\" or \"generation_id\"");
    }
}

void rest_chat_cancel_handle(struct api *api, struct net_conn *net) {
    char conversation[ID_CONVERSATION_BYTES];
    char generation[ID_HEX_BYTES];
    struct fault fault;
    json_t *body = request_body(net);
    if (body == NULL) {
        return;
    }
    enum status status = request_take_conversation(body, "conversation_id", conversation, &fault);
    status = status ? status : request_take_generation(body, "generation_id", generation, &fault);
    json_decref(body);
    if (status) {
        reply_error(net, 400, fault.text);
    } else if (generation[0]) {
        struct rest_chat *self = begin(api, net);
        memcpy(self->generation, generation, sizeof self->generation);
        self->call.call = chat_open_generation(api->chat, generation, on_generation, self);
    } else if (conversation[0]) {
        struct rest_chat *self = begin(api, net);
        self->call.call = chat_open_conversation(api->chat, conversation, on_conversation, self);
    } else {
        cancel_only(api, net);
    }
}

/* ---- [W28] ---- */

static void on_continued(void *ctx, const struct chat_sent *sent) {
    struct api_call *self = ctx;
    self->call = NULL;
    if (sent->status) {
        reply_status(self->conn.net, sent->status, sent->fault);
        return;
    }
    reply_json(self->conn.net, 200,
               json_pack("{s:b, s:s, s:s, s:s, s:b}", "success", true, "conversation_id",
                         sent->conversation->name, "message_id", sent->message_id, "generation_id",
                         sent->generation_id, "duplicate", (int)sent->duplicate));
}

void rest_chat_continue_handle(struct api *api, struct net_conn *net) {
    char generation[ID_HEX_BYTES];
    struct fault fault;
    json_t *body = request_body(net);
    if (body == NULL) {
        return;
    }
    enum status status = request_take_generation(body, "generation_id", generation, &fault);
    if (status == STATUS_OK && generation[0] == '\0') {
        status = request_missing("generation_id", &fault);
    }
    json_decref(body);
    if (status) {
        reply_error(net, 400, fault.text);
        return;
    }
    struct api_call *self = api_call_begin(sizeof *self, api, net);
    struct chat_asker asker = gate_asker(api, net);
    self->call = chat_continue(api->chat, generation, &asker, on_continued, self);
}
