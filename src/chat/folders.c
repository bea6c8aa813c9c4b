/* folders.c - folders are where a conversation is in them. */
#include "base/mem.h"
#include "chat/chat_internal.h"

#include <stdlib.h>
#include <string.h>

struct folding {
    struct chat_call call;
    store_on_folders on_listed;
    chat_on_done on_renamed;
    char *from; /* NULL: they are listed */
    char *to;
};

static void folding_free(struct folding *folding) {
    free(folding->from);
    free(folding->to);
    call_free(folding);
}

static void on_listed(void *ctx, enum status status, const struct store_folder *rows, size_t n_rows) {
    struct folding *folding = ctx;
    if (!folding->call.is_abandoned) {
        folding->on_listed(folding->call.ctx, status, rows, n_rows);
    }
    folding_free(folding);
}

struct chat_call *chat_list_folders(struct chat *chat, store_on_folders callback, void *ctx) {
    struct folding *folding = call_new(sizeof *folding, chat, ctx);
    folding->on_listed = callback;
    enum status status = store_list_folders(chat->store, on_listed, folding);
    if (status) {
        on_listed(folding, status, NULL, 0);
        return NULL;
    }
    return &folding->call;
}

/* Those that are in memory. */
static void move(struct chat *chat, const char *from, const char *to) {
    LIST_EACH(node, &chat->hub.conversations) {
        struct conversation *conversation = CONTAINER_OF(node, struct conversation, node);
        if (conversation->own.folder && strcmp(conversation->own.folder, from) == 0) {
            free(conversation->own.folder);
            conversation->own.folder = mem_copy_string(to);
            chat_tell(chat, conversation, CONVERSATION_CHANGED);
        }
    }
}

static void on_renamed(void *ctx, enum status status) {
    struct folding *folding = ctx;
    if (status == STATUS_OK) {
        move(folding->call.chat, folding->from, folding->to);
    }
    if (!folding->call.is_abandoned) {
        folding->on_renamed(folding->call.ctx, status);
    }
    folding_free(folding);
}

struct chat_call *chat_rename_folder(struct chat *chat, const char *from, const char *to,
                                     chat_on_done callback, void *ctx) {
    struct folding *folding = call_new(sizeof *folding, chat, ctx);
    folding->on_renamed = callback;
    folding->from = mem_copy_string(from);
    folding->to = mem_copy_string(to);
    enum status status = store_rename_folder(chat->store, from, to, on_renamed, folding);
    if (status) {
        on_renamed(folding, status);
        return NULL;
    }
    return &folding->call;
}
