/* openai_chat.c - [O2] to [O7]: POST /v1/chat/completions, as an attached call (attached.h): how its request is taken, and how its answers look. */
#include "api/openai_chat.h"

#include "api/fields.h"
#include "api/openai_answer.h"
#include "api/openai_call.h"
#include "api/request.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define ID_PREFIX "chatcmpl-"

struct chat_call_of {
    struct openai_call call;
    bool has_logprobs;
    char generation[ID_HEX_BYTES]; /* that is taken up again; "": none */
};

static struct chat_call_of *call_of(struct attached *attached) {
    return (struct chat_call_of *)attached;
}

static struct net_conn *net_of(const struct attached *attached) {
    return attached->events.call.conn.net;
}

static const char *finish_reason(const struct attached *attached, bool has_calls) {
    return attached_was_cut(attached) ? "length" : has_calls ? "tool_calls" : "stop";
}

/* ---- A stream [O4] ---- */

static void add_head(struct attached *attached, struct bytes *frame) {
    openai_call_add_head(&call_of(attached)->call, frame, ID_PREFIX, "chat.completion.chunk");
}

/* `item`: an event whose probability is told; NULL: none. */
static void add_chunk_end(const struct chat_call_of *self, struct bytes *frame, const char *reason,
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
    bytes_add_char(frame, '}');
}

static void add_begin(struct attached *attached, struct bytes *frame) {
    add_head(attached, frame);
    bytes_add_text(frame, "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}");
    add_chunk_end(call_of(attached), frame, NULL, NULL);
    openai_call_add_begin_tail(&call_of(attached)->call, frame);
}

static void add_progress(struct attached *attached, struct bytes *frame,
                         const struct attached_progress *progress) {
    add_head(attached, frame);
    bytes_add_text(frame, "{\"index\":0,\"delta\":{}");
    add_chunk_end(call_of(attached), frame, NULL, NULL);
    openai_call_add_progress_tail(&call_of(attached)->call, frame, progress);
}

static void add_token(struct attached *attached, struct bytes *frame, const struct watch_item *item) {
    if (!openai_answer_has_delta(item)) {
        return;
    }
    add_head(attached, frame);
    bytes_add_text(frame, "{\"index\":0,\"delta\":{");
    openai_answer_add_delta(frame, item);
    bytes_add_char(frame, '}');
    add_chunk_end(call_of(attached), frame, NULL, item);
    openai_call_add_tail(&call_of(attached)->call, frame, item);
    LOG_DEBUG("[OPENAI]", "token #%llu sent conn=%llu seq=%llu t_ns=%llu", (unsigned long long)item->seq - 1,
              (unsigned long long)net_conn_number(net_of(attached)), (unsigned long long)item->seq,
              (unsigned long long)clock_now_ns());
}

static void add_end(struct attached *attached, struct bytes *frame) {
    add_head(attached, frame);
    bytes_add_text(frame, "{\"index\":0,\"delta\":{}");
    json_t *calls = message_tool_calls(attached->events.message);
    add_chunk_end(call_of(attached), frame, finish_reason(attached, calls != NULL), NULL);
    openai_call_add_tail(&call_of(attached)->call, frame, NULL);
    json_decref(calls);
    openai_call_add_last(&call_of(attached)->call, frame);
}

/* ---- One piece ---- */

/* Thoughts and calls; an answer that only calls has no content. */
static void add_others(const struct message *answer, json_t *message) {
    json_t *reasoning = message_reasoning(answer);
    if (reasoning) {
        json_object_set_new(message, "reasoning_content", reasoning);
    }
    json_t *calls = chat_calls_json(answer);
    if (calls) {
        json_object_set_new(message, "tool_calls", calls);
        if (message_text_size(answer) == 0) {
            json_object_set_new(message, "content", json_null());
        }
    }
}

static void reply_whole(struct attached *attached) {
    const struct chat_call_of *self = call_of(attached);
    const struct message *answer = attached->events.message;
    json_t *message =
        json_pack("{s:s, s:o, s:n}", "role", "assistant", "content", openai_answer_text(answer), "refusal");
    add_others(answer, message);
    json_t *logprobs = self->has_logprobs ? openai_answer_logprobs(answer, NULL, 0) : NULL;
    bool has_calls = json_object_get(message, "tool_calls") != NULL;
    json_t *choice = json_pack("{s:i, s:o, s:o?, s:s}", "index", 0, "message", message, "logprobs", logprobs,
                               "finish_reason", finish_reason(attached, has_calls));
    reply_json(net_of(attached), 200, openai_call_whole(&self->call, ID_PREFIX, "chat.completion", choice));
}

/* ---- The request ---- */

static const struct attached_encoder encoder = {
    .reply_whole = reply_whole,
    .reply_failure = openai_call_reply_failure,
    .add_begin = add_begin,
    .add_token = add_token,
    .add_end = add_end,
    .add_progress = add_progress,
    .add_failure = openai_call_add_failure,
    .deinit = openai_call_deinit,
};

static void begin(struct api *api, struct net_conn *net, struct openai_request *request) {
    char path[PATH_MAX];
    struct chat_call_of *self = openai_call_find(sizeof *self, &encoder, api, net, request, path);
    if (self) {
        self->has_logprobs = request->logprobs;
        self->call.stream = openai_call_open_stream(&self->call, request);
        openai_call_ask(&self->call, request, path);
    }
}

void openai_chat_handle(struct api *api, struct net_conn *net) {
    json_t *body = request_body(net);
    if (body == NULL) {
        return;
    }
    struct openai_request request;
    struct openai_error error;
    if (!fields_check(&fields_chat, net, body, &error) ||
        !openai_request_parse(&request, body, chat_settings(api->chat), &error)) {
        openai_error_reply(net, &error);
    } else {
        begin(api, net, &request);
        openai_request_deinit(&request);
    }
    json_decref(body);
}

/* ---- Taken up again [W109] ---- */

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct chat_call_of *self = ctx;
    struct attached *attached = &self->call.attached;
    size_t index;
    attached->events.call.call = NULL;
    if (status || conversation_find_generation(conversation, self->generation, &index) == NULL) {
        attached->events.is_complete = true;
        reply_error(net_of(attached), status && status != STATUS_NOT_FOUND ? reply_http_status(status) : 404,
                    "there is no such stream: its conversation was deleted. Send the request again");
        return;
    }
    attached_read(attached, conversation, index);
}

void openai_chat_resume(struct api *api, struct net_conn *net, const struct llama_stream *stream,
                        uint64_t from) {
    struct chat_call_of *self = attached_begin(sizeof *self, &encoder, api, net);
    self->call.created_s = stream->created_s;
    self->call.model = mem_copy_string(stream->model);
    self->call.messages_param = "messages";
    self->call.includes_usage = stream->includes_usage;
    self->call.timings_per_token = stream->timings_per_token;
    self->has_logprobs = stream->has_logprobs;
    self->call.attached.tape = (struct tape_reader){ .tape = tape_ref(stream->tape), .skip_to = from };
    id_copy(self->generation, sizeof self->generation, stream->generation);
    self->call.attached.events.call.call =
        chat_open_generation(api->chat, stream->generation, on_opened, self);
}
