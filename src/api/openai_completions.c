/* openai_completions.c - [W73] POST /v1/completions: the model goes on with a text, without its template. */
#include "api/openai_completions.h"

#include "api/fields.h"
#include "api/openai_answer.h"
#include "api/openai_call.h"
#include "api/request.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define ID_PREFIX "cmpl-"
#define OBJECT    "text_completion"

struct completions_call {
    struct openai_call call;
    bool has_logprobs;
    size_t text_offset; /* of the next token, in characters */
    char *echo;         /* the prompt; NULL: it is not wanted */
};

static struct completions_call *call_of(struct attached *attached) {
    return (struct completions_call *)attached;
}

static const char *finish_reason(const struct attached *attached) {
    return attached_was_cut(attached) ? "length" : "stop";
}

static size_t count_characters(const json_t *bytes) {
    size_t n = 0;
    size_t index;
    json_t *byte;
    json_array_foreach(bytes, index, byte) {
        n += (json_integer_value(byte) & 0xC0) != 0x80;
    }
    return n;
}

/* The form that /v1/completions has for what /v1/chat/completions calls content. */
static json_t *logprobs_of(struct completions_call *self, json_t *chat) {
    json_t *tokens = json_array();
    json_t *logprobs = json_array();
    json_t *tops = json_array();
    json_t *offsets = json_array();
    size_t index;
    json_t *one;
    json_array_foreach(json_object_get(chat, "content"), index, one) {
        json_array_append(tokens, json_object_get(one, "token"));
        json_array_append(logprobs, json_object_get(one, "logprob"));
        json_array_append_new(offsets, json_integer((json_int_t)self->text_offset));
        self->text_offset += count_characters(json_object_get(one, "bytes"));
        json_t *top = json_object();
        size_t i;
        json_t *other;
        json_array_foreach(json_object_get(one, "top_logprobs"), i, other) {
            json_object_set(top, json_get_text(other, "token", ""), json_object_get(other, "logprob"));
        }
        json_array_append_new(tops, top);
    }
    json_decref(chat);
    return json_pack("{s:o, s:o, s:o, s:o}", "tokens", tokens, "token_logprobs", logprobs, "top_logprobs",
                     tops, "text_offset", offsets);
}

/* ---- A stream ---- */

/* The choice of one chunk; the tail is the caller's. */
static void add_choice(struct attached *attached, struct bytes *frame, const char *text, size_t size,
                       const char *reason, json_t *logprobs) {
    struct completions_call *self = call_of(attached);
    openai_call_add_head(&self->call, frame, ID_PREFIX, OBJECT);
    json_t *choice = json_pack("{s:s%, s:i, s:o?, s:s?}", "text", text, size, "index", 0, "logprobs",
                               logprobs, "finish_reason", reason);
    char *line = json_text(choice);
    bytes_add_text(frame, line);
    free(line);
    json_decref(choice);
}

static void add_begin(struct attached *attached, struct bytes *frame) {
    const char *echo = call_of(attached)->echo;
    if (echo) {
        add_choice(attached, frame, echo, strlen(echo), NULL, NULL);
        openai_call_add_begin_tail(&call_of(attached)->call, frame);
    }
}

static void add_progress(struct attached *attached, struct bytes *frame,
                         const struct attached_progress *progress) {
    add_choice(attached, frame, "", 0, NULL, NULL);
    openai_call_add_progress_tail(&call_of(attached)->call, frame, progress);
}

static void add_token(struct attached *attached, struct bytes *frame, const struct watch_item *item) {
    struct completions_call *self = call_of(attached);
    if (item->event_kind == STORE_EVENT_TOKEN && openai_answer_has_delta(item)) {
        json_t *logprobs =
            self->has_logprobs
                ? logprobs_of(self, openai_answer_logprobs(item->message, item->stream, item->seq))
                : NULL;
        add_choice(attached, frame, item->text, item->text_size, NULL, logprobs);
        openai_call_add_tail(&self->call, frame, item);
    }
}

static void add_end(struct attached *attached, struct bytes *frame) {
    add_choice(attached, frame, "", 0, finish_reason(attached), NULL);
    openai_call_add_tail(&call_of(attached)->call, frame, NULL);
    openai_call_add_last(&call_of(attached)->call, frame);
}

/* ---- One piece ---- */

static json_t *text_of(const struct completions_call *self, const struct message *answer) {
    json_t *text = openai_answer_text(answer);
    if (self->echo == NULL) {
        return text;
    }
    char *both = mem_format("%s%s", self->echo, json_string_value(text));
    json_decref(text);
    text = json_string(both);
    free(both);
    return text;
}

static void reply_whole(struct attached *attached) {
    struct completions_call *self = call_of(attached);
    const struct message *answer = attached->events.message;
    json_t *logprobs = self->has_logprobs ? logprobs_of(self, openai_answer_logprobs(answer, NULL, 0)) : NULL;
    json_t *choice = json_pack("{s:o, s:i, s:o?, s:s}", "text", text_of(self, answer), "index", 0, "logprobs",
                               logprobs, "finish_reason", finish_reason(attached));
    reply_json(attached->events.call.conn.net, 200,
               openai_call_whole(&self->call, ID_PREFIX, OBJECT, choice));
}

/* ---- The request ---- */

static void deinit(struct attached *attached) {
    free(call_of(attached)->echo);
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

static void begin(struct api *api, struct net_conn *net, struct openai_completions *asked) {
    struct openai_request *request = &asked->request;
    char path[PATH_MAX];
    struct completions_call *self = openai_call_find(sizeof *self, &encoder, api, net, request, path);
    if (self == NULL) {
        return;
    }
    self->call.messages_param = "prompt";
    self->has_logprobs = request->logprobs;
    self->echo = asked->echo ? mem_copy_string(json_get_text(request->settings.more, "prompt", "")) : NULL;
    openai_call_ask(&self->call, request, path);
}

void openai_completions_handle(struct api *api, struct net_conn *net) {
    json_t *body = request_body(net);
    struct openai_completions asked;
    struct openai_error error;
    if (body == NULL) {
        return;
    }
    if (!fields_check(&fields_completions, net, body, &error) ||
        !openai_completions_parse(&asked, body, chat_settings(api->chat), &error)) {
        openai_error_reply(net, &error);
    } else {
        begin(api, net, &asked);
        openai_completions_deinit(&asked);
    }
    json_decref(body);
}
