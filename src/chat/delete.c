/* delete.c - the end of a conversation, or its way into the trash: what runs in it, or is about to, is cancelled first. */
#include "base/clock.h"
#include "chat/chat_internal.h"

#include <string.h>

struct deletion {
    struct chat_call call;
    chat_on_done callback;
    char conversation[ID_CONVERSATION_BYTES];
    bool is_for_ever;      /* else into the trash */
    struct list_node node; /* among the deletes of a turn, a begin or a load, until that is over */
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

static void answer(struct deletion *deletion, enum status status) {
    if (status == STATUS_OK) {
        tell_deleted(deletion->call.chat, deletion->conversation);
        chat_sweep_attachments(deletion->call.chat);
    }
    if (!deletion->call.is_abandoned) {
        deletion->callback(deletion->call.ctx, status);
    }
    call_free(deletion);
}

static void wait_for(struct deletion *deletion, struct list_node *deletes) {
    list_append(deletes, &deletion->node);
}

/* Waits for what runs in it, which is cancelled, or is about to begin there. False: nothing does. */
static bool wait_for_reply(struct deletion *deletion, struct conversation *conversation) {
    if (conversation->turn) {
        wait_for(deletion, turn_deletes(conversation->turn));
        turns_cancel(conversation);
        return true;
    }
    struct begin *begin = begin_find_in(deletion->call.chat, conversation);
    if (begin) {
        wait_for(deletion, &begin->deletes);
    }
    return begin != NULL;
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct deletion *deletion = ctx;
    if (status || !wait_for_reply(deletion, conversation)) {
        answer(deletion, status ? status : STATUS_BUSY);
    }
}

static void on_deleted(void *ctx, enum status status) {
    struct deletion *deletion = ctx;
    if (status == STATUS_BUSY) {
        /* The store knows of a reply that has not begun here, as that of a conversation whose sender does not know its name yet: in
         * memory it can be found. */
        chat_open_conversation(deletion->call.chat, deletion->conversation, on_opened, deletion);
    } else {
        answer(deletion, status);
    }
}

static void on_thrown_away(void *ctx, enum status status, const struct store_listed *row) {
    (void)row;
    on_deleted(ctx, status);
}

static enum status store(struct deletion *deletion) {
    struct store *store = deletion->call.chat->store;
    if (store == NULL) {
        return STATUS_CLOSED;
    }
    if (deletion->is_for_ever) {
        return store_delete_conversation(store, deletion->conversation, on_deleted, deletion);
    }
    struct store_change change = { .name = deletion->conversation,
                                   .what = STORE_CHANGE_TRASH,
                                   .deleted_ms = clock_wall_ms() };
    return store_change_conversation(store, &change, on_thrown_away, deletion);
}

/* At once, or after what is under way with it. False: it was answered. */
static bool delete_when_idle(struct deletion *deletion) {
    struct chat *chat = deletion->call.chat;
    struct conversation *conversation = hub_find(&chat->hub, deletion->conversation);
    if (conversation && wait_for_reply(deletion, conversation)) {
        return true;
    }
    struct list_node *deletes = open_deletes(chat, deletion->conversation);
    if (deletes) {
        wait_for(deletion, deletes);
        return true;
    }
    forget_conversation(chat, deletion->conversation);
    enum status status = store(deletion);
    if (status) {
        answer(deletion, status);
    }
    return status == STATUS_OK;
}

struct chat_call *chat_delete(struct chat *chat, const char *name, bool is_for_ever, chat_on_done callback,
                              void *ctx) {
    struct deletion *deletion = call_new(sizeof *deletion, chat, ctx);
    deletion->is_for_ever = is_for_ever;
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
