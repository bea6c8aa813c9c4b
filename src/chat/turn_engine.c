/* turn_engine.c - what the engine says about the answers that it makes, and how tokens get to the watchers by way of the store. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "chat/models_internal.h"
#include "chat/turn_internal.h"

#include <stdlib.h>
#include <string.h>

/* Events that are decoded and not committed: beyond the first number the engine is not read any more, below the second it is
 * again (P8). */
#define TURN_UNCOMMITTED_MAX 1024
#define TURN_UNCOMMITTED_LOW 256

#define STEP_PIECES_MAX 256

/* What one decode step said, until it is committed; its pieces and their text lie behind it. */
struct step_piece {
    struct turn *turn;
    uint64_t seq;
    int32_t token;
    enum store_event_kind kind;
    uint32_t text_offset;
    uint32_t text_size;
    char *probabilities; /* NULL: none */
};

struct step {
    struct chat *chat;
    uint64_t sampled_ns; /* by the engine's clock, which is this machine's */
    size_t n_pieces;
    struct step_piece *pieces;
    char *text;
    size_t text_size;
};

static void on_state(void *ctx, struct engine *engine) {
    struct chat *chat = ctx;
    /* An engine that was let go says its last words: nobody waits for it. */
    if (!models_has(chat->models, engine)) {
        return;
    }
    if (engine_state(engine) == ENGINE_READY) {
        models_on_ready(chat->models, engine);
        chat_on_model_ready(chat, engine_model_path(engine));
    }
    turns_advance(chat);
    models_tell(chat->models);
}

static void on_queued(void *ctx, const char *id, uint32_t position) {
    struct turn *turn = turn_find(ctx, id);
    if (turn) {
        conversation_set_phase(turn->conversation,
                               &(struct phase){ .kind = PHASE_QUEUED, .position = position });
    }
}

static void on_dropped(void *ctx, const char *id, uint32_t n_messages) {
    struct turn *turn = turn_find(ctx, id);
    if (turn) {
        turn->n_dropped = n_messages;
    }
}

static void on_prefill(void *ctx, const char *id, uint32_t done, uint32_t total, uint32_t cached) {
    struct turn *turn = turn_find(ctx, id);
    if (turn) {
        turn->answer->stream->n_prompt_tokens = total;
        conversation_set_phase(turn->conversation, &(struct phase){ .kind = PHASE_PREFILL,
                                                                    .done = done,
                                                                    .total = total,
                                                                    .cached = cached,
                                                                    .dropped = turn->n_dropped });
    }
}

void turns_hold_back(struct chat *chat) {
    size_t pending = store_pending(chat->store);
    if (pending > TURN_UNCOMMITTED_MAX) {
        models_pause(chat->models, true);
    } else if (pending < TURN_UNCOMMITTED_LOW) {
        models_pause(chat->models, false);
    }
}

/* The store could not take an event: nothing more of this generation can be shown. */
static void fail_store(struct turn *turn) {
    if (turn->store_failed || turn->state != TURN_RUNNING) {
        return;
    }
    turn->store_failed = true;
    LOG_ERROR("turn_store_failed", "generation=%s", turn_generation_id(turn));
    engine_cancel(turn->engine, turn_generation_id(turn));
}

static enum status append(struct stream *stream, const struct step_piece *piece, const char *text) {
    return piece->kind == STORE_EVENT_TOKEN
               ? stream_append(stream, piece->seq, piece->token, text, piece->text_size)
               : stream_append_other(stream, piece->seq, piece->token, piece->kind, text, piece->text_size);
}

static void commit_piece(const struct step *step, const struct step_piece *piece) {
    struct turn *turn = piece->turn;
    const char *text = step->text + piece->text_offset;
    uint64_t now_ns = clock_now_ns();
    struct stream *stream = turn->answer->stream;
    uint64_t seq = piece->seq;
    if (append(stream, piece, text) != STATUS_OK) {
        fail_store(turn);
        return;
    }
    stream->stations =
        (struct stream_stations){ .seq = seq, .sampled_ns = step->sampled_ns, .committed_ns = now_ns };
    if (piece->probabilities) {
        stream_note(stream, piece->probabilities);
    }
    LOG_DEBUG("[GENERATION]", "token #%llu committed seq=%llu generation=%s t_ns=%llu",
              (unsigned long long)stream->n_tokens, (unsigned long long)seq, stream->id,
              (unsigned long long)now_ns);
    if (piece->token >= 0) {
        figures_add_token(&turn->chat->figures, &turn->clock, now_ns);
    }
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
        commit_piece(step, &step->pieces[i]);
    }
    for (size_t i = 0; status == STATUS_OK && i < step->n_pieces; i++) {
        conversation_notify(step->pieces[i].turn->conversation);
    }
    for (size_t i = 0; i < step->n_pieces; i++) {
        free(step->pieces[i].probabilities);
    }
    free(step);
}

