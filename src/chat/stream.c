#include "chat/stream.h"

#include "base/mem.h"
#include "store/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Every event takes one entry; an answer without text could otherwise grow without bound. */
#define STREAM_EVENTS_MAX (16u << 20)

/* Room for one more in an array beside `ends`, which grows last and has the capacity of all. */
static void *grow(const struct stream *stream, void *array, size_t element_bytes) {
    size_t capacity = stream->capacity;
    return mem_grow_array(array, (size_t)stream->last_seq, &capacity, element_bytes, STREAM_EVENTS_MAX + 2);
}

static void add_event(struct stream *stream, int32_t token, enum store_event_kind kind) {
    size_t n = (size_t)stream->last_seq;
    if (stream->kinds) {
        stream->kinds = grow(stream, stream->kinds, sizeof *stream->kinds);
        stream->other_ends = grow(stream, stream->other_ends, sizeof *stream->other_ends);
        stream->kinds[n] = (uint8_t)kind;
        stream->other_ends[n] = (uint32_t)stream->other.size;
    }
    if (stream->probabilities) {
        stream->probabilities = grow(stream, stream->probabilities, sizeof *stream->probabilities);
        stream->probabilities[n] = NULL;
    }
    if (stream->tokens) {
        stream->tokens = grow(stream, stream->tokens, sizeof *stream->tokens);
        stream->tokens[n] = token;
    }
    stream->ends =
        mem_grow_array(stream->ends, n, &stream->capacity, sizeof *stream->ends, STREAM_EVENTS_MAX + 2);
    stream->ends[stream->last_seq++] = (uint32_t)stream->text.size;
}

static struct stream *make(const char *id, int64_t key, const char *model) {
    struct stream *stream = mem_alloc(sizeof *stream);
    memcpy(stream->id, id, strnlen(id, ID_HEX_BYTES - 1));
    stream->key = key;
    stream->model = mem_copy_string(model);
    bytes_init(&stream->text, STREAM_TEXT_BYTES_MAX);
    bytes_init(&stream->other, STREAM_TEXT_BYTES_MAX);
    return stream;
}

struct stream *stream_new(const char *id, int64_t key, const char *model) {
    struct stream *stream = make(id, key, model);
    stream->capacity = 16;
    stream->ends = mem_resize(NULL, stream->capacity * sizeof *stream->ends);
    stream->tokens = mem_resize(NULL, stream->capacity * sizeof *stream->tokens);
    add_event(stream, -1, STORE_EVENT_TOKEN);
    return stream;
}

static json_t *parse_own(const char *text) {
    return text ? json_loads(text, 0, NULL) : NULL;
}

struct stream *stream_restore(const struct store_generation *generation, const char *text, size_t text_size) {
    struct stream *stream = make(generation->id, generation->key, generation->model);
    bytes_add(&stream->text, text ? text : "", text_size);
    stream->ends = mem_resize(NULL, (generation->n_text_ends + 1) * sizeof *stream->ends);
    stream->capacity = generation->n_text_ends + 1;
    if (generation->n_text_ends) {
        memcpy(stream->ends, generation->text_ends, generation->n_text_ends * sizeof *stream->ends);
    }
    if (generation->n_text_ends && generation->tokens) {
        stream->tokens = mem_resize(NULL, stream->capacity * sizeof *stream->tokens);
        memcpy(stream->tokens, generation->tokens, generation->n_text_ends * sizeof *stream->tokens);
    }
    if (generation->kinds) {
        size_t n = generation->n_text_ends;
        stream->kinds = mem_resize(NULL, stream->capacity);
        memcpy(stream->kinds, generation->kinds, n);
        stream->other_ends = mem_resize(NULL, stream->capacity * sizeof *stream->other_ends);
        memcpy(stream->other_ends, generation->other_ends, n * sizeof *stream->other_ends);
        bytes_add(&stream->other, generation->other, n > 0 ? generation->other_ends[n - 1] : 0);
    }
    memcpy(stream->continues, generation->continues, sizeof stream->continues);
    stream->settings = mem_copy_string(generation->settings);
    stream->last_seq = generation->n_text_ends;
    stream->n_prompt_tokens = generation->n_prompt_tokens;
    stream->context_size = generation->context_size;
    stream->is_ended = generation->ended;
    stream->reason = mem_copy_string(generation->reason);
    stream->error = parse_own(generation->error);
    stream->usage = parse_own(generation->usage);
    stream->timings = parse_own(generation->timings);
    uint64_t n_token_events = stream->last_seq < 2 ? 0 : stream->last_seq - 1 - stream->is_ended;
    json_t *counted = json_object_get(stream->usage, "completion_tokens");
    uint64_t n_counted = counted ? (uint64_t)json_integer_value(counted) : n_token_events;
    stream->n_tokens = n_counted < n_token_events ? n_counted : n_token_events;
    return stream;
}

