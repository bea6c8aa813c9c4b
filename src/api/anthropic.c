/* anthropic.c - [W81] [W82] POST /v1/messages, as an attached call: its events, and its answer in one piece. */
#include "api/anthropic.h"

#include "api/fields.h"
#include "api/openai_answer.h"
#include "api/openai_call.h"
#include "api/request.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum block { BLOCK_NONE, BLOCK_THINKING, BLOCK_TEXT, BLOCK_CALL };

struct anthropic_call {
    struct openai_call call;
    enum block block; /* that is open */
    size_t n_blocks;
};

static struct anthropic_call *call_of(struct attached *attached) {
    return (struct anthropic_call *)attached;
}

/* Takes over the reference. Without the line `event` clients drop it. */
static void emit(struct bytes *frame, const char *type, json_t *event) {
    json_object_set_new(event, "type", json_string(type));
    char *text = json_text(event);
    bytes_add_format(frame, "event: %s\ndata: ", type);
    bytes_add_text(frame, text);
    bytes_add_text(frame, "\n\n");
    free(text);
    json_decref(event);
}

/* ---- What is in both forms ---- */

static json_t *usage_json(const struct attached *attached) {
    struct attached_usage usage = attached_usage(attached);
    return json_pack("{s:I, s:I, s:i, s:i}", "input_tokens", (json_int_t)usage.n_prompt, "output_tokens",
                     (json_int_t)usage.n_completion, "cache_creation_input_tokens", 0,
                     "cache_read_input_tokens", 0);
}

/* Borrowed; NULL: no stop string ended it. */
static const char *stop_string(const struct attached *attached) {
    return json_get_text(attached->events.message->stream->usage, "stop", NULL);
}

static const char *stop_reason(const struct attached *attached) {
    json_t *calls = message_tool_calls(attached->events.message);
    bool has_calls = calls != NULL;
    json_decref(calls);
    return attached_was_cut(attached) ? "max_tokens"
           : stop_string(attached)    ? "stop_sequence"
           : has_calls                ? "tool_use"
                                      : "end_turn";
}

static json_t *message_json(const struct attached *attached, json_t *content) {
    const struct openai_call *call = (const struct openai_call *)attached;
    char *id = mem_format("msg_%s", attached_id(attached));
    json_t *message = json_pack("{s:s, s:s, s:s, s:s, s:o, s:n, s:n, s:o}", "id", id, "type", "message",
                                "role", "assistant", "model", call->model, "content", content, "stop_reason",
                                "stop_sequence", "usage", usage_json(attached));
    free(id);
    return message;
}

/* ---- A stream [W82] ---- */

static void close_block(struct anthropic_call *self, struct bytes *frame) {
    if (self->block == BLOCK_NONE) {
        return;
    }
    if (self->block == BLOCK_THINKING) {
        emit(frame, "content_block_delta",
             json_pack("{s:I, s:{s:s, s:s}}", "index", (json_int_t)self->n_blocks - 1, "delta", "type",
                       "signature_delta", "signature", ""));
    }
    emit(frame, "content_block_stop", json_pack("{s:I}", "index", (json_int_t)self->n_blocks - 1));
    self->block = BLOCK_NONE;
}

/* Takes over the reference. */
static void open_block(struct anthropic_call *self, struct bytes *frame, enum block block, json_t *content) {
    close_block(self, frame);
    self->block = block;
    emit(frame, "content_block_start",
         json_pack("{s:I, s:o}", "index", (json_int_t)self->n_blocks++, "content_block", content));
}

static void add_delta(const struct anthropic_call *self, struct bytes *frame, const char *type,
                      const char *key, const char *text, size_t size) {
    emit(frame, "content_block_delta",
         json_pack("{s:I, s:{s:s, s:s%}}", "index", (json_int_t)self->n_blocks - 1, "delta", "type", type,
                   key, text, size));
}

static void add_begin(struct attached *attached, struct bytes *frame) {
    json_t *message = message_json(attached, json_array());
    json_t *usage = json_object_get(message, "usage");
    json_object_set_new(usage, "output_tokens", json_integer(0));
    emit(frame, "message_start", json_pack("{s:o}", "message", message));
    emit(frame, "ping", json_object());
}

static void add_call(struct anthropic_call *self, struct bytes *frame, const struct watch_item *item) {
    json_t *piece = json_loadb(item->other, item->other_size, 0, NULL);
    const char *arguments = json_get_text(piece, "arguments", "");
    if (json_object_get(piece, "id")) {
        open_block(self, frame, BLOCK_CALL,
                   json_pack("{s:s, s:s, s:s, s:{}}", "type", "tool_use", "id",
                             json_get_text(piece, "id", ""), "name", json_get_text(piece, "name", ""),
                             "input"));
    }
    if (arguments[0]) {
        add_delta(self, frame, "input_json_delta", "partial_json", arguments, strlen(arguments));
    }
    json_decref(piece);
}

