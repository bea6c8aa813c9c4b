#include "generation.h"

#include "fetch.h"
#include "overflow.h"
#include "prefix.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES 256

/* The stop strings of the command, and those of the chat format, which end an answer just the same. */
static void init_piece(struct generation *generation, const struct chat_prompt *prompt) {
    const struct generate *generate = &generation->command->generate;
    const char *stop[STOP_STRINGS_MAX];
    size_t n = generate->n_stop;
    memcpy(stop, generate->stop, sizeof stop);
    for (size_t i = 0; i < prompt->n_stops && n < STOP_STRINGS_MAX; i++) {
        stop[n++] = prompt->stops[i];
    }
    piece_init(&generation->piece, stop, n);
}

static void check_fits(struct generation *generation, const struct model *model) {
    bool is_prompt_too_long = generation->n_conversation >= model->n_context;
    if (is_prompt_too_long || generation->n_prompt > model->n_context) {
        char text[FAULT_TEXT_BYTES];
        snprintf(text, sizeof text,
                 "the conversation has %d tokens and the context only %d: shorten it or load the model with "
                 "a larger "
                 "context",
                 generation->n_prompt, model->n_context);
        generation_fail(generation, ERROR_CONTEXT_FULL, text);
    } else if (generation->n_prompt == model->n_context && generation->reason == NULL) {
        generation->reason = "length"; /* the prefix is the answer that filled the context */
    }
}

static void prepare_prompt(struct generation *generation, const struct model *model) {
    const struct generate *generate = &generation->command->generate;
    struct overflow_prompt prompt;
    struct fault fault;
    enum status status = overflow_render(model, generate, &prompt, &fault);
    generation->prompt = prompt.tokens;
    generation->n_prompt = prompt.n_tokens;
    generation->n_dropped = (int)prompt.n_dropped;
    if (status) {
        generation_fail(generation, ERROR_BAD_REQUEST, fault.text);
    } else if (generation->prompt == NULL || generation->n_prompt == 0) {
        generation_fail(generation, ERROR_INTERNAL, "the prompt could not be turned into tokens");
    }
    generation->n_conversation = generation->n_prompt;
    init_piece(generation, &prompt.chat);
    chat_prompt_deinit(&prompt.chat);
    if (generation->reason == NULL) {
        prefix_take(generation, model);
    }
    check_fits(generation, model);
}

void generation_prepare(struct generation *generation, const struct model *model) {
    const struct generate *generate = &generation->command->generate;
    prepare_prompt(generation, model);
    generation->sampler = sampler_new(model, generate);
    for (int i = 0; i < generation->n_conversation; i++) {
        sampler_note_prompt(generation->sampler, generation->prompt[i]);
    }
    for (int i = generation->n_conversation; i < generation->n_prompt && !generation->is_replayed; i++) {
        sampler_note_said(generation->sampler, generation->prompt[i]);
    }
}

struct generation *generation_new(const struct model *model, struct command *command) {
    struct generation *generation = mem_alloc(sizeof *generation);
    generation->command = command;
    generation->is_draft = command->op == COMMAND_PREFILL;
    generation->queued_ns = clock_now_ns();
    generation->batch_output = -1;
    if (!generation->is_draft) {
        generation_prepare(generation, model);
    } else if (!model->can_cut) {
        generation->reason =
            "stop"; /* what is typed on could not use it, and the conversation would be lost */
    }
    return generation;
}

void generation_free(struct generation *generation) {
    fetch_free(generation->fetch);
    sampler_free(generation->sampler);
    if (generation->speculation) {
        speculation_deinit(generation->speculation);
        free(generation->speculation);
    }
    piece_deinit(&generation->piece);
    free(generation->prompt);
    command_free(generation->command);
    free(generation);
}

bool generation_is_in_decode(const struct generation *generation) {
    bool is_said_again = generation->state == GENERATION_PREFILL && generation->is_stepwise &&
                         generation->slot->n_tokens >= generation->n_conversation;
    return generation->state == GENERATION_DECODING || is_said_again;
}

