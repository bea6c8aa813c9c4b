#include "chat/conversation.h"

#include "base/mem.h"
#include "chat/hub.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct conversation *conversation_new(struct hub *hub, const char *name, const char *title,
                                      int64_t created_ms) {
    struct conversation *conversation = mem_alloc(sizeof *conversation);
    conversation->hub = hub;
    conversation->n_refs = 1;
    snprintf(conversation->name, sizeof conversation->name, "%s", name);
    conversation->title = mem_copy_string(title ? title : "");
    conversation->created_ms = created_ms;
    conversation->updated_ms = created_ms;
    list_init(&conversation->watchers);
    conversation->own = (struct store_own){ 0 };
    if (hub) {
        list_append(&hub->conversations, &conversation->node);
    }
    return conversation;
}

static struct message *add(struct conversation *conversation, const char *id, const char *parent,
                           int64_t created_ms) {
    struct message *message = mem_alloc(sizeof *message);
    snprintf(message->id, sizeof message->id, "%s", id);
    snprintf(message->parent, sizeof message->parent, "%s", parent ? parent : "");
    message->created_ms = created_ms;
    message->above = message->parent[0] ? conversation_find_message(conversation, message->parent) : NULL;
    message->index = conversation->n_messages;
    conversation->current = message;
    conversation->messages =
        mem_grow_array(conversation->messages, conversation->n_messages, &conversation->capacity,
                       sizeof(struct message *), CONVERSATION_MESSAGES_MAX);
    conversation->messages[conversation->n_messages++] = message;
    if (created_ms > conversation->updated_ms) {
        conversation->updated_ms = created_ms;
    }
    return message;
}

static void restore_answer(struct message *message, const struct store_message *from) {
    const char *text = from->content;
    for (size_t i = 0; i < from->n_generations; i++) {
        struct stream *stream = stream_restore(&from->generations[i], text, from->generations[i].text_size);
        text += from->generations[i].text_size;
        if (i == 0) {
            message->first = message->stream = stream;
        } else {
            message_continue(message, stream);
        }
    }
}

void conversation_set_own(struct conversation *conversation, const struct store_own *own) {
    struct store_own copy;
    store_own_copy(&copy, own);
    store_own_deinit(&conversation->own);
    conversation->own = copy;
    json_decref(conversation->settings);
    conversation->settings = copy.settings ? json_loads(copy.settings, 0, NULL) : NULL;
    const json_t *detach = json_object_get(conversation->settings, "detach_seconds");
    conversation->has_detach = json_is_integer(detach);
    conversation->detach_seconds = json_integer_value(detach);
}

void conversation_set_title(struct conversation *conversation, const char *title) {
    char *copy = mem_copy_string(title);
    free(conversation->title);
    conversation->title = copy;
}

/* ---- The tree ---- */

void conversation_select(struct conversation *conversation, struct message *message) {
    conversation->current = message;
    conversation_notify(conversation);
}

const struct message *conversation_current_of(const struct conversation *conversation, size_t n) {
    const struct message *message = conversation->current;
    while (message && message->index >= n) {
        message = message->above;
    }
    return message;
}

/* Whoever is below stands behind it: one walk finds them all. */
struct message *conversation_newest_below(const struct conversation *conversation, struct message *message) {
    size_t n_shown = conversation_shown(conversation);
    bool *is_below = mem_alloc(n_shown * sizeof *is_below + 1);
    struct message *newest = message;
    for (size_t i = message->index; i < n_shown; i++) {
        struct message *at = conversation->messages[i];
        const struct message *above = at->above;
        is_below[i] = at == message || (above && above->index >= message->index && is_below[above->index]);
        newest = is_below[i] && at->hidden_ms == 0 ? at : newest;
    }
    free(is_below);
    return newest;
}

static void restore_current(struct conversation *conversation, const char *id) {
    struct message *current = id[0] ? conversation_find_message(conversation, id) : NULL;
    for (size_t i = conversation->n_messages; i-- > 0 && (current == NULL || current->hidden_ms);) {
        current = conversation->messages[i];
    }
    conversation->current = current && current->hidden_ms == 0 ? current : NULL;
}

