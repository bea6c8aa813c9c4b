#include "api/openai_call.h"

#include "api/llama_timings.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static struct net_conn *net_of(const struct openai_call *self) {
    return self->attached.events.call.conn.net;
}

static const char *version_of(const struct openai_call *self) {
    return self->attached.events.call.conn.api->options.version;
}

/* ---- Beginning ---- */

char *openai_call_model_id(struct api *api, const char *path) {
    const struct models *models = chat_models(api->chat);
    const char *name = models_file_name(path);
    size_t n_suffix = models_has_suffix(models, name) ? strlen(models_suffix(models)) : 0;
    return mem_copy_bytes(name, strlen(name) - n_suffix);
}

bool openai_call_resolve(const struct api *api, const char *model, char path[PATH_MAX],
                         struct openai_error *error) {
    struct fault fault;
    enum status status = models_resolve(chat_models(api->chat), model, path, &fault);
    if (status == STATUS_UNAVAILABLE) {
        return openai_error_set(error, 503, "model_not_found", "model", "%s", fault.text);
    }
    return status == STATUS_OK || openai_error_set(error, 404, "model_not_found", "model", "%s", fault.text);
}

void *openai_call_begin(size_t n_bytes, const struct attached_encoder *encoder, struct api *api,
                        struct net_conn *net, const struct openai_request *request, const char *path) {
    struct openai_call *self = attached_begin(n_bytes, encoder, api, net);
    self->includes_usage = request->include_usage;
    self->timings_per_token = request->timings_per_token;
    self->attached.wants_progress = request->return_progress && encoder->add_progress;
    self->messages_param = "messages";
    self->constrained_by = request->has_tools ? "tools" : request->has_format ? "response_format" : NULL;
    self->created_s = clock_wall_ms() / 1000;
    self->model = openai_call_model_id(api, path);
    LOG_DEBUG("[OPENAI]", "request conn=%llu stream=%d", (unsigned long long)net_conn_number(net),
              request->stream);
    return self;
}

void *openai_call_find(size_t n_bytes, const struct attached_encoder *encoder, struct api *api,
                       struct net_conn *net, const struct openai_request *request, char path[PATH_MAX]) {
    struct openai_error error;
    if (!openai_call_resolve(api, request->model, path, &error)) {
        openai_error_reply(net, &error);
        return NULL;
    }
    return openai_call_begin(n_bytes, encoder, api, net, request, path);
}

/* [W93] False: it is not to be kept. `conversation` is "" for a new one. */
static bool wants_keep(const struct net_conn *net, const struct openai_request *request,
                       char conversation[ID_CONVERSATION_BYTES]) {
    const char *header = net_conn_header(net, NET_HEADER_X_CONVERSATION_ID);
    conversation[0] = '\0';
    bool is_named = id_parse_conversation(header, conversation);
    bool has_messages = json_array_size(request->messages) > 0; /* else it is a raw prompt */
    return has_messages && (is_named || request->store || strcmp(header, "new") == 0);
}

/* [W109] What the client calls the stream, where that is no id of a conversation; "": nothing. */
static const char *name_of(const struct net_conn *net, const struct openai_request *request) {
    const char *header = net_conn_header(net, NET_HEADER_X_CONVERSATION_ID);
    bool is_named = request->stream && strcmp(header, "new") != 0 && llama_streams_is_id(header);
    return is_named && json_array_size(request->messages) > 0 ? header : "";
}

struct llama_stream *openai_call_open_stream(struct openai_call *self, const struct openai_request *request) {
    struct api *api = self->attached.events.call.conn.api;
    uint64_t asker = gate_asker(api, net_of(self)).number;
    const char *name = name_of(net_of(self), request);
    char conversation[ID_CONVERSATION_BYTES];
    if (name[0] == '\0' || id_parse_conversation(name, conversation)) {
        return NULL;
    }
    const struct llama_stream *before = llama_streams_find(&api->streams, asker, name);
    if (before && before->generation[0]) {
        chat_cancel_generation(api->chat, before->generation);
    }
    struct llama_stream *stream = llama_streams_open(&api->streams, asker, name);
    stream->created_s = self->created_s;
    stream->model = mem_copy_string(self->model);
    stream->includes_usage = self->includes_usage;
    stream->timings_per_token = self->timings_per_token;
    stream->has_logprobs = request->logprobs;
    self->attached.tape.tape = tape_ref(stream->tape);
    return stream;
}

void openai_call_ask(struct openai_call *self, struct openai_request *request, const char *path) {
    char conversation[ID_CONVERSATION_BYTES];
    bool is_kept = wants_keep(net_of(self), request, conversation);
    const struct llama_stream *stream = self->stream;
    if (stream) {
        is_kept = true;
        id_copy(conversation, sizeof conversation, stream->conversation);
    }
    if (!is_kept) {
        openai_request_begin_answer(request);
    }
    struct attached_keep keep = { .conversation = conversation[0] ? conversation : NULL, .is_whole = true };
    attached_ask(&self->attached, &(struct attached_request){ .messages = request->messages,
                                                              .model_path = path,
                                                              .settings = &request->settings,
                                                              .is_stream = request->stream,
                                                              .keep = is_kept ? &keep : NULL });
}

void openai_call_deinit(struct attached *attached) {
    struct openai_call *self = (struct openai_call *)attached;
    free(self->model);
    free(self->head);
}

/* ---- What is in both forms ---- */

