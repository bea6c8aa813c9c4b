/* queries.c - what the store answers without a conversation in memory: the list, a search, a backup. */
#include "chat/chat_internal.h"

/* ---- The list ---- */

struct listing {
    struct chat_call call;
    chat_on_listed callback;
};

static void on_listed(void *ctx, enum status status, const struct store_listed *rows, size_t n_rows) {
    struct listing *listing = ctx;
    if (!listing->call.is_abandoned) {
        listing->callback(listing->call.ctx, status, rows, n_rows);
    }
    call_free(listing);
}

struct chat_call *chat_list(struct chat *chat, const struct store_list *list, chat_on_listed callback,
                            void *ctx) {
    struct listing *listing = call_new(sizeof *listing, chat, ctx);
    listing->callback = callback;
    enum status status = store_list_conversations(chat->store, list, on_listed, listing);
    if (status) {
        on_listed(listing, status, NULL, 0);
        return NULL;
    }
    return &listing->call;
}

/* ---- Search ---- */

struct searching {
    struct chat_call call;
    store_on_searched callback;
};

static void on_searched(void *ctx, enum status status, const struct store_search_hit *hits, size_t n_hits,
                        int64_t next) {
    struct searching *searching = ctx;
    if (!searching->call.is_abandoned) {
        searching->callback(searching->call.ctx, status, hits, n_hits, next);
    }
    call_free(searching);
}

struct chat_call *chat_search(struct chat *chat, const struct store_search *search,
                              store_on_searched callback, void *ctx) {
    struct searching *searching = call_new(sizeof *searching, chat, ctx);
    searching->callback = callback;
    enum status status = store_search(chat->store, search, on_searched, searching);
    if (status) {
        on_searched(searching, status, NULL, 0, 0);
        return NULL;
    }
    return &searching->call;
}

/* ---- A backup ---- */

struct backup {
    struct chat_call call;
    store_on_backed_up callback;
};

static void on_backed_up(void *ctx, const struct store_backed_up *result) {
    struct backup *backup = ctx;
    if (!backup->call.is_abandoned) {
        backup->callback(backup->call.ctx, result);
    }
    call_free(backup);
}

struct chat_call *chat_backup(struct chat *chat, store_on_backed_up callback, void *ctx) {
    struct backup *backup = call_new(sizeof *backup, chat, ctx);
    backup->callback = callback;
    enum status status = store_backup(chat->store, on_backed_up, backup);
    if (status) {
        on_backed_up(backup, &(struct store_backed_up){ .status = status, .path = "" });
        return NULL;
    }
    return &backup->call;
}
