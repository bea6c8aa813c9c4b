#include "chat/chat_internal.h"

static void on_backed_up(void *ctx, const struct store_backed_up *backup) {
    struct chat_call *call = ctx;
    if (!call->is_abandoned) {
        call->callback.backed_up(call->ctx, backup);
    }
    call_free(call);
}

struct chat_call *chat_backup(struct chat *chat, store_on_backed_up callback, void *ctx) {
    struct chat_call *call = call_new(chat, ctx);
    call->callback.backed_up = callback;
    enum status status = store_backup(chat->store, on_backed_up, call);
    if (status) {
        on_backed_up(call, &(struct store_backed_up){ .status = status, .path = "" });
        return NULL;
    }
    return call;
}
