/* change.c - what a conversation has of its own. */
#include "base/mem.h"
#include "chat/chat_internal.h"

#include <stdlib.h>

struct change {
    struct chat_call call;
    chat_on_done callback;
    char conversation[ID_CONVERSATION_BYTES];
    char *settings; /* JSON; NULL: nothing */
};

static void on_stored(void *ctx, enum status status) {
    struct change *change = ctx;
    struct chat *chat = change->call.chat;
    struct conversation *conversation = hub_find(&chat->hub, change->conversation);
    if (status == STATUS_OK && conversation) {
        conversation_set_settings(conversation, change->settings);
        leave_check(chat);
    }
    if (!change->call.is_abandoned) {
        change->callback(change->call.ctx, status);
    }
    free(change->settings);
    call_free(change);
}

struct chat_call *chat_set_detach(struct chat *chat, const char *name, const int64_t *seconds,
                                  chat_on_done callback, void *ctx) {
    struct change *change = call_new(sizeof *change, chat, ctx);
    change->callback = callback;
    id_copy(change->conversation, sizeof change->conversation, name);
    change->settings = seconds ? mem_format("{\"detach_seconds\":%lld}", (long long)*seconds) : NULL;
    enum status status = store_set_conversation_settings(chat->store, change->conversation, change->settings,
                                                         on_stored, change);
    if (status) {
        on_stored(change, status);
        return NULL;
    }
    return &change->call;
}