struct conversation *conversation_restore(struct hub *hub, const struct store_conversation *stored) {
    struct conversation *conversation =
        conversation_new(hub, stored->name, stored->title, stored->created_ms);
    conversation->updated_ms = stored->updated_ms;
    conversation->is_reshaped = stored->is_reshaped;
    conversation_set_own(conversation, &stored->own);
    for (size_t i = 0; i < stored->n_messages; i++) {
        const struct store_message *from = &stored->messages[i];
        struct message *message = add(conversation, from->id, from->parent, from->created_ms);
        message->role = from->role;
        message->hidden_ms = from->deleted_ms;
        message->attachments = store_attachments_copy(from->attachments, from->n_attachments);
        message->n_attachments = from->n_attachments;
        if (from->n_generations) {
            restore_answer(message, from);
        } else {
            message->content = mem_copy_bytes(from->content ? from->content : "", from->content_size);
            message->content_size = from->content_size;
        }
    }
    restore_current(conversation, stored->current);
    return conversation;
}

struct conversation *conversation_ref(struct conversation *conversation) {
    conversation->n_refs++;
    return conversation;
}

static void message_free(struct message *message) {
    for (struct stream *stream = message->first, *next; stream; stream = next) {
        next = stream->next;
        stream_free(stream);
    }
    store_attachments_free(message->attachments, message->n_attachments);
    free(message->content);
    free(message);
}

void conversation_unref(struct conversation *conversation) {
    if (conversation == NULL || --conversation->n_refs > 0) {
        return;
    }
    assert(list_is_empty(&conversation->watchers));
    list_remove(&conversation->node);
    for (size_t i = 0; i < conversation->n_messages; i++) {
        message_free(conversation->messages[i]);
    }
    free(conversation->messages);
    free(conversation->title);
    store_own_deinit(&conversation->own);
    json_decref(conversation->settings);
    free(conversation);
}

struct message *conversation_add_text(struct conversation *conversation, const char *id, const char *parent,
                                      enum store_role role, const char *text, int64_t created_ms) {
    struct message *message = add(conversation, id, parent, created_ms);
    message->role = role;
    message->content = mem_copy_string(text);
    message->content_size = strlen(text);
    conversation_notify(conversation);
    return message;
}

struct message *conversation_add_answer(struct conversation *conversation, const char *id, const char *parent,
                                        struct stream *stream, int64_t created_ms) {
    struct message *message = add(conversation, id, parent, created_ms);
    message->role = STORE_ROLE_ASSISTANT;
    message->first = message->stream = stream;
    conversation_notify(conversation);
    return message;
}

const char *message_role_name(const struct message *message) {
    static const char *const names[] = {
        [STORE_ROLE_SYSTEM] = "system",
        [STORE_ROLE_USER] = "user",
        [STORE_ROLE_ASSISTANT] = "assistant",
    };
    return names[message->role];
}

void message_continue(struct message *message, struct stream *stream) {
    assert(message->stream->is_ended && message->stream->next == NULL);
    memcpy(stream->continues, message->stream->id, sizeof stream->continues);
    if (stream->context_size == 0) {
        /* Until the engine says better: what was said is read again. */
        stream->n_prompt_tokens = stream_tokens_used(message->stream, message->stream->last_seq);
        stream->context_size = message->stream->context_size;
    }
    message->stream = message->stream->next = stream;
}

enum status message_add_text(const struct message *message, struct bytes *out) {
    if (message->first == NULL) {
        return bytes_add(out, message->content, message->content_size);
    }
    enum status status = STATUS_OK;
    for (const struct stream *stream = message->first; stream && status == STATUS_OK; stream = stream->next) {
        status = bytes_add(out, stream->text.data, stream->text.size);
    }
    return status;
}

json_t *message_reasoning(const struct message *message) {
    struct bytes thought;
    bytes_init(&thought, 2 * STREAM_TEXT_BYTES_MAX);
    for (const struct stream *stream = message->first; stream; stream = stream->next) {
        for (uint64_t seq = 2; stream->kinds && seq <= stream_last_token_seq(stream); seq++) {
            if (stream_kind(stream, seq) == STORE_EVENT_REASONING) {
                size_t size;
                const char *text = stream_read_other(stream, seq, seq, &size);
                bytes_add(&thought, text, size);
            }
        }
    }
    json_t *text = thought.size ? json_stringn(thought.data, thought.size) : NULL;
    bytes_deinit(&thought);
    return text;
}

