#include "api/api_internal.h"
#include "base/clock.h"

static json_t *iso(int64_t wall_ms) {
    char text[CLOCK_ISO_BYTES];
    clock_format_iso(wall_ms, text);
    return json_string(text);
}

static json_t *dashes(int64_t wall_ms) {
    char text[CLOCK_ISO_BYTES];
    clock_format_dashes(wall_ms, text);
    return json_string(text);
}

/* The values belong to the message and are never changed: sharing them is cheap. */
static json_t *shared(json_t *value) {
    return value ? json_incref(value) : json_null();
}

static json_t *encode_generation(const struct stream *stream) {
    json_t *object =
        json_pack("{s:s, s:I, s:b, s:s?, s:o, s:o, s:s?}", "id", stream->id, "seq",
                  (json_int_t)stream->last_seq, "ended", stream->is_ended, "reason", stream->reason, "usage",
                  shared(stream->usage), "timings", shared(stream->timings), "model", stream->model);
    if (stream->error) {
        json_object_set(object, "error", stream->error);
    }
    return object;
}

json_t *encode_message(const struct message *message) {
    static const char *const roles[] = {
        [STORE_ROLE_SYSTEM] = "system",
        [STORE_ROLE_USER] = "user",
        [STORE_ROLE_ASSISTANT] = "assistant",
    };
    const char *text = message->stream ? message->stream->text.data : message->content;
    size_t size = message->stream ? message->stream->text.size : message->content_size;
    json_t *object = json_pack("{s:s, s:s?, s:s, s:s%, s:o}", "id", message->id, "parent",
                               message->parent[0] ? message->parent : NULL, "role", roles[message->role],
                               "content", text ? text : "", size, "timestamp", iso(message->created_ms));
    if (message->stream) {
        json_object_set_new(object, "generation", encode_generation(message->stream));
    }
    return object;
}

json_t *encode_conversation(const char *name, const char *title, int64_t created_ms, int64_t updated_ms,
                            bool running) {
    return json_pack("{s:s, s:s, s:o, s:o, s:b}", "name", name, "display_name", title ? title : "",
                     "timestamp", dashes(created_ms), "updated", dashes(updated_ms), "running", running);
}
