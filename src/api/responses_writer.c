#include "api/openai_answer.h"
#include "api/responses.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void responses_writer_init(struct responses_writer *writer, const char *message_id, bool has_logprobs) {
    *writer = (struct responses_writer){
        .message_id = message_id, .has_logprobs = has_logprobs, .starting_after = -1, .output = json_array()
    };
    bytes_init(&writer->text, STREAM_TEXT_BYTES_MAX);
}

void responses_writer_deinit(struct responses_writer *writer) {
    json_decref(writer->output);
    json_decref(writer->item);
    json_decref(writer->logprobs);
    bytes_deinit(&writer->text);
}

/* ---- Events ---- */

/* Takes over the reference. */
static void emit(struct responses_writer *writer, struct bytes *frame, const char *type, json_t *event) {
    int64_t number = writer->sequence_number++;
    if (frame && number > writer->starting_after) {
        json_object_set_new(event, "type", json_string(type));
        json_object_set_new(event, "sequence_number", json_integer((json_int_t)number));
        char *text = json_text(event);
        bytes_add_format(frame, "event: %s\ndata: ", type);
        bytes_add_text(frame, text);
        bytes_add_text(frame, "\n\n");
        free(text);
    }
    json_decref(event);
}

void responses_writer_event(struct responses_writer *writer, struct bytes *frame, const char *type,
                            json_t *response) {
    emit(writer, frame, type, json_pack("{s:o}", "response", response));
}

/* What events of the open item begin with. */
static json_t *about_item(const struct responses_writer *writer) {
    return json_pack("{s:O, s:I}", "item_id", json_object_get(writer->item, "id"), "output_index",
                     (json_int_t)json_array_size(writer->output));
}

static json_t *about_part(const struct responses_writer *writer) {
    json_t *event = about_item(writer);
    json_object_set_new(event, "content_index", json_integer(0));
    return event;
}

static json_t *with(json_t *event, const char *key, json_t *value) {
    json_object_set_new(event, key, value);
    return event;
}

static json_t *text_json(const struct responses_writer *writer) {
    return json_stringn(writer->text.size ? writer->text.data : "", writer->text.size);
}

static json_t *logprobs_json(const struct responses_writer *writer) {
    return writer->logprobs ? json_incref(writer->logprobs) : json_array();
}

static json_t *part_json(const struct responses_writer *writer) {
    if (writer->kind == RESPONSES_REASONING) {
        return json_pack("{s:s, s:o}", "type", "reasoning_text", "text", text_json(writer));
    }
    return json_pack("{s:s, s:o, s:[], s:o}", "type", "output_text", "text", text_json(writer), "annotations",
                     "logprobs", logprobs_json(writer));
}

/* ---- Items ---- */

static json_t *new_item(const struct responses_writer *writer, const json_t *piece) {
    static const char *const prefixes[] = { "", "rs", "msg", "fc" };
    size_t index = json_array_size(writer->output);
    char *id = mem_format("%s_%s%zu", prefixes[writer->kind], writer->message_id, index);
    json_t *item = NULL;
    switch (writer->kind) {
    case RESPONSES_REASONING:
        item = json_pack("{s:s, s:s, s:[], s:[], s:s}", "id", id, "type", "reasoning", "summary", "content",
                         "status", "in_progress");
        break;
    case RESPONSES_CALL:
        item = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "id", id, "type", "function_call", "call_id",
                         json_get_text(piece, "id", ""), "name", json_get_text(piece, "name", ""),
                         "arguments", "", "status", "in_progress");
        break;
    default:
        item = json_pack("{s:s, s:s, s:s, s:[], s:s}", "id", id, "type", "message", "role", "assistant",
                         "content", "status", "in_progress");
    }
    free(id);
    return item;
}

static void open_item(struct responses_writer *writer, struct bytes *frame, enum responses_kind kind,
                      const json_t *piece) {
    writer->kind = kind;
    writer->item = new_item(writer, piece);
    bytes_clear(&writer->text);
    emit(writer, frame, "response.output_item.added",
         json_pack("{s:I, s:o}", "output_index", (json_int_t)json_array_size(writer->output), "item",
                   json_deep_copy(writer->item)));
    if (kind != RESPONSES_CALL) {
        emit(writer, frame, "response.content_part.added",
             with(about_part(writer), "part", part_json(writer)));
    }
}

static void close_text(struct responses_writer *writer, struct bytes *frame) {
    bool is_thought = writer->kind == RESPONSES_REASONING;
    json_t *event = with(about_part(writer), "text", text_json(writer));
    if (!is_thought) {
        json_object_set_new(event, "logprobs", logprobs_json(writer));
    }
    emit(writer, frame, is_thought ? "response.reasoning_text.done" : "response.output_text.done", event);
    emit(writer, frame, "response.content_part.done", with(about_part(writer), "part", part_json(writer)));
    json_array_append_new(json_object_get(writer->item, "content"), part_json(writer));
}

