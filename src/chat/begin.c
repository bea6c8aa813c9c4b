/* begin.c - what all have in common that ask the store to begin a reply: a message (send.c), a wish to go on (continue.c), a call of a
 * compatible API (complete.c). */
#include "base/mem.h"
#include "chat/chat_internal.h"

#include <string.h>

struct begin *begin_of_node(struct list_node *node) {
    return CONTAINER_OF(node, struct begin, node);
}

void *begin_new(size_t n_bytes, struct chat *chat, const struct chat_asker *asker, chat_on_sent callback,
                void *ctx) {
    struct begin *begin = call_new(n_bytes, chat, ctx);
    begin->asker = *asker;
    begin->callback = callback;
    list_init(&begin->deletes);
    id_make_hex(begin->generation_id);
    return begin;
}

static void begin_free(struct begin *begin) {
    conversation_unref(begin->opened);
    settings_deinit(&begin->settings);
    if (begin->deinit) {
        begin->deinit(begin);
    }
    call_free(begin);
}

void begin_reply(struct begin *begin, const struct chat_sent *sent) {
    deletes_go_on(&begin->deletes);
    if (!begin->call.is_abandoned) {
        begin->callback(begin->call.ctx, sent);
    }
    begin_free(begin);
}

void begin_refuse(struct begin *begin, enum status status, const char *fault) {
    begin_reply(begin, &(struct chat_sent){ .status = status, .fault = fault });
}

void begin_posted(struct begin *begin) {
    titles_give_way(begin->call.chat);
    begin->call.chat->n_begins++;
    list_append(&begin->call.chat->begins, &begin->node);
}

void begin_answered(struct begin *begin) {
    begin->call.chat->n_begins--;
    list_remove(&begin->node);
}

const char *begin_fault(enum status status) {
    switch (status) {
    case STATUS_BUSY:
        return "an answer of this conversation is still being written: wait for its end or stop it";
    case STATUS_FULL:
        return "too many messages wait to be answered: try again in a moment";
    case STATUS_UNAVAILABLE:
        return CHAT_STOPPING;
    default:
        return "it could not be stored: look at the disk's free space and the log";
    }
}

void begin_turn(struct begin *begin, struct conversation *conversation, struct message *answer,
                json_t *messages) {
    turn_begin(begin->call.chat, &(struct turn_order){
                                     .conversation = conversation,
                                     .answer = answer,
                                     .asker = begin->asker.number,
                                     .model_path = begin->model_path,
                                     .settings = &begin->settings,
                                     .messages = messages,
                                     .fate = begin->fate,
                                 });
}

/* Of a new conversation the store alone knows the name until it answers; whoever has read it from there has its generation. */
bool begin_is_in(const struct begin *begin, const struct conversation *conversation) {
    size_t index;
    bool is_named = conversation->name[0] && strcmp(begin->conversation, conversation->name) == 0;
    return is_named || conversation_find_generation(conversation, begin->generation_id, &index);
}

struct begin *begin_find_in(const struct chat *chat, const struct conversation *conversation) {
    LIST_EACH(node, &chat->begins) {
        struct begin *begin = begin_of_node(node);
        if (begin_is_in(begin, conversation)) {
            return begin;
        }
    }
    return NULL;
}

static size_t count_of(const struct chat *chat, uint64_t asker) {
    size_t n = turns_count_of(chat, asker);
    LIST_EACH(node, &chat->begins) {
        n += begin_of_node(node)->asker.number == asker;
    }
    return n;
}

/* Those that are on their way to the disk count too: the limits are not passed by many who ask at once. */
enum status begin_check_room(const struct begin *begin, struct fault *fault) {
    const struct chat *chat = begin->call.chat;
    const struct chat_asker *asker = &begin->asker;
    uint32_t n_max = chat->options.n_turns_max ? chat->options.n_turns_max : CHAT_TURNS_MAX;
    if (chat->is_stopping) {
        return fault_set(fault, STATUS_UNAVAILABLE, CHAT_STOPPING);
    }
    if (chat->n_turns + chat->n_begins >= n_max) {
        return fault_set(fault, STATUS_FULL, "%u answers are being written already: try again later", n_max);
    }
    if (asker->number && asker->n_max && count_of(chat, asker->number) >= asker->n_max) {
        return fault_set(fault, STATUS_FULL,
                         "this key has %u answers under way, as many as it may: wait for the end of one",
                         asker->n_max);
    }
    return STATUS_OK;
}
