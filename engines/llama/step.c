#include "step.h"

#include "base/clock.h"
#include "base/log.h"

/* Beyond this many tokens a chunk is no more efficient; and while others decode, it is short. */
#define CHUNK_TOKENS_ALONE  512
#define CHUNK_TOKENS_SHARED 64
#define CHUNK_MS_MAX        1000 /* how long a ping or a cancel should wait */

#define TELL_STEPS_NS 100000000u

/* How many prompt tokens this step takes. The place for a cost model that is bounded by time between tokens. */
static int chunk_size(const struct scheduler *scheduler, int n_decoding) {
    int size = n_decoding > 0 ? CHUNK_TOKENS_SHARED : CHUNK_TOKENS_ALONE;
    while (size > scheduler->chunk_min && size * scheduler->prefill_token_ms > CHUNK_MS_MAX) {
        size /= 2;
    }
    return size < MODEL_BATCH_TOKENS_MAX - n_decoding ? size : MODEL_BATCH_TOKENS_MAX - n_decoding;
}

static void add_to_batch(struct llama_batch *batch, llama_token token, int position, llama_seq_id id,
                         bool output) {
    int at = batch->n_tokens++;
    batch->token[at] = token;
    batch->pos[at] = position;
    batch->n_seq_id[at] = 1;
    batch->seq_id[at][0] = id;
    batch->logits[at] = output;
}

static void add_decoding(struct scheduler *scheduler) {
    struct llama_batch *batch = &scheduler->batch;
    for (struct generation *generation = scheduler->first; generation; generation = generation->next) {
        if (generation->state == GENERATION_DECODING) {
            generation->batch_output = batch->n_tokens;
            generation->batch_count = 1;
            add_to_batch(batch, generation->last, generation->slot->n_tokens, generation->slot->id, true);
        }
    }
}

/* How many tokens of the prompt may be computed together: a prefix that is to be exact stands behind the conversation, one by one. */
static int count_next(const struct generation *generation) {
    int n_done = generation->slot->n_tokens;
    if (!generation->is_stepwise) {
        return generation->n_prompt - n_done;
    }
    return n_done < generation->n_conversation ? generation->n_conversation - n_done : 1;
}

static bool needs_logits(const struct generation *generation, int position) {
    int first = generation->is_replayed ? generation->n_conversation : generation->n_prompt;
    return position + 1 >= first;
}

/* Fills the batch with prompt tokens, oldest generation first. Returns how many. */
static int add_prefill(struct scheduler *scheduler, int budget) {
    struct llama_batch *batch = &scheduler->batch;
    int n_before = batch->n_tokens;
    for (struct generation *generation = scheduler->first; generation && budget > 0;
         generation = generation->next) {
        if (generation->state != GENERATION_PREFILL) {
            continue;
        }
        struct slot *slot = generation->slot;
        int n_left = count_next(generation);
        int n = n_left < budget ? n_left : budget;
        for (int i = 0; i < n; i++) {
            bool has_output = needs_logits(generation, slot->n_tokens + i);
            generation->batch_output = has_output ? batch->n_tokens : -1;
            add_to_batch(batch, generation->prompt[slot->n_tokens + i], slot->n_tokens + i, slot->id,
                         has_output);
        }
        generation->batch_count = n;
        budget -= n;
    }
    return batch->n_tokens - n_before;
}

/* A prompt comes out the same whatever the size of its chunks was (that goes by time), as long as all of them are computed in one way:
 * so a chunk takes a short rest along, or leaves a longer one. */
static int round_chunk(const struct scheduler *scheduler, int chunk, int n_max) {
    const struct generation *generation = scheduler->first;
    while (generation && generation->state != GENERATION_PREFILL) {
        generation = generation->next;
    }
    int n_left = generation ? count_next(generation) : 0;
    int n_rest = n_left - chunk;
    if (chunk < SCHEDULER_CHUNK_TILED || n_rest <= 0 || n_rest >= SCHEDULER_CHUNK_TILED) {
        return chunk;
    }
    return n_left <= n_max ? n_left : n_left - SCHEDULER_CHUNK_TILED;
}

static int count_prefill_left(const struct scheduler *scheduler) {
    int n = 0;
    for (const struct generation *generation = scheduler->first; generation; generation = generation->next) {
        if (generation->state == GENERATION_PREFILL) {
            n += count_next(generation);
        }
    }
    return n;
}

