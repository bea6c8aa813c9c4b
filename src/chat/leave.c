/* leave.c - what happens to an answer that nobody watches: the setting detach_seconds, or the conversation's own.
 *
 * One timer for all of them, set to the first that is due. Calls of a compatible API are not meant: their client is their reader, and
 * cancels them when it goes (O5); one that is kept goes on without anybody, for that was asked for [W93].
 */
#include "base/clock.h"
#include "base/log.h"
#include "chat/chat_internal.h"

/* When the answer has been alone for long enough; UINT64_MAX: never. */
static uint64_t due_ms(const struct chat *chat, const struct turn *turn) {
    const struct conversation *conversation = turn_conversation(turn);
    int64_t seconds = conversation->has_detach ? conversation->detach_seconds : chat->settings.detach_seconds;
    bool is_watched = conversation->hub == NULL || !list_is_empty(&conversation->watchers);
    if (seconds < 0 || is_watched || turn_is_kept(turn) || !turn_is_open(turn)) {
        return UINT64_MAX;
    }
    uint64_t since_ms = turn_unwatched_min_ms(turn);
    if (since_ms < conversation->unwatched_ms) {
        since_ms = conversation->unwatched_ms;
    }
    return since_ms + (uint64_t)seconds * 1000;
}

void leave_check(struct chat *chat) {
    uint64_t first_ms = UINT64_MAX;
    LIST_EACH(node, &chat->turns) {
        uint64_t due = due_ms(chat, turn_of_node(node));
        first_ms = due < first_ms ? due : first_ms;
    }
    uint64_t now_ms = clock_now_ms();
    /* Not at once even when it is due: whoever asked for the answer may be about to watch it. */
    int64_t delay_ms = first_ms == UINT64_MAX ? -1 : first_ms > now_ms ? (int64_t)(first_ms - now_ms) : 0;
    chat->options.loop->timer_set(chat->leave_timer, delay_ms);
}

static void on_time(void *ctx) {
    struct chat *chat = ctx;
    uint64_t now_ms = clock_now_ms();
    LIST_EACH(node, &chat->turns) {
        struct turn *turn = turn_of_node(node);
        if (due_ms(chat, turn) <= now_ms) {
            LOG_INFO("turn_unwatched", "generation=%s", turn_generation_id(turn));
            turn_cancel(turn);
        }
    }
    leave_check(chat);
}

static void on_unwatched(void *ctx, struct conversation *conversation) {
    conversation->unwatched_ms = clock_now_ms();
    leave_check(ctx);
}

void leave_open(struct chat *chat) {
    const struct loop *loop = chat->options.loop;
    chat->leave_timer = loop->timer_new(loop->self, on_time, chat);
    chat->hub.on_unwatched = on_unwatched;
    chat->hub.ctx = chat;
}

void leave_close(struct chat *chat) {
    chat->hub.on_unwatched = NULL;
    chat->options.loop->timer_free(chat->leave_timer);
}
