#include "fetch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

/* Opening a file, and the way there and back. */
#define FILE_MS 0.3
/* How much the last measure counts. */
#define RATE_WEIGHT 0.25

struct fetch_file {
    struct kv_part part;
    struct kv_read *read; /* under way */
    uint8_t *memory;
    const uint8_t *payload;
    size_t n_bytes;
    uint64_t took_ns; /* to read and check it, and to put it into the cache */
    bool has_come;
};

struct fetch {
    struct keep *keep;
    const llama_token *prompt; /* the generation's */
    struct fetch_file *files;
    size_t n_files;
    size_t n_asked;
    size_t n_used;
    int n_reached;
};

/* Alone, in the largest chunks: beside answers it takes longer. */
static double predict_compute_ms(const struct cost *cost, int lane, int from, int to) {
    double ms = 0;
    for (int at = from; at < to; at += MODEL_BATCH_TOKENS_MAX) {
        int n = to - at < MODEL_BATCH_TOKENS_MAX ? to - at : MODEL_BATCH_TOKENS_MAX;
        ms += cost_predict(cost, lane, cost_work_of(n, at));
    }
    return ms;
}

static bool is_faster(const struct keep *keep, const struct kv_part *parts, size_t n_parts,
                      double compute_ms) {
    double n_bytes = 0;
    for (size_t i = 0; i < n_parts; i++) {
        n_bytes += (double)parts[i].n_bytes;
    }
    double load_ms = n_bytes / keep->load_bytes_per_ms + FILE_MS * (double)n_parts;
    LOG_DEBUG("kv_choice", "files=%zu bytes=%.0f load_ms=%.1f compute_ms=%.1f", n_parts, n_bytes, load_ms,
              compute_ms);
    return load_ms < compute_ms;
}

static void on_read(void *ctx, uint8_t *memory, const uint8_t *payload, size_t n_bytes, uint64_t took_ns) {
    struct fetch_file *file = ctx;
    file->took_ns = took_ns;
    file->read = NULL;
    file->memory = memory;
    file->payload = payload;
    file->n_bytes = n_bytes;
    file->has_come = true;
}

static void ask_ahead(struct fetch *fetch) {
    while (fetch->n_asked < fetch->n_files && fetch->n_asked < fetch->n_used + FETCH_AHEAD) {
        struct fetch_file *file = &fetch->files[fetch->n_asked];
        file->read = kv_store_read(fetch->keep->store, &file->part, on_read, file);
        if (file->read == NULL) {
            fetch->n_files = fetch->n_asked; /* that far and no further */
            return;
        }
        fetch->n_asked++;
    }
}

struct fetch *fetch_begin(struct keep *keep, const llama_token *prompt, int n_prompt, int n_had,
                          const struct cost *cost, int lane) {
    size_t n_parts;
    int n_reached;
    if (keep->store == NULL || !keep->slots->model->can_cut) {
        return NULL;
    }
    struct kv_part *parts = kv_store_find(keep->store, prompt, n_prompt - 1, n_had, &n_parts, &n_reached);
    int n_gained = n_reached - n_had;
    if (parts == NULL || n_gained < KEEP_TOKENS_MIN ||
        !is_faster(keep, parts, n_parts, predict_compute_ms(cost, lane, n_had, n_reached))) {
        free(parts);
        return NULL;
    }
    struct fetch *fetch = mem_alloc(sizeof *fetch);
    *fetch = (struct fetch){ .keep = keep, .prompt = prompt, .n_files = n_parts, .n_reached = n_reached };
    fetch->files = mem_alloc(n_parts * sizeof *fetch->files);
    for (size_t i = 0; i < n_parts; i++) {
        fetch->files[i] = (struct fetch_file){ .part = parts[i] };
    }
    free(parts);
    ask_ahead(fetch);
    return fetch;
}

void fetch_free(struct fetch *fetch) {
    if (fetch == NULL) {
        return;
    }
    for (size_t i = 0; i < fetch->n_asked; i++) {
        kv_store_abandon(fetch->files[i].read);
        free(fetch->files[i].memory);
    }
    free(fetch->files);
    free(fetch);
}

/* Puts the file's tokens into the scratch sequence; they must be those that its head names. */
static bool restore(const struct model *model, const struct fetch_file *file) {
    llama_seq_id scratch = model->n_slots;
    int n_before = file->part.n_before;
    size_t n = llama_state_seq_set_data(model->context, file->payload, file->n_bytes, scratch);
    return n > 0 && (model->n_window > 0 || llama_memory_seq_pos_min(model->memory, scratch) == n_before) &&
           llama_memory_seq_pos_max(model->memory, scratch) == n_before + file->part.n_tokens - 1;
}

/* False: it does not work. */
static bool use_file(struct fetch *fetch, const struct fetch_file *file, struct slot *slot) {
    const struct slots *slots = fetch->keep->slots;
    const struct model *model = slots->model;
    llama_seq_id scratch = model->n_slots;
    int end = file->part.n_before + file->part.n_tokens;
    int to = end < fetch->n_reached ? end : fetch->n_reached;
    if (to <= slot->n_tokens) {
        return true; /* it came from another slot meanwhile */
    }
    if (file->part.n_before > slot->n_tokens || !slots_make_room(fetch->keep->slots, file->part.n_tokens)) {
        return false;
    }
    bool is_good = restore(model, file);
    if (is_good) {
        llama_memory_seq_cp(model->memory, scratch, slot->id, slot->n_tokens, to);
    }
    llama_memory_seq_rm(model->memory, scratch, -1, -1);
    if (!is_good) {
        LOG_WARN("kv_not_used", "tokens=%d reason=the library refuses it", file->part.n_tokens);
        kv_store_drop(fetch->keep->store, &file->part.key);
        return false;
    }
    slots_add_tokens(slot, fetch->prompt + slot->n_tokens, to - slot->n_tokens);
    return true;
}

static void measure(const struct fetch *fetch) {
    struct keep *keep = fetch->keep;
    double n_bytes = 0;
    double ms = 0;
    for (size_t i = 0; i < fetch->n_used; i++) {
        n_bytes += (double)fetch->files[i].part.n_bytes;
        ms += (double)fetch->files[i].took_ns / 1e6;
    }
    if (n_bytes > 0 && ms > 0) {
        keep->load_bytes_per_ms += RATE_WEIGHT * (n_bytes / ms - keep->load_bytes_per_ms);
        LOG_DEBUG("kv_loaded", "files=%zu bytes=%.0f ms=%.1f bytes_per_ms=%.0f", fetch->n_used, n_bytes, ms,
                  keep->load_bytes_per_ms);
    }
}

/* False: the file cannot be used. */
static bool take_file(struct fetch *fetch, struct fetch_file *file, struct slot *slot) {
    uint64_t began_ns = clock_now_ns();
    bool is_good = file->memory && use_file(fetch, file, slot);
    free(file->memory);
    file->memory = NULL;
    file->took_ns += clock_now_ns() - began_ns;
    return is_good;
}

bool fetch_advance(struct fetch *fetch, struct slot *slot, int *n_files) {
    for (; *n_files > 0 && fetch->n_used < fetch->n_asked; --*n_files) {
        struct fetch_file *file = &fetch->files[fetch->n_used];
        if (!file->has_come) {
            return true;
        }
        if (!take_file(fetch, file, slot)) {
            return false;
        }
        fetch->n_used++;
        ask_ahead(fetch);
    }
    if (fetch->n_used < fetch->n_files) {
        return true;
    }
    measure(fetch);
    return false;
}
