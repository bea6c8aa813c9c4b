/* openai_chat.c - [O2] to [O6]: POST /v1/chat/completions.
 *
 *   ASKED → WAITING → STREAMING → DONE        WAITING → DONE
 *
 * ASKED      chat_complete has not called back
 * WAITING    nothing was sent: an error is still an HTTP status (decide). Without stream, until the end
 * STREAMING  the head is out; on_writable reads the answer, one chunk for each token
 * DONE       answered, or the last bytes are on their way
 *
 * The call is attached [O5]: a client that goes away before DONE cancels the generation. One that goes away
 * while ASKED leaves this struct to on_sent, which cancels and frees.
 */
#include "api/api_internal.h"
#include "api/openai.h"
#include "api/request.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A stream that waits longer than this (a model is being loaded) begins with comments (P11). */
#define BEGIN_MS 5000

enum call_state { CALL_ASKED, CALL_WAITING, CALL_STREAMING, CALL_DONE };

struct openai_call {
    struct api_conn conn;
    enum call_state state;
    bool is_orphan; /* closed while ASKED */
    bool is_stream;
    bool includes_usage;
    struct watcher watcher;
    struct loop_timer *timer; /* NULL: none is needed */
    int64_t created_s;
    char *model;
    char *head; /* of every chunk, up to "choices" */
};

static const struct message *message_of(const struct openai_call *self) {
    return self->watcher.conversation->messages[0];
}

/* The newest generation: how the answer ends. */
static const struct stream *stream_of(const struct openai_call *self) {
    return message_of(self)->stream;
}

/* What the call is known by, also when another generation goes on with it [O7]. */
static const char *id_of(const struct openai_call *self) {
    return message_of(self)->first->id;
}

static void free_call(struct openai_call *self) {
    if (self->timer) {
        net_loop(self->conn.api->net)->timer_free(self->timer);
    }
    free(self->model);
    free(self->head);
    free(self);
}

/* ---- Pieces of an answer ---- */

static json_int_t completion_tokens(const struct stream *stream) {
    const json_t *said = json_object_get(stream->usage, "completion_tokens");
    return said ? json_integer_value(said) : (json_int_t)stream->n_tokens;
}

/* The prompt of one that goes on has what was said before it [E21]: to the caller that is answer, not prompt. */
static json_t *usage_json(const struct message *message) {
    const struct stream *newest = message->stream;
    const json_t *prompt = json_object_get(newest->usage, "prompt_tokens");
    const json_t *cached = json_object_get(newest->usage, "cached_tokens");
    json_int_t n_prompt = prompt ? json_integer_value(prompt) : newest->n_prompt_tokens;
    json_int_t n_completion = completion_tokens(newest);
    for (const struct stream *stream = message->first; stream != newest; stream = stream->next) {
        n_prompt -= (json_int_t)stream->n_tokens;
        n_completion += (json_int_t)stream->n_tokens;
    }
    n_prompt = n_prompt > 0 ? n_prompt : 0;
    return json_pack("{s:I, s:I, s:I, s:{s:I}}", "prompt_tokens", n_prompt, "completion_tokens", n_completion,
                     "total_tokens", n_prompt + n_completion, "prompt_tokens_details", "cached_tokens",
                     json_integer_value(cached));
}

static const char *finish_reason(const struct stream *stream) {
    return strcmp(stream->reason, "length") == 0 ? "length" : "stop";
}

static bool is_failure(const struct stream *stream) {
    return stream->is_ended && reply_is_failure(stream);
}

static struct openai_error failure_of(const struct stream *stream) {
    const char *code = json_get_text(stream->error, "code", "");
    const char *openai_code = strcmp(code, "context_full") == 0      ? "context_length_exceeded"
                              : strcmp(code, "model_not_found") == 0 ? "model_not_found"
                                                                     : NULL;
    struct openai_error error;
    openai_error_set(&error, reply_end_http_status(stream), openai_code, openai_code ? "messages" : NULL,
                     "%s", reply_end_text(stream));
    if (strcmp(code, "model_not_found") == 0) {
        snprintf(error.param, sizeof error.param, "model");
    }
    return error;
}

/* ---- Streaming ---- */

/* What all chunks of the call have in common is written once. */
static char *chunk_head(const struct openai_call *self) {
    struct bytes head;
    bytes_init(&head, PATH_MAX + 512);
    bytes_add_format(&head,
                     "data: {\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion.chunk\",\"created\":%lld,"
                     "\"system_fingerprint\":\"runnel-%s\",\"model\":",
                     id_of(self), (long long)self->created_s, self->conn.api->options.version);
    bytes_add_json_string(&head, self->model, strlen(self->model));
    bytes_add_text(&head, ",\"choices\":[");
    char *text = mem_copy_bytes(head.data, head.size);
    bytes_deinit(&head);
    return text;
}

static void add_chunk_end(const struct openai_call *self, struct bytes *frame, const char *reason) {
    bytes_add_text(frame, ",\"logprobs\":null,\"finish_reason\":");
    if (reason) {
        bytes_add_json_string(frame, reason, strlen(reason));
    } else {
        bytes_add_text(frame, "null");
    }
    bytes_add_text(frame, "}]");
    bytes_add_text(frame, self->includes_usage ? ",\"usage\":null}\n\n" : "}\n\n");
}

