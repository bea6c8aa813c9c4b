/* openai_chat.c - [O2] to [O7]: POST /v1/chat/completions, as an attached call (attached.h): how its request is taken, and how its answers look. */
#include "api/attached.h"
#include "api/openai.h"
#include "api/openai_answer.h"
#include "api/request.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct openai_call {
    struct attached attached;
    bool includes_usage;
    bool has_logprobs;
    const char *constrained_by; /* the parameter that an engine may refuse; NULL: none */
    int64_t created_s;
    char *model;
    char *head; /* of every chunk, up to "choices"; NULL: the stream has not begun */
};

static struct openai_call *call_of(struct attached *attached) {
    return (struct openai_call *)attached;
}

static struct net_conn *net_of(const struct openai_call *self) {
    return self->attached.events.call.conn.net;
}

static const char *version_of(const struct openai_call *self) {
    return self->attached.events.call.conn.api->options.version;
}

static void deinit(struct attached *attached) {
    free(call_of(attached)->model);
    free(call_of(attached)->head);
}

/* ---- What is in both forms ---- */

static json_t *usage_json(const struct openai_call *self) {
    struct attached_usage usage = attached_usage(&self->attached);
    return json_pack("{s:I, s:I, s:I, s:{s:I}}", "prompt_tokens", (json_int_t)usage.n_prompt,
                     "completion_tokens", (json_int_t)usage.n_completion, "total_tokens",
                     (json_int_t)(usage.n_prompt + usage.n_completion), "prompt_tokens_details",
                     "cached_tokens", (json_int_t)usage.n_cached);
}

static const char *finish_reason(const struct openai_call *self, bool has_calls) {
    return attached_was_cut(&self->attached) ? "length" : has_calls ? "tool_calls" : "stop";
}

static struct openai_error error_of(const struct openai_call *self, const struct attached_failure *failure) {
    bool is_too_long = strcmp(failure->code, "context_full") == 0;
    bool is_unknown = strcmp(failure->code, "model_not_found") == 0;
    const char *code = is_too_long              ? "context_length_exceeded"
                       : is_unknown             ? "model_not_found"
                       : failure->status == 429 ? "rate_limit_exceeded"
                                                : NULL;
    struct openai_error error;
    openai_error_set(&error, failure->status, code,
                     is_too_long              ? "messages"
                     : is_unknown             ? "model"
                     : failure->status == 400 ? self->constrained_by
                                              : NULL,
                     "%s", failure->text);
    return error;
}

/* ---- A stream [O4] ---- */

/* What all chunks of the call have in common is written once. */
static char *chunk_head(const struct openai_call *self) {
    struct bytes head;
    bytes_init(&head, PATH_MAX + 512);
    bytes_add_format(&head,
                     "data: {\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion.chunk\",\"created\":%lld,"
                     "\"system_fingerprint\":\"runnel-%s\",\"model\":",
                     attached_id(&self->attached), (long long)self->created_s, version_of(self));
    bytes_add_json_string(&head, self->model, strlen(self->model));
    bytes_add_text(&head, ",\"choices\":[");
    char *text = mem_copy_bytes(head.data, head.size);
    bytes_deinit(&head);
    return text;
}

/* `item`: an event whose probability is told; NULL: none. */
static void add_chunk_end(const struct openai_call *self, struct bytes *frame, const char *reason,
                          const struct watch_item *item) {
    bytes_add_text(frame, ",\"logprobs\":");
    if (self->has_logprobs && item && item->event_kind == STORE_EVENT_TOKEN) {
        json_t *logprobs = openai_answer_logprobs(item->message, item->stream, item->seq);
        char *text = json_text(logprobs);
        bytes_add_text(frame, text);
        free(text);
        json_decref(logprobs);
    } else {
        bytes_add_text(frame, "null");
    }
    bytes_add_text(frame, ",\"finish_reason\":");
    if (reason) {
        bytes_add_json_string(frame, reason, strlen(reason));
    } else {
        bytes_add_text(frame, "null");
    }
    bytes_add_text(frame, "}]");
    bytes_add_text(frame, self->includes_usage ? ",\"usage\":null}\n\n" : "}\n\n");
}

static void add_begin(struct attached *attached, struct bytes *frame) {
    struct openai_call *self = call_of(attached);
    self->head = chunk_head(self);
    bytes_add_text(frame, self->head);
    bytes_add_text(frame, "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}");
    add_chunk_end(self, frame, NULL, NULL);
}

static void add_token(struct attached *attached, struct bytes *frame, const struct watch_item *item) {
    const struct openai_call *self = call_of(attached);
    if (!openai_answer_has_delta(item)) {
        return;
    }
    bytes_add_text(frame, self->head);
    bytes_add_text(frame, "{\"index\":0,\"delta\":{");
    openai_answer_add_delta(frame, item);
    bytes_add_char(frame, '}');
    add_chunk_end(self, frame, NULL, item);
    LOG_DEBUG("[OPENAI]", "token #%llu sent conn=%llu seq=%llu t_ns=%llu", (unsigned long long)item->seq - 1,
              (unsigned long long)net_conn_number(net_of(self)), (unsigned long long)item->seq,
              (unsigned long long)clock_now_ns());
}

