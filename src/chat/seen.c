/* seen.c - answers that ended while nobody watched their conversation, until somebody does ([N41]).
 *
 * The end says to the store that it is unread, in one transaction. Whoever begins to watch meanwhile has read it: the store is told
 * so behind that.
 */
#include "chat/chat_internal.h"

#include <string.h>

static void on_seen(void *ctx, enum status status, const struct conversation *conversation) {
    (void)ctx;
    (void)status; /* what could not be stored is unread again when it is read the next time */
    (void)conversation;
}

static void on_watched(void *ctx, struct conversation *conversation) {
    if (conversation->own.is_unread) {
        chat_see(ctx, conversation->name, on_seen, NULL);
    }
}

bool seen_is_missed(const struct conversation *conversation, const char *reason) {
    return conversation->hub && list_is_empty(&conversation->watchers) && strcmp(reason, "cancelled") != 0;
}

void seen_on_missed(struct chat *chat, struct conversation *conversation) {
    conversation->own.is_unread = true;
    if (!list_is_empty(&conversation->watchers)) {
        on_watched(chat, conversation);
    }
}

struct chat_call *chat_see(struct chat *chat, const char *name, chat_on_changed callback, void *ctx) {
    struct conversation *conversation = hub_find(&chat->hub, name);
    if (conversation && !conversation->own.is_unread) {
        callback(ctx, STATUS_OK, conversation);
        return NULL;
    }
    if (conversation) {
        conversation->own.is_unread = false; /* for those who come next */
    }
    return chat_change(chat, &(struct store_change){ .name = name, .what = STORE_CHANGE_UNREAD }, callback,
                       ctx);
}

void seen_open(struct chat *chat) {
    chat->hub.on_watched = on_watched;
}
