/* keep.c - a call of a compatible API whose answer is kept: its messages and its answer in a conversation of the store.
 *
 *   chat_keep → (the conversation is opened) → store_send (D2) → on_stored: the messages are added, the turn begins, the callback
 *
 * What people read is the text of the messages; what the model reads is kept beside the generation, as it came (prompt.c).
 */
#include "base/clock.h"
#include "base/mem.h"
#include "chat/chat_internal.h"

#include <stdlib.h>
#include <string.h>

struct row {
    char id[ID_HEX_BYTES];
    enum store_role role;
    char *text;
};

struct keep {
    struct begin begin;
    json_t *messages;
    bool is_whole;
    struct row *rows; /* what is added to the conversation; the last is what is answered */
    size_t n_rows;
    char *settings;
    char parent[ID_HEX_BYTES];
    char assistant_message_id[ID_HEX_BYTES];
    int64_t wall_ms;
};

static void deinit(struct begin *begin) {
    struct keep *keep = (struct keep *)begin;
    for (size_t i = 0; i < keep->n_rows; i++) {
        free(keep->rows[i].text);
    }
    free(keep->rows);
    free(keep->settings);
    json_decref(keep->messages);
}

static void refuse(struct keep *keep, enum status status) {
    begin_refuse(&keep->begin, status,
                 status == STATUS_NOT_FOUND ? CHAT_NO_CONVERSATION : begin_fault(status));
}

/* ---- What the store says ---- */

static const struct row *asked(const struct keep *keep) {
    return &keep->rows[keep->n_rows - 1];
}

static const char *title_of(const struct keep *keep) {
    size_t i = 0;
    while (i + 1 < keep->n_rows && keep->rows[i].role != STORE_ROLE_USER) {
        i++;
    }
    return keep->rows[i].text;
}

static struct conversation *find_or_new(const struct keep *keep, const struct store_sent *sent) {
    struct hub *hub = &keep->begin.call.chat->hub;
    struct conversation *conversation = hub_find(hub, sent->conversation);
    if (conversation) {
        return conversation_ref(conversation);
    }
    char *title = prompt_title(title_of(keep));
    conversation = conversation_new(hub, sent->conversation, title, keep->wall_ms);
    free(title);
    return conversation;
}

static size_t add_messages(struct keep *keep, const struct store_sent *sent,
                           struct conversation *conversation) {
    size_t index;
    if (conversation_find_generation(conversation, sent->generation_id, &index)) {
        return index;
    }
    const char *parent = sent->parent_id;
    for (size_t i = 0; i < keep->n_rows; i++) {
        const struct row *row = &keep->rows[i];
        conversation_add_text(conversation, row->id, parent, row->role, row->text, keep->wall_ms);
        parent = row->id;
    }
    struct stream *stream =
        stream_new(sent->generation_id, sent->generation_key, models_file_name(keep->begin.model_path));
    stream->settings = mem_copy_string(keep->settings);
    conversation_add_answer(conversation, keep->assistant_message_id, parent, stream, keep->wall_ms);
    return conversation->n_messages - 1;
}

static void on_stored(void *ctx, const struct store_sent *sent) {
    struct keep *keep = ctx;
    struct begin *begin = &keep->begin;
    struct chat *chat = begin->call.chat;
    begin_answered(begin);
    if (sent->status && sent->generation_key == 0) {
        refuse(keep, sent->status);
        return;
    }
    bool is_new = begin->opened == NULL;
    struct conversation *conversation = find_or_new(keep, sent);
    size_t index = add_messages(keep, sent, conversation);
    struct message *answer = conversation->messages[index];
    if (sent->status) {
        turn_begin_failed(chat, conversation, answer, "storage", begin_fault(STATUS_IO));
        refuse(keep, sent->status);
    } else {
        begin_turn(begin, conversation, answer, NULL);
        chat_tell(chat, conversation, is_new ? CONVERSATION_CREATED : CONVERSATION_RUNNING);
        begin_reply(begin, &(struct chat_sent){ .status = STATUS_OK,
                                                .fault = "",
                                                .conversation = conversation,
                                                .message_id = asked(keep)->id,
                                                .generation_id = sent->generation_id,
                                                .answer_index = index });
    }
    conversation_unref(conversation);
}

/* ---- Asking it ---- */

