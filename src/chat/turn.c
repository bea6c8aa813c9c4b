/* turn.c - a reply being made: from the stored message to the event `end`.
 *
 *   WAITING → RUNNING → ENDING → freed        WAITING, RUNNING → ENDING
 *
 * WAITING  the model is not there yet, or another one is busy (turns_advance)
 * RUNNING  the engine has it (give); its tokens go to the store (on_step), and into the stream when they are committed
 *          (on_committed): nothing is seen before it is stored (P4)
 * ENDING   the event `end` is on its way to the disk (end_turn); finish tells the watchers and frees the turn. An end that the store
 *          could not take is tried again (retry_later): else the store would hold a reply that runs for ever
 *
 * T1  A turn ends exactly once: only end_turn leaves WAITING and RUNNING.
 * T2  seq is given out in on_step and nowhere else; the store's append guard checks it.
 * T3  Answers of the store come in the order of the jobs, so the turn outlives its last append.
 */
#include "base/clock.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "base/mem.h"
#include "chat/chat_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Events that are decoded and not committed: beyond the first number the engine is not read any more, below the second it is
 * again (P8). */
#define TURN_UNCOMMITTED_MAX 1024
#define TURN_UNCOMMITTED_LOW 256

#define STEP_PIECES_MAX 256

#define END_RETRY_MS 250

#define STORAGE_FAULT "the answer could not be stored: look at the disk's free space and the log"

enum turn_state { TURN_WAITING, TURN_RUNNING, TURN_ENDING };

struct turn {
    struct list_node node;
    struct chat *chat;
    struct conversation *conversation; /* held */
    struct message *answer;
    enum turn_state state;
    char *model_path;
    struct settings settings;
    json_t *messages;
    uint64_t seq;         /* of the last event given to the store */
    size_t n_uncommitted; /* appends without an answer */
    bool load_tried;
    bool store_failed;
    bool is_full;             /* its text reached STREAM_TEXT_BYTES_MAX: it ends as "length" */
    size_t text_size;         /* given to the store */
    struct ending *ending;    /* NULL before ENDING */
    bool is_cancelled;        /* by somebody: how it ends when the engine lets go */
    struct list_node deletes; /* chat_delete calls that wait for the end */
};

/* How it ends, until that is on disk. */
struct ending {
    struct turn *turn;
    uint64_t seq; /* of the event `end` */
    char *reason;
    json_t *error;
    json_t *usage;
    json_t *timings;
    struct loop_timer *timer; /* NULL: it was not tried again */
};

/* What one decode step said, until it is committed; its pieces and their text lie behind it. */
struct step_piece {
    struct turn *turn;
    uint64_t seq;
    int32_t token;
    uint32_t text_offset;
    uint32_t text_size;
};

struct step {
    struct chat *chat;
    size_t n_pieces;
    struct step_piece *pieces;
    char *text;
    size_t text_size;
};

static void end_turn(struct turn *turn, const char *reason, json_t *error, json_t *usage, json_t *timings);

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

static json_t *error_json(const char *code, const char *text) {
    return json_pack("{s:s, s:s}", "code", code, "text", text);
}

static struct engine *current_engine(const struct turn *turn) {
    return models_engine(turn->chat->models);
}

/* ---- Waiting for the model ---- */

static enum status give(struct turn *turn, struct engine *engine) {
    json_t *sampling = settings_sampling_json(&turn->settings);
    json_t *stop = settings_stops_json(&turn->settings);
    enum status status = engine_generate(engine, &(struct engine_job){
                                                     .id = turn_generation_id(turn),
                                                     .cache_key = turn->conversation->name,
                                                     .messages = turn->messages,
                                                     .sampling = sampling,
                                                     .n_tokens_max = turn->settings.n_tokens_max,
                                                     .stop = stop,
                                                     .ignore_eos = turn->settings.ignore_eos,
                                                 });
    json_decref(sampling);
    json_decref(stop);
    if (status == STATUS_OK) {
        turn->state = TURN_RUNNING;
        turn->answer->stream->context_size = engine_context_size(engine);
    }
    return status;
}

static void show_loading(struct turn *turn, const struct engine *engine) {
    struct phase phase = { .kind = PHASE_LOADING, .progress = engine_load_progress(engine) };
    snprintf(phase.stage, sizeof phase.stage, "%s", engine_load_stage(engine));
    conversation_set_phase(turn->conversation, &phase);
}

