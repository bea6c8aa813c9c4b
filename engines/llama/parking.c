#include "parking.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/mem.h"

#include <stdlib.h>

void parking_init(struct slots *slots) {
    const struct model *model = slots->model;
    uint64_t n_cache = (uint64_t)model->n_context * model->token_bytes;
    uint64_t n_machine = machine_available_bytes("") / 4;
    bool can_park = model->can_cut && model->n_window == 0;
    slots->parked_bytes_max = !can_park ? 0 : n_cache < n_machine ? n_cache : n_machine;
    slots->parking_cells_min = PARKING_CELLS_MIN;
}

static bool is_idle_in_cache(const struct slot *slot) {
    return !slot->is_busy && slot->n_tokens > 0 && slot->parked == NULL;
}

static int count_idle(const struct slots *slots) {
    int n = 0;
    for (int i = 0; i < slots->n_slots; i++) {
        n += is_idle_in_cache(&slots->list[i]);
    }
    return n;
}

/* What it shares with others would stay in the cache, and come back a second time. */
static bool is_its_own(const struct slot *slot) {
    int n_own = 0;
    for (int i = 0; i < slot->n_tokens; i++) {
        n_own += slot->users->n_users[slot->cells[i]] == 1;
    }
    return n_own > slot->n_tokens / 2;
}

void parking_drop(struct slots *slots, struct slot *slot) {
    if (slot->parked) {
        slots->parked_bytes -= slot->n_parked_bytes;
        free(slot->parked);
        slot->parked = NULL;
        slot->n_parked_bytes = 0;
        slot->n_tokens = 0;
    }
}

static struct slot *oldest_parked(struct slots *slots) {
    struct slot *oldest = NULL;
    for (int i = 0; i < slots->n_slots; i++) {
        struct slot *slot = &slots->list[i];
        if (slot->parked && (oldest == NULL || slot->last_used < oldest->last_used)) {
            oldest = slot;
        }
    }
    return oldest;
}

/* The library's bytes of the whole sequence. NULL: it stays where it is. */
static uint8_t *copy_out(const struct model *model, const struct slot *slot, size_t *n_bytes) {
    *n_bytes = llama_state_seq_get_size(model->context, slot->id);
    uint8_t *data = mem_try_alloc(*n_bytes);
    if (data && llama_state_seq_get_data(model->context, data, *n_bytes, slot->id) != *n_bytes) {
        free(data);
        data = NULL;
    }
    return data;
}

static void park(struct slots *slots, struct slot *slot) {
    if (slots->on_evict) {
        slots->on_evict(slots->ctx, slot);
    }
    size_t n_bytes;
    uint8_t *data = copy_out(slots->model, slot, &n_bytes);
    if (data == NULL) {
        return;
    }
    while (slots->parked_bytes + n_bytes > slots->parked_bytes_max && oldest_parked(slots)) {
        parking_drop(slots, oldest_parked(slots));
    }
    if (n_bytes > slots->parked_bytes_max) {
        free(data);
        return;
    }
    slots_leave_cache(slots, slot);
    slot->parked = data;
    slot->n_parked_bytes = n_bytes;
    slots->parked_bytes += n_bytes;
}

static struct slot *oldest_in_cache(struct slots *slots, uint64_t after) {
    struct slot *oldest = NULL;
    for (int i = 0; i < slots->n_slots; i++) {
        struct slot *slot = &slots->list[i];
        bool is_candidate = is_idle_in_cache(slot) && slot->last_used > after && is_its_own(slot);
        if (is_candidate && (oldest == NULL || slot->last_used < oldest->last_used)) {
            oldest = slot;
        }
    }
    return oldest;
}

void parking_clear_way(struct slots *slots, const struct slot *wanted, int n_usable) {
    int n_idle = slots_count_cells(slots) - slots_count_busy_cells(slots);
    n_idle -= wanted && is_idle_in_cache(wanted) ? n_usable : 0;
    if (slots->parked_bytes_max == 0 || n_idle < slots->parking_cells_min || count_idle(slots) < 2) {
        return;
    }
    uint64_t began_ns = clock_now_ns();
    for (struct slot *slot = oldest_in_cache(slots, 0); slot;) {
        uint64_t at = slot->last_used;
        park(slots, slot);
        slot = oldest_in_cache(slots, at);
    }
    LOG_DEBUG("slots_parked", "cells=%d bytes=%llu ms=%.1f", n_idle, (unsigned long long)slots->parked_bytes,
              (double)(clock_now_ns() - began_ns) / 1e6);
}

bool parking_return(struct slots *slots, struct slot *slot) {
    const struct model *model = slots->model;
    int n = slot->n_tokens;
    bool is_good =
        slots_make_room(slots, n) &&
        llama_state_seq_set_data(model->context, slot->parked, slot->n_parked_bytes, slot->id) > 0 &&
        llama_memory_seq_pos_max(model->memory, slot->id) == n - 1;
    parking_drop(slots, slot);
    if (!is_good) {
        LOG_WARN("slot_not_returned", "slot=%d tokens=%d", slot->id, n);
        llama_memory_seq_rm(model->memory, slot->id, -1, -1);
        return false;
    }
    slots_enter_cache(slot, n);
    return true;
}