static void close_call(struct responses_writer *writer, struct bytes *frame) {
    json_object_set_new(writer->item, "arguments", text_json(writer));
    json_t *event = with(about_item(writer), "arguments", text_json(writer));
    emit(writer, frame, "response.function_call_arguments.done",
         with(event, "name", json_incref(json_object_get(writer->item, "name"))));
}

void responses_writer_close(struct responses_writer *writer, struct bytes *frame, bool is_whole) {
    if (writer->item == NULL) {
        return;
    }
    if (writer->kind == RESPONSES_CALL) {
        close_call(writer, frame);
    } else {
        close_text(writer, frame);
    }
    json_object_set_new(writer->item, "status", json_string(is_whole ? "completed" : "incomplete"));
    emit(writer, frame, "response.output_item.done",
         json_pack("{s:I, s:O}", "output_index", (json_int_t)json_array_size(writer->output), "item",
                   writer->item));
    json_array_append_new(writer->output, writer->item);
    json_decref(writer->logprobs);
    writer->item = writer->logprobs = NULL;
    writer->kind = RESPONSES_NOTHING;
}

/* ---- What is said ---- */

/* The entries of one token; NULL: none are wanted. */
static json_t *token_logprobs(struct responses_writer *writer, const struct message *message,
                              const struct stream *stream, uint64_t seq) {
    if (!writer->has_logprobs) {
        return NULL;
    }
    json_t *all = openai_answer_logprobs(message, stream, seq);
    json_t *content = json_incref(json_object_get(all, "content"));
    json_decref(all);
    writer->logprobs = writer->logprobs ? writer->logprobs : json_array();
    json_array_extend(writer->logprobs, content);
    return content;
}

static void add_text(struct responses_writer *writer, struct bytes *frame, const struct message *message,
                     const struct stream *stream, uint64_t seq) {
    size_t size;
    const char *text = stream_read(stream, seq, seq, &size);
    bool is_known = writer->has_logprobs && stream_probabilities(stream, seq);
    if (size == 0 && !is_known) {
        return;
    }
    if (writer->kind != RESPONSES_MESSAGE) {
        responses_writer_close(writer, frame, true);
        open_item(writer, frame, RESPONSES_MESSAGE, NULL);
    }
    bytes_add(&writer->text, text, size);
    json_t *logprobs = token_logprobs(writer, message, stream, seq);
    json_t *event = with(about_part(writer), "delta", json_stringn(text, size));
    emit(writer, frame, "response.output_text.delta",
         with(event, "logprobs", logprobs ? logprobs : json_array()));
}

static void add_thought(struct responses_writer *writer, struct bytes *frame, const struct stream *stream,
                        uint64_t seq) {
    size_t size;
    const char *text = stream_read_other(stream, seq, seq, &size);
    if (size == 0) {
        return;
    }
    if (writer->kind != RESPONSES_REASONING) {
        responses_writer_close(writer, frame, true);
        open_item(writer, frame, RESPONSES_REASONING, NULL);
    }
    bytes_add(&writer->text, text, size);
    emit(writer, frame, "response.reasoning_text.delta",
         with(about_part(writer), "delta", json_stringn(text, size)));
}

static void add_call(struct responses_writer *writer, struct bytes *frame, const struct stream *stream,
                     uint64_t seq) {
    size_t size;
    const char *text = stream_read_other(stream, seq, seq, &size);
    json_t *piece = json_loadb(text, size, 0, NULL);
    if (writer->kind != RESPONSES_CALL || json_object_get(piece, "id")) {
        responses_writer_close(writer, frame, true);
        open_item(writer, frame, RESPONSES_CALL, piece);
    }
    const char *arguments = json_get_text(piece, "arguments", "");
    if (arguments[0]) {
        bytes_add_text(&writer->text, arguments);
        emit(writer, frame, "response.function_call_arguments.delta",
             with(about_item(writer), "delta", json_string(arguments)));
    }
    json_decref(piece);
}

void responses_writer_add(struct responses_writer *writer, struct bytes *frame, const struct message *message,
                          const struct stream *stream, uint64_t seq) {
    switch (stream_kind(stream, seq)) {
    case STORE_EVENT_TOKEN:
        add_text(writer, frame, message, stream, seq);
        break;
    case STORE_EVENT_REASONING:
        add_thought(writer, frame, stream, seq);
        break;
    case STORE_EVENT_TOOL:
        add_call(writer, frame, stream, seq);
        break;
    }
}
