/* purge.c - what is kept no longer: conversations that were long in the trash, temporary ones that nobody uses, messages that were deleted
 * long ago.
 *
 *   a timer → store_list_due → each is deleted for ever → store_purge_messages until there are none
 */
#include "base/clock.h"
#include "base/log.h"
#include "chat/chat_internal.h"

#define PURGE_FIRST_MS 1000 /* after the start, which has other things to do */
#define PURGE_EVERY_MS 3600000
#define PURGE_AGAIN_MS 100 /* there is more */
#define TRASH_MS       (CHAT_TRASH_DAYS * 86400000ll)
#define TEMPORARY_MS   3600000ll

static void purge_later(struct chat *chat, int64_t wait_ms) {
    if (!chat->is_stopping) {
        chat->options.loop->timer_set(chat->purge_timer, wait_ms);
    }
}

static void on_purged(void *ctx, enum status status) {
    struct chat *chat = ctx;
    chat->n_calls--;
    purge_later(chat, status == STATUS_OK ? PURGE_AGAIN_MS : PURGE_EVERY_MS);
    if (status == STATUS_OK) {
        chat_sweep_attachments(chat); /* that they had */
    }
}

static void on_deleted(void *ctx, enum status status) {
    (void)ctx;
    if (status) {
        LOG_WARN("purge", "status=%s", status_name(status));
    }
}

/* A temporary one that is watched, or answered, is in memory: it stays. */
static void on_due(void *ctx, enum status status, char (*names)[ID_CONVERSATION_BYTES], size_t n) {
    struct chat *chat = ctx;
    chat->n_calls--;
    for (size_t i = 0; i < n && !chat->is_stopping; i++) {
        if (hub_find(&chat->hub, names[i]) == NULL) {
            LOG_INFO("purge", "conversation=%s", names[i]);
            chat_delete(chat, names[i], true, on_deleted, chat);
        }
    }
    if (status == STATUS_OK && !chat->is_stopping &&
        store_purge_messages(chat->store, clock_wall_ms() - TRASH_MS, on_purged, chat) == STATUS_OK) {
        chat->n_calls++;
    } else {
        purge_later(chat, PURGE_EVERY_MS);
    }
}

static void on_time(void *ctx) {
    struct chat *chat = ctx;
    int64_t now_ms = clock_wall_ms();
    if (!chat->is_stopping &&
        store_list_due(chat->store, now_ms - TRASH_MS, now_ms - TEMPORARY_MS, on_due, chat) == STATUS_OK) {
        chat->n_calls++;
    } else {
        purge_later(chat, PURGE_EVERY_MS);
    }
}

void purge_open(struct chat *chat) {
    const struct loop *loop = chat->options.loop;
    chat->purge_timer = loop->timer_new(loop->self, on_time, chat);
}

void purge_start(struct chat *chat) {
    purge_later(chat, PURGE_FIRST_MS);
}

void purge_close(struct chat *chat) {
    chat->options.loop->timer_free(chat->purge_timer);
}
