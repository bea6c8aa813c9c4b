#include "api/openai_answer.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define TOKEN_BYTES_MAX (1u << 20)

json_t *openai_answer_text(const struct message *message) {
    struct bytes text;
    bytes_init(&text, message_text_size(message));
    message_add_text(message, &text);
    json_t *string = json_stringn(text.size ? text.data : "", text.size);
    bytes_deinit(&text);
    return string;
}

/* A piece of a call: id, type and name come with the first. */
static void add_call(struct bytes *frame, const struct watch_item *item) {
    json_t *piece = json_loadb(item->other, item->other_size, 0, NULL);
    json_t *call = json_pack("{s:I, s:{s:s}}", "index", json_integer_value(json_object_get(piece, "index")),
                             "function", "arguments", json_get_text(piece, "arguments", ""));
    json_t *id = json_object_get(piece, "id");
    if (id) {
        json_object_set(call, "id", id);
        json_object_set_new(call, "type", json_string("function"));
        json_object_set(json_object_get(call, "function"), "name", json_object_get(piece, "name"));
    }
    char *text = json_text(call);
    bytes_add_text(frame, "\"tool_calls\":[");
    bytes_add_text(frame, text);
    bytes_add_char(frame, ']');
    free(text);
    json_decref(call);
    json_decref(piece);
}

bool openai_answer_has_delta(const struct watch_item *item) {
    return item->other_size > 0 || item->text_size > 0 || stream_probabilities(item->stream, item->seq);
}

void openai_answer_add_delta(struct bytes *frame, const struct watch_item *item) {
    if (item->event_kind == STORE_EVENT_TOOL) {
        add_call(frame, item);
        return;
    }
    bool is_thought = item->event_kind == STORE_EVENT_REASONING;
    size_t size = is_thought ? item->other_size : item->text_size;
    bytes_add_text(frame, is_thought ? "\"reasoning_content\":" : "\"content\":");
    bytes_add_json_string(frame, is_thought ? item->other : item->text, size);
}

/* ---- Probabilities ---- */

static int digit(char c) {
    return c >= 'a' ? c - 'a' + 10 : c - '0';
}

/* {"token","logprob","bytes"}: what is no character of its own is U+FFFD in the token. */
static json_t *encode_one(const char *hex, double logprob) {
    struct bytes token;
    bytes_init(&token, TOKEN_BYTES_MAX);
    json_t *list = json_array();
    size_t n = strlen(hex) / 2;
    char *raw = mem_alloc(n + 1);
    for (size_t i = 0; i < n; i++) {
        int byte = digit(hex[2 * i]) * 16 + digit(hex[2 * i + 1]);
        raw[i] = (char)byte;
        json_array_append_new(list, json_integer(byte & 0xFF));
    }
    for (size_t at = 0; at < n;) {
        int step = utf8_step(raw + at, n - at);
        bytes_add(&token, step > 0 ? raw + at : "\xEF\xBF\xBD", step > 0 ? (size_t)step : 3);
        at += step > 0 ? (size_t)step : step < 0 ? (size_t)-step : n - at;
    }
    free(raw);
    json_t *one =
        json_pack("{s:o, s:f, s:o}", "token", json_stringn(token.size ? token.data : "", token.size),
                  "logprob", logprob, "bytes", list);
    bytes_deinit(&token);
    return one;
}

static void add_event(json_t *content, const struct stream *stream, uint64_t seq) {
    const char *known = stream_probabilities(stream, seq);
    if (known == NULL || stream_kind(stream, seq) != STORE_EVENT_TOKEN) {
        return;
    }
    json_t *object = json_loads(known, 0, NULL);
    json_t *one =
        encode_one(json_get_text(object, "bytes", ""), json_number_value(json_object_get(object, "logprob")));
    json_object_set_new(one, "id", json_integer(stream->tokens ? stream->tokens[seq - 1] : -1));
    json_t *top = json_array();
    size_t index;
    json_t *other;
    json_array_foreach(json_object_get(object, "top"), index, other) {
        const char *hex = json_string_value(json_array_get(other, 0));
        json_t *choice = encode_one(hex ? hex : "", json_number_value(json_array_get(other, 1)));
        json_t *id = json_array_get(other, 2);
        if (id) {
            json_object_set(choice, "id", id);
        }
        json_array_append_new(top, choice);
    }
    json_object_set_new(one, "top_logprobs", top);
    json_array_append_new(content, one);
    json_decref(object);
}

json_t *openai_answer_logprobs(const struct message *message, const struct stream *stream, uint64_t seq) {
    json_t *content = json_array();
    if (seq > 0) {
        add_event(content, stream, seq);
    }
    for (const struct stream *at = message->first; seq == 0 && at; at = at->next) {
        for (uint64_t i = 2; i <= stream_last_token_seq(at); i++) {
            add_event(content, at, i);
        }
    }
    return json_pack("{s:o, s:n}", "content", content, "refusal");
}
