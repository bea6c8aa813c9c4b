/* turn_end.c - the end of a generation: on the disk, then in the stream, and what comes after it. */
#include "base/clock.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "base/mem.h"
#include "chat/turn_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define END_RETRY_MS 250

/* How it ends, until that is on disk. */
struct ending {
    struct turn *turn;
    uint64_t seq; /* of the event `end` */
    char *reason;
    bool is_missed; /* nobody saw it when it was given to the store */
    json_t *error;
    json_t *usage;
    json_t *timings;
    char continuation_id[ID_HEX_BYTES]; /* of the generation that goes on by itself; empty: none */
    int64_t continuation_key;           /* it is committed; 0: not that we know */
    struct loop_timer *timer;           /* NULL: it was not tried again */
};

static void turn_free(struct turn *turn) {
    free(turn->model_path);
    settings_deinit(&turn->settings);
    json_decref(turn->messages);
    free(turn);
}

/* The turn is over; the next of its conversation comes. */
static void leave(struct turn *turn) {
    struct chat *chat = turn->chat;
    struct conversation *conversation = turn->conversation;
    turn_remove(turn);
    conversation_notify(conversation);
    chat_on_turn_ended(chat, conversation, &turn->deletes);
    titles_on_answer(chat, conversation, turn->answer);
    turn_free(turn);
    struct turn *next = conversation->turn;
    if (next && next->state == TURN_BEHIND && !chat->is_stopping) {
        turn_come(next);
    }
    conversation_unref(conversation);
    turns_advance(chat);
}

/* In the same turn of the loop as the end, so that no watcher comes between (P5). */
static void add_continuation(struct turn *turn, const char *id, int64_t key) {
    const struct stream *ended = turn->answer->stream;
    struct stream *stream = stream_new(id, key, ended->model);
    stream->settings = mem_copy_string(ended->settings);
    message_continue(turn->answer, stream);
    LOG_INFO("turn_goes_on", "generation=%s continues=%s", id, ended->id);
}

static void go_on(struct turn *turn) {
    turn->state = TURN_WAITING;
    turn->seq = turn->answer->stream->last_seq;
    turn->text_size = message_said_size(turn->answer);
    turn->is_patient = true;
    conversation_notify(turn->conversation);
    if (turn->fate != TURN_FATE_OPEN) {
        turn_end_by_fate(turn);
    } else {
        turn_advance(turn);
    }
}

/* The client of a compatible API goes with a server that stops. */
static bool is_heard(const struct turn *turn) {
    return turn->conversation->hub || !turn->chat->is_stopping;
}

static void finish(struct ending *ending) {
    struct turn *turn = ending->turn;
    struct chat *chat = turn->chat;
    figures_add_end(&chat->figures, ending->reason, ending->usage, ending->timings);
    stream_end(turn->answer->stream, ending->reason, ending->error, ending->usage, ending->timings);
    LOG_INFO("turn_end", "generation=%s reason=%s tokens=%llu", turn_generation_id(turn), ending->reason,
             (unsigned long long)turn->answer->stream->n_tokens);
    bool goes_on = ending->continuation_key != 0 && is_heard(turn);
    if (goes_on) {
        add_continuation(turn, ending->continuation_id, ending->continuation_key);
    }
    if (ending->is_missed && ending->continuation_key == 0) {
        seen_on_missed(chat, turn->conversation);
    }
    if (ending->timer) {
        chat->options.loop->timer_free(ending->timer);
    }
    free(ending->reason);
    free(ending);
    turn->ending = NULL;
    if (turn == turn->conversation->turn) {
        turn->conversation->phase = (struct phase){ 0 };
    }
    /* A server that stops leaves it to its next start. */
    if (goes_on && !chat->is_stopping) {
        go_on(turn);
    } else {
        leave(turn);
    }
}

static void fail_ending(struct ending *ending) {
    free(ending->reason);
    json_decref(ending->error);
    ending->reason = mem_copy_string("error");
    ending->error = turn_error("storage", TURN_STORAGE_FAULT);
    ending->continuation_id[0] = '\0';
}

static void on_end_stored(void *ctx, enum status status, int64_t continuation_key);
static void retry_later(struct ending *ending);

static void store_ending(struct ending *ending) {
    struct turn *turn = ending->turn;
    const struct stream *stream = turn->answer->stream;
    ending->is_missed = seen_is_missed(turn->conversation, ending->reason);
    char *error_text = ending->error ? json_text(ending->error) : NULL;
    char *usage_text = ending->usage ? json_text(ending->usage) : NULL;
    char *timings_text = ending->timings ? json_text(ending->timings) : NULL;
    struct store_end end = {
        .generation_key = stream->key,
        .seq = ending->seq,
        .reason = ending->reason,
        .error = error_text,
        .usage = usage_text,
        .timings = timings_text,
        .is_unread = ending->is_missed,
        .n_prompt_tokens = stream->n_prompt_tokens,
        .context_size = stream->context_size,
        .continuation_id = ending->continuation_id[0] ? ending->continuation_id : NULL,
        .wall_ms = clock_wall_ms(),
    };
    enum status status = store_end_generation(turn->chat->store, &end, on_end_stored, ending);
    free(error_text);
    free(usage_text);
    free(timings_text);
    if (status == STATUS_FULL) {
        retry_later(ending); /* answers of its appends may be outstanding (T3) */
    } else if (status) {
        on_end_stored(ending, status, 0);
    }
}

static void on_retry(void *ctx) {
    struct ending *ending = ctx;
    struct turn *turn = ending->turn;
    if (turn->n_uncommitted > 0) {
        retry_later(ending);
        return;
    }
    uint64_t last_seq = turn->answer->stream->last_seq;
    if (turn->seq > last_seq) {
        fail_ending(ending); /* its last events were never stored */
    }
    ending->seq = last_seq + 1;
    store_ending(ending);
}

