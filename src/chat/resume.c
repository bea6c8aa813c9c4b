/* resume.c - going on with an answer: what the last life of the program left, and what a person asks for.
 *
 *   chat_start → the conversations of store_waiting are opened → resume_conversation begins what they wait for
 *   chat_continue → the conversation is opened → store_continue (D2) → on_continued: the generation is added, the turn begins
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "chat/chat_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After a start every watcher is gone; so long they have to come back before they count as gone (leave.c). */
#define RESUME_RETURN_MS 30000

/* ---- After a start ---- */

static bool is_left(const struct chat *chat, const char *generation_id) {
    size_t n;
    const struct store_waiting *waiting = store_waiting(chat->store, &n);
    size_t i = 0;
    while (i < n && strcmp(waiting[i].generation_id, generation_id) != 0) {
        i++;
    }
    return i < n;
}

static void resume(struct chat *chat, struct conversation *conversation, struct message *answer) {
    const struct stream *stream = answer->stream;
    const char *name = stream->model ? stream->model : "";
    char path[PATH_MAX];
    if (!models_find(chat->models, name, path)) {
        char text[FAULT_TEXT_BYTES];
        snprintf(text, sizeof text,
                 "the model %.100s that this answer was asked of is not in %.150s any more: put it back, or "
                 "choose another "
                 "one and go on",
                 name, models_folder(chat->models));
        turn_begin_failed(chat, conversation, answer, "model", text);
        return;
    }
    LOG_INFO("turn_resumed", "generation=%s conversation=%s", stream->id, conversation->name);
    struct settings settings;
    settings_init(&settings);
    settings_read_turn(&settings, stream->settings);
    turn_miss_nobody(turn_begin(chat, conversation, answer, path, &settings, NULL), RESUME_RETURN_MS);
    settings_deinit(&settings);
}

void resume_conversation(struct chat *chat, struct conversation *conversation) {
    if (chat->is_stopping) {
        return; /* the next start does it */
    }
    for (size_t i = 0; i < conversation->n_messages; i++) {
        struct message *message = conversation->messages[i];
        const struct stream *stream = message->stream;
        if (stream && !stream->is_ended && is_left(chat, stream->id) && !turn_find(chat, stream->id)) {
            resume(chat, conversation, message);
        }
    }
}

static void on_resumed(void *ctx, enum status status, struct conversation *conversation) {
    (void)ctx;
    (void)conversation; /* resume_conversation has seen it */
    if (status) {
        LOG_ERROR("turn_not_resumed", "status=%s", status_name(status));
    }
}

enum status chat_start(struct chat *chat, struct fault *fault) {
    bool goes_on = chat->settings.after_crash == AFTER_CRASH_CONTINUE;
    enum status status = store_recover(chat->store, goes_on, fault);
    size_t n = 0;
    const struct store_waiting *waiting = status == STATUS_OK ? store_waiting(chat->store, &n) : NULL;
    for (size_t i = 0; i < n; i++) {
        chat_open_conversation(chat, waiting[i].conversation, on_resumed, NULL);
    }
    return status;
}

/* ---- When a person asks for it ---- */

static void refuse(struct chat_call *call, enum status status) {
    const char *fault = "it could not be stored: look at the disk's free space and the log";
    switch (status) {
    case STATUS_NOT_FOUND:
        fault = "there is no such answer";
        break;
    case STATUS_BUSY:
        fault = "an answer of this conversation is still being written: wait for its end or stop it";
        break;
    case STATUS_CONFLICT:
        fault = "this answer cannot go on: it is complete, or not the newest of its conversation";
        break;
    case STATUS_FULL:
        fault = "too much is going on: try again in a moment";
        break;
    case STATUS_UNAVAILABLE:
        fault = "the server is stopping";
        break;
    default:
        break;
    }
    call_answer_sent(call, &(struct chat_sent){ .status = status, .fault = fault });
}

static void reply(struct chat_call *call, const struct message *message, size_t index,
                  const char *generation_id, bool is_duplicate) {
    call_answer_sent(call, &(struct chat_sent){ .status = STATUS_OK,
                                                .fault = "",
                                                .duplicate = is_duplicate,
                                                .conversation = call->opened,
                                                .user_message_id = message->id,
                                                .generation_id = generation_id,
                                                .user_index = index - 1 });
}

