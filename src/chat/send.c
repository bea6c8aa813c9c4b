/* send.c - a person's message: checked, stored, acknowledged, answered.
 *
 *   chat_send → (the conversation is opened) → its place in the tree → store_send (D2) → on_stored: the messages are added, the turn begins, the callback
 *
 * The store decides about duplicates (P10) and about a reply that still runs (one transaction, no race).
 */
#include "base/clock.h"
#include "base/mem.h"
#include "chat/chat_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct send {
    struct begin begin;
    char *text;
    char *client_msg_id;
    char *title;
    char *model_path;  /* that was asked for; NULL: the conversation's, or the configured one */
    json_t *sampling;  /* of this answer; NULL: nothing of its own */
    json_t *own;       /* of a new conversation, {"model","settings"}; NULL: nothing */
    char *folder;      /* likewise */
    bool is_temporary; /* likewise */
    enum chat_send_kind kind;
    char message[ID_HEX_BYTES]; /* where it was asked to be; empty: at the current one, or a new root */
    struct store_attached *attached;
    size_t n_attached;
    char parent[ID_HEX_BYTES];
    bool has_parent;               /* else the store chooses it */
    char message_id[ID_HEX_BYTES]; /* that the sender is told */
    char user_message_id[ID_HEX_BYTES];
    char assistant_message_id[ID_HEX_BYTES];
    char system_message_id[ID_HEX_BYTES];
    int64_t wall_ms;
};

static void deinit(struct begin *begin) {
    struct send *send = (struct send *)begin;
    free(send->text);
    free(send->client_msg_id);
    free(send->title);
    free(send->model_path);
    json_decref(send->sampling);
    json_decref(send->own);
    free(send->folder);
    for (size_t i = 0; i < send->n_attached; i++) {
        free((char *)send->attached[i].name);
    }
    free(send->attached);
}

static const char *explain(enum status status, const char *parent) {
    switch (status) {
    case STATUS_NOT_FOUND:
        return parent[0] ? "the conversation, or the \"parent\" in it, is not there: look at its messages"
                         : CHAT_NO_CONVERSATION;
    case STATUS_CONFLICT:
        return "this client_msg_id was used with another text: choose a new one";
    default:
        return begin_fault(status);
    }
}

static void refuse(struct send *send, enum status status) {
    begin_refuse(&send->begin, status, explain(status, send->parent));
}

/* What the store says of the files; false: it says nothing of them. */
static bool refuse_files(struct send *send, enum status status) {
    switch (status) {
    case STATUS_UNAVAILABLE:
        begin_refuse(&send->begin, STATUS_NOT_FOUND,
                     "a file of this message is not there any more: attach it again");
        return true;
    case STATUS_INVALID:
        begin_refuse(&send->begin, status,
                     "a file of this message has no text yet: send its text first, or leave it out");
        return true;
    case STATUS_TOO_LARGE:
        begin_refuse(&send->begin, status,
                     "the files of this message have more than 256 KiB of text together: leave one out");
        return true;
    default:
        return false;
    }
}

static void reply(struct send *send, struct conversation *conversation, size_t index, bool is_duplicate) {
    begin_reply(&send->begin, &(struct chat_sent){ .status = STATUS_OK,
                                                   .fault = "",
                                                   .duplicate = is_duplicate,
                                                   .conversation = conversation,
                                                   .message_id = send->message_id,
                                                   .generation_id = send->begin.generation_id,
                                                   .answer_index = index });
}

/* ---- What the store says ---- */

/* Whoever opened the conversation between the commit and its answer has the messages already. */
static struct conversation *find_or_new(struct send *send, const struct store_sent *sent) {
    struct hub *hub = &send->begin.call.chat->hub;
    struct conversation *conversation = hub_find(hub, sent->conversation);
    if (conversation) {
        return conversation_ref(conversation);
    }
    char *settings = send->own ? json_text(send->own) : NULL;
    conversation = conversation_new(hub, sent->conversation, send->title, send->wall_ms);
    conversation_set_own(conversation, &(struct store_own){ .folder = send->folder,
                                                            .settings = settings,
                                                            .is_temporary = send->is_temporary });
    free(settings);
    return conversation;
}

static size_t add_messages(struct send *send, const struct store_sent *sent,
                           struct conversation *conversation) {
    const struct settings *settings = &send->begin.settings;
    size_t index;
    if (conversation_find_generation(conversation, sent->generation_id, &index)) {
        return index;
    }
    if (settings->system_prompt && conversation->n_messages == 0) {
        conversation_add_text(conversation, send->system_message_id, NULL, STORE_ROLE_SYSTEM,
                              settings->system_prompt, send->wall_ms);
    }
    if (send->text) {
        struct message *message = conversation_add_text(conversation, sent->user_message_id, sent->parent_id,
                                                        STORE_ROLE_USER, send->text, send->wall_ms);
        message->attachments = store_attachments_copy(sent->attachments, sent->n_attachments);
        message->n_attachments = sent->n_attachments;
    }
    struct stream *stream =
        stream_new(sent->generation_id, sent->generation_key, models_file_name(send->begin.model_path));
    stream->settings = settings_turn_text(settings);
    conversation_add_answer(conversation, sent->assistant_message_id,
                            send->text ? sent->user_message_id : sent->parent_id, stream, send->wall_ms);
    return conversation->n_messages - 1;
}

