/* open.c - bringing a conversation into memory: by its name, or by a generation of it. */
#include "base/mem.h"
#include "chat/chat_internal.h"

#include <stdlib.h>
#include <string.h>

struct opening {
    struct chat_call call;
    chat_on_opened callback;
    struct list_node node; /* in the load's openings */
};

/* A conversation is read once, however many ask for it meanwhile: what waits in the mailboxes is bounded (I6). */
struct load {
    struct list_node node; /* in chat->loads */
    struct chat *chat;
    char conversation[ID_CONVERSATION_BYTES];
    struct list_node openings; /* in the order they were asked for */
    struct list_node deletes;  /* chat_delete calls that came meanwhile: behind them */
};

static void answer(struct opening *opening, enum status status, struct conversation *conversation) {
    if (!opening->call.is_abandoned) {
        opening->callback(opening->call.ctx, status, conversation);
    }
    call_free(opening);
}

static void on_loaded(void *ctx, enum status status, struct store_conversation *stored) {
    struct load *load = ctx;
    struct chat *chat = load->chat;
    struct conversation *conversation = hub_find(&chat->hub, load->conversation);
    if (conversation) {
        conversation_ref(conversation);
        status = STATUS_OK;
    } else if (status == STATUS_OK) {
        conversation = conversation_restore(&chat->hub, stored);
        resume_conversation(chat, conversation);
    }
    store_conversation_free(stored);
    list_remove(&load->node);
    LIST_EACH(node, &load->openings) {
        list_remove(node);
        answer(CONTAINER_OF(node, struct opening, node), status, conversation);
    }
    deletes_go_on(&load->deletes);
    conversation_unref(conversation);
    free(load);
}

static struct load *find_load(const struct chat *chat, const char *name) {
    LIST_EACH(node, &chat->loads) {
        struct load *load = CONTAINER_OF(node, struct load, node);
        if (strcmp(load->conversation, name) == 0) {
            return load;
        }
    }
    return NULL;
}

struct list_node *open_deletes(const struct chat *chat, const char *name) {
    struct load *load = find_load(chat, name);
    return load ? &load->deletes : NULL;
}

static enum status begin_load(struct chat *chat, const char *name, struct load **out) {
    struct load *load = mem_alloc(sizeof *load);
    load->chat = chat;
    id_copy(load->conversation, sizeof load->conversation, name);
    list_init(&load->openings);
    list_init(&load->deletes);
    enum status status = store_load_conversation(chat->store, load->conversation, on_loaded, load);
    if (status) {
        free(load);
        return status;
    }
    list_append(&chat->loads, &load->node);
    *out = load;
    return STATUS_OK;
}

static struct chat_call *open_named(struct opening *opening, const char *name) {
    struct chat *chat = opening->call.chat;
    struct conversation *conversation = hub_find(&chat->hub, name);
    if (conversation) {
        conversation_ref(conversation);
        answer(opening, STATUS_OK, conversation);
        conversation_unref(conversation);
        return NULL;
    }
    struct load *load = find_load(chat, name);
    enum status status = load ? STATUS_OK : begin_load(chat, name, &load);
    if (status) {
        answer(opening, status, NULL);
        return NULL;
    }
    list_append(&load->openings, &opening->node);
    return &opening->call;
}

static struct opening *opening_new(struct chat *chat, chat_on_opened callback, void *ctx) {
    struct opening *opening = call_new(sizeof *opening, chat, ctx);
    opening->callback = callback;
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
