#include "api/api_internal.h"
#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

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

json_t *encode_text(const char *text) {
    return text && text[0] ? json_string(text) : json_null();
}

json_t *encode_generation(const struct stream *stream) {
    json_t *object = json_pack(
        "{s:s, s:I, s:b, s:s?, s:o, s:o, s:s?, s:o}", "id", stream->id, "seq", (json_int_t)stream->last_seq,
        "ended", stream->is_ended, "reason", stream->reason, "usage", shared(stream->usage), "timings",
        shared(stream->timings), "model", stream->model, "continues", encode_text(stream->continues));
    if (stream->error) {
        json_object_set(object, "error", stream->error);
    }
    return object;
}

/* The texts of all its generations. */
static json_t *encode_content(const struct message *message) {
    struct bytes text;
    bytes_init(&text, message_text_size(message) + 1);
    message_add_text(message, &text);
    json_t *string = json_stringn(text.size ? text.data : "", text.size);
    bytes_deinit(&text);
    return string;
}

/* What was thought and called, over all generations: it is no part of the content. */
static void add_others(json_t *generation, const struct message *message) {
    json_t *reasoning = message_reasoning(message);
    if (reasoning) {
        json_object_set_new(generation, "reasoning", reasoning);
    }
    json_t *calls = message_tool_calls(message);
    if (calls) {
        json_object_set_new(generation, "tool_calls", calls);
    }
}

json_t *encode_attachment(const struct store_attachment *attachment, bool has_text) {
    return json_pack("{s:s, s:s, s:s, s:I, s:o}", "id", attachment->id, "name", attachment->name, "type",
                     attachment->type, "size", (json_int_t)attachment->size_bytes, "text_size",
                     has_text ? json_integer((json_int_t)attachment->text_size) : json_null());
}

/* The name as RFC 8187 writes it: whatever is in it is no header. */
char *encode_disposition(const char *name) {
    struct bytes out;
    bytes_init(&out, 8192);
    bytes_add_text(&out, "Content-Disposition: attachment; filename*=UTF-8''");
    for (const char *at = name; *at; at++) {
        bool is_plain = (*at >= '0' && *at <= '9') || (*at >= 'A' && *at <= 'Z') ||
                        (*at >= 'a' && *at <= 'z') || strchr("-._", *at);
        is_plain ? bytes_add_char(&out, *at) : bytes_add_format(&out, "%%%02X", (unsigned char)*at);
    }
    bytes_add_text(&out, "\r\n");
    char *header = mem_copy_string(out.failed ? "Content-Disposition: attachment\r\n" : out.data);
    bytes_deinit(&out);
    return header;
}

json_t *encode_message(const struct message *message) {
    json_t *object = json_pack("{s:s, s:o, s:s, s:o, s:o}", "id", message->id, "parent",
                               encode_text(message->parent), "role", message_role_name(message), "content",
                               encode_content(message), "timestamp", iso(message->created_ms));
    if (message->n_attachments > 0) {
        json_t *attachments = json_array();
        for (size_t i = 0; i < message->n_attachments; i++) {
            const struct store_attachment *from = &message->attachments[i];
            json_array_append_new(attachments, encode_attachment(from, from->text != NULL));
        }
        json_object_set_new(object, "attachments", attachments);
    }
    if (message->stream) {
        json_t *generation = encode_generation(message->stream);
        add_others(generation, message);
        json_object_set_new(object, "generation", generation);
    }
    return object;
}

void encode_phase(json_t *out, const struct phase *phase) {
    switch (phase->kind) {
    case PHASE_QUEUED:
        json_object_set_new(out, "phase", json_string("queued"));
        json_object_set_new(out, "position", phase->position ? json_integer(phase->position) : json_null());
        break;
    case PHASE_LOADING:
        json_object_set_new(out, "phase", json_string("loading"));
        json_object_set_new(out, "stage", json_string(phase->stage));
        json_object_set_new(out, "progress", json_real(phase->progress));
        break;
    default:
        json_object_set_new(out, "phase", json_string("prefill"));
        json_object_set_new(out, "done", json_integer(phase->done));
        json_object_set_new(out, "total", json_integer(phase->total));
        json_object_set_new(out, "cached", json_integer(phase->cached));
        if (phase->dropped > 0) {
            json_object_set_new(out, "dropped", json_integer(phase->dropped));
        }
    }
}

void encode_end(json_t *out, const struct stream *stream) {
    json_object_set_new(out, "reason", json_string(stream->reason));
    if (stream->error) {
        json_object_set(out, "error", stream->error);
    }
    json_object_set_new(out, "usage", shared(stream->usage));
    json_object_set_new(out, "timings", shared(stream->timings));
    if (stream->next) {
        json_object_set_new(out, "continued_by", json_string(stream->next->id));
    }
}

json_t *encode_messages(const struct conversation *conversation) {
    json_t *messages = json_array();
    size_t n_shown = conversation_shown(conversation);
    for (size_t i = 0; i < n_shown; i++) {
        if (conversation->messages[i]->hidden_ms == 0) {
            json_array_append_new(messages, encode_message(conversation->messages[i]));
        }
    }
    return messages;
}

json_t *encode_current(const struct conversation *conversation) {
    const struct message *current = conversation_current_of(conversation, conversation_shown(conversation));
    return current ? json_string(current->id) : json_null();
}

static void add_own(json_t *out, const struct store_own *own, json_t *settings) {
    static const char *const title_by[] = {
        [STORE_TITLE_TEXT] = "text", [STORE_TITLE_MODEL] = "model", [STORE_TITLE_PERSON] = "person"
    };
    json_object_set_new(out, "title_by", json_string(title_by[own->title_by]));
    json_object_set_new(out, "pinned", json_boolean(own->is_pinned));
    json_object_set_new(out, "folder", encode_text(own->folder));
    json_object_set_new(out, "archived", json_boolean(own->is_archived));
    json_object_set_new(out, "unread", json_boolean(own->is_unread));
    json_object_set_new(out, "deleted", own->deleted_ms ? iso(own->deleted_ms) : json_null());
    json_object_set_new(out, "temporary", json_boolean(own->is_temporary));
    json_object_set_new(out, "model", shared(json_object_get(settings, "model")));
}

void encode_row_own(json_t *out, const struct store_own *own) {
    json_t *settings = own->settings ? json_loads(own->settings, 0, NULL) : NULL;
    add_own(out, own, settings);
    json_decref(settings);
}

void encode_own(json_t *out, const struct conversation *conversation) {
    add_own(out, &conversation->own, conversation->settings);
    json_object_set_new(out, "settings", shared(json_object_get(conversation->settings, "settings")));
    json_object_set_new(out, "detach_seconds",
                        conversation->has_detach ? json_integer(conversation->detach_seconds) : json_null());
}

json_t *encode_row(const struct store_listed *row, bool running) {
    json_t *object = json_pack("{s:s, s:s, s:o, s:o, s:b}", "name", row->name, "display_name",
                               row->title ? row->title : "", "timestamp", dashes(row->created_ms), "updated",
                               dashes(row->updated_ms), "running", running);
    encode_row_own(object, &row->own);
    if (row->snippet) {
        json_object_set_new(object, "snippet", json_string(row->snippet));
    }
    return object;
}
