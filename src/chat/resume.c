/* resume.c - what the last life of the program left.
 *
 *   chat_start → the conversations of store_waiting are opened → resume_conversation begins what they wait for
 */
#include "base/log.h"
#include "chat/attachment_file.h"
#include "chat/chat_internal.h"

#include <stdio.h>
#include <string.h>

/* After a start every watcher is gone; so long they have to come back before they count as gone (leave.c). */
#define RESUME_RETURN_MS 30000

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
    struct turn_order order = {
        .conversation = conversation, .answer = answer, .model_path = path, .settings = &settings
    };
    turn_miss_nobody(turn_begin(chat, &order), RESUME_RETURN_MS);
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
    if (chat->options.attachments_dir) {
        attachment_file_tidy(chat->options.attachments_dir);
    }
    enum status status = store_recover(chat->store, goes_on, fault);
    size_t n = 0;
    const struct store_waiting *waiting = status == STATUS_OK ? store_waiting(chat->store, &n) : NULL;
    for (size_t i = 0; i < n; i++) {
        chat_open_conversation(chat, waiting[i].conversation, on_resumed, NULL);
    }
    if (status == STATUS_OK) {
        purge_start(chat);
        chat_sweep_attachments(chat);
    }
    return status;
}