/* No text may pass the stream's limit; the engine is told, and on_end names the reason. */
static bool has_room(struct turn *turn, size_t text_size) {
    if (turn->text_size + text_size <= STREAM_TEXT_BYTES_MAX) {
        return true;
    }
    turn->is_full = true;
    engine_cancel(turn->engine, turn_generation_id(turn));
    return false;
}

static const enum store_event_kind event_kinds[] = { [ENGINE_PIECE_TEXT] = STORE_EVENT_TOKEN,
                                                     [ENGINE_PIECE_REASONING] = STORE_EVENT_REASONING,
                                                     [ENGINE_PIECE_TOOL] = STORE_EVENT_TOOL };

static void add_piece(struct step *step, struct turn *turn, const struct engine_piece *piece) {
    memcpy(step->text + step->text_size, piece->text, piece->text_size);
    step->pieces[step->n_pieces++] = (struct step_piece){
        .turn = turn,
        .seq = ++turn->seq,
        .token = piece->token,
        .kind = event_kinds[piece->kind],
        .text_offset = (uint32_t)step->text_size,
        .text_size = (uint32_t)piece->text_size,
        .probabilities = piece->probabilities ? mem_copy_string(piece->probabilities) : NULL,
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
        if (turn == NULL) {
            titles_on_piece(chat, &pieces[i]);
        }
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
    step->sampled_ns = t_ns;
    struct store_token tokens[STEP_PIECES_MAX];
    for (size_t i = 0; i < step->n_pieces; i++) {
        const struct step_piece *piece = &step->pieces[i];
        tokens[i] = (struct store_token){
            .generation_key = piece->turn->answer->stream->key,
            .seq = piece->seq,
            .token = piece->token,
            .kind = piece->kind,
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

static void on_answer(void *ctx, const char *id, const json_t *answer) {
    ask_answer(ctx, id, answer);
}

static void on_end(void *ctx, const char *id, const struct engine_end *end) {
    struct turn *turn = turn_find(ctx, id);
    if (turn == NULL) {
        titles_on_end(ctx, id, end);
        ask_fail(ctx, id, end->error_code, end->error_text);
        turns_advance(ctx); /* its engine may be the room that one waits for */
    }
    if (turn == NULL || turn->state != TURN_RUNNING) {
        return;
    }
    const char *reason = end->reason;
    const char *text = end->error_text ? end->error_text : "";
    /* Whoever asked for the end names it, also when the engine died meanwhile; an answer that was complete stays complete. */
    bool was_cut = strcmp(reason, "cancelled") == 0 || strcmp(reason, "interrupted") == 0;
    if (was_cut && turn->is_full) {
        reason = "length";
    } else if (was_cut && turn->fate == TURN_FATE_CANCELLED) {
        reason = "cancelled";
    } else if (was_cut && turn->fate == TURN_FATE_UNLOADED) {
        text = TURN_UNLOADED_FAULT;
    }
    bool has_error = end->error_code && strcmp(reason, "cancelled") != 0;
    json_t *error = has_error ? turn_error(end->error_code, text) : NULL;
    json_t *usage = end->usage ? json_deep_copy(end->usage) : NULL;
    json_t *timings = end->timings ? json_deep_copy(end->timings) : NULL;
    /* It died, or was killed because it hung or talked nonsense; an engine that was let go is "engine_stopped". */
    bool has_died = end->error_code && strcmp(end->error_code, "engine_died") == 0;
    if (has_died && strcmp(reason, "interrupted") == 0) {
        turn_interrupt(turn, error, usage, timings);
    } else {
        turn_end(turn, reason, error, usage, timings);
    }
}

const struct engine_handlers turn_engine_handlers = {
    .on_state = on_state,
    .on_queued = on_queued,
    .on_dropped = on_dropped,
    .on_prefill = on_prefill,
    .on_step = on_step,
    .on_end = on_end,
    .on_answer = on_answer,
};
