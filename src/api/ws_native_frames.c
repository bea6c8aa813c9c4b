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
    set_if(what, "generation", about->generation);
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

json_t *native_frame_storage(const struct api *api) {
    static const char *const texts[] = {
        [STORE_FINE] = "the disk is written and read as it should be",
        [STORE_FULL] = "the disk is full: make room, and what waits is stored by itself",
        [STORE_FAILING] = "the disk refuses: look at the log, and at the disk",
        [STORE_READ_ONLY] =
            "the data folder cannot be written: look at its rights and at how its disk is mounted",
    };
    enum store_trouble trouble = chat_storage(api->chat);
    return json_pack("{s:s, s:s, s:s}", "type", "storage", "state", store_trouble_name(trouble), "text",
                     texts[trouble]);
}

json_t *native_frame_downloads(const struct api *api) {
    return json_pack("{s:s, s:o}", "type", "downloads", "downloads", downloads_json(api->options.downloads));
}

json_t *native_frame_ack(const struct chat_sent *sent, const char *client_msg_id) {
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "type", "ack", "client_msg_id", client_msg_id,
                     "conversation", sent->conversation->name, "message", sent->message_id, "generation",
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
    uint32_t tokens_used;
    uint32_t context_size;
    conversation_usage(conversation, &tokens_used, &context_size);
    set(snapshot, "epoch", json_string(chat_epoch(api->chat)));
    set(snapshot, "title", json_string(conversation->title));
    encode_own(snapshot, conversation);
    set(snapshot, "current", encode_current(conversation));
    set(snapshot, "messages", encode_messages(conversation));
    set(snapshot, "tokens_used", json_integer(tokens_used));
    set(snapshot, "max_tokens", json_integer(context_size));
    return snapshot;
}

json_t *native_frame_current(const struct conversation *conversation, const struct message *current) {
    json_t *frame = frame_about("current", conversation->name);
    set(frame, "message", current ? json_string(current->id) : json_null());
    return frame;
}

json_t *native_frame_reshaped(const struct store_reshaped *reshaped, bool are_hidden) {
    json_t *frame = frame_about(are_hidden ? "removed" : "restored", reshaped->conversation);
    json_t *ids = json_array();
    for (size_t i = 0; i < reshaped->n_messages; i++) {
        json_array_append_new(ids, json_string(reshaped->messages[i]));
    }
    set(frame, "messages", ids);
    set(frame, "current", encode_text(reshaped->current));
    return frame;
}

/* A person's message waits when its answer has not ended; one that was cancelled meanwhile waits for nothing. */
static bool is_waiting(const struct conversation *conversation, size_t index) {
    const struct stream *answer =
        index + 1 < conversation->n_messages ? conversation->messages[index + 1]->stream : NULL;
    return conversation->messages[index]->stream == NULL && answer && !answer->is_ended;
}

json_t *native_frame_queue(const struct conversation *conversation) {
    json_t *queue = frame_about("queue", conversation->name);
    json_t *messages = json_array();
    for (size_t i = conversation_shown(conversation); i < conversation->n_messages; i++) {
        const struct message *message = conversation->messages[i];
        if (!is_waiting(conversation, i)) {
            continue;
        }
        json_t *waiting =
            json_pack("{s:s, s:s%}", "id", message->id, "content", message->content, message->content_size);
        set_time(waiting, "timestamp", message->created_ms);
        set(waiting, "generation", json_string(conversation->messages[i + 1]->stream->id));
        json_array_append_new(messages, waiting);
    }
    set(queue, "messages", messages);
    return queue;
}

json_t *native_frame_conversation(const struct conversation *conversation, enum conversation_event event) {
    static const char *const names[] = {
        [CONVERSATION_CREATED] = "created",   [CONVERSATION_RENAMED] = "renamed",
        [CONVERSATION_CHANGED] = "changed",   [CONVERSATION_DELETED] = "deleted",
        [CONVERSATION_RESTORED] = "restored", [CONVERSATION_RUNNING] = "running",
    };
    json_t *changed = frame_about("conversation", conversation->name);
    set(changed, "event", json_string(names[event]));
    set(changed, "title", json_string(conversation->title));
    set_time(changed, "timestamp", conversation->created_ms);
    set_time(changed, "updated", conversation->updated_ms);
    set(changed, "running", json_boolean(conversation->turn != NULL));
    encode_row_own(changed, &conversation->own);
    return changed;
}