static void fail(struct turn *turn, const char *code, const char *text) {
    end_turn(turn, "error", error_json(code, text), NULL, NULL);
}

static void give_or_wait(struct turn *turn, struct engine *engine) {
    enum status status = give(turn, engine);
    if (status == STATUS_FULL || status == STATUS_BUSY) {
        conversation_set_phase(turn->conversation, &(struct phase){ .kind = PHASE_QUEUED });
    } else if (status) {
        fail(turn, "context_full", "the conversation is too long to be given to the model");
    }
}

/* The engine has the turn's model: give, show or fail. */
static void advance_same_model(struct turn *turn, struct engine *engine) {
    switch (engine_state(engine)) {
    case ENGINE_READY:
        give_or_wait(turn, engine);
        return;
    case ENGINE_FAILED:
        if (turn->load_tried) {
            fail(turn, engine_fault_code(engine), engine_fault_text(engine));
            return;
        }
        turn->load_tried = true;
        engine_retry(engine);
        return;
    case ENGINE_WAITING:
        engine_retry(engine);
        return;
    default:
        turn->load_tried = true;
        show_loading(turn, engine);
    }
}

/* Somebody who came first waits for another model: two who alternate must not keep it out for ever. */
static bool must_let_in(const struct turn *turn) {
    LIST_EACH(node, &turn->chat->turns) {
        const struct turn *other = turn_of_node(node);
        if (other == turn) {
            break;
        }
        if (other->state == TURN_WAITING && strcmp(other->model_path, turn->model_path) != 0) {
            return true;
        }
    }
    return false;
}

static void advance(struct turn *turn) {
    struct engine *engine = current_engine(turn);
    bool is_same = engine && engine_state(engine) != ENGINE_STOPPED &&
                   strcmp(engine_model_path(engine), turn->model_path) == 0;
    if (is_same && !must_let_in(turn)) {
        advance_same_model(turn, engine);
        return;
    }
    /* Another model is at work, or on its way for a turn that came first. */
    bool is_busy = engine && (engine_running(engine) > 0 || engine_state(engine) == ENGINE_STARTING ||
                              engine_state(engine) == ENGINE_LOADING);
    if (is_same || is_busy) {
        conversation_set_phase(turn->conversation, &(struct phase){ .kind = PHASE_QUEUED });
        return;
    }
    turn->load_tried = true;
    struct fault fault;
    if (models_load(turn->chat->models, turn->model_path, &fault) != STATUS_OK) {
        fail(turn, "model", fault.text);
        return;
    }
    show_loading(turn, current_engine(turn));
}

void turns_advance(struct chat *chat) {
    if (chat->is_advancing) {
        return;
    }
    chat->is_advancing = true;
    LIST_EACH(node, &chat->turns) {
        struct turn *turn = turn_of_node(node);
        if (turn->state == TURN_WAITING) {
            advance(turn);
        }
    }
    chat->is_advancing = false;
}

static struct turn *make(struct chat *chat, struct conversation *conversation, struct message *answer,
                         const char *model_path, const struct settings *settings, json_t *messages) {
    assert(conversation->turn == NULL);
    struct turn *turn = mem_alloc(sizeof *turn);
    turn->chat = chat;
    turn->conversation = conversation_ref(conversation);
    turn->answer = answer;
    turn->model_path = mem_copy_string(model_path);
    settings_copy(&turn->settings, settings);
    turn->messages = messages;
    turn->seq = answer->stream->last_seq;
    list_init(&turn->deletes);
    list_append(&chat->turns, &turn->node);
    chat->n_turns++;
    conversation->turn = turn;
    return turn;
}

void turn_begin(struct chat *chat, struct conversation *conversation, struct message *answer,
                const char *model_path, const struct settings *settings, json_t *messages) {
    FAULT_POINT("stream.before_start");
    struct turn *turn = make(chat, conversation, answer, model_path, settings, messages);
    LOG_DEBUG("[GENERATION]", "start generation=%s conversation=%s model=%s messages=%zu",
              turn_generation_id(turn), conversation->name, models_file_name(model_path),
              json_array_size(messages));
    if (chat->is_stopping) {
        end_turn(turn, "interrupted", error_json("stopping", "the server is stopping"), NULL, NULL);
    } else {
        advance(turn);
    }
}

