#include "generation.h"

#include "fetch.h"
#include "overflow.h"
#include "prefix.h"
#include "raw_prompt.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define TOKEN_BYTES_MAX (1u << 20)

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

/* How the answer is read, and what it has to fit. */
static enum status prepare_answer(struct generation *generation, const struct model *model,
                                  struct chat_prompt *prompt, struct fault *fault) {
    model_find_tokens(model, prompt->words, prompt->n_words, &generation->words);
    /* A text of an earlier run is the content alone, whatever was said around it. */
    if (generation->command->generate.prefix_text == NULL) {
        generation->parser = prompt->parser;
        prompt->parser = NULL;
    }
    return prompt->grammar ? constraint_new(model, prompt, &generation->words, &generation->constraint, fault)
                           : STATUS_OK;
}

static void prepare_prompt(struct generation *generation, const struct model *model) {
    const struct generate *generate = &generation->command->generate;
    struct overflow_prompt prompt;
    struct fault fault;
    enum status status = overflow_render(model, generate, &prompt, &fault);
    if (status == STATUS_OK) {
        status = prepare_answer(generation, model, &prompt.chat, &fault);
    }
    generation->prompt = prompt.tokens;
    generation->n_prompt = prompt.n_tokens;
    generation->n_dropped = (int)prompt.n_dropped;
    if (status) {
        generation_fail(generation, status == STATUS_UNAVAILABLE ? ERROR_NOT_SUPPORTED : ERROR_BAD_REQUEST,
                        fault.text);
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
    generation->sampler = sampler_new(model, generate, generation->constraint);
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
    chat_parser_free(generation->parser);
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
    struct bytes bytes;
    bytes_init(&bytes, TOKEN_BYTES_MAX);
    model_add_piece(model, token, model_has_token(&generation->words, token), &bytes);
    bool stopped = piece_add(&generation->piece, bytes.data, bytes.size);
    bytes_deinit(&bytes);
    return stopped;
}

/* ---- From text to items ---- */

struct saying {
    const char *id;
    struct events *events; /* NULL: it was said before */
    int token;             /* of the first item */
    size_t n_items;
    const char *probabilities; /* of the token, told with its first item; NULL: none */
};

static void say_item(struct saying *saying, struct step_item *item) {
    item->id = saying->id;
    item->token = saying->n_items == 0 ? saying->token : -1;
    item->probabilities = saying->n_items == 0 ? saying->probabilities : NULL;
    saying->n_items++;
    if (saying->events) {
        events_step_add(saying->events, item);
    }
}

static void on_part(void *ctx, const struct chat_part *part) {
    static const enum item_kind kinds[] = {
        [CHAT_PART_CONTENT] = ITEM_TEXT, [CHAT_PART_REASONING] = ITEM_REASONING, [CHAT_PART_TOOL] = ITEM_TOOL
    };
    say_item(ctx, &(struct step_item){ .kind = kinds[part->kind],
                                       .text = part->text,
                                       .size = part->size,
                                       .index = part->index,
                                       .call_id = part->id,
                                       .name = part->name });
}

/* What is in `piece.text`, in as many items as it says kinds of things. A token is an item also when it says nothing. */
static void say_piece(struct generation *generation, struct saying *saying, bool is_last) {
    const struct bytes *text = &generation->piece.text;
    if (generation->parser) {
        chat_parser_add(generation->parser, text->size ? text->data : "", text->size, is_last, on_part,
                        saying);
    } else if (text->size > 0) {
        say_item(saying, &(struct step_item){ .text = text->data, .size = text->size });
    }
    if (saying->n_items == 0 && saying->token >= 0) {
        say_item(saying, &(struct step_item){ .text = "" });
    }
    generation->is_flushed = generation->is_flushed || is_last;
}

size_t generation_take_said(struct generation *generation, bool is_last) {
    struct saying saying = { .id = generation->command->id, .token = -1 };
    say_piece(generation, &saying, is_last);
    generation->is_flushed = false;
    return saying.n_items;
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

/* No token fits the constraint: the answer is whole, or cannot be made. */
static void end_stuck(struct generation *generation, struct events *events) {
    generation_flush(generation, events);
    if (sampler_may_end(generation->sampler)) {
        generation->reason = "stop";
    } else {
        generation_fail(
            generation, ERROR_INTERNAL,
            "nothing that the model can say fits the grammar, or it is too much work: make it simpler");
    }
}

void generation_say(struct generation *generation, const struct model *model, struct events *events,
                    uint64_t t_ns) {
    struct piece *piece = &generation->piece;
    llama_token token = generation->sampled;
    generation->first_ns = generation->first_ns ? generation->first_ns : t_ns;
    if (token == LLAMA_TOKEN_NULL) {
        end_stuck(generation, events);
        return;
    }
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
    struct saying saying = { .id = generation->command->id, .events = events, .token = token };
    struct bytes probabilities;
    bytes_init(&probabilities, TOKEN_BYTES_MAX);
    if (sampler_probabilities(generation->sampler)) {
        probabilities_add(sampler_probabilities(generation->sampler), model, token, &probabilities);
        saying.probabilities = probabilities.data;
    }
    say_piece(generation, &saying, generation->reason != NULL);
    bytes_deinit(&probabilities);
}

void generation_flush(struct generation *generation, struct events *events) {
    if (generation->is_flushed) {
        return;
    }
    struct saying saying = { .id = generation->command->id, .events = events, .token = -1 };
    piece_clear_text(&generation->piece);
    piece_finish(&generation->piece);
    say_piece(generation, &saying, true);
}

static double ms_between(uint64_t from_ns, uint64_t to_ns) {
    return from_ns && to_ns > from_ns ? (double)(to_ns - from_ns) / 1e6 : 0;
}

void generation_report(const struct generation *generation, const struct model *model,
                       struct events *events) {
    uint64_t now = clock_now_ns();
    uint64_t started = generation->started_ns ? generation->started_ns : now;
    uint64_t first = generation->first_ns ? generation->first_ns : now;
    /* What the server has is no text. */
    char *prompt = generation->command->generate.made_prompt
                       ? raw_prompt_text(model, generation->prompt, generation->n_conversation)
                       : NULL;
    const struct end_report report = {
        .reason = generation->reason,
        .error = strcmp(generation->reason, "error") == 0 ? &generation->error : NULL,
        .n_prompt = generation->n_prompt,
        .n_cached = generation->n_cached,
        .n_dropped = generation->n_dropped,
        .n_completion = generation->n_sampled,
        .stop = stop_matcher_found(&generation->piece.stops, generation->command->generate.n_stop),
        .prompt = prompt,
        .queued_ms = ms_between(generation->queued_ns, started),
        .prefill_ms = ms_between(generation->started_ns, first),
        .decode_ms = ms_between(generation->first_ns, now),
    };
    events_end(events, generation->command->id, &report);
    free(prompt);
}
