/* send.c - a person's message: checked, stored, acknowledged, answered.
 *
 *   chat_send → (the conversation is opened) → store_send (D2) → on_stored: the messages are added, the turn begins, the callback
 *
 * The store decides about duplicates (P10) and about a reply that still runs (one transaction, no race).
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "chat/chat_internal.h"

#include <stdlib.h>
#include <string.h>

static void refuse(struct chat_call *call, enum status status, const char *fault) {
    call_answer_sent(call, &(struct chat_sent){ .status = status, .fault = fault });
}

static const char *explain(enum status status) {
    switch (status) {
    case STATUS_NOT_FOUND:
        return "there is no such conversation or parent message";
    case STATUS_BUSY:
        return "an answer of this conversation is still being written: wait for its end or stop it";
    case STATUS_CONFLICT:
        return "this client_msg_id was used with another text";
    case STATUS_FULL:
        return "too many messages wait to be answered: try again in a moment";
    default:
        return "the message could not be stored: look at the disk's free space and the log";
    }
}

/* ---- A message in a conversation ---- */

/* Whoever opened the conversation between the commit and its answer has the messages already. */
static struct conversation *find_or_new(struct chat_call *call, const struct store_sent *sent) {
    struct conversation *conversation = hub_find(&call->chat->hub, sent->conversation);
    return conversation ? conversation_ref(conversation)
                        : conversation_new(&call->chat->hub, sent->conversation, call->title, call->wall_ms);
}

static size_t add_messages(struct chat_call *call, const struct store_sent *sent,
                           struct conversation *conversation) {
    size_t index;
    if (conversation_find_generation(conversation, sent->generation_id, &index)) {
        return index;
    }
    if (call->settings.system_prompt && conversation->n_messages == 0) {
        conversation_add_text(conversation, call->system_message_id, NULL, STORE_ROLE_SYSTEM,
                              call->settings.system_prompt, call->wall_ms);
    }
    conversation_add_text(conversation, sent->user_message_id, sent->parent_id, STORE_ROLE_USER, call->text,
                          call->wall_ms);
    struct stream *stream =
        stream_new(sent->generation_id, sent->generation_key, models_file_name(call->model_path));
    stream->settings = settings_turn_text(&call->settings);
    conversation_add_answer(conversation, sent->assistant_message_id, sent->user_message_id, stream,
                            call->wall_ms);
    return conversation->n_messages - 1;
}

/* What was asked for while the message was on its way to the disk. */
static void catch_up(struct chat_call *call, struct conversation *conversation) {
    if (call->is_cancelled) {
        turns_cancel(conversation);
    }
    chat_delete_waiting(&call->deletes);
}

static void begin(struct chat_call *call, const struct store_sent *sent, bool is_new) {
    struct conversation *conversation = find_or_new(call, sent);
    size_t index = add_messages(call, sent, conversation);
    struct message *message = conversation->messages[index];
    turn_begin(call->chat, conversation, message, call->model_path, &call->settings, NULL);
    chat_tell(call->chat, conversation, is_new ? CONVERSATION_CREATED : CONVERSATION_RUNNING);
    catch_up(call, conversation);
    call_answer_sent(call, &(struct chat_sent){ .status = STATUS_OK,
                                                .fault = "",
                                                .conversation = conversation,
                                                .user_message_id = sent->user_message_id,
                                                .generation_id = message->stream->id,
                                                .user_index = index - 1 });
    conversation_unref(conversation);
}

/* The first time's conversation is opened, so that the retry can go on where it is. */
static void on_duplicate_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct chat_call *call = ctx;
    size_t index;
    if (status || conversation_find_generation(conversation, call->generation_id, &index) == NULL) {
        chat_delete_waiting(&call->deletes);
        refuse(call, status ? status : STATUS_IO, explain(status));
        return;
    }
    catch_up(call, conversation);
    call_answer_sent(call, &(struct chat_sent){ .status = STATUS_OK,
                                                .fault = "",
                                                .duplicate = true,
                                                .conversation = conversation,
                                                .user_message_id = call->user_message_id,
                                                .generation_id = call->generation_id,
                                                .user_index = index - 1 });
}