/* A piece of a call: the first one of it makes it. */
static void add_call_piece(json_t *calls, struct bytes *arguments, size_t n_max, const json_t *piece) {
    size_t index = (size_t)json_integer_value(json_object_get(piece, "index"));
    if (index >= n_max) {
        return;
    }
    while (json_array_size(calls) <= index) {
        bytes_init(&arguments[json_array_size(calls)], STREAM_TEXT_BYTES_MAX);
        json_array_append_new(calls, json_pack("{s:s, s:s}", "id", "", "name", ""));
    }
    json_t *call = json_array_get(calls, index);
    json_object_update_existing(call, (json_t *)piece);
    bytes_add_text(&arguments[index], json_get_text(piece, "arguments", ""));
}

json_t *message_tool_calls(const struct message *message) {
    enum { CALLS_MAX = 256 };
    struct bytes arguments[CALLS_MAX];
    json_t *calls = json_array();
    for (const struct stream *stream = message->first; stream; stream = stream->next) {
        for (uint64_t seq = 2; stream->kinds && seq <= stream_last_token_seq(stream); seq++) {
            if (stream_kind(stream, seq) == STORE_EVENT_TOOL) {
                size_t size;
                const char *text = stream_read_other(stream, seq, seq, &size);
                json_t *piece = json_loadb(text, size, 0, NULL);
                add_call_piece(calls, arguments, CALLS_MAX, piece);
                json_decref(piece);
            }
        }
    }
    size_t n = json_array_size(calls);
    for (size_t i = 0; i < n; i++) {
        json_object_set_new(json_array_get(calls, i), "arguments",
                            json_stringn(arguments[i].size ? arguments[i].data : "", arguments[i].size));
        bytes_deinit(&arguments[i]);
    }
    if (n == 0) {
        json_decref(calls);
        return NULL;
    }
    return calls;
}

size_t message_said_size(const struct message *message) {
    size_t size = message_text_size(message);
    for (const struct stream *stream = message->first; stream; stream = stream->next) {
        size += stream->other.size;
    }
    return size;
}

size_t message_text_size(const struct message *message) {
    size_t size = message->content_size;
    for (const struct stream *stream = message->first; stream; stream = stream->next) {
        size += stream->text.size;
    }
    return size;
}

uint64_t message_token_count(const struct message *message) {
    uint64_t n = 0;
    for (const struct stream *stream = message->first; stream; stream = stream->next) {
        n += stream->n_tokens;
    }
    return n;
}

struct stream *message_find_generation(const struct message *message, const char *generation_id) {
    struct stream *stream = message->first;
    while (stream && strcmp(stream->id, generation_id) != 0) {
        stream = stream->next;
    }
    return stream;
}

size_t conversation_shown(const struct conversation *conversation) {
    for (size_t i = 0; i < conversation->n_messages; i++) {
        const struct stream *stream = conversation->messages[i]->stream;
        if (stream && !stream->is_ended) {
            return i + 1;
        }
    }
    return conversation->n_messages;
}

struct message *conversation_find_message(const struct conversation *conversation, const char *id) {
    for (size_t i = conversation->n_messages; i-- > 0;) {
        if (strcmp(conversation->messages[i]->id, id) == 0) {
            return conversation->messages[i];
        }
    }
    return NULL;
}

struct message *conversation_find_generation(const struct conversation *conversation,
                                             const char *generation_id, size_t *index) {
    for (size_t i = conversation->n_messages; i-- > 0;) {
        struct message *message = conversation->messages[i];
        if (message_find_generation(message, generation_id)) {
            *index = i;
            return message;
        }
    }
    return NULL;
}

struct message *conversation_last(const struct conversation *conversation) {
    return conversation->n_messages ? conversation->messages[conversation->n_messages - 1] : NULL;
}

void conversation_set_phase(struct conversation *conversation, const struct phase *phase) {
    conversation->phase = *phase;
    conversation->phase_version++;
    conversation_notify(conversation);
}

void conversation_notify(struct conversation *conversation) {
    LIST_EACH(node, &conversation->watchers) {
        struct watcher *watcher = CONTAINER_OF(node, struct watcher, node);
        watcher->on_change(watcher->ctx);
    }
}

void conversation_usage(const struct conversation *conversation, uint32_t *tokens_used,
                        uint32_t *context_size) {
    *tokens_used = 0;
    *context_size = 0;
    for (const struct message *at = conversation->current; at; at = at->above) {
        const struct stream *stream = at->stream;
        if (stream && stream->context_size) {
            *tokens_used = stream_tokens_used(stream, stream->last_seq);
            *context_size = stream->context_size;
            return;
        }
    }
}