static void add_role(const struct openai_call *self, struct bytes *frame) {
    bytes_add_text(frame, self->head);
    bytes_add_text(frame, "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}");
    add_chunk_end(self, frame, NULL);
}

static void add_token(const struct openai_call *self, struct bytes *frame, const struct watch_item *item) {
    if (item->text_size == 0) {
        return;
    }
    bytes_add_text(frame, self->head);
    bytes_add_text(frame, "{\"index\":0,\"delta\":{\"content\":");
    bytes_add_json_string(frame, item->text, item->text_size);
    bytes_add_char(frame, '}');
    add_chunk_end(self, frame, NULL);
    LOG_DEBUG("[OPENAI]", "token #%llu sent conn=%llu seq=%llu t_ns=%llu", (unsigned long long)item->seq - 1,
              (unsigned long long)net_conn_number(self->conn.net), (unsigned long long)item->seq,
              (unsigned long long)clock_now_ns());
}

static void add_json_event(struct bytes *frame, json_t *object) {
    char *text = json_text(object);
    bytes_add_format(frame, "data: %s\n\n", text);
    free(text);
    json_decref(object);
}

static void add_usage(const struct openai_call *self, struct bytes *frame) {
    json_t *usage = usage_json(message_of(self));
    char *text = json_text(usage);
    bytes_add_format(frame, "%s],\"usage\":%s}\n\n", self->head, text);
    free(text);
    json_decref(usage);
}

static void add_end(struct openai_call *self, struct bytes *frame) {
    const struct stream *stream = stream_of(self);
    self->state = CALL_DONE;
    if (is_failure(stream)) {
        struct openai_error error = failure_of(stream);
        add_json_event(frame, openai_error_json(&error));
        return;
    }
    bytes_add_text(frame, self->head);
    bytes_add_text(frame, "{\"index\":0,\"delta\":{}");
    add_chunk_end(self, frame, finish_reason(stream));
    if (self->includes_usage) {
        add_usage(self, frame);
    }
    bytes_add_text(frame, "data: [DONE]\n\n");
}

static void on_writable(struct api_conn *conn) {
    struct openai_call *self = (struct openai_call *)conn;
    struct bytes *frame = &conn->api->frame;
    struct watch_item item;
    bytes_clear(frame);
    while (self->state == CALL_STREAMING && frame->size < API_STREAM_WRITE_BYTES &&
           watcher_next(&self->watcher, 1, API_FRAME_TEXT_BYTES, &item) != WATCH_NONE) {
        bool is_seam = item.kind == WATCH_END && reply_goes_on(conn->api, item.stream);
        if (item.kind == WATCH_START && item.stream == message_of(self)->first) {
            add_role(self, frame);
        } else if (item.kind == WATCH_TOKENS) {
            add_token(self, frame, &item);
        } else if (item.kind == WATCH_END && !is_seam) {
            add_end(self, frame);
        }
    }
    if (frame->failed) {
        LOG_WARN("stream_token_too_large", "generation=%s", id_of(self));
        net_conn_close(conn->net, NET_CLOSE_TOO_LARGE, "");
        return;
    }
    if (frame->size) {
        net_conn_write(conn->net, frame->data, frame->size);
    }
    if (self->state == CALL_DONE) {
        net_stream_end(conn->net);
    } else if (watcher_has_more(&self->watcher)) {
        net_conn_want_write(conn->net);
    }
}

static void on_silence(struct api_conn *conn) {
    net_conn_send(conn->net, API_STREAM_PING, sizeof API_STREAM_PING - 1);
}

/* ---- Before the first byte ---- */

static void begin_stream(struct openai_call *self) {
    if (net_conn_is_answered(self->conn.net)) {
        return;
    }
    self->state = CALL_STREAMING;
    self->head = chunk_head(self);
    net_stream_begin(self->conn.net, "text/event-stream; charset=utf-8", API_STREAM_HEADERS);
    net_conn_want_write(self->conn.net);
}

static void on_time(void *ctx) {
    struct openai_call *self = ctx;
    if (self->state == CALL_WAITING) {
        begin_stream(self);
    }
}

static void reply_whole(struct openai_call *self) {
    const struct stream *stream = stream_of(self);
    self->state = CALL_DONE;
    if (is_failure(stream)) {
        struct openai_error error = failure_of(stream);
        openai_error_reply(self->conn.net, &error);
        return;
    }
    struct bytes content;
    bytes_init(&content, message_text_size(message_of(self)));
    message_add_text(message_of(self), &content);
    char *id = mem_format("chatcmpl-%s", id_of(self));
    char *fingerprint = mem_format("runnel-%s", self->conn.api->options.version);
    json_t *message = json_pack("{s:s, s:s%, s:n}", "role", "assistant", "content",
                                content.size ? content.data : "", content.size, "refusal");
    json_t *choice = json_pack("{s:i, s:o, s:n, s:s}", "index", 0, "message", message, "logprobs",
                               "finish_reason", finish_reason(stream));
    reply_json(self->conn.net, 200,
               json_pack("{s:s, s:s, s:I, s:s, s:s, s:[o], s:o}", "id", id, "object", "chat.completion",
                         "created", (json_int_t)self->created_s, "model", self->model, "system_fingerprint",
                         fingerprint, "choices", choice, "usage", usage_json(message_of(self))));
    bytes_deinit(&content);
    free(id);
    free(fingerprint);
}

