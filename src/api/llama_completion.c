/* llama_completion.c - [W105] [W106] llama-server's POST /completion and POST /infill: the model goes on with a prompt, or fills a gap. */
#include "api/llama_completion.h"

#include "api/fields.h"
#include "api/llama_timings.h"
#include "api/openai_answer.h"
#include "api/openai_call.h"
#include "api/request.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct completion {
    struct openai_call call;
    bool return_tokens;
    bool has_probabilities;
    int64_t n_tokens_max;    /* −1: no limit */
    json_t *settings;        /* as they are said back */
    json_t *prompt;          /* of a text: itself; NULL: what the engine says of it */
    json_t *response_fields; /* NULL: all */
};

static struct completion *completion_of(struct attached *attached) {
    return (struct completion *)attached;
}

/* ---- What is known of the answer ---- */

static json_t *tokens_of(const struct message *answer) {
    json_t *list = json_array();
    for (const struct stream *stream = answer->first; stream; stream = stream->next) {
        for (uint64_t seq = 2; stream->tokens && seq <= stream_last_token_seq(stream); seq++) {
            if (stream->tokens[seq - 1] >= 0) {
                json_array_append_new(list, json_integer(stream->tokens[seq - 1]));
            }
        }
    }
    return list;
}

static json_t *probabilities_of(const struct message *answer, const struct stream *stream, uint64_t seq) {
    json_t *logprobs = openai_answer_logprobs(answer, stream, seq);
    json_t *list = json_incref(json_object_get(logprobs, "content"));
    json_decref(logprobs);
    return list;
}

static const char *stop_type(const struct attached *attached, const char *word) {
    return attached_was_cut(attached) ? "limit" : word[0] ? "word" : "eos";
}

static json_t *prompt_of(const struct completion *self, const json_t *usage) {
    json_t *said = json_object_get(usage, "prompt");
    return self->prompt ? json_incref(self->prompt) : said ? json_incref(said) : json_string("");
}

/* Everything but `content`, `tokens` and probabilities. */
static json_t *end_of(struct attached *attached) {
    const struct completion *self = completion_of(attached);
    const struct message *answer = attached->events.message;
    const json_t *details = answer->stream->usage;
    struct attached_usage usage = attached_usage(attached);
    const char *word = json_get_text(details, "stop", "");
    json_t *text = openai_answer_text(answer);
    bool is_full =
        attached_was_cut(attached) && (self->n_tokens_max < 0 || usage.n_completion < self->n_tokens_max);
    json_t *end = json_pack(
        "{s:i, s:i, s:b, s:s, s:I, s:I, s:O, s:o, s:b, s:b, s:s, s:s, s:I, s:o}", "index", 0, "id_slot", 0,
        "stop", true, "model", self->call.model, "tokens_predicted", (json_int_t)usage.n_completion,
        "tokens_evaluated", (json_int_t)usage.n_prompt, "generation_settings", self->settings, "prompt",
        prompt_of(self, details), "has_new_line", strchr(json_string_value(text), '\n') != NULL, "truncated",
        is_full, "stop_type", stop_type(attached, word), "stopping_word", word, "tokens_cached",
        (json_int_t)(usage.n_prompt + usage.n_completion), "timings", llama_timings_whole(attached));
    json_decref(text);
    return end;
}

/* Of "a/b" the member b of a, under the whole name. */
static const json_t *find_field(const json_t *whole, const char *name) {
    char *path = mem_copy_string(name);
    const json_t *at = whole;
    char *rest = NULL;
    for (char *part = strtok_r(path, "/", &rest); part && at; part = strtok_r(NULL, "/", &rest)) {
        at = json_object_get(at, part);
    }
    free(path);
    return at == whole ? NULL : at;
}

/* Takes over the reference. */
static json_t *choose_fields(const struct completion *self, json_t *whole) {
    if (self->response_fields == NULL) {
        return whole;
    }
    json_t *chosen = json_object();
    size_t index;
    json_t *field;
    json_array_foreach(self->response_fields, index, field) {
        const json_t *value = find_field(whole, json_string_value(field));
        if (value) {
            json_object_set(chosen, json_string_value(field), (json_t *)value);
        }
    }
    json_decref(whole);
    return chosen;
}

/* ---- A stream ---- */

/* Takes over the reference. */
static void add_event(struct bytes *frame, json_t *object) {
    char *text = json_text(object);
    bytes_add_format(frame, "data: %s\n\n", text);
    free(text);
    json_decref(object);
}

static json_t *chunk_of(const char *text, size_t size, int32_t token, uint32_t n_said, uint32_t n_prompt) {
    json_t *tokens = json_array();
    if (token >= 0) {
        json_array_append_new(tokens, json_integer(token));
    }
    return json_pack("{s:i, s:s%, s:o, s:b, s:i, s:I, s:I}", "index", 0, "content", text, size, "tokens",
                     tokens, "stop", false, "id_slot", 0, "tokens_predicted", (json_int_t)n_said,
                     "tokens_evaluated", (json_int_t)n_prompt);
}