/* The message as it was at its event 1, whatever has been written since: its text follows as tokens (P2). One that goes on adds its
 * text to what the reader has (N12). */
static json_t *message_at_start(const struct message *message, const struct stream *stream) {
    json_t *started = json_pack("{s:s, s:s, s:s}", "id", message->id, "role", "assistant", "content", "");
    set(started, "parent", encode_text(message->parent));
    set_time(started, "timestamp", message->created_ms);
    json_t *generation = json_pack("{s:s, s:i, s:b}", "id", stream->id, "seq", 1, "ended", 0);
    set(generation, "model", encode_text(stream->model));
    set(generation, "continues", encode_text(stream->continues));
    set(started, "generation", generation);
    return started;
}

json_t *native_frame_item(const struct conversation *conversation, const struct watch_item *item) {
    const struct message *message = item->message;
    const struct stream *stream = item->stream;
    json_t *out = frame("");
    set(out, "conversation", json_string(conversation->name));
    if (item->kind == WATCH_MESSAGE) {
        set(out, "type", json_string("message"));
        set(out, "message", encode_message(message));
        return out;
    }
    set(out, "generation", json_string(stream->id));
    if (item->kind == WATCH_PHASE) {
        set(out, "type", json_string("phase"));
        encode_phase(out, &conversation->phase);
        return out;
    }
    set(out, "seq", json_integer((json_int_t)item->seq));
    if (item->kind == WATCH_START) {
        set(out, "type", json_string("start"));
        set(out, "message", message_at_start(message, stream));
        set_if(out, "continues", stream->continues[0] ? stream->continues : NULL);
    } else {
        set(out, "type", json_string("end"));
        encode_end(out, stream);
    }
    return out;
}

static void add_tool(struct bytes *out, const struct conversation *conversation,
                     const struct watch_item *item) {
    bytes_add_format(
        out,
        "{\"type\":\"tool\",\"conversation\":\"%s\",\"generation\":\"%s\",\"seq\":%llu,\"n\":1,\"call\":",
        conversation->name, item->stream->id, (unsigned long long)item->seq);
    bytes_add(out, item->other, item->other_size);
}

static unsigned long long microseconds(uint64_t ns) {
    return (unsigned long long)(ns / 1000);
}

json_t *native_frame_clock(void) {
    return json_pack("{s:s, s:I}", "type", "clock", "t_us", (json_int_t)microseconds(clock_now_ns()));
}

/* [N33] What is known is the way of the newest token: of a reader who is behind, nothing is told. */
static void add_stations(struct bytes *out, const struct watch_item *item) {
    const struct stream_stations *stations = &item->stream->stations;
    if (stations->seq == item->seq + item->n - 1) {
        bytes_add_format(out, ",\"stations\":{\"sampled\":%llu,\"committed\":%llu,\"sent\":%llu}",
                         microseconds(stations->sampled_ns), microseconds(stations->committed_ns),
                         microseconds(clock_now_ns()));
    }
}

void native_frame_add_tokens(struct bytes *out, const struct conversation *conversation,
                             const struct watch_item *item, bool with_stations) {
    bool is_thought = item->event_kind == STORE_EVENT_REASONING;
    if (item->event_kind == STORE_EVENT_TOOL) {
        add_tool(out, conversation, item);
    } else {
        bytes_add_format(
            out,
            "{\"type\":\"%s\",\"conversation\":\"%s\",\"generation\":\"%s\",\"seq\":%llu,\"n\":%u,\"text\":",
            is_thought ? "reasoning" : "tokens", conversation->name, item->stream->id,
            (unsigned long long)item->seq, item->n);
        bytes_add_json_string(out, is_thought ? item->other : item->text,
                              is_thought ? item->other_size : item->text_size);
    }
    bytes_add_format(out, ",\"tokens_used\":%u,\"max_tokens\":%u", item->tokens_used, item->context_size);
    if (with_stations) {
        add_stations(out, item);
    }
    bytes_add_char(out, '}');
}