/* Puts the next step together; returns the number of prompt tokens in it. */
static int build_batch(struct scheduler *scheduler) {
    struct slots *slots = &scheduler->slots;
    scheduler->batch.n_tokens = 0;
    for (struct generation *generation = scheduler->first; generation; generation = generation->next) {
        generation->batch_count = 0;
        generation->batch_output = -1;
    }
    int n_decoding = scheduler_count_decoding(scheduler);
    int n_left = count_prefill_left(scheduler);
    int chunk =
        round_chunk(scheduler, chunk_size(scheduler, n_decoding), MODEL_BATCH_TOKENS_MAX - n_decoding);
    chunk = n_left < chunk ? n_left : chunk;
    if (!slots_make_room(slots, n_decoding + chunk)) {
        chunk = scheduler->model->n_context - slots_count_cells(slots) - n_decoding;
    }
    add_decoding(scheduler);
    return add_prefill(scheduler, chunk);
}

/* Every chunk is told, and of single steps a few a second. */
static void tell_prefill(struct scheduler *scheduler, struct generation *generation) {
    uint64_t now = clock_now_ns();
    bool is_due = generation->batch_count > 1 || generation->slot->n_tokens == generation->n_prompt ||
                  now - generation->told_ns >= TELL_STEPS_NS;
    if (is_due) {
        generation->told_ns = now;
        events_prefill(scheduler->events, generation->command->id, generation->slot->n_tokens,
                       generation->n_prompt, generation->n_cached);
    }
}

/* The cache has taken the batch: the slots know it, and the prefills tell. */
static void accept_batch(struct scheduler *scheduler) {
    for (struct generation *generation = scheduler->first; generation; generation = generation->next) {
        if (generation->batch_count == 0) {
            continue;
        }
        struct slot *slot = generation->slot;
        if (generation->state == GENERATION_DECODING) {
            slots_add_tokens(slot, &generation->last, 1);
            continue;
        }
        slots_add_tokens(slot, generation->prompt + slot->n_tokens, generation->batch_count);
        tell_prefill(scheduler, generation);
        if (slot->n_tokens == generation->n_prompt) {
            generation->state = GENERATION_DECODING;
        }
    }
}

/* The library could not compute the batch: its generations end, and the cache goes back to what the slots know. */
static void fail_batch(struct scheduler *scheduler, int code) {
    LOG_ERROR("decode_failed", "code=%d tokens=%d", code, scheduler->batch.n_tokens);
    for (struct generation *generation = scheduler->first; generation; generation = generation->next) {
        if (generation->batch_count > 0) {
            slots_cut(&scheduler->slots, generation->slot);
            generation_fail(generation, code == 1 ? ERROR_CONTEXT_FULL : ERROR_INTERNAL,
                            code == 1 ? "the cache has no room for this conversation"
                                      : "the model could not compute this step; the engine's log says more");
        }
    }
}

static bool wants_token(const struct generation *generation) {
    return generation->batch_output >= 0 && generation->state == GENERATION_DECODING &&
           generation->command->generate.max_tokens != 0;
}

static void sample_all(struct scheduler *scheduler) {
    for (struct generation *generation = scheduler->first; generation; generation = generation->next) {
        if (wants_token(generation)) {
            generation_sample(generation);
        } else if (generation->batch_output >= 0 && generation->state == GENERATION_PREFILL) {
            generation_replay(generation);
        }
    }
    uint64_t t_ns = clock_now_ns();
    events_step_begin(scheduler->events, t_ns);
    for (struct generation *generation = scheduler->first; generation; generation = generation->next) {
        if (wants_token(generation)) {
            generation_say(generation, scheduler->model, scheduler->events, t_ns);
        } else if (generation->batch_output >= 0 && generation->state == GENERATION_DECODING) {
            generation_flush(generation, scheduler->events);
            generation->reason = "length";
        }
    }
    events_step_send(scheduler->events);
}

void step_compute(struct scheduler *scheduler) {
    int n_prefill = build_batch(scheduler);
    if (scheduler->batch.n_tokens == 0) {
        return;
    }
    uint64_t began_ns = clock_now_ns();
    int failed = llama_decode(scheduler->model->context, scheduler->batch);
    if (failed) {
        fail_batch(scheduler, failed);
        return;
    }
    llama_synchronize(scheduler->model->context);
    accept_batch(scheduler);
    if (n_prefill >= scheduler->chunk_min) {
        scheduler->prefill_token_ms = (double)(clock_now_ns() - began_ns) / 1e6 / n_prefill;
    }
    sample_all(scheduler);
}