void turn_begin_failed(struct chat *chat, struct conversation *conversation, struct message *answer) {
    struct turn *turn = make(chat, conversation, answer, "", &chat->settings, NULL);
    end_turn(turn, "error", error_json("storage", STORAGE_FAULT), NULL, NULL);
}

/* ---- What the engine says ---- */

static void on_state(void *ctx, struct engine *engine) {
    struct chat *chat = ctx;
    /* An engine that was let go says its last words: nobody waits for it. */
    if (engine != models_engine(chat->models)) {
        models_forget(chat->models, engine);
        return;
    }
    if (engine_state(engine) == ENGINE_READY) {
        chat_on_model_ready(chat, engine_model_path(engine));
    }
    turns_advance(chat);
    if (chat->listener.on_model) {
        chat->listener.on_model(chat->listener.ctx);
    }
}

static void on_queued(void *ctx, const char *id, uint32_t position) {
    struct turn *turn = turn_find(ctx, id);
    if (turn) {
        conversation_set_phase(turn->conversation,
                               &(struct phase){ .kind = PHASE_QUEUED, .position = position });
    }
}

static void on_prefill(void *ctx, const char *id, uint32_t done, uint32_t total, uint32_t cached) {
    struct turn *turn = turn_find(ctx, id);
    if (turn) {
        turn->answer->stream->n_prompt_tokens = total;
        conversation_set_phase(
            turn->conversation,
            &(struct phase){ .kind = PHASE_PREFILL, .done = done, .total = total, .cached = cached });
    }
}

void turns_hold_back(struct chat *chat) {
    struct engine *engine = models_engine(chat->models);
    size_t pending = store_pending(chat->store);
    if (engine && pending > TURN_UNCOMMITTED_MAX) {
        engine_pause(engine, true);
    } else if (engine && pending < TURN_UNCOMMITTED_LOW) {
        engine_pause(engine, false);
    }
}

/* The store could not take an event: nothing more of this generation can be shown. */
static void fail_store(struct turn *turn) {
    if (turn->store_failed || turn->state != TURN_RUNNING) {
        return;
    }
    turn->store_failed = true;
    LOG_ERROR("turn_store_failed", "generation=%s", turn_generation_id(turn));
    struct engine *engine = current_engine(turn);
    if (engine) {
        engine_cancel(engine, turn_generation_id(turn));
    }
}

static void commit_piece(struct turn *turn, uint64_t seq, int32_t token, const char *text,
                         uint32_t text_size) {
    struct stream *stream = turn->answer->stream;
    if (stream_append(stream, seq, token, text, text_size) != STATUS_OK) {
        fail_store(turn);
        return;
    }
    LOG_DEBUG("[GENERATION]", "token #%llu committed seq=%llu generation=%s t_ns=%llu",
              (unsigned long long)stream->n_tokens, (unsigned long long)seq, stream->id,
              (unsigned long long)clock_now_ns());
}

static void on_committed(void *ctx, enum status status) {
    struct step *step = ctx;
    for (size_t i = 0; i < step->n_pieces; i++) {
        struct turn *turn = step->pieces[i].turn;
        turn->n_uncommitted--;
        /* One before it is missing: it was never committed. */
        if (status || step->pieces[i].seq != turn->answer->stream->last_seq + 1) {
            fail_store(turn);
            continue;
        }
        commit_piece(turn, step->pieces[i].seq, step->pieces[i].token,
                     step->text + step->pieces[i].text_offset, step->pieces[i].text_size);
    }
    for (size_t i = 0; status == STATUS_OK && i < step->n_pieces; i++) {
        conversation_notify(step->pieces[i].turn->conversation);
    }
    free(step);
}

/* No text may pass the stream's limit; the engine is told, and on_end names the reason. */
static bool has_room(struct turn *turn, size_t text_size) {
    if (turn->text_size + text_size <= STREAM_TEXT_BYTES_MAX) {
        return true;
    }
    turn->is_full = true;
    engine_cancel(current_engine(turn), turn_generation_id(turn));
    return false;
}