/* Looks, without reading, at whether the answer can be begun. */
static void decide(struct openai_call *self) {
    const struct stream *stream = stream_of(self);
    const struct phase *phase = &self->watcher.conversation->phase;
    bool has_text = stream != message_of(self)->first || stream->last_seq > 1;
    bool is_silent_failure = is_failure(stream) && message_text_size(message_of(self)) == 0;
    if (!self->is_stream || is_silent_failure) {
        if (stream->is_ended) {
            reply_whole(self);
        }
    } else if (has_text || (phase->kind == PHASE_PREFILL && phase->done > 0)) {
        begin_stream(self);
    }
}

static void on_change(void *ctx) {
    struct openai_call *self = ctx;
    if (self->state == CALL_WAITING) {
        decide(self);
    } else if (self->state == CALL_STREAMING) {
        net_conn_want_write(self->conn.net);
    }
}

/* ---- From the request to the generation ---- */

static void on_sent(void *ctx, const struct chat_sent *sent) {
    struct openai_call *self = ctx;
    if (self->is_orphan) {
        if (sent->status == STATUS_OK) {
            chat_cancel(self->conn.api->chat, sent->conversation);
        }
        free_call(self);
        return;
    }
    if (sent->status) {
        self->state = CALL_DONE;
        reply_status(self->conn.net, sent->status, sent->fault);
        return;
    }
    self->state = CALL_WAITING;
    watcher_init(&self->watcher, sent->conversation, on_change, self);
    watcher_seek_message(&self->watcher, 0);
    if (self->is_stream) {
        const struct loop *loop = net_loop(self->conn.api->net);
        self->timer = loop->timer_new(loop->self, on_time, self);
        loop->timer_set(self->timer, BEGIN_MS);
    }
    decide(self);
}

static void on_close(struct api_conn *conn) {
    struct openai_call *self = (struct openai_call *)conn;
    if (self->state == CALL_ASKED) {
        self->is_orphan = true;
        return;
    }
    struct conversation *conversation = self->watcher.conversation;
    if (conversation) {
        conversation_ref(conversation);
        watcher_deinit(&self->watcher);
        if (self->state != CALL_DONE) {
            chat_cancel(conn->api->chat, conversation);
        }
        conversation_unref(conversation);
    }
    free_call(self);
}

/* The name a model has in the list: its file's, without the suffix. */
static char *model_id(const struct models *models, const char *path) {
    const char *name = models_file_name(path);
    size_t n_suffix = models_has_suffix(models, name) ? strlen(models_suffix(models)) : 0;
    return mem_copy_bytes(name, strlen(name) - n_suffix);
}

static void begin(struct api *api, struct net_conn *net, const struct openai_request *request,
                  const char *path) {
    static const struct api_conn_ops ops = { .on_writable = on_writable,
                                             .on_silence = on_silence,
                                             .on_close = on_close };
    struct openai_call *self = mem_alloc(sizeof *self);
    api_conn_attach(&self->conn, &ops, api, net);
    self->is_stream = request->stream;
    self->includes_usage = request->include_usage;
    self->created_s = clock_wall_ms() / 1000;
    self->model = model_id(chat_models(api->chat), path);
    LOG_DEBUG("[OPENAI]", "request conn=%llu stream=%d", (unsigned long long)net_conn_number(net),
              request->stream);
    /* on_sent comes in any case: it must be there to cancel what was begun for a client that has gone. */
    chat_complete(api->chat, request->messages, path, &request->settings, on_sent, self);
}

static bool resolve(const struct api *api, const char *model, char path[PATH_MAX],
                    struct openai_error *error) {
    struct fault fault;
    enum status status = models_resolve(chat_models(api->chat), model, path, &fault);
    if (status == STATUS_UNAVAILABLE) {
        return openai_error_set(error, 503, "model_not_found", "model", "%s", fault.text);
    }
    return status == STATUS_OK || openai_error_set(error, 404, "model_not_found", "model", "%s", fault.text);
}

void openai_chat_handle(struct api *api, struct net_conn *net) {
    json_t *body = request_body(net);
    if (body == NULL) {
        return;
    }
    struct openai_request request;
    struct openai_error error;
    char path[PATH_MAX];
    if (!openai_request_parse(&request, body, chat_settings(api->chat), &error)) {
        openai_error_reply(net, &error);
    } else {
        if (resolve(api, request.model, path, &error)) {
            begin(api, net, &request, path);
        } else {
            openai_error_reply(net, &error);
        }
        openai_request_deinit(&request);
    }
    json_decref(body);
}
