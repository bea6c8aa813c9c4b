#include "base/mem.h"
#include "chat/chat_internal.h"

#include <stdlib.h>

struct chat_call *call_new(struct chat *chat, void *ctx) {
    struct chat_call *call = mem_alloc(sizeof *call);
    call->chat = chat;
    call->ctx = ctx;
    list_init(&call->deletes);
    list_init(&call->followers);
    chat->n_store_calls++;
    return call;
}

void call_free(struct chat_call *call) {
    call->chat->n_store_calls--;
    conversation_unref(call->opened);
    settings_deinit(&call->settings);
    json_decref(call->messages);
    free(call->text);
    free(call->client_msg_id);
    free(call->title);
    free(call);
}

void call_answer_sent(struct chat_call *call, const struct chat_sent *sent) {
    if (!call->is_abandoned) {
        call->callback.sent(call->ctx, sent);
    }
    call_free(call);
}

void chat_abandon(struct chat_call *call) {
    if (call) {
        call->is_abandoned = true;
    }
}