static void add_piece(struct step *step, struct turn *turn, const struct engine_piece *piece) {
    memcpy(step->text + step->text_size, piece->text, piece->text_size);
    step->pieces[step->n_pieces++] = (struct step_piece){
        .turn = turn,
        .seq = ++turn->seq,
        .token = piece->token,
        .text_offset = (uint32_t)step->text_size,
        .text_size = (uint32_t)piece->text_size,
    };
    step->text_size += piece->text_size;
    turn->text_size += piece->text_size;
    turn->n_uncommitted++;
}

static struct step *collect(struct chat *chat, const struct engine_piece *pieces, size_t n_pieces) {
    size_t text_size = 0;
    for (size_t i = 0; i < n_pieces; i++) {
        text_size += pieces[i].text_size;
    }
    struct step *step = mem_alloc(sizeof *step + n_pieces * sizeof *step->pieces + text_size + 1);
    step->chat = chat;
    step->pieces = (struct step_piece *)(step + 1);
    step->text = (char *)(step->pieces + n_pieces);
    for (size_t i = 0; i < n_pieces; i++) {
        struct turn *turn = turn_find(chat, pieces[i].id);
        bool is_wanted = turn && turn->state == TURN_RUNNING && !turn->store_failed && !turn->is_full;
        if (is_wanted && has_room(turn, pieces[i].text_size)) {
            add_piece(step, turn, &pieces[i]);
        }
    }
    return step;
}

/* Gives at most STEP_PIECES_MAX pieces to the store, as one job. */
static void store_step(struct chat *chat, uint64_t t_ns, const struct engine_piece *pieces, size_t n_pieces) {
    struct step *step = collect(chat, pieces, n_pieces);
    struct store_token tokens[STEP_PIECES_MAX];
    for (size_t i = 0; i < step->n_pieces; i++) {
        const struct step_piece *piece = &step->pieces[i];
        tokens[i] = (struct store_token){
            .generation_key = piece->turn->answer->stream->key,
            .seq = piece->seq,
            .token = piece->token,
            .text_offset = piece->text_offset,
            .text_size = piece->text_size,
        };
        LOG_DEBUG("[ENGINE]", "token sampled seq=%llu generation=%s t_ns=%llu",
                  (unsigned long long)piece->seq, turn_generation_id(piece->turn), (unsigned long long)t_ns);
    }
    if (step->n_pieces == 0) {
        free(step);
        return;
    }
    struct store_tokens batch = {
        .tokens = tokens, .n_tokens = step->n_pieces, .text = step->text, .text_size = step->text_size
    };
    if (store_append_tokens(chat->store, &batch, on_committed, step) != STATUS_OK) {
        on_committed(step, STATUS_FULL);
    }
}

static void on_step(void *ctx, uint64_t t_ns, const struct engine_piece *pieces, size_t n_pieces) {
    for (size_t at = 0; at < n_pieces; at += STEP_PIECES_MAX) {
        size_t n_left = n_pieces - at;
        store_step(ctx, t_ns, pieces + at, n_left < STEP_PIECES_MAX ? n_left : STEP_PIECES_MAX);
    }
    turns_hold_back(ctx);
}

static void on_end(void *ctx, const char *id, const struct engine_end *end) {
    struct turn *turn = turn_find(ctx, id);
    if (turn == NULL || turn->state != TURN_RUNNING) {
        return;
    }
    const char *reason = end->reason;
    /* Whoever asked for the end names it, also when the engine died meanwhile; an answer that was complete stays complete. */
    bool was_cut = strcmp(reason, "cancelled") == 0 || strcmp(reason, "interrupted") == 0;
    if (was_cut && (turn->is_full || turn->is_cancelled)) {
        reason = turn->is_full ? "length" : "cancelled";
    }
    json_t *error = end->error_code && strcmp(reason, "cancelled") != 0
                        ? error_json(end->error_code, end->error_text ? end->error_text : "")
                        : NULL;
    end_turn(turn, reason, error, end->usage ? json_deep_copy(end->usage) : NULL,
             end->timings ? json_deep_copy(end->timings) : NULL);
}

const struct engine_handlers turn_engine_handlers = {
    .on_state = on_state,
    .on_queued = on_queued,
    .on_prefill = on_prefill,
    .on_step = on_step,
    .on_end = on_end,
};

/* ---- The end ---- */

static void turn_free(struct turn *turn) {
    free(turn->model_path);
    settings_deinit(&turn->settings);
    json_decref(turn->messages);
    free(turn);
}

