/* tree.c - branches that are deleted, for a time, and one that becomes a conversation of its own. */
#include "base/clock.h"
#include "chat/chat_internal.h"

/* ---- Messages that are hidden, and shown again ---- */

struct reshaping {
    struct chat_call call;
    store_on_reshaped callback;
    bool hides;
};

/* Nothing runs in it: the store has seen to that. */
static void reshape(struct conversation *conversation, const struct store_reshaped *reshaped, bool hides) {
    for (size_t i = 0; i < reshaped->n_messages; i++) {
        struct message *message = conversation_find_message(conversation, reshaped->messages[i]);
        if (message) {
            message->hidden_ms = hides ? reshaped->deleted_ms : 0;
        }
    }
    struct message *current =
        reshaped->current[0] ? conversation_find_message(conversation, reshaped->current) : NULL;
    conversation->is_reshaped = true;
    conversation->shape_version++;
    conversation_select(conversation, current);
}

static void answer(struct reshaping *reshaping, const struct store_reshaped *reshaped) {
    if (!reshaping->call.is_abandoned) {
        reshaping->callback(reshaping->call.ctx, reshaped);
    }
    call_free(reshaping);
}

static void on_reshaped(void *ctx, const struct store_reshaped *reshaped) {
    struct reshaping *reshaping = ctx;
    struct chat *chat = reshaping->call.chat;
    if (reshaped->status == STATUS_OK && reshaped->n_messages) {
        struct conversation *conversation = hub_find(&chat->hub, reshaped->conversation);
        if (conversation) {
            reshape(conversation, reshaped, reshaping->hides);
        }
        if (chat->listener.on_reshaped) {
            chat->listener.on_reshaped(chat->listener.ctx, reshaped, reshaping->hides);
        }
    }
    answer(reshaping, reshaped);
}

static struct chat_call *begin(struct chat *chat, const char *message, bool hides, store_on_reshaped callback,
                               void *ctx) {
    struct reshaping *reshaping = call_new(sizeof *reshaping, chat, ctx);
    reshaping->callback = callback;
    reshaping->hides = hides;
    enum status status = hides ? store_hide(chat->store, message, clock_wall_ms(), on_reshaped, reshaping)
                               : store_show(chat->store, message, on_reshaped, reshaping);
    if (status) {
        answer(reshaping, &(struct store_reshaped){ .status = status });
        return NULL;
    }
    return &reshaping->call;
}

struct chat_call *chat_hide(struct chat *chat, const char *message, store_on_reshaped callback, void *ctx) {
    return begin(chat, message, true, callback, ctx);
}

struct chat_call *chat_show(struct chat *chat, const char *message, store_on_reshaped callback, void *ctx) {
    return begin(chat, message, false, callback, ctx);
}

/* ---- A conversation of its own ---- */

struct forking {
    struct chat_call call;
    chat_on_changed callback;
};

static void answer_fork(struct forking *forking, enum status status,
                        const struct conversation *conversation) {
    if (!forking->call.is_abandoned) {
        forking->callback(forking->call.ctx, status, conversation);
    }
    call_free(forking);
}

static void on_forked(void *ctx, enum status status, const struct store_listed *row) {
    struct forking *forking = ctx;
    struct conversation *conversation = status ? NULL : change_take_row(forking->call.chat, row);
    if (conversation) {
        chat_tell(forking->call.chat, conversation, CONVERSATION_CREATED);
    }
    answer_fork(forking, status, conversation);
    conversation_unref(conversation);
}

struct chat_call *chat_fork(struct chat *chat, const char *name, const char *message,
                            chat_on_changed callback, void *ctx) {
    struct forking *forking = call_new(sizeof *forking, chat, ctx);
    forking->callback = callback;
    enum status status = store_fork(chat->store, name, message, clock_wall_ms(), on_forked, forking);
    if (status) {
        answer_fork(forking, status, NULL);
        return NULL;
    }
    return &forking->call;
}
