/* turn.c - the beginning of a reply, and how to find it. turn_internal.h has the whole picture. */
#include "base/clock.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "base/mem.h"
#include "chat/turn_internal.h"

#include <stdlib.h>
#include <string.h>

const char *turn_generation_id(const struct turn *turn) {
    return turn->answer->stream->id;
}

struct conversation *turn_conversation(const struct turn *turn) {
    return turn->conversation;
}

struct turn *turn_of_node(struct list_node *node) {
    return CONTAINER_OF(node, struct turn, node);
}

struct turn *turn_find(const struct chat *chat, const char *generation_id) {
    LIST_EACH(node, &chat->turns) {
        struct turn *turn = turn_of_node(node);
        if (strcmp(turn_generation_id(turn), generation_id) == 0) {
            return turn;
        }
    }
    return NULL;
}

struct turn *turn_find_answer(const struct chat *chat, const char *generation_id) {
    LIST_EACH(node, &chat->turns) {
        struct turn *turn = turn_of_node(node);
        if (message_find_generation(turn->answer, generation_id)) {
            return turn;
        }
    }
    return NULL;
}

/* What waits for a slot is the engine's already. */
size_t turns_count_running(const struct chat *chat) {
    size_t n = 0;
    LIST_EACH(node, &chat->turns) {
        const struct turn *turn = turn_of_node(node);
        n += turn->state == TURN_RUNNING && turn->conversation->phase.kind != PHASE_QUEUED;
    }
    return n;
}

size_t turns_count_of(const struct chat *chat, uint64_t asker) {
    size_t n = 0;
    LIST_EACH(node, &chat->turns) {
        n += turn_of_node(node)->asker == asker;
    }
    return n;
}

json_t *turn_error(const char *code, const char *text) {
    return json_pack("{s:s, s:s}", "code", code, "text", text);
}

static struct turn *make(struct chat *chat, const struct turn_order *order) {
    struct turn *turn = mem_alloc(sizeof *turn);
    turn->chat = chat;
    turn->conversation = conversation_ref(order->conversation);
    turn->answer = order->answer;
    turn->model_path = mem_copy_string(order->model_path);
    settings_copy(&turn->settings, order->settings);
    turn->messages = order->messages;
    turn->fate = order->fate;
    turn->asker = order->asker;
    turn->is_kept = prompt_is_kept(order->answer);
    turn->seq = order->answer->stream->last_seq;
    turn->text_size = message_said_size(order->answer);
    turn->clock.begun_ns = clock_now_ns();
    turn->unwatched_min_ms = clock_now_ms();
    list_init(&turn->deletes);
    titles_give_way(chat);
    turn_add(turn);
    conversation_notify(turn->conversation);
    leave_check(chat);
    return turn;
}

struct turn *turn_begin(struct chat *chat, const struct turn_order *order) {
    FAULT_POINT("stream.before_start");
    struct turn *turn = make(chat, order);
    struct conversation *conversation = turn->conversation;
    LOG_DEBUG("[GENERATION]", "start generation=%s conversation=%s model=%s first=%d",
              turn_generation_id(turn), conversation->name, models_file_name(turn->model_path),
              conversation->turn == turn);
    if (turn->fate != TURN_FATE_OPEN) {
        turn_end_by_fate(turn);
    } else if (chat->is_stopping) {
        turn_interrupt(turn, turn_error("stopping", "the server is stopping"), NULL, NULL);
    } else if (conversation->turn == turn) {
        turn_come(turn);
    }
    return turn;
}

void turn_begin_failed(struct chat *chat, struct conversation *conversation, struct message *answer,
                       const char *code, const char *text) {
    struct turn_order order = {
        .conversation = conversation, .answer = answer, .model_path = "", .settings = &chat->settings
    };
    turn_fail(make(chat, &order), code, text);
}

void turn_miss_nobody(struct turn *turn, uint64_t for_ms) {
    turn->unwatched_min_ms += for_ms;
    leave_check(turn->chat);
}

uint64_t turn_unwatched_min_ms(const struct turn *turn) {
    return turn->unwatched_min_ms;
}

bool turn_is_kept(const struct turn *turn) {
    return turn->is_kept;
}

bool turn_is_open(const struct turn *turn) {
    return turn->state != TURN_ENDING && turn->fate == TURN_FATE_OPEN;
}

/* The last first: none of them begins in between. */
static void cancel_from(struct turn *turn) {
    if (turn) {
        cancel_from(turn->behind);
        turn_cancel(turn);
    }
}

void turns_cancel(struct conversation *conversation) {
    cancel_from(conversation->turn);
}
