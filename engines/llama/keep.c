#include "keep.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Until a disk that is behind, or full, is asked again. */
#define RETRY_MS 1000

static void on_evict(void *ctx, struct slot *slot);

void keep_init(struct keep *keep, struct slots *slots) {
    const struct model *model = slots->model;
    size_t n_bytes = model->token_bytes > 0 ? model->token_bytes : 1;
    size_t n_tokens = KEEP_PIECE_BYTES / n_bytes;
    n_tokens = n_tokens < KEEP_PIECE_TOKENS_MAX ? n_tokens : KEEP_PIECE_TOKENS_MAX;
    *keep = (struct keep){ .slots = slots,
                           .store = model->can_cut ? model->store : NULL,
                           .piece_tokens =
                               n_tokens > KEEP_PIECE_TOKENS_MIN ? (int)n_tokens : KEEP_PIECE_TOKENS_MIN,
                           .load_bytes_per_ms = KEEP_LOAD_BYTES_PER_MS };
    if (model->n_window > 0 && keep->piece_tokens > model->n_window) {
        keep->piece_tokens = model->n_window; /* so that no piece ends behind its own window */
    }
    slots->on_evict = on_evict;
    slots->ctx = keep;
}

struct kv_id keep_owner(const char *cache_key) {
    return kv_id_of(cache_key, strlen(cache_key));
}

static bool is_waiting(const struct slot *slot) {
    return !slot->is_busy && !slot->is_kept && slot->cache_key && slot->n_tokens > 0 && slot->parked == NULL;
}

/* The library's bytes for the tokens [from, to), with room for the head of a file before them. NULL: they cannot be had. */
static uint8_t *copy_piece(const struct keep *keep, const struct slot *slot, int from, int to,
                           size_t *n_bytes) {
    const struct model *model = keep->slots->model;
    llama_seq_id scratch = model->n_slots;
    size_t n_head = kv_file_head_bytes(to - from);
    llama_memory_seq_cp(model->memory, slot->id, scratch, from, to);
    size_t n_payload = llama_state_seq_get_size(model->context, scratch);
    uint8_t *data = mem_try_alloc(n_head + n_payload);
    size_t n_got = data ? llama_state_seq_get_data(model->context, data + n_head, n_payload, scratch) : 0;
    llama_memory_seq_rm(model->memory, scratch, -1, -1);
    if (n_got == 0) {
        free(data);
        return NULL;
    }
    *n_bytes = n_head + n_got;
    return data;
}

/* The windows of all layers must be whole where a piece begins, else a part of it is missing. */
static bool has_all(const struct keep *keep, const struct slot *slot, int from) {
    const struct model *model = keep->slots->model;
    return model->n_window == 0 || llama_memory_seq_pos_min(model->memory, slot->id) <= from;
}

/* Saves the next piece of a slot; its size, 0: there is nothing to save, or it cannot be saved now. */
static size_t save_piece(struct keep *keep, struct slot *slot) {
    int n_tokens = slots_count_sent(slot);
    int from = kv_store_find_end(keep->store, slot->tokens, n_tokens);
    int to = from + keep->piece_tokens < n_tokens ? from + keep->piece_tokens : n_tokens;
    size_t n_bytes;
    if (to - from < KEEP_TOKENS_MIN || !has_all(keep, slot, from)) {
        slot->is_kept = true;
        return 0;
    }
    if (!kv_store_can_write(keep->store, (uint64_t)(to - from) * keep->slots->model->token_bytes)) {
        keep->saved_ms = clock_now_ms(); /* it was tried: not again at each step */
        return 0;
    }
    uint8_t *data = copy_piece(keep, slot, from, to, &n_bytes);
    if (data == NULL) {
        slot->is_kept = true;
        return 0;
    }
    struct kv_id owner = keep_owner(slot->cache_key);
    kv_store_put(keep->store, &owner, slot->tokens, from, to, data, n_bytes);
    slot->is_kept = n_tokens - to < KEEP_TOKENS_MIN;
    keep->saved_ms = clock_now_ms();
    return n_bytes;
}

static struct slot *oldest_waiting(const struct keep *keep) {
    struct slot *oldest = NULL;
    bool is_open = keep->store && kv_store_is_open(keep->store);
    for (int i = 0; is_open && i < keep->slots->n_slots; i++) {
        struct slot *slot = &keep->slots->list[i];
        if (is_waiting(slot) && (oldest == NULL || slot->last_used < oldest->last_used)) {
            oldest = slot;
        }
    }
    return oldest;
}

bool keep_save(struct keep *keep, bool is_busy) {
    struct slot *slot = oldest_waiting(keep);
    uint64_t now = clock_now_ms();
    bool is_due =
        slot && now - slot->released_ms >= KEEP_IDLE_MS && (!is_busy || now - keep->saved_ms >= KEEP_BUSY_MS);
    return is_due && save_piece(keep, slot) > 0;
}

int keep_due_ms(const struct keep *keep) {
    const struct slot *slot = oldest_waiting(keep);
    if (slot == NULL) {
        return -1;
    }
    uint64_t waited_ms = clock_now_ms() - slot->released_ms;
    return waited_ms < KEEP_IDLE_MS ? (int)(KEEP_IDLE_MS - waited_ms) : RETRY_MS;
}

static void on_evict(void *ctx, struct slot *slot) {
    struct keep *keep = ctx;
    size_t n_bytes = 0;
    bool is_open = keep->store && kv_store_is_open(keep->store);
    while (is_open && is_waiting(slot) && n_bytes < KEEP_EVICT_BYTES_MAX) {
        size_t n = save_piece(keep, slot);
        if (n == 0) {
            break;
        }
        n_bytes += n;
    }
    if (is_open && is_waiting(slot)) {
        LOG_DEBUG("kv_lost", "slot=%d tokens=%d saved_bytes=%zu", slot->id, slot->n_tokens, n_bytes);
    }
}

void keep_flush(struct keep *keep, uint64_t until_ms) {
    for (struct slot *slot = oldest_waiting(keep); slot && clock_now_ms() < until_ms;
         slot = oldest_waiting(keep)) {
        while (is_waiting(slot) && save_piece(keep, slot) > 0 && clock_now_ms() < until_ms) {
            kv_store_drain(keep->store); /* what was written makes room for more */
        }
        slot->is_kept = true;
    }
}

void keep_forget(struct keep *keep, const char *cache_key) {
    struct kv_id owner = keep_owner(cache_key);
    slots_forget_key(keep->slots, cache_key);
    if (keep->store) {
        kv_store_forget(keep->store, &owner);
    }
}
