/* change.c - what a conversation has of its own, and which of its branches is shown.
 *
 *   chat_change → (the conversation is opened, when a branch is chosen) → the store (D2) → whoever has it in memory
 *
 * What is read of it meanwhile is not older than what was stored: the store reads and writes in the order it was asked.
 */
#include "base/mem.h"
#include "chat/chat_internal.h"

#include <stdlib.h>

struct change {
    struct chat_call call;
    chat_on_changed callback;
    struct store_change change;  /* copies, of what has to wait */
    struct conversation *opened; /* held, when a branch is chosen: it is in memory all the way */
    char name[ID_CONVERSATION_BYTES];
    char current[ID_HEX_BYTES];
    char *title;
    char *folder;
    char *settings;
};

static void answer(struct change *change, enum status status, const struct conversation *conversation) {
    if (!change->call.is_abandoned) {
        change->callback(change->call.ctx, status, conversation);
    }
    conversation_unref(change->opened);
    free(change->title);
    free(change->folder);
    free(change->settings);
    call_free(change);
}

struct conversation *change_take_row(struct chat *chat, const struct store_listed *row) {
    struct conversation *conversation = hub_find(&chat->hub, row->name);
    conversation = conversation ? conversation_ref(conversation)
                                : conversation_new(NULL, row->name, row->title, row->created_ms);
    conversation_set_title(conversation, row->title);
    conversation_set_own(conversation, &row->own);
    conversation->updated_ms = row->updated_ms;
    return conversation;
}

static void tell(const struct change *change, const struct conversation *conversation) {
    unsigned what = change->change.what & ~(unsigned)STORE_CHANGE_CURRENT;
    if (what) {
        chat_tell(change->call.chat, conversation,
                  what & STORE_CHANGE_TRASH   ? CONVERSATION_RESTORED
                  : what & STORE_CHANGE_TITLE ? CONVERSATION_RENAMED
                                              : CONVERSATION_CHANGED);
    }
}

static void on_stored(void *ctx, enum status status, const struct store_listed *row) {
    struct change *change = ctx;
    if (status) {
        answer(change, status, NULL);
        return;
    }
    struct conversation *conversation = change_take_row(change->call.chat, row);
    struct message *current =
        change->current[0] ? conversation_find_message(conversation, change->current) : NULL;
    if (current && current->hidden_ms == 0) {
        conversation_select(conversation, current);
    }
    tell(change, conversation);
    leave_check(change->call.chat);
    answer(change, STATUS_OK, conversation);
    conversation_unref(conversation);
}

/* False: it was answered. */
static bool store(struct change *change) {
    enum status status =
        store_change_conversation(change->call.chat->store, &change->change, on_stored, change);
    if (status) {
        answer(change, status, NULL);
    }
    return status == STATUS_OK;
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct change *change = ctx;
    struct message *message = status ? NULL : conversation_find_message(conversation, change->current);
    bool is_there = message && message->hidden_ms == 0 && message->index < conversation_shown(conversation);
    if (!is_there) {
        answer(change, status ? status : STATUS_NOT_FOUND, NULL);
        return;
    }
    change->opened = conversation_ref(conversation);
    id_copy(change->current, sizeof change->current, conversation_newest_below(conversation, message)->id);
    store(change);
}

static void copy(struct change *change, const struct store_change *from) {
    change->change = *from;
    id_copy(change->name, sizeof change->name, from->name);
    id_copy(change->current, sizeof change->current, from->current ? from->current : "");
    change->change.name = change->name;
    change->change.current = change->current;
    change->change.title = change->title = mem_copy_string(from->title);
    change->change.folder = change->folder = mem_copy_string(from->folder);
    change->change.settings = change->settings = mem_copy_string(from->settings);
}

struct chat_call *chat_change(struct chat *chat, const struct store_change *wanted, chat_on_changed callback,
                              void *ctx) {
    struct change *change = call_new(sizeof *change, chat, ctx);
    change->callback = callback;
    copy(change, wanted);
    bool is_under_way = wanted->what & STORE_CHANGE_CURRENT
                            ? chat_open_conversation(chat, change->name, on_opened, change) != NULL
                            : store(change);
    return is_under_way ? &change->call : NULL;
}
