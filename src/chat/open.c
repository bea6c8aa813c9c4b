/* open.c - bringing a conversation into memory: by its name, or by a generation of it. */
#include "chat/chat_internal.h"

#include <string.h>

struct opening {
    struct chat_call call;
    chat_on_opened callback;
    char conversation[ID_CONVERSATION_BYTES];
    struct list_node node;      /* in chat->loads, or a follower of the one that is there */
    struct list_node followers; /* others who asked for the same conversation, in their order */
};

static void answer(struct opening *opening, enum status status, struct conversation *conversation) {
    if (!opening->call.is_abandoned) {
        opening->callback(opening->call.ctx, status, conversation);
    }
    call_free(opening);
}

static void on_loaded(void *ctx, enum status status, struct store_conversation *stored) {
    struct opening *opening = ctx;
    struct chat *chat = opening->call.chat;
    struct conversation *conversation = hub_find(&chat->hub, opening->conversation);
    if (conversation) {
        conversation_ref(conversation);
        status = STATUS_OK;
    } else if (status == STATUS_OK) {
        conversation = conversation_restore(&chat->hub, stored);
        resume_conversation(chat, conversation);
    }
    store_conversation_free(stored);
    list_remove(&opening->node);
    LIST_EACH(node, &opening->followers) {
        list_remove(node);
        answer(CONTAINER_OF(node, struct opening, node), status, conversation);
    }
    answer(opening, status, conversation);
    conversation_unref(conversation);
}

static struct opening *find_load(const struct chat *chat, const char *name) {
    LIST_EACH(node, &chat->loads) {
        struct opening *load = CONTAINER_OF(node, struct opening, node);
        if (strcmp(load->conversation, name) == 0) {
            return load;
        }
    }
    return NULL;
}

/* A conversation is read once, however many ask for it meanwhile: what waits in the mailboxes is bounded (I6). */
static struct chat_call *open_named(struct opening *opening, const char *name) {
    struct chat *chat = opening->call.chat;
    struct conversation *conversation = hub_find(&chat->hub, name);
    if (conversation) {
        conversation_ref(conversation);
        answer(opening, STATUS_OK, conversation);
        conversation_unref(conversation);
        return NULL;
    }
    struct opening *load = find_load(chat, name);
    if (load) {
        list_append(&load->followers, &opening->node);
        return &opening->call;
    }
    id_copy(opening->conversation, sizeof opening->conversation, name);
    enum status status = store_load_conversation(chat->store, opening->conversation, on_loaded, opening);
    if (status) {
        answer(opening, status, NULL);
        return NULL;
    }
    list_append(&chat->loads, &opening->node);
    return &opening->call;
}

static struct opening *opening_new(struct chat *chat, chat_on_opened callback, void *ctx) {
    struct opening *opening = call_new(sizeof *opening, chat, ctx);
    opening->callback = callback;
    list_init(&opening->followers);
    return opening;
}

struct chat_call *chat_open_conversation(struct chat *chat, const char *name, chat_on_opened callback,
                                         void *ctx) {
    return open_named(opening_new(chat, callback, ctx), name);
}

static void on_found(void *ctx, enum status status, const char *conversation) {
    struct opening *opening = ctx;
    if (status) {
        answer(opening, status, NULL);
    } else {
        open_named(opening, conversation);
    }
}

struct chat_call *chat_open_generation(struct chat *chat, const char *generation_id, chat_on_opened callback,
                                       void *ctx) {
    struct opening *opening = opening_new(chat, callback, ctx);
    struct conversation *running = chat_find_running(chat, generation_id);
    if (running) {
        answer(opening, STATUS_OK, running);
        return NULL;
    }
    enum status status = store_find_generation(chat->store, generation_id, on_found, opening);
    if (status) {
        answer(opening, status, NULL);
        return NULL;
    }
    return &opening->call;
}
