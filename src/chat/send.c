/* send.c - a person's message: checked, stored, acknowledged, answered.
 *
 *   chat_send → (the conversation is opened) → store_send (D2) → on_stored: the messages are added, the turn begins, the callback
 *
 * The store decides about duplicates (P10) and about a reply that still runs (one transaction, no race).
 */
#include "base/clock.h"
#include "base/mem.h"
#include "chat/chat_internal.h"

#include <stdlib.h>
#include <string.h>

struct send {
    struct begin begin;
    char *text;
    char *client_msg_id;
    char *title;
    char parent[ID_HEX_BYTES];
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

static void reply(struct send *send, struct conversation *conversation, size_t index, bool is_duplicate) {
    begin_reply(&send->begin, &(struct chat_sent){ .status = STATUS_OK,
                                                   .fault = "",
                                                   .duplicate = is_duplicate,
                                                   .conversation = conversation,
                                                   .message_id = send->user_message_id,
                                                   .generation_id = send->begin.generation_id,
                                                   .answer_index = index });
}

/* ---- What the store says ---- */

/* Whoever opened the conversation between the commit and its answer has the messages already. */
static struct conversation *find_or_new(struct send *send, const struct store_sent *sent) {
    struct hub *hub = &send->begin.call.chat->hub;
    struct conversation *conversation = hub_find(hub, sent->conversation);
    return conversation ? conversation_ref(conversation)
                        : conversation_new(hub, sent->conversation, send->title, send->wall_ms);
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
    conversation_add_text(conversation, sent->user_message_id, sent->parent_id, STORE_ROLE_USER, send->text,
                          send->wall_ms);
    struct stream *stream =
        stream_new(sent->generation_id, sent->generation_key, models_file_name(send->begin.model_path));
    stream->settings = settings_turn_text(settings);
    conversation_add_answer(conversation, sent->assistant_message_id, sent->user_message_id, stream,
                            send->wall_ms);
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
        refuse(send, sent->status);
        return;
    }
    id_copy(send->user_message_id, sizeof send->user_message_id, sent->user_message_id);
    id_copy(send->begin.generation_id, sizeof send->begin.generation_id, sent->generation_id);
    if (sent->duplicate) {
        chat_open_conversation(send->begin.call.chat, sent->conversation, on_duplicate_opened, send);
    } else {
        start_answer(send, sent);
    }
}

/* ---- Asking it ---- */

static enum status store(struct send *send) {
    struct begin *begin = &send->begin;
    char *settings = settings_turn_text(&begin->settings);
    bool queues = begin->call.chat->settings.when_busy == WHEN_BUSY_QUEUE;
    bool is_new = begin->conversation[0] == '\0';
    enum status status = store_send(begin->call.chat->store,
                                    &(struct store_send){
                                        .conversation = is_new ? NULL : begin->conversation,
                                        .title = is_new ? send->title : NULL,
                                        .system_text = is_new ? begin->settings.system_prompt : NULL,
                                        .system_message_id = send->system_message_id,
                                        .parent = send->parent[0] ? send->parent : NULL,
                                        .client_msg_id = send->client_msg_id,
                                        .text = send->text,
                                        .user_message_id = send->user_message_id,
                                        .assistant_message_id = send->assistant_message_id,
                                        .generation_id = begin->generation_id,
                                        .model = models_file_name(begin->model_path),
                                        .settings = settings,
                                        .queues = queues,
                                        .wall_ms = send->wall_ms,
                                    },
                                    on_stored, send);
    free(settings);
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
    if (is_blank(asked->text)) {
        return fault_set(fault, STATUS_INVALID, "the message is empty: write something");
    }
    if (strlen(asked->text) > CHAT_TEXT_BYTES_MAX) {
        return fault_set(fault, STATUS_TOO_LARGE, "the message is larger than 1 MiB: send it in parts");
    }
    enum status status = begin_check_room(begin, fault);
    return status ? status : models_resolve(begin->call.chat->models, NULL, begin->model_path, fault);
}

static void prepare(struct send *send, const struct chat_send *asked) {
    struct begin *begin = &send->begin;
    begin->deinit = deinit;
    send->text = mem_copy_string(asked->text);
    send->client_msg_id = mem_copy_string(asked->client_msg_id);
    send->title = prompt_title(asked->text);
    send->wall_ms = clock_wall_ms();
    id_copy(send->parent, sizeof send->parent, asked->parent ? asked->parent : "");
    id_copy(begin->conversation, sizeof begin->conversation, asked->conversation ? asked->conversation : "");
    settings_copy(&begin->settings, asked->settings ? asked->settings : &begin->call.chat->settings);
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