static void begin(struct chat_call *call, struct message *message, const struct store_continued *continued) {
    struct chat *chat = call->chat;
    struct stream *stream =
        stream_new(continued->generation_id, continued->generation_key, models_file_name(call->model_path));
    stream->settings = settings_turn_text(&call->settings);
    message_continue(message, stream);
    conversation_notify(call->opened);
    if (continued->status) {
        turn_begin_failed(chat, call->opened, message, "storage",
                          "going on with it could not be stored: look at the disk's free space and the log");
        return;
    }
    turn_begin(chat, call->opened, message, call->model_path, &call->settings, NULL);
    chat_tell(chat, call->opened, CONVERSATION_RUNNING);
}

static void on_continued(void *ctx, const struct store_continued *continued) {
    struct chat_call *call = ctx;
    struct chat *chat = call->chat;
    list_remove(&call->node);
    chat->n_begins--;
    size_t index;
    struct message *message = conversation_find_generation(call->opened, call->text, &index);
    bool is_made = continued->generation_key && !continued->duplicate;
    if (is_made) {
        begin(call, message, continued);
    }
    if (call->is_cancelled) {
        turns_cancel(call->opened);
    }
    chat_delete_waiting(&call->deletes);
    if (continued->status) {
        refuse(call, continued->status);
    } else {
        reply(call, message, index, continued->generation_id, continued->duplicate);
    }
}

static uint64_t count_said(const struct message *message) {
    uint64_t n = 0;
    for (const struct stream *stream = message->first; stream; stream = stream->next) {
        n += stream->n_tokens;
    }
    return n;
}

/* Its own settings; an answer that has all the tokens it was to have gets as many again as a new one would. */
static void take_settings(struct chat_call *call, const struct message *message) {
    settings_init(&call->settings);
    settings_read_turn(&call->settings, message->stream->settings);
    int64_t n_said = (int64_t)count_said(message);
    int64_t n_usual = call->chat->settings.n_tokens_max;
    if (call->settings.n_tokens_max >= 0 && call->settings.n_tokens_max <= n_said) {
        call->settings.n_tokens_max = n_usual < 0 ? -1 : n_said + n_usual;
    }
}

static enum status store(struct chat_call *call, const struct message *message) {
    take_settings(call, message);
    id_copy(call->conversation, sizeof call->conversation, call->opened->name);
    char *settings = settings_turn_text(&call->settings);
    enum status status = store_continue(call->chat->store,
                                        &(struct store_continue){
                                            .continues = call->text,
                                            .generation_id = call->generation_id,
                                            .model = models_file_name(call->model_path),
                                            .settings = settings,
                                            .wall_ms = clock_wall_ms(),
                                        },
                                        on_continued, call);
    free(settings);
    if (status == STATUS_OK) {
        call->chat->n_begins++;
        list_append(&call->chat->sends, &call->node);
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
static bool go_on_in(struct chat_call *call, struct conversation *conversation) {
    size_t index = 0;
    const struct message *message = conversation_find_generation(conversation, call->text, &index);
    if (message == NULL) {
        refuse(call, STATUS_NOT_FOUND);
        return false;
    }
    call->opened = conversation_ref(conversation);
    enum status status = check(conversation, message_find_generation(message, call->text), index);
    status = status ? status : store(call, message);
    if (status) {
        refuse(call, status);
    }
    return status == STATUS_OK;
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct chat_call *call = ctx;
    struct fault fault;
    /* Others may have taken the room meanwhile. */
    status = status ? status : chat_check_room(call->chat, &fault);
    if (status) {
        refuse(call, status);
    } else {
        go_on_in(call, conversation);
    }
}

struct chat_call *chat_continue(struct chat *chat, const char *generation_id, chat_on_sent callback,
                                void *ctx) {
    struct chat_call *call = call_new(chat, ctx);
    call->callback.sent = callback;
    call->text = mem_copy_string(generation_id);
    id_make_hex(call->generation_id);
    struct fault fault;
    enum status status = chat_check_room(chat, &fault);
    if (status == STATUS_OK) {
        status = models_resolve(chat->models, NULL, call->model_path, &fault);
    }
    if (status) {
        call_answer_sent(call, &(struct chat_sent){ .status = status, .fault = fault.text });
        return NULL;
    }
    struct conversation *running = chat_find_running(chat, generation_id);
    if (running) {
        return go_on_in(call, running) ? call : NULL;
    }
    return chat_open_generation(chat, generation_id, on_opened, call) ? call : NULL;
}
