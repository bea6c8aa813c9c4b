#include "sampler.h"

#include "candidates.h"
#include "draw.h"

#include "base/id.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define TOP_K_MAX       256 /* beyond it the heap is no gain over the library's own selection */
#define MIN_KEEP        1
#define SAID_TOKENS_MAX (1u << 26)
#define BIASES_MAX      (1u << 24)

/* The tokens of the answer, each once, and how often it was said. */
struct said {
    llama_token *tokens;
    uint32_t *counts;
    size_t n;
    size_t capacity;
};

/* What the command says, with the tokens of its texts in their place, and without what the model does not have. */
struct biases {
    struct token_bias *items;
    size_t n;
    size_t capacity;
};

struct sampler {
    const struct model *model;
    const struct generate *generate;
    struct llama_sampler *chain; /* the cutters; NULL: greedy */
    llama_token_data *candidates;
    size_t top_k; /* how many candidates are taken; 0: all */
    uint64_t seed;
    uint64_t place; /* of the next token in the answer: the prefix counts */
    struct draw_mirostat mirostat;
    llama_token recent[SAMPLER_RECENT_TOKENS];
    size_t n_recent;
    size_t next_recent;
    struct biases biases;
    struct said said;
    struct constraint *constraint;       /* NULL: none */
    bool is_stuck;                       /* what was said does not fit it */
    struct probabilities *probabilities; /* NULL: they are not wanted */
};

static void add(struct sampler *sampler, struct llama_sampler *stage) {
    llama_sampler_chain_add(sampler->chain, stage);
}

static void add_top_k(struct sampler *sampler, const struct sampling *sampling) {
    if (sampling->top_k > 0 && sampling->top_k <= TOP_K_MAX) {
        sampler->top_k = (size_t)sampling->top_k;
    } else if (sampling->top_k > 0) {
        add(sampler, llama_sampler_init_top_k(sampling->top_k));
    }
}

static void add_top_p(struct sampler *sampler, const struct sampling *sampling) {
    if (sampling->top_p < 1.0) {
        add(sampler, llama_sampler_init_top_p((float)sampling->top_p, MIN_KEEP));
    }
}

/* Cheap cutters first: what remains after top_k is a handful. */
static void build_chain(struct sampler *sampler, const struct sampling *sampling) {
    struct llama_sampler_chain_params params = llama_sampler_chain_default_params();
    params.no_perf = true;
    sampler->chain = llama_sampler_chain_init(params);
    if (sampling->type == SAMPLER_TOP_K || sampling->type == SAMPLER_CHAIN_FULL) {
        add_top_k(sampler, sampling);
    }
    if (sampling->type == SAMPLER_TOP_P || sampling->type == SAMPLER_CHAIN_FULL) {
        add_top_p(sampler, sampling);
    }
    if (sampling->type == SAMPLER_CHAIN_FULL && sampling->min_p > 0) {
        add(sampler, llama_sampler_init_min_p((float)sampling->min_p, MIN_KEEP));
    }
    add(sampler, llama_sampler_init_temp((float)sampling->temperature));
}

static bool is_greedy(const struct sampling *sampling) {
    return sampling->type == SAMPLER_GREEDY || sampling->temperature <= 0;
}

bool sampler_is_repeatable(const struct sampling *sampling) {
    return is_greedy(sampling) || sampling->seed >= 0;
}

bool sampler_needs_replay(const struct sampling *sampling) {
    return sampling->type == SAMPLER_MIROSTAT && !is_greedy(sampling);
}

static void add_bias(struct sampler *sampler, llama_token token, float bias) {
    struct biases *biases = &sampler->biases;
    if (token < sampler->model->n_vocab) {
        biases->items =
            mem_grow_array(biases->items, biases->n, &biases->capacity, sizeof *biases->items, BIASES_MAX);
        biases->items[biases->n++] = (struct token_bias){ .token = token, .bias = bias };
    }
}

static void take_biases(struct sampler *sampler, const struct sampling *sampling) {
    for (size_t i = 0; i < sampling->n_biases; i++) {
        const struct token_bias *bias = &sampling->biases[i];
        llama_token *tokens = NULL;
        int n = 0;
        if (bias->text) {
            tokens = model_tokenize(sampler->model, bias->text, strlen(bias->text), false, false, &n);
        } else {
            add_bias(sampler, bias->token, bias->bias);
        }
        for (int at = 0; at < n; at++) {
            add_bias(sampler, tokens[at], bias->bias);
        }
        free(tokens);
    }
}

struct sampler *sampler_new(const struct model *model, const struct generate *generate,
                            struct constraint *constraint) {
    struct sampler *sampler = mem_alloc(sizeof *sampler);
    const struct sampling *sampling = &generate->sampling;
    sampler->model = model;
    sampler->generate = generate;
    sampler->constraint = constraint;
    take_biases(sampler, sampling);
    sampler->probabilities =
        generate->n_logprobs >= 0 ? probabilities_new(model->n_vocab, generate->n_logprobs) : NULL;
    sampler->seed = sampling->seed < 0 ? id_make_u64() : (uint64_t)sampling->seed;
    sampler->mirostat = (struct draw_mirostat){ .tau = sampling->mirostat_tau,
                                                .eta = sampling->mirostat_eta,
                                                .limit = 2 * sampling->mirostat_tau };
    if (!is_greedy(sampling)) {
        build_chain(sampler, sampling);
        size_t n_max = sampler->top_k ? sampler->top_k : (size_t)model->n_vocab;
        sampler->candidates = mem_alloc(n_max * sizeof *sampler->candidates);
    }
    return sampler;
}