static void start_answer(struct send *send, const struct store_sent *sent) {
    struct chat *chat = send->begin.call.chat;
    bool is_new = send->begin.opened == NULL;
    struct conversation *conversation = find_or_new(send, sent);
    size_t index = add_messages(send, sent, conversation);
    begin_turn(&send->begin, conversation, conversation->messages[index], NULL);
    chat_tell(chat, conversation, is_new ? CONVERSATION_CREATED : CONVERSATION_RUNNING);
    reply(send, conversation, index, false);
    conversation_unref(conversation);
}

/* The first time's conversation is opened, so that the retry can go on where it is. */
static void on_duplicate_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct send *send = ctx;
    size_t index;
    if (status || conversation_find_generation(conversation, send->begin.generation_id, &index) == NULL) {
        refuse(send, status ? status : STATUS_IO);
        return;
    }
    reply(send, conversation, index, true);
}

/* It is committed and could not be made power-safe, so it is not acknowledged; what the store has is in memory too, and its reply
 * ends before it begins. The client may send again with the same client_msg_id. */
static void start_failed(struct send *send, const struct store_sent *sent) {
    struct conversation *conversation = find_or_new(send, sent);
    size_t index = add_messages(send, sent, conversation);
    turn_begin_failed(send->begin.call.chat, conversation, conversation->messages[index], "storage",
                      explain(STATUS_IO, ""));
    conversation_unref(conversation);
}

static void on_stored(void *ctx, const struct store_sent *sent) {
    struct send *send = ctx;
    begin_answered(&send->begin);
    if (sent->status && sent->generation_key && !sent->duplicate) {
        start_failed(send, sent);
    }
    if (sent->status) {
        if (!refuse_files(send, sent->status)) {
            refuse(send, sent->status);
        }
        return;
    }
    id_copy(send->message_id, sizeof send->message_id,
            send->text ? sent->user_message_id : sent->assistant_message_id);
    id_copy(send->begin.generation_id, sizeof send->begin.generation_id, sent->generation_id);
    if (sent->duplicate) {
        chat_open_conversation(send->begin.call.chat, sent->conversation, on_duplicate_opened, send);
    } else {
        start_answer(send, sent);
    }
}

/* ---- Asking it ---- */

static enum status no_message(struct fault *fault) {
    return fault_set(fault, STATUS_NOT_FOUND,
                     "there is no such message in this conversation: look at its messages");
}

/* Below which message it stands. */
static enum status find_place(struct send *send, struct fault *fault) {
    send->has_parent = send->kind != CHAT_SEND_NEW || send->has_parent;
    if (send->kind == CHAT_SEND_NEW) {
        id_copy(send->parent, sizeof send->parent, send->message);
        return STATUS_OK;
    }
    const struct message *message = conversation_find_message(send->begin.opened, send->message);
    if (message == NULL || message->hidden_ms) {
        return no_message(fault);
    }
    if (message->role == STORE_ROLE_SYSTEM ||
        (send->kind == CHAT_SEND_EDIT && message->role != STORE_ROLE_USER)) {
        return fault_set(fault, STATUS_INVALID, "this is no message of a person%s: choose another one",
                         send->kind == CHAT_SEND_EDIT ? "" : ", and no answer");
    }
    bool is_beside = send->kind == CHAT_SEND_EDIT || message->role == STORE_ROLE_ASSISTANT;
    id_copy(send->parent, sizeof send->parent, is_beside ? message->parent : message->id);
    return STATUS_OK;
}

/* The server's, what the conversation has of its own, what this answer has; the narrower goes before. */
static enum status take_settings(struct send *send, struct fault *fault) {
    struct begin *begin = &send->begin;
    const json_t *own = begin->opened ? begin->opened->settings : send->own;
    settings_copy(&begin->settings, &begin->call.chat->settings);
    settings_merge_known(&begin->settings, json_object_get(own, "settings"), SETTINGS_OWN);
    settings_merge_known(&begin->settings, send->sampling, SETTINGS_SAMPLING);
    if (send->model_path) {
        snprintf(begin->model_path, sizeof begin->model_path, "%s", send->model_path);
        return STATUS_OK;
    }
    return chat_choose_model(begin->call.chat, own, begin->model_path, fault);
}

