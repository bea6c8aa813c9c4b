#include "slots.h"

#include "parking.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void slots_init(struct slots *slots, const struct model *model) {
    *slots = (struct slots){ .model = model, .n_slots = model->n_slots };
    cells_init(&slots->cells, model->n_context);
    slots->list = mem_alloc((size_t)slots->n_slots * sizeof *slots->list);
    for (int i = 0; i < slots->n_slots; i++) {
        slots->list[i].id = i;
        slots->list[i].users = &slots->cells;
    }
}

void slots_deinit(struct slots *slots) {
    for (int i = 0; i < slots->n_slots; i++) {
        free(slots->list[i].cache_key);
        free(slots->list[i].tokens);
        free(slots->list[i].cells);
        free(slots->list[i].parked);
    }
    free(slots->list);
    cells_deinit(&slots->cells);
    *slots = (struct slots){ 0 };
}

/* ---- What a slot holds ---- */

static void reserve(struct slot *slot, int n_tokens) {
    size_t wanted = (size_t)(slot->n_tokens + n_tokens);
    if (wanted > slot->capacity) {
        slot->capacity = wanted * 2;
        slot->tokens = mem_resize(slot->tokens, slot->capacity * sizeof *slot->tokens);
        slot->cells = mem_resize(slot->cells, slot->capacity * sizeof *slot->cells);
    }
}

void slots_add_tokens(struct slot *slot, const llama_token *tokens, int n_tokens) {
    reserve(slot, n_tokens);
    for (int i = 0; i < n_tokens; i++) {
        slot->tokens[slot->n_tokens] = tokens[i];
        slot->cells[slot->n_tokens++] = cells_take(slot->users);
    }
    slot->is_kept = false;
}

/* Adds the tokens [slot->n_tokens, n) of another slot, and their cells. */
static void share(struct slots *slots, struct slot *slot, const struct slot *from, int n) {
    reserve(slot, n - slot->n_tokens);
    llama_memory_seq_cp(slots->model->memory, from->id, slot->id, slot->n_tokens, n);
    for (int i = slot->n_tokens; i < n; i++) {
        slot->tokens[i] = from->tokens[i];
        slot->cells[i] = from->cells[i];
        cells_share(slot->users, slot->cells[i]);
    }
    slot->n_tokens = n;
    slot->is_kept = false;
}

static void drop(struct slot *slot, int n) {
    while (slot->n_tokens > n) {
        cells_drop(slot->users, slot->cells[--slot->n_tokens]);
    }
}

void slots_forget(struct slots *slots, struct slot *slot) {
    parking_drop(slots, slot);
    llama_memory_seq_rm(slots->model->memory, slot->id, -1, -1);
    drop(slot, 0);
}

void slots_leave_cache(struct slots *slots, struct slot *slot) {
    int n = slot->n_tokens;
    llama_memory_seq_rm(slots->model->memory, slot->id, -1, -1);
    drop(slot, 0);
    slot->n_tokens = n;
}

void slots_enter_cache(struct slot *slot, int n_tokens) {
    for (int i = 0; i < n_tokens; i++) {
        slot->cells[i] = cells_take(slot->users);
    }
    slot->n_tokens = n_tokens;
}

void slots_cut(struct slots *slots, struct slot *slot) {
    if (!llama_memory_seq_rm(slots->model->memory, slot->id, slot->n_tokens, -1)) {
        slots_forget(slots, slot);
    }
}

/* Keeps the first n tokens. A model whose memory cannot be cut keeps all or nothing. */
static void truncate_slot(struct slots *slots, struct slot *slot, int n) {
    if (n < slot->n_tokens) {
        drop(slot, n);
        slots_cut(slots, slot);
    }
}

/* ---- What a prompt can use again ---- */

static int common_prefix(const struct slot *slot, const llama_token *prompt, int n_prompt) {
    int n_max = slot->n_tokens < n_prompt ? slot->n_tokens : n_prompt;
    int n = 0;
    while (n < n_max && slot->tokens[n] == prompt[n]) {
        n++;
    }
    return n;
}

