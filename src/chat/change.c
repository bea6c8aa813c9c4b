/* change.c - what a conversation has of its own.
 *
 *   chat_set_detach → the conversation is opened → the store (D2) → it has it
 *
 * It stays in memory all the way, so that what is read of it meanwhile is not older than what was stored.
 */
#include "base/mem.h"
#include "chat/chat_internal.h"

#include <stdlib.h>

struct change {
    struct chat_call call;
    chat_on_done callback;
    struct conversation *conversation; /* held; NULL: it is being opened */
    char *settings;                    /* JSON; NULL: nothing */
};

static void answer(struct change *change, enum status status) {
    if (!change->call.is_abandoned) {
        change->callback(change->call.ctx, status);
    }
    conversation_unref(change->conversation);
    free(change->settings);
    call_free(change);
}

static void on_stored(void *ctx, enum status status) {
    struct change *change = ctx;
    if (status == STATUS_OK) {
        conversation_set_settings(change->conversation, change->settings);
        leave_check(change->call.chat);
    }
    answer(change, status);
}

/* False: it was answered. */
static bool store(struct change *change, struct conversation *conversation) {
    change->conversation = conversation_ref(conversation);
    enum status status = store_set_conversation_settings(change->call.chat->store, conversation->name,
                                                         change->settings, on_stored, change);
    if (status) {
        answer(change, status);
    }
    return status == STATUS_OK;
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct change *change = ctx;
    if (status) {
        answer(change, status);
    } else {
        store(change, conversation);
    }
}

struct chat_call *chat_set_detach(struct chat *chat, const char *name, const int64_t *seconds,
                                  chat_on_done callback, void *ctx) {
    struct change *change = call_new(sizeof *change, chat, ctx);
    change->callback = callback;
    change->settings = seconds ? mem_format("{\"detach_seconds\":%lld}", (long long)*seconds) : NULL;
    struct conversation *conversation = hub_find(&chat->hub, name);
    bool is_under_way = conversation ? store(change, conversation)
                                     : chat_open_conversation(chat, name, on_opened, change) != NULL;
    return is_under_way ? &change->call : NULL;
}