/* It is committed and could not be made power-safe, so it is not acknowledged; what the store has is in memory too, and its reply
 * ends before it begins. The client may send again with the same client_msg_id. */
static void begin_failed(struct chat_call *call, const struct store_sent *sent) {
    struct conversation *conversation = find_or_new(call, sent);
    size_t index = add_messages(call, sent, conversation);
    turn_begin_failed(call->chat, conversation, conversation->messages[index], "storage", explain(STATUS_IO));
    conversation_unref(conversation);
}

static void on_stored(void *ctx, const struct store_sent *sent) {
    struct chat_call *call = ctx;
    list_remove(&call->node);
    call->chat->n_begins--;
    if (sent->status && sent->generation_key && !sent->duplicate) {
        begin_failed(call, sent);
    }
    if (sent->status) {
        chat_delete_waiting(&call->deletes);
        refuse(call, sent->status, explain(sent->status));
    } else if (sent->duplicate) {
        memcpy(call->user_message_id, sent->user_message_id, sizeof call->user_message_id);
        memcpy(call->generation_id, sent->generation_id, sizeof call->generation_id);
        chat_open_conversation(call->chat, sent->conversation, on_duplicate_opened, call);
    } else {
        begin(call, sent, call->opened == NULL);
    }
}

static struct chat_call *store(struct chat_call *call) {
    char *settings = settings_turn_text(&call->settings);
    bool queues = call->chat->settings.when_busy == WHEN_BUSY_QUEUE;
    bool is_new = call->conversation[0] == '\0';
    enum status status = store_send(call->chat->store,
                                    &(struct store_send){
                                        .conversation = is_new ? NULL : call->conversation,
                                        .title = is_new ? call->title : NULL,
                                        .system_text = is_new ? call->settings.system_prompt : NULL,
                                        .system_message_id = call->system_message_id,
                                        .parent = call->parent[0] ? call->parent : NULL,
                                        .client_msg_id = call->client_msg_id,
                                        .text = call->text,
                                        .user_message_id = call->user_message_id,
                                        .assistant_message_id = call->assistant_message_id,
                                        .generation_id = call->generation_id,
                                        .model = models_file_name(call->model_path),
                                        .settings = settings,
                                        .queues = queues,
                                        .wall_ms = call->wall_ms,
                                    },
                                    on_stored, call);
    free(settings);
    if (status) {
        refuse(call, status, explain(status));
        return NULL;
    }
    call->chat->n_begins++;
    list_append(&call->chat->sends, &call->node);
    return call;
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct chat_call *call = ctx;
    if (status) {
        refuse(call, status, explain(status));
        return;
    }
    /* Others may have taken the room meanwhile. */
    struct fault fault;
    status = chat_check_room(call->chat, &fault);
    if (status) {
        refuse(call, status, fault.text);
        return;
    }
    call->opened = conversation_ref(conversation);
    store(call);
}

static bool is_blank(const char *text) {
    return text[strspn(text, " \t\r\n")] == '\0';
}

/* Those that are on their way to the disk count too: the limit is not passed by many who ask at once. */
enum status chat_check_room(const struct chat *chat, struct fault *fault) {
    uint32_t n_max = chat->options.n_turns_max ? chat->options.n_turns_max : CHAT_TURNS_MAX;
    if (chat->is_stopping) {
        return fault_set(fault, STATUS_UNAVAILABLE, "the server is stopping");
    }
    if (chat->n_turns + chat->n_begins >= n_max) {
        return fault_set(fault, STATUS_FULL, "%u answers are being written already: try again later", n_max);
    }
    return STATUS_OK;
}

