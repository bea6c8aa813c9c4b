#include "base/mem.h"
#include "engine/codec.h"

#include <stdlib.h>
#include <string.h>

static enum status missing(const char *field, struct fault *fault) {
    return fault_set(fault, STATUS_INVALID, "\"%s\" is missing", field);
}

static enum status take_u32(const json_t *object, const char *key, uint32_t *out, struct fault *fault) {
    int64_t number = *out;
    enum status status = json_take_int(object, key, 0, UINT32_MAX, &number, fault);
    *out = (uint32_t)number;
    return status;
}

static enum status take_u64(const json_t *object, const char *key, uint64_t *out, struct fault *fault) {
    int64_t number = 0;
    enum status status = json_take_int(object, key, 0, INT64_MAX, &number, fault);
    *out = (uint64_t)number;
    return status;
}

static enum status take_object(const json_t *object, const char *key, json_t **out, struct fault *fault) {
    json_t *value = json_object_get(object, key);
    *out = NULL;
    if (value == NULL || json_is_null(value)) {
        return STATUS_OK;
    }
    if (!json_is_object(value)) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" must be an object", key);
    }
    *out = value;
    return STATUS_OK;
}

static enum status take_error(const json_t *object, const char **code, const char **text,
                              struct fault *fault) {
    json_t *error = NULL;
    enum status status = take_object(object, "error", &error, fault);
    if (status || error == NULL) {
        return status;
    }
    *code = "internal";
    *text = "the engine gave no reason";
    status = json_take_string(error, "code", code, fault);
    return status ? status : json_take_string(error, "text", text, fault);
}

static enum status read_hello(struct codec_event *event, struct fault *fault) {
    event->hello.engine = event->hello.version = "";
    enum status status = json_take_int(event->root, "protocol", 0, INT32_MAX, &event->hello.protocol, fault);
    if (status == STATUS_OK) {
        status = json_take_string(event->root, "engine", &event->hello.engine, fault);
    }
    return status ? status : json_take_string(event->root, "version", &event->hello.version, fault);
}

static enum status read_pong(struct codec_event *event, struct fault *fault) {
    return take_u64(event->root, "n", &event->pong.n, fault);
}

static enum status read_load(struct codec_event *event, struct fault *fault) {
    event->load.stage = "";
    enum status status = json_take_double(event->root, "progress", 0, 1, &event->load.progress, fault);
    return status ? status : json_take_string(event->root, "stage", &event->load.stage, fault);
}

static enum status read_ready(struct codec_event *event, struct fault *fault) {
    enum status status = take_object(event->root, "model", &event->ready.model, fault);
    if (status == STATUS_OK && event->ready.model == NULL) {
        return missing("model", fault);
    }
    if (status == STATUS_OK) {
        status = take_object(event->root, "memory", &event->ready.memory, fault);
    }
    if (status == STATUS_OK) {
        status = take_u32(event->ready.model, "context_size", &event->ready.context_size, fault);
    }
    return status ? status : take_u32(event->root, "slots", &event->ready.n_slots, fault);
}

static enum status read_failed(struct codec_event *event, struct fault *fault) {
    event->failed.code = "internal";
    event->failed.text = "the engine gave no reason";
    return take_error(event->root, &event->failed.code, &event->failed.text, fault);
}

static enum status read_queued(struct codec_event *event, struct fault *fault) {
    return take_u32(event->root, "position", &event->queued.position, fault);
}

static enum status read_dropped(struct codec_event *event, struct fault *fault) {
    return take_u32(event->root, "messages", &event->dropped.n_messages, fault);
}

static enum status read_prefill(struct codec_event *event, struct fault *fault) {
    enum status status = take_u32(event->root, "done", &event->prefill.done, fault);
    if (status == STATUS_OK) {
        status = take_u32(event->root, "total", &event->prefill.total, fault);
    }
    return status ? status : take_u32(event->root, "cached", &event->prefill.cached, fault);
}

static enum status read_step(struct codec_event *event, struct fault *fault) {
    event->step.out = json_object_get(event->root, "out");
    if (!json_is_array(event->step.out)) {
        return fault_set(fault, STATUS_INVALID, "\"out\" must be an array");
    }
    return take_u64(event->root, "t_ns", &event->step.t_ns, fault);
}