static void finish(struct ending *ending) {
    struct turn *turn = ending->turn;
    struct chat *chat = turn->chat;
    struct conversation *conversation = turn->conversation;
    stream_end(turn->answer->stream, ending->reason, ending->error, ending->usage, ending->timings);
    LOG_INFO("turn_end", "generation=%s reason=%s tokens=%llu", turn_generation_id(turn), ending->reason,
             (unsigned long long)turn->answer->stream->n_tokens);
    if (ending->timer) {
        chat->options.loop->timer_free(ending->timer);
    }
    free(ending->reason);
    free(ending);
    conversation->turn = NULL;
    conversation->phase = (struct phase){ 0 };
    list_remove(&turn->node);
    chat->n_turns--;
    conversation_notify(conversation);
    chat_on_turn_ended(chat, conversation, &turn->deletes);
    turn_free(turn);
    conversation_unref(conversation);
    turns_advance(chat);
}

static void fail_ending(struct ending *ending) {
    free(ending->reason);
    json_decref(ending->error);
    ending->reason = mem_copy_string("error");
    ending->error = error_json("storage", STORAGE_FAULT);
}

static void on_end_stored(void *ctx, enum status status, int64_t continuation_key);
static void retry_later(struct ending *ending);

static void store_ending(struct ending *ending) {
    struct turn *turn = ending->turn;
    const struct stream *stream = turn->answer->stream;
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
        .n_prompt_tokens = stream->n_prompt_tokens,
        .context_size = stream->context_size,
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
    bool is_refused = status == STATUS_CONFLICT && ending->seq == turn->answer->stream->last_seq + 1;
    return !turn->chat->is_stopping && turn->conversation->hub && !is_refused;
}

static void on_end_stored(void *ctx, enum status status, int64_t continuation_key) {
    (void)continuation_key; /* none was asked for */
    struct ending *ending = ctx;
    if (status == STATUS_OK) {
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

static void end_turn(struct turn *turn, const char *reason, json_t *error, json_t *usage, json_t *timings) {
    assert(turn->state != TURN_ENDING);
    turn->state = TURN_ENDING;
    turn->ending = mem_alloc(sizeof *turn->ending);
    *turn->ending = (struct ending){ .turn = turn,
                                     .seq = turn->seq + 1,
                                     .reason = mem_copy_string(reason),
                                     .error = error,
                                     .usage = usage,
                                     .timings = timings };
    if (turn->store_failed) {
        fail_ending(turn->ending);
        turn->ending->seq = turn->answer->stream->last_seq + 1;
    }
    store_ending(turn->ending);
}

/* False: the engine does not have it. */
static bool cancel_in_engine(const struct turn *turn) {
    struct engine *engine = turn->state == TURN_RUNNING ? current_engine(turn) : NULL;
    if (engine) {
        engine_cancel(engine, turn_generation_id(turn));
    }
    return engine != NULL;
}

void turn_cancel(struct turn *turn) {
    if (turn->state == TURN_ENDING || turn->is_cancelled) {
        return;
    }
    turn->is_cancelled = true;
    LOG_DEBUG("[GENERATION]", "cancel generation=%s", turn_generation_id(turn));
    if (!cancel_in_engine(turn)) {
        end_turn(turn, "cancelled", NULL, NULL, NULL);
    }
}

void turn_stop(struct turn *turn) {
    if (turn->state != TURN_ENDING) {
        cancel_in_engine(turn);
        end_turn(turn, turn->is_cancelled ? "cancelled" : "interrupted", NULL, NULL, NULL);
    } else if (turn->ending->timer) {
        turn->chat->options.loop->timer_set(turn->ending->timer, 0);
    }
}

void turn_drop(struct turn *turn) {
    assert(turn->state == TURN_ENDING && turn->n_uncommitted == 0);
    finish(turn->ending);
}

void turns_end_waiting(struct chat *chat, const char *model_path) {
    LIST_EACH(node, &chat->turns) {
        struct turn *turn = turn_of_node(node);
        if (turn->state == TURN_WAITING && strcmp(turn->model_path, model_path) == 0) {
            end_turn(turn, "interrupted", error_json("engine_stopped", "the model was unloaded"), NULL, NULL);
        }
    }
}

void turn_add_delete(struct turn *turn, struct chat_call *call) {
    list_append(&turn->deletes, &call->node);
}
