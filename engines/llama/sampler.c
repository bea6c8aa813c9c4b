#include "sampler.h"

#include "candidates.h"

#include "base/id.h"
#include "base/mem.h"

#include <stdlib.h>

#define TOP_K_MAX 256 /* beyond it the heap is no gain over the library's own selection */
#define MIN_KEEP  1

struct sampler {
    const struct model *model;
    struct llama_sampler *chain; /* NULL: greedy */
    llama_token_data *candidates;
    size_t top_k; /* how many candidates are taken; 0: all */
    float penalty;
    bool ignore_eos;
    llama_token recent[SAMPLER_RECENT_TOKENS];
    size_t n_recent;
    size_t next_recent;
};

static uint32_t choose_seed(int64_t seed) {
    uint64_t wide = seed < 0 ? id_make_u64() : (uint64_t)seed;
    uint32_t narrow = (uint32_t)(wide ^ (wide >> 32));
    /* The library takes this one number for "choose yourself". */
    return narrow == LLAMA_DEFAULT_SEED ? 0 : narrow;
}

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
    uint32_t seed = choose_seed(sampling->seed);
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
    if (sampling->type == SAMPLER_MIROSTAT) {
        add(sampler, llama_sampler_init_mirostat_v2(seed, (float)sampling->mirostat_tau,
                                                    (float)sampling->mirostat_eta));
    } else {
        add(sampler, llama_sampler_init_dist(seed));
    }
}

bool sampler_is_greedy(const struct sampling *sampling) {
    return sampling->type == SAMPLER_GREEDY || sampling->temperature <= 0;
}

struct sampler *sampler_new(const struct model *model, const struct sampling *sampling, bool ignore_eos) {
    struct sampler *sampler = mem_alloc(sizeof *sampler);
    sampler->model = model;
    sampler->penalty = (float)sampling->repeat_penalty;
    sampler->ignore_eos = ignore_eos;
    if (!sampler_is_greedy(sampling)) {
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
        free(sampler->candidates);
        free(sampler);
    }
}

void sampler_note_token(struct sampler *sampler, llama_token token) {
    sampler->recent[sampler->next_recent] = token;
    sampler->next_recent = (sampler->next_recent + 1) % SAMPLER_RECENT_TOKENS;
    sampler->n_recent += sampler->n_recent < SAMPLER_RECENT_TOKENS;
}

static llama_token draw(struct sampler *sampler, const float *logits) {
    int n_vocab = sampler->model->n_vocab;
    llama_token_data_array candidates = { .data = sampler->candidates,
                                          .selected = -1,
                                          .sorted = sampler->top_k > 0 };
    candidates.size = sampler->top_k
                          ? candidates_take_top(logits, n_vocab, sampler->top_k, sampler->candidates)
                          : candidates_take_all(logits, n_vocab, sampler->candidates);
    llama_sampler_apply(sampler->chain, &candidates);
    llama_token token = candidates.data[candidates.selected >= 0 ? candidates.selected : 0].id;
    llama_sampler_accept(sampler->chain, token);
    return token;
}

static llama_token pick(struct sampler *sampler, int index) {
    const struct model *model = sampler->model;
    float *logits = llama_get_logits_ith(model->context, index);
    if (sampler->penalty != 1.0f) {
        candidates_penalize(logits, model->n_vocab, sampler->recent, sampler->n_recent, sampler->penalty);
    }
    if (sampler->ignore_eos) {
        candidates_forbid(logits, model->n_vocab, model->end_tokens, (size_t)model->n_end_tokens);
    }
    return sampler->chain ? draw(sampler, logits) : candidates_best(logits, model->n_vocab);
}

llama_token sampler_sample(struct sampler *sampler, int index) {
    llama_token token = pick(sampler, index);
    sampler_note_token(sampler, token);
    return token;
}

void sampler_replay(struct sampler *sampler, int index, llama_token token) {
    pick(sampler, index);
    sampler_note_token(sampler, token);
}