static void add_usage(const struct openai_call *self, struct bytes *frame) {
    json_t *usage = usage_json(self);
    char *text = json_text(usage);
    bytes_add_format(frame, "%s],\"usage\":%s}\n\n", self->head, text);
    free(text);
    json_decref(usage);
}

static void add_end(struct attached *attached, struct bytes *frame) {
    const struct openai_call *self = call_of(attached);
    bytes_add_text(frame, self->head);
    bytes_add_text(frame, "{\"index\":0,\"delta\":{}");
    json_t *calls = message_tool_calls(self->attached.events.message);
    add_chunk_end(self, frame, finish_reason(self, calls != NULL), NULL);
    json_decref(calls);
    if (self->includes_usage) {
        add_usage(self, frame);
    }
    bytes_add_text(frame, "data: [DONE]\n\n");
}

static void add_failure(struct attached *attached, struct bytes *frame,
                        const struct attached_failure *failure) {
    struct openai_error error = error_of(call_of(attached), failure);
    json_t *object = openai_error_json(&error);
    char *text = json_text(object);
    bytes_add_format(frame, "data: %s\n\n", text);
    free(text);
    json_decref(object);
}

/* ---- One piece, or an error [O3] ---- */

static void reply_failure(struct attached *attached, const struct attached_failure *failure) {
    struct openai_error error = error_of(call_of(attached), failure);
    openai_error_reply(net_of(call_of(attached)), &error);
}

/* Thoughts and calls; an answer that only calls has no content. */
static void add_others(const struct openai_call *self, json_t *message) {
    const struct message *answer = self->attached.events.message;
    json_t *reasoning = message_reasoning(answer);
    if (reasoning) {
        json_object_set_new(message, "reasoning_content", reasoning);
    }
    json_t *calls = openai_answer_calls(answer);
    if (calls) {
        json_object_set_new(message, "tool_calls", calls);
        if (message_text_size(answer) == 0) {
            json_object_set_new(message, "content", json_null());
        }
    }
}

static void reply_whole(struct attached *attached) {
    const struct openai_call *self = call_of(attached);
    struct bytes content;
    bytes_init(&content, message_text_size(attached->events.message));
    message_add_text(attached->events.message, &content);
    char *id = mem_format("chatcmpl-%s", attached_id(attached));
    char *fingerprint = mem_format("runnel-%s", version_of(self));
    json_t *message = json_pack("{s:s, s:s%, s:n}", "role", "assistant", "content",
                                content.size ? content.data : "", content.size, "refusal");
    add_others(self, message);
    json_t *logprobs = self->has_logprobs ? openai_answer_logprobs(attached->events.message, NULL, 0) : NULL;
    bool has_calls = json_object_get(message, "tool_calls") != NULL;
    json_t *choice = json_pack("{s:i, s:o, s:o?, s:s}", "index", 0, "message", message, "logprobs", logprobs,
                               "finish_reason", finish_reason(self, has_calls));
    reply_json(net_of(self), 200,
               json_pack("{s:s, s:s, s:I, s:s, s:s, s:[o], s:o}", "id", id, "object", "chat.completion",
                         "created", (json_int_t)self->created_s, "model", self->model, "system_fingerprint",
                         fingerprint, "choices", choice, "usage", usage_json(self)));
    bytes_deinit(&content);
    free(id);
    free(fingerprint);
}

/* ---- The request ---- */

/* The name a model has in the list: its file's, without the suffix. */
static char *model_id(const struct models *models, const char *path) {
    const char *name = models_file_name(path);
    size_t n_suffix = models_has_suffix(models, name) ? strlen(models_suffix(models)) : 0;
    return mem_copy_bytes(name, strlen(name) - n_suffix);
}

static const struct attached_encoder encoder = {
    .reply_whole = reply_whole,
    .reply_failure = reply_failure,
    .add_begin = add_begin,
    .add_token = add_token,
    .add_end = add_end,
    .add_failure = add_failure,
    .deinit = deinit,
};

static void begin(struct api *api, struct net_conn *net, const struct openai_request *request,
                  const char *path) {
    struct openai_call *self = attached_begin(sizeof *self, &encoder, api, net);
    self->includes_usage = request->include_usage;
    self->has_logprobs = request->logprobs;
    self->constrained_by = request->has_tools ? "tools" : request->has_format ? "response_format" : NULL;
    self->created_s = clock_wall_ms() / 1000;
    self->model = model_id(chat_models(api->chat), path);
    LOG_DEBUG("[OPENAI]", "request conn=%llu stream=%d", (unsigned long long)net_conn_number(net),
              request->stream);
    attached_ask(&self->attached, &(struct attached_request){ .messages = request->messages,
                                                              .model_path = path,
                                                              .settings = &request->settings,
                                                              .is_stream = request->stream });
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