json_t *openai_call_usage(const struct openai_call *self) {
    struct attached_usage usage = attached_usage(&self->attached);
    return json_pack("{s:I, s:I, s:I, s:{s:I}}", "prompt_tokens", (json_int_t)usage.n_prompt,
                     "completion_tokens", (json_int_t)usage.n_completion, "total_tokens",
                     (json_int_t)(usage.n_prompt + usage.n_completion), "prompt_tokens_details",
                     "cached_tokens", (json_int_t)usage.n_cached);
}

/* Written once for all chunks. */
static char *make_head(const struct openai_call *self, const char *id_prefix, const char *object) {
    struct bytes head;
    bytes_init(&head, PATH_MAX + 512);
    bytes_add_format(&head,
                     "data: {\"id\":\"%s%s\",\"object\":\"%s\",\"created\":%lld,"
                     "\"system_fingerprint\":\"runnel-%s\",\"model\":",
                     id_prefix, attached_id(&self->attached), object, (long long)self->created_s,
                     version_of(self));
    bytes_add_json_string(&head, self->model, strlen(self->model));
    bytes_add_text(&head, ",\"choices\":[");
    char *text = mem_copy_bytes(head.data, head.size);
    bytes_deinit(&head);
    return text;
}

void openai_call_add_head(struct openai_call *self, struct bytes *frame, const char *id_prefix,
                          const char *object) {
    if (self->head == NULL) {
        self->head = make_head(self, id_prefix, object);
    }
    bytes_add_text(frame, self->head);
}

static void add_member(struct bytes *frame, const char *name, json_t *value) {
    char *text = json_text(value);
    bytes_add_format(frame, ",\"%s\":%s", name, text);
    free(text);
    json_decref(value);
}

void openai_call_add_begin_tail(const struct openai_call *self, struct bytes *frame) {
    bytes_add_text(frame, self->includes_usage ? "],\"usage\":null}\n\n" : "]}\n\n");
}

void openai_call_add_tail(const struct openai_call *self, struct bytes *frame,
                          const struct watch_item *item) {
    bytes_add_text(frame, self->includes_usage ? "],\"usage\":null" : "]");
    if (item && self->timings_per_token) {
        bytes_add_text(frame, ",\"timings\":");
        llama_timings_add_now(frame, &self->attached, item);
    } else if (item == NULL && !self->includes_usage) {
        add_member(frame, "timings", llama_timings_whole(&self->attached));
    }
    bytes_add_text(frame, "}\n\n");
}

void openai_call_add_progress_tail(const struct openai_call *self, struct bytes *frame,
                                   const struct attached_progress *progress) {
    bytes_add_text(frame, self->includes_usage ? "],\"usage\":null" : "]");
    add_member(frame, "prompt_progress", llama_timings_progress(progress));
    bytes_add_text(frame, "}\n\n");
}

void openai_call_add_last(const struct openai_call *self, struct bytes *frame) {
    if (self->includes_usage) {
        bytes_add_format(frame, "%s]", self->head);
        add_member(frame, "usage", openai_call_usage(self));
        add_member(frame, "timings", llama_timings_whole(&self->attached));
        bytes_add_text(frame, "}\n\n");
    }
    bytes_add_text(frame, "data: [DONE]\n\n");
}

json_t *openai_call_whole(const struct openai_call *self, const char *id_prefix, const char *object,
                          json_t *choice) {
    char *id = mem_format("%s%s", id_prefix, attached_id(&self->attached));
    char *fingerprint = mem_format("runnel-%s", version_of(self));
    json_t *whole = json_pack("{s:s, s:s, s:I, s:s, s:s, s:[o], s:o, s:o}", "id", id, "object", object,
                              "created", (json_int_t)self->created_s, "model", self->model,
                              "system_fingerprint", fingerprint, "choices", choice, "usage",
                              openai_call_usage(self), "timings", llama_timings_whole(&self->attached));
    free(id);
    free(fingerprint);
    return whole;
}

/* ---- Failures ---- */

struct openai_error openai_call_error(const struct openai_call *self,
                                      const struct attached_failure *failure) {
    bool is_too_long = strcmp(failure->code, "context_full") == 0;
    bool is_unknown = strcmp(failure->code, "model_not_found") == 0;
    const char *code = is_too_long              ? "context_length_exceeded"
                       : is_unknown             ? "model_not_found"
                       : failure->status == 429 ? "rate_limit_exceeded"
                                                : NULL;
    struct openai_error error;
    openai_error_set(&error, failure->status, code,
                     is_too_long              ? self->messages_param
                     : is_unknown             ? "model"
                     : failure->status == 400 ? self->constrained_by
                                              : NULL,
                     "%s", failure->text);
    return error;
}

void openai_call_reply_failure(struct attached *attached, const struct attached_failure *failure) {
    struct openai_call *self = (struct openai_call *)attached;
    struct openai_error error = openai_call_error(self, failure);
    openai_error_reply(net_of(self), &error);
}

void openai_call_add_failure(struct attached *attached, struct bytes *frame,
                             const struct attached_failure *failure) {
    struct openai_error error = openai_call_error((struct openai_call *)attached, failure);
    json_t *object = openai_error_body(net_conn_path(attached->events.call.conn.net), &error);
    char *text = json_text(object);
    bytes_add_format(frame, "data: %s\n\n", text);
    free(text);
    json_decref(object);
}
