/* slots.h - the sequences of the KV cache: which tokens each holds, and what of them a new prompt can use again.
 *
 * All slots share one cache of n_context cells. A slot that no generation uses keeps its tokens: the next turn of that
 * conversation computes only what is new. A prompt may also begin with what another slot holds, busy or not (a common system prompt, a
 * document, the other branch of a conversation): that part is shared, which costs neither time nor cells in a unified cache. Tokens
 * are given up for room least recently used first.
 *
 * Invariants: slot->tokens[0 … n_tokens) is exactly what the cache holds for that sequence; slot->cells[i] names the cell of token i, and
 * two slots name the same cell exactly where they share it. A slot that is parked (parking.h) has tokens and no cells.
 *
 * Owner   the scheduler.
 * Thread  one.
 * Limits  model->n_slots slots; all cells together never pass model->n_context. A shared cell counts once.
 */
#ifndef RUNNEL_ENGINES_LLAMA_SLOTS_H
#define RUNNEL_ENGINES_LLAMA_SLOTS_H

#include "cells.h"
#include "model.h"

/* Below this a shared prefix is not worth the bookkeeping, and not worth waiting for. */
#define SLOTS_SHARED_TOKENS_MIN 16

struct slot {
    llama_seq_id id;
    bool is_busy;
    bool is_draft;   /* it ends with what somebody is still typing */
    bool is_kept;    /* all that is worth it is on the disk, or on its way there */
    char *cache_key; /* the conversation it served last; NULL: none */
    llama_token *tokens;
    int *cells;
    int n_tokens;
    int n_sent; /* of a draft: how many of its first tokens were sent or said, and not only typed */
    size_t capacity;
    uint8_t *parked; /* its part of the cache, outside of it; NULL: it is in the cache */
    size_t n_parked_bytes;
    uint64_t last_used;   /* the order of releases */
    uint64_t released_ms; /* and the time */
    struct cells *users;  /* of all slots */
};

struct slots {
    const struct model *model;
    struct slot *list;
    int n_slots;
    uint64_t clock;
    struct cells cells;
    uint64_t parked_bytes;
    uint64_t parked_bytes_max; /* 0: nothing is parked */
    int parking_cells_min;
    /* Told before an idle slot loses tokens, for room or to another prompt, or is parked: the last moment to save it. NULL: nobody wants to know. */
    void (*on_evict)(void *ctx, struct slot *slot);
    void *ctx;
};

void slots_init(struct slots *slots, const struct model *model);
void slots_deinit(struct slots *slots);

/* slots_take finds the best free slot for a prompt, keeps in it, or shares into it, what the prompt can use again, and marks it busy. The
 * number of tokens there is slot->n_tokens, always less than n_prompt: the last one must be computed for its logits. NULL: all
 * are busy. */
struct slot *slots_take(struct slots *slots, const char *cache_key, const llama_token *prompt, int n_prompt);
bool slots_has_free(const struct slots *slots);

/* slots_extend shares more of the prompt into a busy slot, when another slot has come to hold more of it. Returns the number of tokens
 * gained. */
int slots_extend(struct slots *slots, struct slot *slot, const llama_token *prompt, int n_prompt);

/* slots_mark_draft: what a slot that was just taken gets from now on is a draft, until it is taken for something else. */
void slots_mark_draft(struct slot *slot);

/* slots_count_sent: the tokens that may be kept on the disk: all but those of a draft. */
int slots_count_sent(const struct slot *slot);

/* slots_release keeps the tokens for the next turn. */
void slots_release(struct slots *slots, struct slot *slot);

/* slots_add_tokens: the cache now holds these too. */
void slots_add_tokens(struct slot *slot, const llama_token *tokens, int n_tokens);

/* slots_forget empties a slot and its part of the cache. */
void slots_forget(struct slots *slots, struct slot *slot);

/* slots_forget_key empties the idle slots of a conversation; a busy one is nobody's from now on. */
void slots_forget_key(struct slots *slots, const char *cache_key);

/* slots_leave_cache: the slot's cells are free, its tokens stay. slots_enter_cache: the cache has n tokens of it again. */
void slots_leave_cache(struct slots *slots, struct slot *slot);
void slots_enter_cache(struct slot *slot, int n_tokens);

/* slots_cut removes from the cache all that is beyond the tokens that the slot knows: after a decode that failed. */
void slots_cut(struct slots *slots, struct slot *slot);

/* slots_count_cells: in use. slots_count_busy_cells: those that cannot be had back, because a generation uses them. */
int slots_count_cells(const struct slots *slots);
int slots_count_busy_cells(const struct slots *slots);

/* slots_make_room empties idle slots until n_cells are free. False: they are not, and no idle slot is left. */
bool slots_make_room(struct slots *slots, int n_cells);

#endif