static bool is_end_reason(const char *reason) {
    static const char *const reasons[] = { "stop", "length", "cancelled", "error" };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (strcmp(reason, reasons[i]) == 0) {
            return true;
        }
    }
    return false;
}

static enum status read_end(struct codec_event *event, struct fault *fault) {
    struct engine_end *end = &event->end;
    json_t *usage = NULL;
    json_t *timings = NULL;
    end->reason = "";
    enum status status = json_take_string(event->root, "reason", &end->reason, fault);
    if (status == STATUS_OK && !is_end_reason(end->reason)) {
        return fault_set(fault, STATUS_INVALID,
                         "\"reason\" of an end must be stop, length, cancelled or error");
    }
    if (status == STATUS_OK) {
        status = take_error(event->root, &end->error_code, &end->error_text, fault);
    }
    if (status == STATUS_OK && strcmp(end->reason, "error") == 0 && end->error_code == NULL) {
        return missing("error", fault);
    }
    if (status == STATUS_OK) {
        status = take_object(event->root, "usage", &usage, fault);
    }
    if (status == STATUS_OK) {
        status = take_object(event->root, "timings", &timings, fault);
    }
    end->usage = usage;
    end->timings = timings;
    return status;
}

static enum status read_inspect(struct codec_event *event, struct fault *fault) {
    enum status status = take_object(event->root, "info", &event->inspect.info, fault);
    return status == STATUS_OK && event->inspect.info == NULL ? missing("info", fault) : status;
}

/* What is in it is for whoever has asked. */
static enum status read_answer(struct codec_event *event, struct fault *fault) {
    (void)event;
    (void)fault;
    return STATUS_OK;
}

/* The commonest first. */
static const struct reader {
    const char *name;
    enum codec_kind kind;
    bool has_id;
    enum status (*read)(struct codec_event *event, struct fault *fault);
} readers[] = {
    { "step", CODEC_STEP, false, read_step },
    { "prefill", CODEC_PREFILL, true, read_prefill },
    { "end", CODEC_END, true, read_end },
    { "queued", CODEC_QUEUED, true, read_queued },
    { "pong", CODEC_PONG, false, read_pong },
    { "load", CODEC_LOAD, false, read_load },
    { "hello", CODEC_HELLO, false, read_hello },
    { "ready", CODEC_READY, false, read_ready },
    { "failed", CODEC_FAILED, false, read_failed },
    { "inspect", CODEC_INSPECT, false, read_inspect },
    { "dropped", CODEC_DROPPED, true, read_dropped },
    { "tokens", CODEC_ANSWER, true, read_answer },
    { "text", CODEC_ANSWER, true, read_answer },
    { "prompt", CODEC_ANSWER, true, read_answer },
    { "embeddings", CODEC_ANSWER, true, read_answer },
};

static enum status read_event(struct codec_event *event, struct fault *fault) {
    const char *name = NULL;
    enum status status = json_take_string(event->root, "ev", &name, fault);
    if (status || name == NULL) {
        return status ? status : missing("ev", fault);
    }
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        const struct reader *reader = &readers[i];
        if (strcmp(name, reader->name) != 0) {
            continue;
        }
        event->kind = reader->kind;
        if (reader->has_id) {
            status = json_take_string(event->root, "id", &event->id, fault);
            if (status || event->id == NULL) {
                return status ? status : missing("id", fault);
            }
        }
        return reader->read(event, fault);
    }
    return STATUS_OK;
}

enum status codec_decode(const char *line, size_t n_bytes, struct codec_event *out, struct fault *fault) {
    *out = (struct codec_event){ .kind = CODEC_UNKNOWN };
    struct fault unused; /* the parser quotes the line */
    if (json_parse_object(line, n_bytes, &out->root, &unused)) {
        return fault_set(fault, STATUS_INVALID, "a line of %zu bytes is not a JSON object", n_bytes);
    }
    enum status status = read_event(out, fault);
    if (status) {
        codec_event_deinit(out);
    }
    return status;
}

void codec_event_deinit(struct codec_event *event) {
    json_decref(event->root);
    event->root = NULL;
}

