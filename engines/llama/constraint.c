#include "constraint.h"

#include "common/grammar_match.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_MAX (1u << 28)

/* The vocabulary as texts, in the order of grammar_words_sort. */
struct model_words {
    struct grammar_word *words;
    size_t n;
    struct bytes text;
};

struct constraint {
    const struct model *model;
    struct grammar *grammar;
    struct grammar_match *match;
    struct model_tokens words; /* special tokens that count as text */
    struct trigger *trigger;   /* NULL: the grammar holds */
    bool *fits;                /* by token, for one mask */
};

struct model_words *constraint_new_words(void) {
    struct model_words *words = mem_alloc(sizeof *words);
    bytes_init(&words->text, TEXT_BYTES_MAX);
    return words;
}

void constraint_free_words(struct model_words *words) {
    if (words) {
        free(words->words);
        bytes_deinit(&words->text);
        free(words);
    }
}

static void make_words(const struct model *model) {
    struct model_words *words = model->words;
    if (words->words) {
        return;
    }
    words->n = (size_t)model->n_vocab;
    words->words = mem_alloc(words->n * sizeof *words->words);
    for (llama_token token = 0; token < model->n_vocab; token++) {
        size_t from = words->text.size;
        model_add_piece(model, token, false, &words->text);
        words->words[token] =
            (struct grammar_word){ .size = (uint32_t)(words->text.size - from), .token = token };
    }
    size_t at = 0; /* the text does not move any more */
    for (size_t i = 0; i < words->n; i++) {
        words->words[i].bytes = words->text.data + at;
        at += words->words[i].size;
    }
    grammar_words_sort(words->words, words->n);
}

enum status constraint_new(const struct model *model, const struct chat_prompt *prompt,
                           const struct model_tokens *words, struct constraint **out, struct fault *fault) {
    const char *grammar = prompt->grammar;
    const char *begin = prompt->n_triggers > 0 ? "" : prompt->grammar_begin;
    *out = NULL;
    struct constraint *constraint = mem_alloc(sizeof *constraint);
    constraint->model = model;
    constraint->words = *words;
    enum status status = grammar_new(grammar, strlen(grammar), &constraint->grammar, fault);
    if (status == STATUS_OK && grammar_match_new(constraint->grammar, &constraint->match)) {
        status = fault_set(fault, STATUS_TOO_LARGE, "the grammar is too much work: make it less ambiguous");
    }
    if (status == STATUS_OK && grammar_match_take(constraint->match, begin, strlen(begin))) {
        status = fault_set(fault, STATUS_INVALID, "the grammar does not fit the model's chat template");
    }
    if (status) {
        constraint_free(constraint);
        return status;
    }
    if (prompt->n_triggers > 0) {
        constraint->trigger = trigger_new(prompt->triggers, prompt->n_triggers, prompt->is_thinking);
    }
    constraint->fits = mem_alloc((size_t)model->n_vocab * sizeof *constraint->fits);
    *out = constraint;
    return STATUS_OK;
}

void constraint_free(struct constraint *constraint) {
    if (constraint) {
        grammar_match_free(constraint->match);
        grammar_free(constraint->grammar);
        free(constraint->fits);
        trigger_free(constraint->trigger);
        free(constraint);
    }
}

static void add_text(const struct constraint *constraint, llama_token token, struct bytes *text) {
    bytes_init(text, TEXT_BYTES_MAX);
    model_add_piece(constraint->model, token, model_has_token(&constraint->words, token), text);
}

/* Calls with the text of a token; a token without one never fits. */
static bool ask(const struct constraint *constraint, llama_token token,
                bool (*question)(struct grammar_match *match, const char *bytes, size_t n)) {
    struct bytes text;
    add_text(constraint, token, &text);
    bool answer = text.size > 0 && question(constraint->match, text.data, text.size);
    bytes_deinit(&text);
    return answer;
}

static bool take(struct grammar_match *match, const char *bytes, size_t n) {
    return grammar_match_take(match, bytes, n) == STATUS_OK;
}

/* The grammar takes what begins a call. */
static void watch(struct constraint *constraint, llama_token token) {
    struct bytes text;
    size_t n = 0;
    add_text(constraint, token, &text);
    const char *call = text.size > 0 ? trigger_take(constraint->trigger, text.data, text.size, &n) : NULL;
    while (call && !take(constraint->match, call, n)) {
        call = trigger_refuse(constraint->trigger, &n);
    }
    if (call) {
        trigger_free(constraint->trigger);
        constraint->trigger = NULL;
    }
    bytes_deinit(&text);
}

bool constraint_allows(struct constraint *constraint, llama_token token) {
    if (constraint->trigger) {
        return true;
    }
    return model_is_end_token(constraint->model, token) ? grammar_match_may_end(constraint->match)
                                                        : ask(constraint, token, grammar_match_fits);
}

static void look_at_all(struct constraint *constraint) {
    const struct model *model = constraint->model;
    make_words(model);
    memset(constraint->fits, 0, (size_t)model->n_vocab * sizeof *constraint->fits);
    grammar_match_filter(constraint->match, model->words->words, model->words->n, constraint->fits);
    for (size_t i = 0; i < constraint->words.n; i++) {
        llama_token token = constraint->words.tokens[i];
        constraint->fits[token] = ask(constraint, token, grammar_match_fits);
    }
    for (int i = 0; i < model->n_end_tokens; i++) {
        constraint->fits[model->end_tokens[i]] = grammar_match_may_end(constraint->match);
    }
}

int constraint_mask(struct constraint *constraint, float *logits) {
    int n_left = 0;
    look_at_all(constraint);
    for (int token = 0; token < constraint->model->n_vocab; token++) {
        if (!constraint->fits[token]) {
            logits[token] = -INFINITY;
        }
        n_left += logits[token] > -INFINITY;
    }
    return n_left;
}

bool constraint_take(struct constraint *constraint, llama_token token) {
    if (constraint->trigger) {
        watch(constraint, token);
        return !grammar_match_has_failed(constraint->match);
    }
    return ask(constraint, token, take) && !grammar_match_has_failed(constraint->match);
}

bool constraint_may_end(const struct constraint *constraint) {
    return constraint->trigger || grammar_match_may_end(constraint->match);
}
