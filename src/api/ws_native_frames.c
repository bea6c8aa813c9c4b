#include "api/ws_native_frames.h"

#include "api/ws_frame.h"
#include "base/clock.h"

#define NATIVE_PROTOCOL 1

static void set(json_t *object, const char *key, json_t *value) {
    json_object_set_new(object, key, value);
}

static void set_if(json_t *object, const char *key, const char *text) {
    if (text) {
        set(object, key, json_string(text));
    }
}

static void set_time(json_t *object, const char *key, int64_t wall_ms) {
    char iso[CLOCK_ISO_BYTES];
    clock_format_iso(wall_ms, iso);
    set(object, key, json_string(iso));
}

static json_t *frame(const char *type) {
    return json_pack("{s:s}", "type", type);
}

static json_t *frame_about(const char *type, const char *conversation) {
    return json_pack("{s:s, s:s}", "type", type, "conversation", conversation);
}

json_t *native_frame_error(const char *code, const char *text, const struct native_about *about) {
    json_t *error = json_pack("{s:s, s:s}", "type", "error", "code", code);
    json_t *what = json_object();
    set(error, "text", json_string(text));
    set_if(what, "type", about->type);
    set_if(what, "client_msg_id", about->client_msg_id);
    set_if(what, "conversation", about->conversation);
    set(error, "about", what);
    return error;
}

json_t *native_frame_hello(const struct api *api) {
    return json_pack("{s:s, s:i, s:s, s:s, s:o}", "type", "hello", "protocol", NATIVE_PROTOCOL, "epoch",
                     chat_epoch(api->chat), "version", api->options.version, "model",
                     models_status(chat_models(api->chat)));
}

json_t *native_frame_model(const struct api *api) {
    json_t *model = models_status(chat_models(api->chat));
    set(model, "type", json_string("model"));
    return model;
}

json_t *native_frame_ack(const struct chat_sent *sent, const char *client_msg_id) {
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "type", "ack", "client_msg_id", client_msg_id,
                     "conversation", sent->conversation->name, "message", sent->user_message_id, "generation",
                     sent->generation_id, "duplicate", (int)sent->duplicate);
}

json_t *native_frame_resumed(const char *conversation) {
    return frame_about("resumed", conversation);
}

json_t *native_frame_reset(const char *conversation, const char *reason) {
    json_t *reset = frame_about("reset", conversation);
    set(reset, "reason", json_string(reason));
    return reset;
}

json_t *native_frame_snapshot(const struct api *api, const struct conversation *conversation) {
    json_t *snapshot = frame_about("snapshot", conversation->name);
    json_t *messages = json_array();
    for (size_t i = 0; i < conversation->n_messages; i++) {
        json_array_append_new(messages, encode_message(conversation->messages[i]));
    }
    uint32_t tokens_used;
    uint32_t context_size;
    conversation_usage(conversation, &tokens_used, &context_size);
    set(snapshot, "epoch", json_string(chat_epoch(api->chat)));
    set(snapshot, "title", json_string(conversation->title));
    set(snapshot, "messages", messages);
    set(snapshot, "tokens_used", json_integer(tokens_used));
    set(snapshot, "max_tokens", json_integer(context_size));
    return snapshot;
}

json_t *native_frame_conversation(const struct conversation *conversation, enum conversation_event event) {
    static const char *const names[] = {
        [CONVERSATION_CREATED] = "created",
        [CONVERSATION_RENAMED] = "renamed",
        [CONVERSATION_DELETED] = "deleted",
        [CONVERSATION_RUNNING] = "running",
    };
    json_t *changed = frame_about("conversation", conversation->name);
    set(changed, "event", json_string(names[event]));
    set(changed, "title", json_string(conversation->title));
    set_time(changed, "timestamp", conversation->created_ms);
    set_time(changed, "updated", conversation->updated_ms);
    set(changed, "running", json_boolean(conversation->turn != NULL));
    return changed;
}

/* The message as it was at its event 1, whatever has been written since: its text follows as tokens (P2). */
static json_t *message_at_start(const struct message *message) {
    json_t *started = json_pack("{s:s, s:s, s:s}", "id", message->id, "role", "assistant", "content", "");
    set(started, "parent", ws_frame_text(message->parent[0] ? message->parent : NULL));
    set_time(started, "timestamp", message->created_ms);
    json_t *generation = json_pack("{s:s, s:i, s:b}", "id", message->stream->id, "seq", 1, "ended", 0);
    set(generation, "model", ws_frame_text(message->stream->model));
    set(started, "generation", generation);
    return started;
}

static void set_phase(json_t *out, const struct phase *phase) {
    switch (phase->kind) {
    case PHASE_QUEUED:
        set(out, "phase", json_string("queued"));
        set(out, "position", phase->position ? json_integer(phase->position) : json_null());
        break;
    case PHASE_LOADING:
        set(out, "phase", json_string("loading"));
        set(out, "stage", json_string(phase->stage));
        set(out, "progress", json_real(phase->progress));
        break;
    default:
        set(out, "phase", json_string("prefill"));
        set(out, "done", json_integer(phase->done));
        set(out, "total", json_integer(phase->total));
        set(out, "cached", json_integer(phase->cached));
    }
}

static void set_end(json_t *out, const struct stream *stream) {
    set(out, "reason", json_string(stream->reason));
    if (stream->error) {
        json_object_set(out, "error", stream->error);
    }
    set(out, "usage", stream->usage ? json_incref(stream->usage) : json_null());
    set(out, "timings", stream->timings ? json_incref(stream->timings) : json_null());
}

json_t *native_frame_item(const struct conversation *conversation, const struct watch_item *item) {
    const struct message *message = item->message;
    json_t *out = frame("");
    set(out, "conversation", json_string(conversation->name));
    if (item->kind == WATCH_MESSAGE) {
        set(out, "type", json_string("message"));
        set(out, "message", encode_message(message));
        return out;
    }
    set(out, "generation", json_string(message->stream->id));
    if (item->kind == WATCH_PHASE) {
        set(out, "type", json_string("phase"));
        set_phase(out, &conversation->phase);
        return out;
    }
    set(out, "seq", json_integer((json_int_t)item->seq));
    if (item->kind == WATCH_START) {
        set(out, "type", json_string("start"));
        set(out, "message", message_at_start(message));
    } else {
        set(out, "type", json_string("end"));
        set_end(out, message->stream);
    }
    return out;
}

void native_frame_add_tokens(struct bytes *out, const struct conversation *conversation,
                             const struct watch_item *item) {
    bytes_add_format(
        out,
        "{\"type\":\"tokens\",\"conversation\":\"%s\",\"generation\":\"%s\",\"seq\":%llu,\"n\":%u,\"text\":",
        conversation->name, item->message->stream->id, (unsigned long long)item->seq, item->n);
    bytes_add_json_string(out, item->text, item->text_size);
    bytes_add_format(out, ",\"tokens_used\":%u,\"max_tokens\":%u}", item->tokens_used, item->context_size);
}
