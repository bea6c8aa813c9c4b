/* turn_queue.c - which answer is made next: the order inside a conversation, the wait for the model. */
#include "base/mem.h"
#include "chat/turn_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- Inside a conversation ---- */

void turn_add(struct turn *turn) {
    struct turn **end = &turn->conversation->turn;
    while (*end) {
        end = &(*end)->behind;
    }
    *end = turn;
    list_append(&turn->chat->turns, &turn->node);
    turn->chat->n_turns++;
    turn->conversation->queue_version++;
}

void turn_remove(struct turn *turn) {
    struct turn **at = &turn->conversation->turn;
    while (*at != turn) {
        at = &(*at)->behind;
    }
    *at = turn->behind;
    list_remove(&turn->node);
    turn->chat->n_turns--;
    turn->conversation->queue_version++;
}

void turn_come(struct turn *turn) {
    assert(turn->conversation->turn == turn && turn->state == TURN_BEHIND);
    if (turn->messages == NULL) {
        turn->messages = prompt_for(turn->conversation, turn->answer);
    }
    turn->state = TURN_WAITING;
    turn_advance(turn);
}

/* ---- Waiting for the model ---- */

static void show_loading(struct turn *turn, const struct engine *engine) {
    struct phase phase = { .kind = PHASE_LOADING, .progress = engine_load_progress(engine) };
    snprintf(phase.stage, sizeof phase.stage, "%s", engine_load_stage(engine));
    conversation_set_phase(turn->conversation, &phase);
}

/* How many wait before it, and itself. */
static void show_queued(struct turn *turn) {
    uint32_t position = 1;
    LIST_EACH(node, &turn->chat->turns) {
        const struct turn *other = turn_of_node(node);
        if (other == turn) {
            break;
        }
        position += other->state == TURN_WAITING;
    }
    const struct phase *shown = &turn->conversation->phase;
    if (shown->kind != PHASE_QUEUED || shown->position != position) {
        conversation_set_phase(turn->conversation,
                               &(struct phase){ .kind = PHASE_QUEUED, .position = position });
    }
}

static void give_or_wait(struct turn *turn, struct engine *engine) {
    enum status status = turn_give(turn, engine);
    if (status == STATUS_FULL || status == STATUS_BUSY) {
        show_queued(turn);
    } else if (status) {
        turn_fail(turn, "context_full", "the conversation is too long to be given to the model");
    }
}

/* The engine has the turn's model: give, show or fail. */
static void advance_with(struct turn *turn, struct engine *engine) {
    switch (engine_state(engine)) {
    case ENGINE_READY:
        give_or_wait(turn, engine);
        return;
    case ENGINE_FAILED:
        if (turn->load_tried) {
            turn_fail(turn, engine_fault_code(engine), engine_fault_text(engine));
            return;
        }
        turn->load_tried = true;
        engine_retry(engine);
        return;
    case ENGINE_WAITING:
        if (turn->is_patient) {
            show_loading(turn, engine);
        } else {
            engine_retry(engine);
        }
        return;
    default:
        turn->load_tried = true;
        show_loading(turn, engine);
    }
}

/* Somebody who came first waits for a model for which there is no room yet: those who come later must not keep it out for ever. */
static bool must_let_in(const struct turn *turn) {
    const struct models *models = turn->chat->models;
    if (models_is_pinned(models, turn->model_path)) {
        return false; /* it does not go for anybody */
    }
    LIST_EACH(node, &turn->chat->turns) {
        const struct turn *other = turn_of_node(node);
        if (other == turn) {
            break;
        }
        if (other->state == TURN_WAITING && models_find_engine(models, other->model_path) == NULL) {
            return true;
        }
    }
    return false;
}

static void load(struct turn *turn) {
    struct models *models = turn->chat->models;
    struct fault fault;
    turn->load_tried = true;
    if (models_load(models, turn->model_path, &fault) != STATUS_OK) {
        turn_fail(turn, "model", fault.text);
        return;
    }
    show_loading(turn, models_find_engine(models, turn->model_path));
}

static void load_when_there_is_room(struct turn *turn) {
    struct fault fault;
    switch (models_make_room(turn->chat->models, turn->model_path, &fault)) {
    case MODELS_ROOM_NOW:
        load(turn);
        return;
    case MODELS_ROOM_LATER:
        show_queued(turn);
        return;
    case MODELS_ROOM_NEVER:
        turn_fail(turn, "no_memory", fault.text);
    }
}

void turn_advance(struct turn *turn) {
    struct engine *engine = models_find_engine(turn->chat->models, turn->model_path);
    if (must_let_in(turn)) {
        show_queued(turn);
    } else if (engine) {
        advance_with(turn, engine);
    } else {
        load_when_there_is_room(turn);
    }
}

void turns_advance(struct chat *chat) {
    if (chat->is_advancing || chat->is_stopping) {
        return;
    }
    chat->is_advancing = true;
    LIST_EACH(node, &chat->turns) {
        struct turn *turn = turn_of_node(node);
        if (turn->state == TURN_WAITING) {
            turn_advance(turn);
        }
    }
    asks_advance(chat);
    chat->is_advancing = false;
}