/* A layer with a window keeps only its newest cells: the window before token n must be there. */
static bool has_window(const struct slots *slots, const struct slot *slot, int n) {
    const struct model *model = slots->model;
    int n_needed_from = n - model->n_window;
    return model->n_window == 0 ||
           llama_memory_seq_pos_min(model->memory, slot->id) <= (n_needed_from > 0 ? n_needed_from : 0);
}

/* How much of the prompt the slot can give; the last token of a prompt is always computed. */
static int count_usable(const struct slots *slots, const struct slot *slot, const llama_token *prompt,
                        int n_prompt) {
    int n = common_prefix(slot, prompt, n_prompt);
    n = n < n_prompt ? n : n_prompt - 1;
    bool is_whole = n == slot->n_tokens;
    return is_whole || (slots->model->can_cut && has_window(slots, slot, n)) ? n : 0;
}

/* The slot but `except`, busy or not, whose beginning serves the prompt best. One in the cache goes before one that is parked. */
static struct slot *find_prefix(const struct slots *slots, const struct slot *except,
                                const llama_token *prompt, int n_prompt, int *n_usable) {
    struct slot *best = NULL;
    *n_usable = 0;
    for (int i = 0; i < slots->n_slots; i++) {
        struct slot *slot = &slots->list[i];
        int n = slot != except ? count_usable(slots, slot, prompt, n_prompt) : 0;
        bool is_nearer = n == *n_usable && best && best->parked && slot->parked == NULL;
        if (n > *n_usable || is_nearer) {
            best = slot;
            *n_usable = n;
        }
    }
    return best;
}

/* The same, and it is in the cache. */
static struct slot *bring_prefix(struct slots *slots, const llama_token *prompt, int n_prompt,
                                 int *n_usable) {
    struct slot *best = find_prefix(slots, NULL, prompt, n_prompt, n_usable);
    while (best && best->parked && !parking_return(slots, best)) {
        best = find_prefix(slots, NULL, prompt, n_prompt, n_usable);
    }
    return best;
}

bool slots_has_free(const struct slots *slots) {
    int i = 0;
    while (i < slots->n_slots && slots->list[i].is_busy) {
        i++;
    }
    return i < slots->n_slots;
}

static bool has_key(const struct slot *slot, const char *cache_key) {
    return cache_key && slot->cache_key && strcmp(slot->cache_key, cache_key) == 0;
}

/* What is lost when the slot is taken: nothing; an older state of the same conversation; another conversation. */
static int loss_of(const struct slot *slot, const char *cache_key) {
    return slot->n_tokens == 0 ? 0 : has_key(slot, cache_key) ? 1 : 2;
}

/* The slot whose loss is smallest; among equals the one that was not used for the longest time. */
static struct slot *choose_victim(struct slots *slots, const char *cache_key) {
    struct slot *best = NULL;
    for (int i = 0; i < slots->n_slots; i++) {
        struct slot *slot = &slots->list[i];
        int loss = loss_of(slot, cache_key);
        int least = best ? loss_of(best, cache_key) : 0;
        if (!slot->is_busy &&
            (best == NULL || loss < least || (loss == least && slot->last_used < best->last_used))) {
            best = slot;
        }
    }
    return best;
}

/* A free slot that the prompt just goes on with loses nothing, nor does a draft that was typed on. Else a branch leaves the slot that
 * it comes from as it is, while there is another one to take. */
static struct slot *choose(struct slots *slots, struct slot *source, int n_usable, const char *cache_key) {
    if (source && !source->is_busy && (n_usable == source->n_tokens || source->is_draft)) {
        return source;
    }
    return choose_victim(slots, cache_key);
}

static int min(int a, int b) {
    return a < b ? a : b;
}

