#include "api/generation_events.h"

#include <stdlib.h>

/* A page ends behind the event that passes this. */
#define PAGE_TEXT_BYTES (1u << 20)
/* One event may be larger than a page: the text of one token, each byte of which may need six. */
#define PAGE_BYTES_MAX (512u << 20)

static void add_json(struct bytes *out, json_t *object) {
    char *text = json_text(object);
    bytes_add_text(out, text);
    free(text);
    json_decref(object);
}

static json_t *event(const struct stream *stream, const char *type, uint64_t seq) {
    return json_pack("{s:s, s:I, s:s}", "generation", stream->id, "seq", (json_int_t)seq, "type", type);
}

static void add_start(struct bytes *out, const struct message *message, const struct stream *stream) {
    json_t *object = event(stream, "start", 1);
    json_object_set_new(object, "message", json_string(message->id));
    json_object_set_new(object, "continues", encode_text(stream->continues));
    add_json(out, object);
}

static void add_end(struct bytes *out, const struct stream *stream) {
    json_t *object = event(stream, "end", stream->last_seq);
    encode_end(object, stream);
    add_json(out, object);
}

static const char *const types[] = {
    [STORE_EVENT_TOKEN] = "token", [STORE_EVENT_REASONING] = "reasoning", [STORE_EVENT_TOOL] = "tool"
};

/* One per token and reader: put together by hand. */
static void add_token(struct bytes *out, const struct stream *stream, uint64_t seq) {
    size_t size;
    enum store_event_kind kind = stream_kind(stream, seq);
    const char *text = kind == STORE_EVENT_TOKEN ? stream_read(stream, seq, seq, &size)
                                                 : stream_read_other(stream, seq, seq, &size);
    bytes_add_format(out, "{\"generation\":\"%s\",\"seq\":%llu,\"type\":\"%s\",", stream->id,
                     (unsigned long long)seq, types[kind]);
    if (kind == STORE_EVENT_TOOL) {
        bytes_add_text(out, "\"call\":");
        bytes_add(out, text, size);
    } else {
        bytes_add_text(out, "\"text\":");
        bytes_add_json_string(out, text, size);
    }
    int32_t token = stream->tokens ? stream->tokens[seq - 1] : -1;
    bytes_add_format(out, token >= 0 ? ",\"token\":%d" : ",\"token\":null", token);
    bytes_add_format(out, ",\"tokens_used\":%u,\"max_tokens\":%u}", stream_tokens_used(stream, seq),
                     stream->context_size);
}

const char *generation_events_type(const struct stream *stream, uint64_t seq) {
    return seq == 1                                      ? "start"
           : stream->is_ended && seq == stream->last_seq ? "end"
                                                         : types[stream_kind(stream, seq)];
}

void generation_events_add(struct bytes *out, const struct message *message, const struct stream *stream,
                           uint64_t seq) {
    if (seq == 1) {
        add_start(out, message, stream);
    } else if (stream->is_ended && seq == stream->last_seq) {
        add_end(out, stream);
    } else {
        add_token(out, stream, seq);
    }
}

void generation_events_reply(struct net_conn *net, const char *epoch, const struct message *message,
                             const struct stream *stream, uint64_t after_seq, uint32_t n_max) {
    struct bytes page;
    bytes_init(&page, PAGE_BYTES_MAX);
    bytes_add_format(&page, "{\"generation\":\"%s\",\"epoch\":\"%s\",\"events\":[", stream->id, epoch);
    uint64_t seq = after_seq;
    while (seq < stream->last_seq && seq - after_seq < n_max && page.size < PAGE_TEXT_BYTES) {
        bytes_add_text(&page, seq > after_seq ? "," : "");
        generation_events_add(&page, message, stream, ++seq);
    }
    bool is_whole = stream->is_ended && seq == stream->last_seq;
    bytes_add_text(&page, "],\"next\":");
    bytes_add_format(&page, is_whole ? "null" : "%llu", (unsigned long long)seq);
    bytes_add_format(&page, ",\"ended\":%s}", stream->is_ended ? "true" : "false");
    if (page.failed) {
        reply_error(net, 413, "this event is too large for one answer: read it as text/event-stream");
    } else {
        reply_text(net, 200, "application/json", page.data, page.size);
    }
    bytes_deinit(&page);
}
