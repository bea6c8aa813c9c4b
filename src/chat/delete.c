/* delete.c - the end of a conversation: what runs in it, or is about to, is cancelled first. */
#include "chat/chat_internal.h"

#include <string.h>

struct deletion {
    struct chat_call call;
    chat_on_done callback;
    char conversation[ID_CONVERSATION_BYTES];
    struct list_node node; /* in turn_deletes, or those of a begin, until that is over */
};

static void tell_deleted(struct chat *chat, const char *name) {
    struct conversation *conversation = hub_find(&chat->hub, name);
    if (conversation) {
        conversation_ref(conversation);
        conversation->is_gone = true;
        list_remove(&conversation->node); /* the name is free; who holds it sees that it is gone */
        conversation_notify(conversation);
    } else {
        conversation = conversation_new(NULL, name, "", 0);
    }
    chat_tell(chat, conversation, CONVERSATION_DELETED);
    conversation_unref(conversation);
}

static void on_deleted(void *ctx, enum status status) {
    struct deletion *deletion = ctx;
    if (status == STATUS_OK) {
        tell_deleted(deletion->call.chat, deletion->conversation);
    }
    if (!deletion->call.is_abandoned) {
        deletion->callback(deletion->call.ctx, status);
    }
    call_free(deletion);
}

/* At once, or after what runs or is about to. False: it was answered. */
static bool delete_when_idle(struct deletion *deletion) {
    struct chat *chat = deletion->call.chat;
    struct conversation *conversation = hub_find(&chat->hub, deletion->conversation);
    if (conversation && conversation->turn) {
        list_append(turn_deletes(conversation->turn), &deletion->node);
        turns_cancel(conversation);
        return true;
    }
    struct begin *begin = begin_find(chat, deletion->conversation);
    if (begin) {
        list_append(&begin->deletes, &deletion->node);
        return true;
    }
    enum status status =
        chat->store ? store_delete_conversation(chat->store, deletion->conversation, on_deleted, deletion)
                    : STATUS_CLOSED;
    if (status) {
        on_deleted(deletion, status);
    }
    return status == STATUS_OK;
}

struct chat_call *chat_delete(struct chat *chat, const char *name, chat_on_done callback, void *ctx) {
    struct deletion *deletion = call_new(sizeof *deletion, chat, ctx);
    deletion->callback = callback;
    id_copy(deletion->conversation, sizeof deletion->conversation, name);
    return delete_when_idle(deletion) ? &deletion->call : NULL;
}

void deletes_go_on(struct list_node *deletes) {
    LIST_EACH(node, deletes) {
        list_remove(node);
        delete_when_idle(CONTAINER_OF(node, struct deletion, node));
    }
}