int generation_count_reusable(const struct generation *generation) {
    return generation->is_replayed ? generation->n_conversation : generation->n_prompt;
}

void generation_fail(struct generation *generation, const char *code, const char *text) {
    if (generation->reason == NULL) {
        generation->reason = "error";
        engine_error_set(&generation->error, code, "%s", text);
    }
}

bool generation_add_bytes(struct generation *generation, const struct model *model, llama_token token) {
    struct piece *piece = &generation->piece;
    char buffer[PIECE_BYTES];
    int n = llama_token_to_piece(model->vocab, token, buffer, sizeof buffer, 0, false);
    if (n >= 0) {
        return piece_add(piece, buffer, (size_t)n);
    }
    char *large = mem_alloc((size_t)-n);
    n = llama_token_to_piece(model->vocab, token, large, -n, 0, false);
    bool stopped = piece_add(piece, large, n > 0 ? (size_t)n : 0);
    free(large);
    return stopped;
}

/* Why the generation ends with the token just sampled; NULL: it goes on. */
static const char *reason_to_end(const struct generation *generation, const struct model *model,
                                 bool stopped) {
    int max_tokens = generation->command->generate.max_tokens;
    if (stopped) {
        return "stop";
    }
    bool is_full = generation->n_prompt + generation->n_sampled >= model->n_context;
    return is_full || (max_tokens >= 0 && generation->n_sampled >= max_tokens) ? "length" : NULL;
}

void generation_sample(struct generation *generation) {
    generation->sampled = sampler_sample(generation->sampler, generation->batch_output);
}

void generation_replay(struct generation *generation) {
    llama_token token = generation->prompt[generation->slot->n_tokens];
    sampler_replay(generation->sampler, generation->batch_output, token);
}

void generation_say(struct generation *generation, const struct model *model, struct events *events,
                    uint64_t t_ns) {
    struct piece *piece = &generation->piece;
    llama_token token = generation->sampled;
    generation->first_ns = generation->first_ns ? generation->first_ns : t_ns;
    if (model_is_end_token(model, token)) {
        generation_flush(generation, events);
        generation->reason = "stop";
        return;
    }
    generation->last = token;
    generation->n_sampled++;
    bool stopped = generation_add_bytes(generation, model, token);
    generation->reason = reason_to_end(generation, model, stopped);
    if (generation->reason && !stopped) {
        piece_finish(piece);
    }
    LOG_TRACE("[ENGINE]", "token #%d sampled id=%s tok=%d t_ns=%llu", generation->n_sampled,
              generation->command->id, token, (unsigned long long)t_ns);
    events_step_add(events, generation->command->id, token, piece->text.data, piece->text.size);
}

void generation_flush(struct generation *generation, struct events *events) {
    struct piece *piece = &generation->piece;
    piece_clear_text(piece);
    piece_finish(piece);
    if (piece->text.size > 0) {
        events_step_add(events, generation->command->id, -1, piece->text.data, piece->text.size);
    }
}

static double ms_between(uint64_t from_ns, uint64_t to_ns) {
    return from_ns && to_ns > from_ns ? (double)(to_ns - from_ns) / 1e6 : 0;
}

void generation_report(const struct generation *generation, struct events *events) {
    uint64_t now = clock_now_ns();
    uint64_t started = generation->started_ns ? generation->started_ns : now;
    uint64_t first = generation->first_ns ? generation->first_ns : now;
    const struct end_report report = {
        .reason = generation->reason,
        .error = strcmp(generation->reason, "error") == 0 ? &generation->error : NULL,
        .n_prompt = generation->n_prompt,
        .n_cached = generation->n_cached,
        .n_dropped = generation->n_dropped,
        .n_completion = generation->n_sampled,
        .queued_ms = ms_between(generation->queued_ns, started),
        .prefill_ms = ms_between(generation->started_ns, first),
        .decode_ms = ms_between(generation->first_ns, now),
    };
    events_end(events, generation->command->id, &report);
}