void sampler_free(struct sampler *sampler) {
    if (sampler) {
        if (sampler->chain) {
            llama_sampler_free(sampler->chain);
        }
        constraint_free(sampler->constraint);
        probabilities_free(sampler->probabilities);
        free(sampler->candidates);
        free(sampler->biases.items);
        free(sampler->said.tokens);
        free(sampler->said.counts);
        free(sampler);
    }
}

static void count(struct said *said, llama_token token) {
    for (size_t i = 0; i < said->n; i++) {
        if (said->tokens[i] == token) {
            said->counts[i]++;
            return;
        }
    }
    size_t capacity = said->capacity;
    said->tokens = mem_grow_array(said->tokens, said->n, &capacity, sizeof *said->tokens, SAID_TOKENS_MAX);
    said->counts =
        mem_grow_array(said->counts, said->n, &said->capacity, sizeof *said->counts, SAID_TOKENS_MAX);
    said->tokens[said->n] = token;
    said->counts[said->n++] = 1;
}

static bool counts_tokens(const struct sampler *sampler) {
    const struct sampling *sampling = &sampler->generate->sampling;
    return sampling->frequency_penalty != 0 || sampling->presence_penalty != 0;
}

void sampler_note_prompt(struct sampler *sampler, llama_token token) {
    sampler->recent[sampler->next_recent] = token;
    sampler->next_recent = (sampler->next_recent + 1) % SAMPLER_RECENT_TOKENS;
    sampler->n_recent += sampler->n_recent < SAMPLER_RECENT_TOKENS;
}

void sampler_note_said(struct sampler *sampler, llama_token token) {
    sampler_note_prompt(sampler, token);
    sampler->place++;
    if (counts_tokens(sampler)) {
        count(&sampler->said, token);
    }
    if (sampler->constraint && !model_is_end_token(sampler->model, token)) {
        sampler->is_stuck = !constraint_take(sampler->constraint, token) || sampler->is_stuck;
    }
}

/* The logits at `index` with all that is added to and taken from them. */
static float *prepare_logits(struct sampler *sampler, int index) {
    const struct model *model = sampler->model;
    const struct sampling *sampling = &sampler->generate->sampling;
    float *logits = llama_get_logits_ith(model->context, index);
    for (size_t i = 0; i < sampler->biases.n; i++) {
        logits[sampler->biases.items[i].token] += sampler->biases.items[i].bias;
    }
    if (sampling->repeat_penalty != 1.0) {
        candidates_penalize(logits, model->n_vocab, sampler->recent, sampler->n_recent,
                            (float)sampling->repeat_penalty);
    }
    candidates_lower(logits, model->n_vocab, sampler->said.tokens, sampler->said.counts, sampler->said.n,
                     (float)sampling->frequency_penalty, (float)sampling->presence_penalty);
    if (sampler->generate->ignore_eos) {
        candidates_forbid(logits, model->n_vocab, model->end_tokens, (size_t)model->n_end_tokens);
    }
    return logits;
}

/* What the cutters leave, at the front of the candidates; returns how many. */
static size_t cut(struct sampler *sampler, const float *logits) {
    int n_vocab = sampler->model->n_vocab;
    llama_token_data_array array = { .data = sampler->candidates,
                                     .selected = -1,
                                     .sorted = sampler->top_k > 0 };
    array.size = sampler->top_k ? candidates_take_top(logits, n_vocab, sampler->top_k, sampler->candidates)
                                : candidates_take_all(logits, n_vocab, sampler->candidates);
    llama_sampler_apply(sampler->chain, &array);
    return array.size;
}

static llama_token draw(struct sampler *sampler, const float *logits, unsigned attempt) {
    llama_token_data *candidates = sampler->candidates;
    double uniform = draw_uniform(sampler->seed, sampler->place, attempt);
    size_t n = cut(sampler, logits);
    if (!sampler_needs_replay(&sampler->generate->sampling)) {
        return candidates[draw_pick(candidates, n, uniform)].id;
    }
    n = draw_mirostat_cut(&sampler->mirostat, candidates, n);
    llama_token token = candidates[draw_pick(candidates, n, uniform)].id;
    draw_mirostat_note(&sampler->mirostat, candidates, n, token);
    return token;
}

static llama_token pick(struct sampler *sampler, const float *logits, unsigned attempt) {
    return sampler->chain ? draw(sampler, logits, attempt) : candidates_best(logits, sampler->model->n_vocab);
}

llama_token sampler_sample(struct sampler *sampler, int index) {
    if (sampler->probabilities) {
        probabilities_take(sampler->probabilities, llama_get_logits_ith(sampler->model->context, index));
    }
    float *logits = prepare_logits(sampler, index);
    struct draw_mirostat before = sampler->mirostat;
    if (sampler->is_stuck) {
        return LLAMA_TOKEN_NULL;
    }
    llama_token token = pick(sampler, logits, 0);
    if (sampler->constraint && !constraint_allows(sampler->constraint, token)) {
        sampler->mirostat = before;
        if (constraint_mask(sampler->constraint, logits) == 0) {
            return LLAMA_TOKEN_NULL;
        }
        token = pick(sampler, logits, 1);
    }
    sampler_note_said(sampler, token);
    return token;
}

const struct probabilities *sampler_probabilities(const struct sampler *sampler) {
    return sampler->probabilities;
}

bool sampler_may_end(const struct sampler *sampler) {
    return !sampler->is_stuck && constraint_may_end(sampler->constraint);
}

void sampler_replay(struct sampler *sampler, int index, llama_token token) {
    if (sampler_needs_replay(&sampler->generate->sampling)) {
        size_t n = cut(sampler, prepare_logits(sampler, index));
        n = draw_mirostat_cut(&sampler->mirostat, sampler->candidates, n);
        draw_mirostat_note(&sampler->mirostat, sampler->candidates, n, token);
    }
    sampler_note_said(sampler, token);
}