/* A value as text that lives as long as the pieces. */
static const char *make_text(struct codec_pieces *pieces, const json_t *value) {
    pieces->made = mem_grow_array(pieces->made, pieces->n_made, &pieces->made_capacity, sizeof *pieces->made,
                                  2 * CODEC_PIECES_MAX);
    return pieces->made[pieces->n_made++] = json_text(value);
}

/* {"logprob","bytes","top"} */
static const char *read_probabilities(struct codec_pieces *pieces, const json_t *item) {
    json_t *logprob = json_object_get(item, "logprob");
    if (!json_is_number(logprob)) {
        return NULL;
    }
    json_t *top = json_object_get(item, "top");
    json_t *object = json_pack("{s:O, s:s, s:O?}", "logprob", logprob, "bytes",
                               json_get_text(item, "bytes", ""), "top", json_is_array(top) ? top : NULL);
    const char *text = make_text(pieces, object);
    json_decref(object);
    return text;
}

/* What it says is one of text, reasoning and tool. */
static enum status read_words(struct codec_pieces *pieces, const json_t *item, struct engine_piece *out,
                              struct fault *fault) {
    const json_t *tool = json_object_get(item, "tool");
    const json_t *reasoning = json_object_get(item, "reasoning");
    const json_t *text = reasoning ? reasoning : json_object_get(item, "text");
    if (tool) {
        if (!json_is_object(tool) || !json_is_integer(json_object_get(tool, "index"))) {
            return fault_set(fault, STATUS_INVALID, "\"tool\" of an item must be an object with an index");
        }
        out->kind = ENGINE_PIECE_TOOL;
        out->text = make_text(pieces, tool);
        out->text_size = strlen(out->text);
        return STATUS_OK;
    }
    if (!json_is_string(text)) {
        return fault_set(fault, STATUS_INVALID, "an item of a step must have a text, a reasoning or a tool");
    }
    out->kind = reasoning ? ENGINE_PIECE_REASONING : ENGINE_PIECE_TEXT;
    out->text = json_string_value(text);
    out->text_size = json_string_length(text);
    return STATUS_OK;
}

static enum status read_piece(struct codec_pieces *pieces, const json_t *item, struct engine_piece *out,
                              struct fault *fault) {
    const json_t *id = json_object_get(item, "id");
    const json_t *token = json_object_get(item, "tok");
    if (!json_is_string(id) || !json_is_integer(token)) {
        return fault_set(fault, STATUS_INVALID, "an item of a step must have an id and a tok");
    }
    json_int_t number = json_integer_value(token);
    if (number < -1 || number > INT32_MAX) {
        return fault_set(fault, STATUS_INVALID, "\"tok\" must be a token or -1");
    }
    if (strlen(json_string_value(id)) != json_string_length(id)) {
        return fault_set(fault, STATUS_INVALID, "\"id\" must not contain the character U+0000");
    }
    *out = (struct engine_piece){ .id = json_string_value(id),
                                  .token = (int32_t)number,
                                  .probabilities = read_probabilities(pieces, item) };
    return read_words(pieces, item, out, fault);
}

static void free_made(struct codec_pieces *pieces) {
    for (size_t i = 0; i < pieces->n_made; i++) {
        free(pieces->made[i]);
    }
    pieces->n_made = 0;
}

enum status codec_read_pieces(const struct codec_event *step, struct codec_pieces *out, struct fault *fault) {
    out->count = 0;
    free_made(out);
    size_t index;
    json_t *item;
    json_array_foreach((json_t *)step->step.out, index, item) {
        if (out->count >= CODEC_PIECES_MAX) {
            return fault_set(fault, STATUS_INVALID, "a step has more than %u items", CODEC_PIECES_MAX);
        }
        out->items =
            mem_grow_array(out->items, out->count, &out->capacity, sizeof *out->items, CODEC_PIECES_MAX);
        enum status status = read_piece(out, item, &out->items[out->count], fault);
        if (status) {
            return status;
        }
        out->count++;
    }
    return STATUS_OK;
}

void codec_pieces_deinit(struct codec_pieces *pieces) {
    free_made(pieces);
    free(pieces->made);
    free(pieces->items);
    *pieces = (struct codec_pieces){ 0 };
}
