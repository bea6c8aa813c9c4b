#include "base/mem.h"
#include "chat/chat_internal.h"

#include <stdlib.h>

void *call_new(size_t n_bytes, struct chat *chat, void *ctx) {
    struct chat_call *call = mem_alloc(n_bytes);
    *call = (struct chat_call){ .chat = chat, .ctx = ctx };
    chat->n_calls++;
    return call;
}

void call_free(void *call) {
    ((struct chat_call *)call)->chat->n_calls--;
    free(call);
}

void chat_abandon(struct chat_call *call) {
    if (call) {
        call->is_abandoned = true;
        if (call->on_abandon) {
            call->on_abandon(call);
        }
    }
}
