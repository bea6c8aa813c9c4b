/* slots.h - the sequences of the KV cache: which tokens each holds, and what of them a new prompt can use again.
 *
 * All slots share one cache of n_context cells. A slot that no generation uses keeps its tokens: the next turn of that
 * conversation computes only what is new. A prompt may also begin with what another slot holds (a common system prompt): that
 * part is copied, which costs nothing in a unified cache. Tokens are given up for room least recently used first.
 *
 * Invariant: slot->tokens[0 … n_tokens) is exactly what the cache holds for that sequence.
 *
 * Owner   the scheduler.
 * Thread  one.
 * Limits  model->n_slots slots; the cells of all slots together never pass model->n_context (a shared cell counts for each).
 */
#ifndef RUNNEL_ENGINES_LLAMA_SLOTS_H
#define RUNNEL_ENGINES_LLAMA_SLOTS_H

#include "model.h"

struct slot {
    llama_seq_id id;
    bool is_busy;
    char *cache_key; /* the conversation it served last; NULL: none */
    llama_token *tokens;
    int n_tokens;
    size_t capacity;
    uint64_t last_used;
};

struct slots {
    const struct model *model;
    struct slot *list;
    int n_slots;
    uint64_t clock;
};

void slots_init(struct slots *slots, const struct model *model);
void slots_deinit(struct slots *slots);

/* slots_take finds the best free slot for a prompt, keeps in it what the prompt can use again, and marks it busy. The number of
 * tokens kept is slot->n_tokens, always less than n_prompt: the last one must be computed for its logits. NULL: all are busy. */
struct slot *slots_take(struct slots *slots, const char *cache_key, const llama_token *prompt, int n_prompt);

/* slots_release keeps the tokens for the next turn. */
void slots_release(struct slots *slots, struct slot *slot);

/* slots_add_tokens: the cache now holds these too. */
void slots_add_tokens(struct slot *slot, const llama_token *tokens, int n_tokens);

/* slots_forget empties a slot and its part of the cache. */
void slots_forget(struct slots *slots, struct slot *slot);

/* slots_cut removes from the cache all that is beyond the tokens that the slot knows: after a decode that failed. */
void slots_cut(struct slots *slots, struct slot *slot);

int slots_count_cells(const struct slots *slots);

/* slots_make_room empties idle slots until n_cells are free. False: they are not, and no idle slot is left. */
bool slots_make_room(struct slots *slots, int n_cells);

#endif
