#include "api/attached.h"
#include "api/responses.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- How it ended ---- */

static const char *status_of(const struct stream *stream) {
    if (!stream->is_ended) {
        return "in_progress";
    }
    return strcmp(stream->reason, "stop") == 0        ? "completed"
           : strcmp(stream->reason, "length") == 0    ? "incomplete"
           : strcmp(stream->reason, "cancelled") == 0 ? "cancelled"
                                                      : "failed";
}

const char *responses_end_type(const struct stream *stream) {
    const char *status = status_of(stream);
    return strcmp(status, "completed") == 0 ? "response.completed"
           : strcmp(status, "failed") == 0  ? "response.failed"
                                            : "response.incomplete";
}

static json_t *error_of(const struct stream *stream) {
    if (strcmp(status_of(stream), "failed") != 0) {
        return json_null();
    }
    const char *code = json_get_text(stream->error, "code", "");
    bool is_prompt = strcmp(code, "context_full") == 0 || strcmp(code, "bad_request") == 0;
    return json_pack("{s:s, s:s}", "code", is_prompt ? "invalid_prompt" : "server_error", "message",
                     reply_end_text(stream));
}

static json_t *usage_of(const struct message *message) {
    if (!message->stream->is_ended) {
        return json_null();
    }
    struct attached_usage usage = attached_usage_of(message);
    return json_pack("{s:I, s:{s:I}, s:I, s:{s:I}, s:I}", "input_tokens", (json_int_t)usage.n_prompt,
                     "input_tokens_details", "cached_tokens", (json_int_t)usage.n_cached, "output_tokens",
                     (json_int_t)usage.n_completion, "output_tokens_details", "reasoning_tokens",
                     (json_int_t)attached_count_reasoning(message), "total_tokens",
                     (json_int_t)(usage.n_prompt + usage.n_completion));
}

/* ---- The object ---- */

static json_t *object_of(const struct responses_view *view, const char *status, json_t *output) {
    const struct message *message = view->message;
    char *id = mem_format(RESPONSES_ID_PREFIX "%s", message->first->id);
    json_t *object =
        json_pack("{s:s, s:s, s:I, s:s, s:n, s:n, s:s, s:o, s:n}", "id", id, "object", "response",
                  "created_at", (json_int_t)(message->created_ms / 1000), "status", status, "error",
                  "incomplete_details", "model", view->model, "output", output, "usage");
    free(id);
    json_object_update_missing(object, (json_t *)view->record);
    json_object_del(object, "items");
    if (view->conversation->name[0]) {
        json_object_set_new(object, "conversation", json_pack("{s:s}", "id", view->conversation->name));
    }
    return object;
}

json_t *responses_object_begun(const struct responses_view *view, const char *status) {
    return object_of(view, status, json_array());
}

json_t *responses_object(const struct responses_view *view, json_t *output) {
    const struct stream *stream = view->message->stream;
    const char *status = status_of(stream);
    json_t *object = object_of(view, status, output);
    json_object_set_new(object, "error", error_of(stream));
    json_object_set_new(object, "usage", usage_of(view->message));
    if (strcmp(status, "incomplete") == 0) {
        json_object_set_new(object, "incomplete_details", json_pack("{s:s}", "reason", "max_output_tokens"));
    }
    return object;
}

json_t *responses_object_now(const struct responses_view *view) {
    struct responses_writer writer;
    const struct message *message = view->message;
    responses_writer_init(&writer, message->id, view->has_logprobs);
    for (const struct stream *stream = message->first; stream; stream = stream->next) {
        for (uint64_t seq = 2; seq <= stream_last_token_seq(stream); seq++) {
            responses_writer_add(&writer, NULL, message, stream, seq);
        }
    }
    responses_writer_close(&writer, NULL, strcmp(status_of(message->stream), "completed") == 0);
    json_t *object = responses_object(view, json_incref(writer.output));
    responses_writer_deinit(&writer);
    return object;
}