static void retry_later(struct ending *ending) {
    const struct loop *loop = ending->turn->chat->options.loop;
    if (ending->timer == NULL) {
        ending->timer = loop->timer_new(loop->self, on_retry, ending);
    }
    loop->timer_set(ending->timer, END_RETRY_MS);
}

/* Of a conversation, the store must know the end before anybody sees it (P4), and would call it busy without. Rows that a detached
 * reply leaves go with the next start, and so do the ends that a stop cuts short. */
static bool is_worth_retry(const struct ending *ending, enum status status) {
    const struct turn *turn = ending->turn;
    /* While the disk fails, CONFLICT may be an end of before that is committed and not safe yet. */
    bool is_refused = status == STATUS_CONFLICT && ending->seq == turn->answer->stream->last_seq + 1 &&
                      store_trouble(turn->chat->store) == STORE_FINE;
    return !turn->chat->is_stopping && turn->conversation->hub && !is_refused;
}

static void on_end_stored(void *ctx, enum status status, int64_t continuation_key) {
    struct ending *ending = ctx;
    if (status == STATUS_OK) {
        ending->continuation_key = continuation_key;
        FAULT_POINT("end.before_frame");
        finish(ending);
        return;
    }
    LOG_ERROR("turn_end_not_stored", "generation=%s status=%s", turn_generation_id(ending->turn),
              status_name(status));
    if (is_worth_retry(ending, status)) {
        retry_later(ending);
    } else {
        finish(ending);
    }
}

static void end_turn(struct turn *turn, struct ending *ending) {
    assert(turn->state != TURN_ENDING);
    turn->state = TURN_ENDING;
    turn->engine = NULL;
    turn->ending = ending;
    ending->turn = turn;
    ending->seq = turn->seq + 1;
    if (turn->store_failed) {
        fail_ending(ending);
        ending->seq = turn->answer->stream->last_seq + 1;
    }
    store_ending(ending);
}

static struct ending *ending_new(const char *reason, json_t *error, json_t *usage, json_t *timings) {
    struct ending *ending = mem_alloc(sizeof *ending);
    *ending = (struct ending){
        .reason = mem_copy_string(reason), .error = error, .usage = usage, .timings = timings
    };
    return ending;
}

void turn_end(struct turn *turn, const char *reason, json_t *error, json_t *usage, json_t *timings) {
    end_turn(turn, ending_new(reason, error, usage, timings));
}

static bool may_go_on(const struct turn *turn) {
    return turn->chat->settings.after_crash == AFTER_CRASH_CONTINUE && is_heard(turn) &&
           turn->fate == TURN_FATE_OPEN && list_is_empty(&turn->deletes);
}

void turn_interrupt(struct turn *turn, json_t *error, json_t *usage, json_t *timings) {
    struct ending *ending = ending_new("interrupted", error, usage, timings);
    if (may_go_on(turn)) {
        id_make_hex(ending->continuation_id);
    }
    end_turn(turn, ending);
}

void turn_fail(struct turn *turn, const char *code, const char *text) {
    turn_end(turn, "error", turn_error(code, text), NULL, NULL);
}

void turn_end_by_fate(struct turn *turn) {
    if (turn->fate == TURN_FATE_CANCELLED) {
        turn_end(turn, "cancelled", NULL, NULL, NULL);
    } else {
        turn_end(turn, "interrupted", turn_error("engine_stopped", TURN_UNLOADED_FAULT), NULL, NULL);
    }
}

/* ---- Stopping ---- */

/* False: the engine does not have it. */
static bool cancel_in_engine(const struct turn *turn) {
    if (turn->engine) {
        engine_cancel(turn->engine, turn_generation_id(turn));
    }
    return turn->engine != NULL;
}

void turn_cancel(struct turn *turn) {
    if (turn->fate != TURN_FATE_OPEN) {
        return;
    }
    turn->fate = TURN_FATE_CANCELLED; /* one that is ENDING may be about to go on */
    if (turn->state == TURN_ENDING) {
        return;
    }
    LOG_DEBUG("[GENERATION]", "cancel generation=%s", turn_generation_id(turn));
    if (!cancel_in_engine(turn)) {
        turn_end_by_fate(turn);
    }
}

void turn_stop(struct turn *turn) {
    if (turn->state == TURN_BEHIND && may_go_on(turn)) {
        leave(turn); /* unended: the next start begins it, as often as it takes */
    } else if (turn->state != TURN_ENDING) {
        cancel_in_engine(turn);
        if (turn->fate != TURN_FATE_OPEN) {
            turn_end_by_fate(turn);
        } else {
            turn_interrupt(turn, NULL, NULL, NULL);
        }
    } else if (turn->ending->timer) {
        turn->chat->options.loop->timer_set(turn->ending->timer, 0);
    }
}

void turn_drop(struct turn *turn) {
    assert(turn->state == TURN_ENDING && turn->n_uncommitted == 0);
    finish(turn->ending);
}

/* The engine ends what it has when it goes. */
void turns_unload(struct chat *chat, const char *model_path) {
    LIST_EACH(node, &chat->turns) {
        struct turn *turn = turn_of_node(node);
        if (turn->fate != TURN_FATE_OPEN || strcmp(turn->model_path, model_path) != 0) {
            continue;
        }
        turn->fate = TURN_FATE_UNLOADED;
        if (turn->state == TURN_BEHIND || turn->state == TURN_WAITING) {
            turn_end_by_fate(turn);
        }
    }
}

struct list_node *turn_deletes(struct turn *turn) {
    return &turn->deletes;
}
