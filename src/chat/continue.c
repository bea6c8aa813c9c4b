/* continue.c - going on with an answer that has ended, because a person wants it.
 *
 *   chat_continue → the conversation is opened → store_continue (D2) → on_continued: the generation is added, the turn begins
 */
#include "base/clock.h"
#include "chat/chat_internal.h"

#include <stdlib.h>
#include <string.h>

static void refuse(struct begin *begin, enum status status) {
    const char *fault = status == STATUS_NOT_FOUND  ? CHAT_NO_ANSWER
                        : status == STATUS_CONFLICT ? "this answer cannot go on, it is complete or not the "
                                                      "newest of its conversation: send a message"
                                                    : begin_fault(status);
    begin_refuse(begin, status, fault);
}

/* ---- What the store says ---- */

static void start_answer(struct begin *begin, struct message *message,
                         const struct store_continued *continued) {
    struct chat *chat = begin->call.chat;
    struct stream *stream =
        stream_new(continued->generation_id, continued->generation_key, models_file_name(begin->model_path));
    stream->settings = settings_turn_text(&begin->settings);
    message_continue(message, stream);
    conversation_notify(begin->opened);
    if (continued->status) {
        turn_begin_failed(chat, begin->opened, message, "storage",
                          "going on with it could not be stored: look at the disk's free space and the log");
        return;
    }
    begin_turn(begin, begin->opened, message, NULL);
    chat_tell(chat, begin->opened, CONVERSATION_RUNNING);
}

static void on_continued(void *ctx, const struct store_continued *continued) {
    struct begin *begin = ctx;
    size_t index;
    begin_answered(begin);
    struct message *message = conversation_find_generation(begin->opened, begin->continues, &index);
    bool is_made = continued->generation_key && !continued->duplicate;
    if (is_made) {
        start_answer(begin, message, continued);
    }
    if (continued->status) {
        refuse(begin, continued->status);
        return;
    }
    begin_reply(begin, &(struct chat_sent){ .status = STATUS_OK,
                                            .fault = "",
                                            .duplicate = continued->duplicate,
                                            .conversation = begin->opened,
                                            .message_id = message->id,
                                            .generation_id = continued->generation_id,
                                            .answer_index = index });
}

/* ---- Asking it ---- */

/* Its own settings; an answer that has all the tokens it was to have gets as many again as a new one would. */
static void take_settings(struct begin *begin, const struct message *message) {
    settings_init(&begin->settings);
    settings_read_turn(&begin->settings, message->stream->settings);
    int64_t n_said = (int64_t)message_token_count(message);
    int64_t n_usual = begin->call.chat->settings.n_tokens_max;
    if (begin->settings.n_tokens_max >= 0 && begin->settings.n_tokens_max <= n_said) {
        begin->settings.n_tokens_max = n_usual < 0 ? -1 : n_said + n_usual;
    }
}

static enum status store(struct begin *begin, const struct message *message) {
    take_settings(begin, message);
    id_copy(begin->conversation, sizeof begin->conversation, begin->opened->name);
    char *settings = settings_turn_text(&begin->settings);
    enum status status = store_continue(begin->call.chat->store,
                                        &(struct store_continue){
                                            .continues = begin->continues,
                                            .generation_id = begin->generation_id,
                                            .model = models_file_name(begin->model_path),
                                            .settings = settings,
                                            .wall_ms = clock_wall_ms(),
                                        },
                                        on_continued, begin);
    free(settings);
    if (status == STATUS_OK) {
        begin_posted(begin);
    }
    return status;
}

/* Readers have passed any message but the last, and nobody has seen the end of one that is not ended here, though the store may have
 * it. The store knows the rest, also that it was gone on with before. */
static enum status check(const struct conversation *conversation, const struct stream *stream, size_t index) {
    if (conversation->hub == NULL) {
        return STATUS_CONFLICT;
    }
    if (stream->next) {
        return STATUS_OK;
    }
    return !stream->is_ended                       ? STATUS_BUSY
           : index + 1 != conversation->n_messages ? STATUS_CONFLICT
                                                   : STATUS_OK;
}

/* False: it was answered. */
static bool go_on_in(struct begin *begin, struct conversation *conversation) {
    size_t index = 0;
    const struct message *message = conversation_find_generation(conversation, begin->continues, &index);
    if (message == NULL) {
        refuse(begin, STATUS_NOT_FOUND);
        return false;
    }
    begin->opened = conversation_ref(conversation);
    struct fault fault;
    enum status status =
        chat_choose_model(begin->call.chat, conversation->settings, begin->model_path, &fault);
    if (status) {
        begin_refuse(begin, status, fault.text);
        return false;
    }
    status = check(conversation, message_find_generation(message, begin->continues), index);
    status = status ? status : store(begin, message);
    if (status) {
        refuse(begin, status);
    }
    return status == STATUS_OK;
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct begin *begin = ctx;
    struct fault fault;
    /* Others may have taken the room meanwhile. */
    status = status ? status : begin_check_room(begin, &fault);
    if (status) {
        refuse(begin, status);
    } else {
        go_on_in(begin, conversation);
    }
}

struct chat_call *chat_continue(struct chat *chat, const char *generation_id, const struct chat_asker *asker,
                                chat_on_sent callback, void *ctx) {
    struct begin *begin = begin_new(sizeof *begin, chat, asker, callback, ctx);
    id_copy(begin->continues, sizeof begin->continues, generation_id);
    struct fault fault;
    enum status status = begin_check_room(begin, &fault);
    if (status) {
        begin_refuse(begin, status, fault.text);
        return NULL;
    }
    struct conversation *running = chat_find_running(chat, generation_id);
    if (running) {
        return go_on_in(begin, running) ? &begin->call : NULL;
    }
    return chat_open_generation(chat, generation_id, on_opened, begin) ? &begin->call : NULL;
}