struct slot *slots_take(struct slots *slots, const char *cache_key, const llama_token *prompt, int n_prompt) {
    int n_usable;
    if (!slots_has_free(slots)) {
        return NULL;
    }
    const struct slot *wanted = find_prefix(slots, NULL, prompt, n_prompt, &n_usable);
    parking_clear_way(slots, wanted, n_usable);
    struct slot *source = bring_prefix(slots, prompt, n_prompt, &n_usable);
    struct slot *slot = choose(slots, source, n_usable, cache_key);
    parking_drop(slots, slot);
    int n_kept = count_usable(slots, slot, prompt, n_prompt);
    if (n_kept < slot->n_tokens && slots->on_evict) {
        slots->on_evict(slots->ctx, slot);
    }
    truncate_slot(slots, slot, n_kept);
    slot->n_sent = min(slots_count_sent(slot), slot->n_tokens);
    bool is_shared = slots->model->can_cut && source && source != slot;
    if (is_shared && n_usable >= slot->n_tokens + SLOTS_SHARED_TOKENS_MIN) {
        share(slots, slot, source, n_usable);
        slot->n_sent = min(slots_count_sent(source), n_usable);
    }
    if (!has_key(slot, cache_key)) {
        free(slot->cache_key);
        slot->cache_key = mem_copy_string(cache_key);
    }
    slot->is_busy = true;
    slot->is_draft = false;
    return slot;
}

int slots_extend(struct slots *slots, struct slot *slot, const llama_token *prompt, int n_prompt) {
    int n_usable;
    const struct slot *source = find_prefix(slots, slot, prompt, n_prompt, &n_usable);
    int n_gained = n_usable - slot->n_tokens;
    if (source == NULL || source->parked || !slots->model->can_cut || n_gained < SLOTS_SHARED_TOKENS_MIN) {
        return 0;
    }
    share(slots, slot, source, n_usable);
    return n_gained;
}

void slots_mark_draft(struct slot *slot) {
    slot->is_draft = true;
}

int slots_count_sent(const struct slot *slot) {
    return slot->is_draft ? slot->n_sent : slot->n_tokens;
}

void slots_release(struct slots *slots, struct slot *slot) {
    slot->is_busy = false;
    slot->last_used = ++slots->clock;
    slot->released_ms = clock_now_ms();
}

void slots_forget_key(struct slots *slots, const char *cache_key) {
    for (int i = 0; i < slots->n_slots; i++) {
        struct slot *slot = &slots->list[i];
        if (!has_key(slot, cache_key)) {
            continue;
        }
        free(slot->cache_key);
        slot->cache_key = NULL;
        if (!slot->is_busy) {
            slots_forget(slots, slot);
        }
    }
}

/* ---- Room ---- */

int slots_count_cells(const struct slots *slots) {
    return slots->model->n_context - cells_count_free(&slots->cells);
}

int slots_count_busy_cells(const struct slots *slots) {
    bool *is_seen = mem_alloc((size_t)slots->model->n_context);
    int n = 0;
    for (int i = 0; i < slots->n_slots; i++) {
        const struct slot *slot = &slots->list[i];
        for (int at = 0; slot->is_busy && at < slot->n_tokens; at++) {
            n += !is_seen[slot->cells[at]];
            is_seen[slot->cells[at]] = true;
        }
    }
    free(is_seen);
    return n;
}

static struct slot *oldest_idle(struct slots *slots) {
    struct slot *oldest = NULL;
    for (int i = 0; i < slots->n_slots; i++) {
        struct slot *slot = &slots->list[i];
        if (!slot->is_busy && slot->n_tokens > 0 && slot->parked == NULL &&
            (oldest == NULL || slot->last_used < oldest->last_used)) {
            oldest = slot;
        }
    }
    return oldest;
}

bool slots_make_room(struct slots *slots, int n_cells) {
    while (cells_count_free(&slots->cells) < n_cells) {
        struct slot *slot = oldest_idle(slots);
        if (slot == NULL) {
            return false;
        }
        if (slots->on_evict) {
            slots->on_evict(slots->ctx, slot);
        }
        LOG_DEBUG("slot_evicted", "slot=%d tokens=%d", slot->id, slot->n_tokens);
        slots_forget(slots, slot);
    }
    return true;
}
