#include "slots.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Below this a copied prefix is not worth the bookkeeping. */
#define COPY_TOKENS_MIN 16

void slots_init(struct slots *slots, const struct model *model) {
    *slots = (struct slots){ .model = model, .n_slots = model->n_slots };
    slots->list = mem_alloc((size_t)slots->n_slots * sizeof *slots->list);
    for (int i = 0; i < slots->n_slots; i++) {
        slots->list[i].id = i;
    }
}

void slots_deinit(struct slots *slots) {
    for (int i = 0; i < slots->n_slots; i++) {
        free(slots->list[i].cache_key);
        free(slots->list[i].tokens);
    }
    free(slots->list);
    *slots = (struct slots){ 0 };
}

static int common_prefix(const struct slot *slot, const llama_token *prompt, int n_prompt) {
    int n_max = slot->n_tokens < n_prompt ? slot->n_tokens : n_prompt;
    int n = 0;
    while (n < n_max && slot->tokens[n] == prompt[n]) {
        n++;
    }
    return n;
}

static bool has_key(const struct slot *slot, const char *cache_key) {
    return cache_key && slot->cache_key && strcmp(slot->cache_key, cache_key) == 0;
}

/* The slot of the same conversation; else an empty one; else the one that was not used for the longest time. */
static struct slot *choose(struct slots *slots, const char *cache_key) {
    struct slot *best = NULL;
    for (int i = 0; i < slots->n_slots; i++) {
        struct slot *slot = &slots->list[i];
        if (slot->is_busy) {
            continue;
        }
        if (has_key(slot, cache_key)) {
            return slot;
        }
        bool is_emptier = best && (slot->n_tokens == 0) > (best->n_tokens == 0);
        bool is_as_full = best && (slot->n_tokens == 0) == (best->n_tokens == 0);
        if (best == NULL || is_emptier || (is_as_full && slot->last_used < best->last_used)) {
            best = slot;
        }
    }
    return best;
}

/* The slot, busy or not, whose beginning serves the prompt best. */
static struct slot *find_prefix(struct slots *slots, const llama_token *prompt, int n_prompt, int *n_common) {
    struct slot *best = NULL;
    *n_common = 0;
    for (int i = 0; i < slots->n_slots; i++) {
        int n = common_prefix(&slots->list[i], prompt, n_prompt);
        if (n > *n_common) {
            best = &slots->list[i];
            *n_common = n;
        }
    }
    return best;
}

/* Keeps the first n tokens. A model whose memory cannot be cut keeps all or nothing. */
static void truncate_slot(struct slots *slots, struct slot *slot, int n) {
    if (n < slot->n_tokens) {
        slot->n_tokens = n;
        slots_cut(slots, slot);
    }
}

static void copy_prefix(struct slots *slots, const struct slot *from, struct slot *to, int n) {
    slots_forget(slots, to);
    llama_memory_seq_cp(slots->model->memory, from->id, to->id, 0, n);
    slots_add_tokens(to, from->tokens, n);
}

struct slot *slots_take(struct slots *slots, const char *cache_key, const llama_token *prompt, int n_prompt) {
    struct slot *slot = choose(slots, cache_key);
    if (slot == NULL) {
        return NULL;
    }
    int n_common;
    int n_own = common_prefix(slot, prompt, n_prompt);
    struct slot *source = find_prefix(slots, prompt, n_prompt, &n_common);
    n_common = n_common < n_prompt ? n_common : n_prompt - 1;
    if (slots->model->can_cut && source && source != slot && n_common >= n_own + COPY_TOKENS_MIN) {
        copy_prefix(slots, source, slot, n_common);
    } else {
        truncate_slot(slots, slot, n_own < n_prompt ? n_own : n_prompt - 1);
    }
    if (!has_key(slot, cache_key)) {
        free(slot->cache_key);
        slot->cache_key = mem_copy_string(cache_key);
    }
    slot->is_busy = true;
    return slot;
}

void slots_release(struct slots *slots, struct slot *slot) {
    slot->is_busy = false;
    slot->last_used = ++slots->clock;
}

void slots_add_tokens(struct slot *slot, const llama_token *tokens, int n_tokens) {
    size_t wanted = (size_t)(slot->n_tokens + n_tokens);
    if (wanted > slot->capacity) {
        slot->capacity = wanted * 2;
        slot->tokens = mem_resize(slot->tokens, slot->capacity * sizeof *slot->tokens);
    }
    memcpy(slot->tokens + slot->n_tokens, tokens, (size_t)n_tokens * sizeof *tokens);
    slot->n_tokens += n_tokens;
}

void slots_forget(struct slots *slots, struct slot *slot) {
    llama_memory_seq_rm(slots->model->memory, slot->id, -1, -1);
    slot->n_tokens = 0;
}

void slots_cut(struct slots *slots, struct slot *slot) {
    if (!llama_memory_seq_rm(slots->model->memory, slot->id, slot->n_tokens, -1)) {
        slots_forget(slots, slot);
    }
}

int slots_count_cells(const struct slots *slots) {
    int n = 0;
    for (int i = 0; i < slots->n_slots; i++) {
        n += slots->list[i].n_tokens;
    }
    return n;
}

static struct slot *oldest_idle(struct slots *slots) {
    struct slot *oldest = NULL;
    for (int i = 0; i < slots->n_slots; i++) {
        struct slot *slot = &slots->list[i];
        if (!slot->is_busy && slot->n_tokens > 0 && (oldest == NULL || slot->last_used < oldest->last_used)) {
            oldest = slot;
        }
    }
    return oldest;
}

bool slots_make_room(struct slots *slots, int n_cells) {
    while (slots->model->n_context - slots_count_cells(slots) < n_cells) {
        struct slot *slot = oldest_idle(slots);
        if (slot == NULL) {
            return false;
        }
        LOG_DEBUG("slot_evicted", "slot=%d tokens=%d", slot->id, slot->n_tokens);
        slots_forget(slots, slot);
    }
    return true;
}