static void add_begin(struct attached *attached, struct bytes *frame) {
    (void)attached;
    (void)frame;
}

static void add_progress(struct attached *attached, struct bytes *frame,
                         const struct attached_progress *progress) {
    (void)attached;
    json_t *chunk = chunk_of("", 0, -1, 0, progress->total);
    json_object_set_new(chunk, "prompt_progress", llama_timings_progress(progress));
    add_event(frame, chunk);
}

static void add_token(struct attached *attached, struct bytes *frame, const struct watch_item *item) {
    const struct completion *self = completion_of(attached);
    uint32_t n_prompt = item->message->first->n_prompt_tokens;
    int32_t token = item->stream->tokens ? item->stream->tokens[item->seq - 1] : -1;
    json_t *chunk = chunk_of(item->text, item->text_size, token,
                             item->tokens_used > n_prompt ? item->tokens_used - n_prompt : 0, n_prompt);
    if (self->call.timings_per_token) {
        json_object_set_new(chunk, "timings", llama_timings_now(attached, item));
    }
    if (self->has_probabilities) {
        json_object_set_new(chunk, "completion_probabilities",
                            probabilities_of(item->message, item->stream, item->seq));
    }
    add_event(frame, chunk);
}

static void add_end(struct attached *attached, struct bytes *frame) {
    json_t *end = end_of(attached);
    json_object_set_new(end, "content", json_string(""));
    json_object_set_new(end, "tokens", json_array());
    add_event(frame, choose_fields(completion_of(attached), end));
}

/* ---- One piece ---- */

static void reply_whole(struct attached *attached) {
    const struct completion *self = completion_of(attached);
    const struct message *answer = attached->events.message;
    json_t *whole = end_of(attached);
    json_object_set_new(whole, "content", openai_answer_text(answer));
    json_object_set_new(whole, "tokens", self->return_tokens ? tokens_of(answer) : json_array());
    if (self->has_probabilities) {
        json_object_set_new(whole, "completion_probabilities", probabilities_of(answer, NULL, 0));
    }
    reply_json(attached->events.call.conn.net, 200, choose_fields(self, whole));
}

/* ---- The request ---- */

static void deinit(struct attached *attached) {
    struct completion *self = completion_of(attached);
    json_decref(self->settings);
    json_decref(self->prompt);
    json_decref(self->response_fields);
    openai_call_deinit(attached);
}

static const struct attached_encoder encoder = {
    .reply_whole = reply_whole,
    .reply_failure = openai_call_reply_failure,
    .add_begin = add_begin,
    .add_token = add_token,
    .add_end = add_end,
    .add_progress = add_progress,
    .add_failure = openai_call_add_failure,
    .deinit = deinit,
};

static void begin(struct api *api, struct net_conn *net, struct llama_completion *asked) {
    struct openai_request *request = &asked->request;
    char path[PATH_MAX];
    struct completion *self = openai_call_find(sizeof *self, &encoder, api, net, request, path);
    if (self == NULL) {
        return;
    }
    json_t *prompt = json_object_get(request->settings.more, "prompt");
    self->call.messages_param = "prompt";
    self->return_tokens = asked->return_tokens;
    self->has_probabilities = asked->n_probs > 0;
    self->n_tokens_max = request->settings.n_tokens_max;
    self->settings = llama_completion_settings(&request->settings);
    json_object_set_new(self->settings, "stream", json_boolean(request->stream));
    json_object_set_new(self->settings, "timings_per_token", json_boolean(request->timings_per_token));
    self->prompt = json_is_string(prompt) ? json_incref(prompt) : NULL;
    self->response_fields = asked->response_fields ? json_incref(asked->response_fields) : NULL;
    openai_call_ask(&self->call, request, path);
}

static void handle(struct api *api, struct net_conn *net, enum llama_completion_kind kind) {
    json_t *body = request_body(net);
    struct llama_completion asked;
    struct openai_error error;
    if (body == NULL) {
        return;
    }
    if (!fields_check(kind == LLAMA_INFILL ? &fields_infill : &fields_completion, net, body, &error) ||
        !llama_completion_parse(&asked, body, kind, chat_settings(api->chat), &error)) {
        openai_error_reply(net, &error);
    } else {
        begin(api, net, &asked);
        llama_completion_deinit(&asked);
    }
    json_decref(body);
}

void llama_completion_handle(struct api *api, struct net_conn *net) {
    handle(api, net, LLAMA_COMPLETION);
}

void llama_infill_handle(struct api *api, struct net_conn *net) {
    handle(api, net, LLAMA_INFILL);
}