static enum status store(struct send *send) {
    struct begin *begin = &send->begin;
    struct fault fault;
    enum status wrong = find_place(send, &fault);
    wrong = wrong ? wrong : take_settings(send, &fault);
    if (wrong) {
        begin_refuse(begin, wrong, fault.text);
        return wrong;
    }
    char *settings = settings_turn_text(&begin->settings);
    char *own = send->own ? json_text(send->own) : NULL;
    bool queues = begin->call.chat->settings.when_busy == WHEN_BUSY_QUEUE && send->text;
    bool is_new = begin->conversation[0] == '\0';
    enum status status = store_send(begin->call.chat->store,
                                    &(struct store_send){
                                        .conversation = is_new ? NULL : begin->conversation,
                                        .title = is_new ? send->title : NULL,
                                        .system_text = is_new ? begin->settings.system_prompt : NULL,
                                        .system_message_id = send->system_message_id,
                                        .folder = send->folder,
                                        .own_settings = own,
                                        .is_temporary = send->is_temporary,
                                        .parent = send->has_parent ? send->parent : NULL,
                                        .client_msg_id = send->client_msg_id,
                                        .text = send->text,
                                        .user_message_id = send->user_message_id,
                                        .assistant_message_id = send->assistant_message_id,
                                        .generation_id = begin->generation_id,
                                        .model = models_file_name(begin->model_path),
                                        .settings = settings,
                                        .queues = queues,
                                        .wall_ms = send->wall_ms,
                                        .attached = send->attached,
                                        .n_attached = send->n_attached,
                                    },
                                    on_stored, send);
    free(settings);
    free(own);
    if (status) {
        refuse(send, status);
    } else {
        begin_posted(begin);
    }
    return status;
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct send *send = ctx;
    if (status) {
        refuse(send, status);
        return;
    }
    /* Others may have taken the room meanwhile. */
    struct fault fault;
    status = begin_check_room(&send->begin, &fault);
    if (status) {
        begin_refuse(&send->begin, status, fault.text);
        return;
    }
    send->begin.opened = conversation_ref(conversation);
    store(send);
}

static bool is_blank(const char *text) {
    return text[strspn(text, " \t\r\n")] == '\0';
}

/* What can be said before anything is stored. */
static enum status check(struct begin *begin, const struct chat_send *asked, struct fault *fault) {
    bool has_text = asked->kind != CHAT_SEND_AGAIN;
    if (has_text && is_blank(asked->text) && asked->n_attached == 0) {
        return fault_set(fault, STATUS_INVALID, "the message is empty: write something");
    }
    if (has_text && strlen(asked->text) > CHAT_TEXT_BYTES_MAX) {
        return fault_set(fault, STATUS_TOO_LARGE, "the message is larger than 1 MiB: send it in parts");
    }
    return begin_check_room(begin, fault);
}

static void take_own(struct send *send, const struct chat_own *own) {
    send->own = json_incref((json_t *)(uintptr_t)own->settings);
    send->folder = mem_copy_string(own->folder);
    send->is_temporary = own->is_temporary;
}

static void copy_attached(struct send *send, const struct chat_send *asked) {
    send->n_attached = asked->n_attached;
    send->attached = asked->n_attached ? mem_alloc(asked->n_attached * sizeof send->attached[0]) : NULL;
    for (size_t i = 0; i < asked->n_attached; i++) {
        send->attached[i] = asked->attached[i];
        send->attached[i].name = mem_copy_string(asked->attached[i].name);
    }
}

static void prepare(struct send *send, const struct chat_send *asked) {
    struct begin *begin = &send->begin;
    begin->deinit = deinit;
    send->text = mem_copy_string(asked->text);
    send->client_msg_id = mem_copy_string(asked->client_msg_id);
    send->kind = asked->kind;
    copy_attached(send, asked);
    send->title = asked->text == NULL     ? NULL
                  : is_blank(asked->text) ? prompt_title(asked->attached[0].name)
                                          : prompt_title(asked->text);
    send->model_path = mem_copy_string(asked->model_path);
    send->sampling = json_incref((json_t *)(uintptr_t)asked->sampling);
    if (asked->own) {
        take_own(send, asked->own);
    }
    send->wall_ms = clock_wall_ms();
    send->has_parent = asked->message != NULL;
    id_copy(send->message, sizeof send->message, asked->message ? asked->message : "");
    id_copy(begin->conversation, sizeof begin->conversation, asked->conversation ? asked->conversation : "");
    id_make_hex(send->user_message_id);
    id_make_hex(send->assistant_message_id);
    id_make_hex(send->system_message_id);
}

struct chat_call *chat_send(struct chat *chat, const struct chat_send *asked, chat_on_sent callback,
                            void *ctx) {
    struct send *send = begin_new(sizeof *send, chat, &asked->asker, callback, ctx);
    struct begin *begin = &send->begin;
    struct fault fault;
    enum status status = check(begin, asked, &fault);
    if (status) {
        begin_refuse(begin, status, fault.text);
        return NULL;
    }
    prepare(send, asked);
    /* The conversation stays in memory from here on, so the answer of the store finds it complete. */
    struct conversation *conversation = hub_find(&chat->hub, begin->conversation);
    if (begin->conversation[0] && conversation == NULL) {
        return chat_open_conversation(chat, begin->conversation, on_opened, send) ? &begin->call : NULL;
    }
    begin->opened = conversation ? conversation_ref(conversation) : NULL;
    return store(send) == STATUS_OK ? &begin->call : NULL;
}