static enum status store(struct keep *keep) {
    struct begin *begin = &keep->begin;
    bool is_new = begin->conversation[0] == '\0';
    size_t n_before = keep->n_rows - 1;
    struct store_said *before = mem_alloc((n_before + 1) * sizeof *before);
    for (size_t i = 0; i < n_before; i++) {
        const struct row *row = &keep->rows[i];
        before[i] = (struct store_said){ .id = row->id, .role = row->role, .text = row->text };
    }
    char *title = is_new ? prompt_title(title_of(keep)) : NULL;
    enum status status = store_send(begin->call.chat->store,
                                    &(struct store_send){
                                        .conversation = is_new ? NULL : begin->conversation,
                                        .title = title,
                                        .parent = keep->parent[0] ? keep->parent : NULL,
                                        .before = before,
                                        .n_before = n_before,
                                        .text = asked(keep)->text,
                                        .user_message_id = asked(keep)->id,
                                        .assistant_message_id = keep->assistant_message_id,
                                        .generation_id = begin->generation_id,
                                        .model = models_file_name(begin->model_path),
                                        .settings = keep->settings,
                                        .queues = true,
                                        .wall_ms = keep->wall_ms,
                                    },
                                    on_stored, keep);
    free(before);
    free(title);
    if (status) {
        refuse(keep, status);
    } else {
        begin_posted(begin);
    }
    return status;
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct keep *keep = ctx;
    struct fault fault;
    if (status) {
        refuse(keep, status);
        return;
    }
    status = begin_check_room(&keep->begin, &fault);
    if (status) {
        begin_refuse(&keep->begin, status, fault.text);
        return;
    }
    keep->begin.opened = conversation_ref(conversation);
    store(keep);
}

/* Calls of tools, and what tools say, are read by people as text. */
static enum store_role role_of(const char *name) {
    return strcmp(name, "system") == 0      ? STORE_ROLE_SYSTEM
           : strcmp(name, "assistant") == 0 ? STORE_ROLE_ASSISTANT
                                            : STORE_ROLE_USER;
}

static void add_row(struct keep *keep, const json_t *message) {
    struct row *row = &keep->rows[keep->n_rows++];
    id_make_hex(row->id);
    row->role = role_of(json_get_text(message, "role", ""));
    row->text = mem_copy_string(json_get_text(message, "content", ""));
}

static void make_rows(struct keep *keep, const struct chat_keep *asked_for) {
    size_t n = json_array_size(asked_for->messages);
    bool is_last_only = asked_for->is_whole && asked_for->conversation;
    keep->rows = mem_alloc((n + 1) * sizeof *keep->rows);
    if (asked_for->instructions && asked_for->conversation == NULL) {
        json_t *system = json_pack("{s:s, s:s}", "role", "system", "content", asked_for->instructions);
        add_row(keep, system);
        json_decref(system);
    }
    for (size_t i = is_last_only ? n - 1 : 0; i < n; i++) {
        add_row(keep, json_array_get(asked_for->messages, i));
    }
}

static char *settings_text(const struct settings *settings, const struct chat_keep *asked_for) {
    char *text = settings_turn_text(settings);
    json_t *object = json_loads(text, 0, NULL);
    free(text);
    json_object_set_new(object, "kept",
                        json_pack("{s:O, s:b, s:s*, s:O*}", "input", asked_for->messages, "whole",
                                  asked_for->is_whole, "instructions", asked_for->instructions, "record",
                                  asked_for->record));
    text = json_text(object);
    json_decref(object);
    return text;
}

static void prepare(struct keep *keep, const struct chat_keep *asked_for) {
    struct begin *begin = &keep->begin;
    begin->deinit = deinit;
    keep->messages = json_incref(asked_for->messages);
    keep->is_whole = asked_for->is_whole;
    keep->wall_ms = clock_wall_ms();
    id_copy(keep->parent, sizeof keep->parent, asked_for->parent ? asked_for->parent : "");
    id_copy(begin->conversation, sizeof begin->conversation,
            asked_for->conversation ? asked_for->conversation : "");
    id_copy(begin->model_path, sizeof begin->model_path, asked_for->model_path);
    id_make_hex(keep->assistant_message_id);
    settings_copy(&begin->settings, asked_for->settings);
    make_rows(keep, asked_for);
    keep->settings = settings_text(&begin->settings, asked_for);
}

struct chat_call *chat_keep(struct chat *chat, const struct chat_keep *asked_for, chat_on_sent callback,
                            void *ctx) {
    struct keep *keep = begin_new(sizeof *keep, chat, &asked_for->asker, callback, ctx);
    struct begin *begin = &keep->begin;
    struct fault fault;
    prepare(keep, asked_for);
    enum status status = begin_check_room(begin, &fault);
    if (status) {
        begin_refuse(begin, status, fault.text);
        return NULL;
    }
    /* The conversation stays in memory from here on, so the answer of the store finds it complete. */
    struct conversation *conversation = hub_find(&chat->hub, begin->conversation);
    if (begin->conversation[0] && conversation == NULL) {
        return chat_open_conversation(chat, begin->conversation, on_opened, keep) ? &begin->call : NULL;
    }
    begin->opened = conversation ? conversation_ref(conversation) : NULL;
    return store(keep) == STATUS_OK ? &begin->call : NULL;
}