static void add_token(struct attached *attached, struct bytes *frame, const struct watch_item *item) {
    struct anthropic_call *self = call_of(attached);
    if (item->event_kind == STORE_EVENT_TOOL) {
        add_call(self, frame, item);
    } else if (item->event_kind == STORE_EVENT_REASONING && item->other_size > 0) {
        if (self->block != BLOCK_THINKING) {
            open_block(self, frame, BLOCK_THINKING,
                       json_pack("{s:s, s:s, s:s}", "type", "thinking", "thinking", "", "signature", ""));
        }
        add_delta(self, frame, "thinking_delta", "thinking", item->other, item->other_size);
    } else if (item->text_size > 0) {
        if (self->block != BLOCK_TEXT) {
            open_block(self, frame, BLOCK_TEXT, json_pack("{s:s, s:s}", "type", "text", "text", ""));
        }
        add_delta(self, frame, "text_delta", "text", item->text, item->text_size);
    }
}

static void add_end(struct attached *attached, struct bytes *frame) {
    close_block(call_of(attached), frame);
    emit(frame, "message_delta",
         json_pack("{s:{s:s, s:s?}, s:o}", "delta", "stop_reason", stop_reason(attached), "stop_sequence",
                   stop_string(attached), "usage", usage_json(attached)));
    emit(frame, "message_stop", json_object());
}

static void add_failure(struct attached *attached, struct bytes *frame,
                        const struct attached_failure *failure) {
    (void)attached;
    emit(frame, "error", anthropic_error_json(failure->status, failure->text));
}

/* ---- One piece ---- */

static json_t *content_json(const struct message *answer) {
    json_t *content = json_array();
    json_t *thoughts = message_reasoning(answer);
    json_t *calls = message_tool_calls(answer);
    size_t index;
    json_t *call;
    if (thoughts) {
        json_array_append_new(
            content, json_pack("{s:s, s:o, s:s}", "type", "thinking", "thinking", thoughts, "signature", ""));
    }
    if (message_text_size(answer) > 0) {
        json_array_append_new(content,
                              json_pack("{s:s, s:o}", "type", "text", "text", openai_answer_text(answer)));
    }
    json_array_foreach(calls, index, call) {
        /* A limit may have cut the arguments. */
        json_t *input = json_loads(json_get_text(call, "arguments", "{}"), 0, NULL);
        json_array_append_new(content,
                              json_pack("{s:s, s:O, s:O, s:o}", "type", "tool_use", "id",
                                        json_object_get(call, "id"), "name", json_object_get(call, "name"),
                                        "input", json_is_object(input) ? json_incref(input) : json_object()));
        json_decref(input);
    }
    json_decref(calls);
    return content;
}

static void reply_whole(struct attached *attached) {
    json_t *message = message_json(attached, content_json(attached->events.message));
    const char *stop = stop_string(attached);
    json_object_set_new(message, "stop_reason", json_string(stop_reason(attached)));
    if (stop) {
        json_object_set_new(message, "stop_sequence", json_string(stop));
    }
    reply_json(attached->events.call.conn.net, 200, message);
}

static void reply_failure(struct attached *attached, const struct attached_failure *failure) {
    anthropic_error_reply(attached->events.call.conn.net, failure->status, failure->text);
}

/* ---- The request ---- */

static const struct attached_encoder encoder = {
    .ping = "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    .reply_whole = reply_whole,
    .reply_failure = reply_failure,
    .add_begin = add_begin,
    .add_token = add_token,
    .add_end = add_end,
    .add_failure = add_failure,
    .deinit = openai_call_deinit,
};

bool anthropic_take(struct api *api, struct net_conn *net, bool is_message, struct openai_request *request,
                    char path[PATH_MAX]) {
    json_t *body = request_body(net);
    struct openai_error error;
    if (body == NULL) {
        return false;
    }
    bool is_read = fields_check(&fields_messages, net, body, &error) &&
                   anthropic_request_parse(request, body, is_message, chat_settings(api->chat), &error);
    bool is_good = is_read && openai_call_resolve(api, request->model, path, &error);
    if (!is_good) {
        anthropic_error_reply(net, error.status, error.text);
    }
    if (is_read) {
        request->model = NULL; /* it was the body's */
    }
    if (is_read && !is_good) {
        openai_request_deinit(request);
    }
    json_decref(body);
    return is_good;
}

void anthropic_handle(struct api *api, struct net_conn *net) {
    struct openai_request request;
    char path[PATH_MAX];
    if (anthropic_take(api, net, true, &request, path)) {
        struct anthropic_call *self = openai_call_begin(sizeof *self, &encoder, api, net, &request, path);
        openai_call_ask(&self->call, &request, path);
        openai_request_deinit(&request);
    }
}