/* What can be said before anything is stored. */
static enum status check(struct chat *chat, const struct chat_send *send, char model_path[PATH_MAX],
                         struct fault *fault) {
    if (is_blank(send->text)) {
        return fault_set(fault, STATUS_INVALID, "the message is empty");
    }
    if (strlen(send->text) > CHAT_TEXT_BYTES_MAX) {
        return fault_set(fault, STATUS_TOO_LARGE, "the message is larger than 1 MiB");
    }
    enum status status = chat_check_room(chat, fault);
    return status ? status : models_resolve(chat->models, NULL, model_path, fault);
}

static void prepare(struct chat_call *call, const struct chat_send *send) {
    call->text = mem_copy_string(send->text);
    call->client_msg_id = mem_copy_string(send->client_msg_id);
    call->title = prompt_title(send->text);
    call->wall_ms = clock_wall_ms();
    if (send->parent) {
        memcpy(call->parent, send->parent, strnlen(send->parent, sizeof call->parent - 1));
    }
    settings_copy(&call->settings, send->settings ? send->settings : &call->chat->settings);
    id_make_hex(call->user_message_id);
    id_make_hex(call->assistant_message_id);
    id_make_hex(call->system_message_id);
    id_make_hex(call->generation_id);
}

struct chat_call *chat_send(struct chat *chat, const struct chat_send *send, chat_on_sent callback,
                            void *ctx) {
    struct chat_call *call = call_new(chat, ctx);
    call->callback.sent = callback;
    struct fault fault;
    enum status status = check(chat, send, call->model_path, &fault);
    if (status) {
        refuse(call, status, fault.text);
        return NULL;
    }
    prepare(call, send);
    if (send->conversation == NULL) {
        return store(call);
    }
    memcpy(call->conversation, send->conversation,
           strnlen(send->conversation, sizeof call->conversation - 1));
    /* The conversation stays in memory from here on, so the answer of the store finds it complete. */
    struct conversation *conversation = hub_find(&chat->hub, call->conversation);
    if (conversation) {
        call->opened = conversation_ref(conversation);
        return store(call);
    }
    return chat_open_conversation(chat, call->conversation, on_opened, call) ? call : NULL;
}

/* ---- A reply outside any conversation ---- */

static void on_begun(void *ctx, enum status status, int64_t generation_key) {
    struct chat_call *call = ctx;
    call->chat->n_begins--;
    if (status) {
        refuse(call, status, explain(status));
        return;
    }
    struct conversation *conversation = conversation_new(NULL, "", "", clock_wall_ms());
    struct stream *stream =
        stream_new(call->generation_id, generation_key, models_file_name(call->model_path));
    struct message *message =
        conversation_add_answer(conversation, call->assistant_message_id, NULL, stream, clock_wall_ms());
    json_t *messages = call->messages;
    call->messages = NULL;
    turn_begin(call->chat, conversation, message, call->model_path, &call->settings, messages);
    if (call->is_abandoned) {
        chat_cancel(call->chat, conversation);
    }
    call_answer_sent(call, &(struct chat_sent){ .status = STATUS_OK,
                                                .fault = "",
                                                .conversation = conversation,
                                                .user_message_id = "",
                                                .generation_id = stream->id });
    conversation_unref(conversation);
}

struct chat_call *chat_complete(struct chat *chat, json_t *messages, const char *model_path,
                                const struct settings *settings, chat_on_sent callback, void *ctx) {
    struct chat_call *call = call_new(chat, ctx);
    call->callback.sent = callback;
    call->messages = json_incref(messages);
    memcpy(call->model_path, model_path, strnlen(model_path, sizeof call->model_path - 1));
    settings_copy(&call->settings, settings);
    id_make_hex(call->assistant_message_id);
    id_make_hex(call->generation_id);
    struct fault fault;
    enum status status = chat_check_room(chat, &fault);
    if (status) {
        refuse(call, status, fault.text);
        return NULL;
    }
    status = store_begin_detached(chat->store, call->generation_id, on_begun, call);
    if (status) {
        refuse(call, status, explain(status));
        return NULL;
    }
    chat->n_begins++;
    return call;
}
