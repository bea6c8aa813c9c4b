/* forget.c - what engines keep of a deleted conversation: their KV states are made of its text.
 *
 * An engine that takes commands is told. When there is none, or another one was just let go and may be writing what it has, the name
 * waits until those are gone, and a process without a model clears the folder: before the name is forgotten, every engine that
 * could have had the text is asked or gone.
 */
#include "base/mem.h"
#include "chat/chat_internal.h"

#include <unistd.h>

#define FORGET_TIMEOUT_MS 20000

static void on_done(void *ctx) {
    struct chat *chat = ctx;
    chat->forgetting = NULL;
    forget_advance(chat);
}

void forget_advance(struct chat *chat) {
    if (chat->forgets == NULL || chat->forgetting || models_is_leaving(chat->models)) {
        return;
    }
    json_t *names = chat->forgets;
    chat->forgets = NULL;
    if (access(chat->options.cache_dir, F_OK) == 0) {
        chat->forgetting =
            engine_forget_all(chat->options.loop, chat->options.engine_program, chat->options.cache_dir,
                              names, FORGET_TIMEOUT_MS, on_done, chat);
    }
    json_decref(names);
}

void forget_conversation(struct chat *chat, const char *name) {
    bool is_told = models_forget(chat->models, name);
    if (chat->options.cache_dir == NULL || (is_told && !models_is_leaving(chat->models))) {
        return;
    }
    chat->forgets = chat->forgets ? chat->forgets : json_array();
    json_array_append_new(chat->forgets, json_string(name));
    forget_advance(chat);
}

void forget_close(struct chat *chat) {
    engine_forget_abandon(chat->forgetting);
    chat->forgetting = NULL;
    json_decref(chat->forgets);
    chat->forgets = NULL;
}