void stream_free(struct stream *stream) {
    if (stream == NULL) {
        return;
    }
    bytes_deinit(&stream->text);
    bytes_deinit(&stream->other);
    free(stream->kinds);
    free(stream->other_ends);
    for (size_t i = 0; stream->probabilities && i < stream->last_seq; i++) {
        free(stream->probabilities[i]);
    }
    free(stream->probabilities);
    free(stream->ends);
    free(stream->tokens);
    free(stream->reason);
    free(stream->model);
    free(stream->settings);
    json_decref(stream->error);
    json_decref(stream->usage);
    json_decref(stream->timings);
    free(stream);
}

enum status stream_append(struct stream *stream, uint64_t seq, int32_t token, const char *text,
                          size_t text_size) {
    assert(!stream->is_ended);
    assert(seq == stream->last_seq + 1);
    if (stream->last_seq >= STREAM_EVENTS_MAX || bytes_add(&stream->text, text, text_size) != STATUS_OK) {
        stream->text.failed = false;
        return STATUS_FULL;
    }
    stream->n_tokens += token >= 0;
    add_event(stream, token, STORE_EVENT_TOKEN);
    return STATUS_OK;
}

/* The events so far were text. */
static void begin_kinds(struct stream *stream) {
    if (stream->kinds == NULL) {
        stream->kinds = mem_alloc(stream->capacity);
        stream->other_ends = mem_alloc(stream->capacity * sizeof *stream->other_ends);
    }
}

enum status stream_append_other(struct stream *stream, uint64_t seq, int32_t token,
                                enum store_event_kind kind, const char *text, size_t text_size) {
    assert(!stream->is_ended);
    assert(seq == stream->last_seq + 1);
    if (stream->last_seq >= STREAM_EVENTS_MAX || bytes_add(&stream->other, text, text_size) != STATUS_OK) {
        stream->other.failed = false;
        return STATUS_FULL;
    }
    begin_kinds(stream);
    stream->n_tokens += token >= 0;
    add_event(stream, token, kind);
    return STATUS_OK;
}

void stream_note(struct stream *stream, const char *probabilities) {
    if (stream->probabilities == NULL) {
        stream->probabilities = mem_alloc(stream->capacity * sizeof *stream->probabilities);
    }
    stream->probabilities[stream->last_seq - 1] = mem_copy_string(probabilities);
}

const char *stream_probabilities(const struct stream *stream, uint64_t seq) {
    return stream->probabilities ? stream->probabilities[seq - 1] : NULL;
}

enum store_event_kind stream_kind(const struct stream *stream, uint64_t seq) {
    return stream->kinds ? (enum store_event_kind)stream->kinds[seq - 1] : STORE_EVENT_TOKEN;
}

const char *stream_read_other(const struct stream *stream, uint64_t first, uint64_t last, size_t *size) {
    assert(first >= 2 && first <= last && last <= stream->last_seq);
    size_t from = stream->kinds ? stream->other_ends[first - 2] : 0;
    *size = stream->kinds ? stream->other_ends[last - 1] - from : 0;
    return *size ? stream->other.data + from : "";
}

void stream_end(struct stream *stream, const char *reason, json_t *error, json_t *usage, json_t *timings) {
    assert(!stream->is_ended);
    add_event(stream, -1, STORE_EVENT_TOKEN);
    stream->is_ended = true;
    stream->reason = mem_copy_string(reason);
    stream->error = error;
    stream->usage = usage;
    stream->timings = timings;
}

uint64_t stream_last_token_seq(const struct stream *stream) {
    uint64_t last = stream->last_seq - stream->is_ended;
    return last > 0 ? last : 1;
}

const char *stream_read(const struct stream *stream, uint64_t first, uint64_t last, size_t *text_size) {
    assert(first >= 2 && first <= last && last <= stream->last_seq);
    size_t from = stream->ends[first - 2];
    *text_size = stream->ends[last - 1] - from;
    return *text_size ? stream->text.data + from : "";
}

uint32_t stream_tokens_used(const struct stream *stream, uint64_t seq) {
    uint64_t n = seq > 0 ? seq - 1 : 0;
    return stream->n_prompt_tokens + (uint32_t)(n < stream->n_tokens ? n : stream->n_tokens);
}
