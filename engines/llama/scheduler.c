#include "scheduler.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <string.h>

/* Chunk sizes. From 64 tokens on the library computes attention in tiles: deep in a context a chunk of 64 then takes half the time of
 * one of 32 (2.4 s and 4.7 s behind 6,000 tokens, one slow thread), and beyond 256 nothing is gained. So 64 is the least, but for a model
 * so slow that the hang limit comes near. */
#define CHUNK_TOKENS_ALONE  512
#define CHUNK_TOKENS_SHARED 64
#define CHUNK_TOKENS_TILED  64
#define CHUNK_TOKENS_SLOW   16
#define CHUNK_MS_MAX        1000  /* how long a ping or a cancel should wait */
#define CHUNK_MS_LIMIT      10000 /* and may at the most, as far as the load can tell */
/* A token in a chunk costs a fraction of one alone. Until that is measured: */
#define CHUNK_TOKEN_SHARE 4

#define TELL_STEPS_NS 100000000u

void scheduler_init(struct scheduler *scheduler, const struct model *model, struct events *events) {
    *scheduler = (struct scheduler){ .model = model,
                                     .events = events,
                                     .prefill_token_ms = model->step_ms / CHUNK_TOKEN_SHARE };
    bool is_slow = scheduler->prefill_token_ms * CHUNK_TOKENS_TILED > CHUNK_MS_LIMIT;
    scheduler->chunk_min = is_slow ? CHUNK_TOKENS_SLOW : CHUNK_TOKENS_TILED;
    slots_init(&scheduler->slots, model);
    scheduler->batch = llama_batch_init(MODEL_BATCH_TOKENS_MAX, 0, 1);
}

void scheduler_deinit(struct scheduler *scheduler) {
    while (scheduler->first) {
        struct generation *generation = scheduler->first;
        scheduler->first = generation->next;
        generation_free(generation);
    }
    slots_deinit(&scheduler->slots);
    llama_batch_free(scheduler->batch);
}

bool scheduler_has_work(const struct scheduler *scheduler) {
    return scheduler->first != NULL;
}

/* An answer that ends beside the steps says what it holds back ([E14]). */
static void flush(struct scheduler *scheduler, struct generation *generation) {
    events_step_begin(scheduler->events, clock_now_ns());
    generation_flush(generation, scheduler->events);
    events_step_send(scheduler->events);
}

/* Sends the one `end` and gives the slot back; the sweep frees it. */
static void end(struct scheduler *scheduler, struct generation *generation) {
    assert(generation->reason && generation->state != GENERATION_ENDED);
    scheduler->n_queued -= generation->state == GENERATION_QUEUED;
    if (generation->slot) {
        slots_release(&scheduler->slots, generation->slot);
    }
    generation->slot = NULL;
    generation->state = GENERATION_ENDED;
    generation_report(generation, scheduler->events);
}

static void end_all_with_reason(struct scheduler *scheduler) {
    for (struct generation *generation = scheduler->first; generation; generation = generation->next) {
        if (generation->reason && generation->state != GENERATION_ENDED) {
            end(scheduler, generation);
        }
    }
}

static void sweep(struct scheduler *scheduler) {
    for (struct generation **at = &scheduler->first; *at;) {
        struct generation *generation = *at;
        if (generation->state == GENERATION_ENDED) {
            *at = generation->next;
            generation_free(generation);
        } else {
            at = &generation->next;
        }
    }
}

void scheduler_add(struct scheduler *scheduler, struct command *command) {
    struct generation *generation = generation_new(scheduler->model, command);
    struct generation **tail = &scheduler->first;
    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = generation;
    if (generation->reason && strcmp(generation->reason, "length") == 0) {
        flush(scheduler, generation); /* the prefix fills the context */
    }
    if (++scheduler->n_queued > SCHEDULER_QUEUED_MAX) {
        generation_fail(generation, ERROR_INTERNAL, "too many generations wait; try again later");
    }
    end_all_with_reason(scheduler);
    sweep(scheduler);
}

void scheduler_cancel(struct scheduler *scheduler, const char *id) {
    events_step_begin(scheduler->events, clock_now_ns());
    for (struct generation *generation = scheduler->first; generation; generation = generation->next) {
        if (id == NULL || strcmp(generation->command->id, id) == 0) {
            generation_flush(generation, scheduler->events);
            generation->reason = "cancelled";
        }
    }
    events_step_send(scheduler->events);
    end_all_with_reason(scheduler);
    sweep(scheduler);
}

/* The cells that a generation should have: its prompt, and a fair share for the answer, so that those inside seldom cut each
 * other short. */
static int cells_wanted(const struct scheduler *scheduler, const struct generation *generation) {
    int n_fair = scheduler->model->n_context / scheduler->model->n_slots;
    int max_tokens = generation->command->generate.max_tokens;
    int n_answer = max_tokens >= 0 && max_tokens < n_fair ? max_tokens : n_fair;
    int n_used = generation->slot ? generation->slot->n_tokens : 0;
    int n_wanted = generation->n_prompt + n_answer;
    return n_used > n_wanted ? n_used : n_wanted;
}

static bool has_room(const struct scheduler *scheduler, const struct generation *candidate) {
    bool is_alone = true;
    int n_reserved = 0;
    for (const struct generation *generation = scheduler->first; generation; generation = generation->next) {
        if (generation->slot) {
            n_reserved += cells_wanted(scheduler, generation);
            is_alone = false;
        }
    }
    return is_alone || n_reserved + cells_wanted(scheduler, candidate) <= scheduler->model->n_context;
}

static bool try_start(struct scheduler *scheduler, struct generation *generation) {
    const struct generate *generate = &generation->command->generate;
    struct slot *slot = NULL;
    if (has_room(scheduler, generation)) {
        /* To be drawn again a token needs the logits before it: they are not in the cache. */
        int n_reusable = generation->is_replayed ? generation->n_conversation : generation->n_prompt;
        slot = slots_take(&scheduler->slots, generate->cache_key, generation->prompt, n_reusable);
    }
    if (slot == NULL) {
        return false;
    }
    generation->slot = slot;
    generation->n_cached = slot->n_tokens;
    generation->state = GENERATION_PREFILL;
    generation->started_ns = clock_now_ns();
    scheduler->n_queued--;
    events_prefill(scheduler->events, generation->command->id, slot->n_tokens, generation->n_prompt,
                   generation->n_cached);
    return true;
}

/* Lets in those who waited longest, strictly in order, and tells the others their new place. */
static void start_queued(struct scheduler *scheduler) {
    int position = 0;
    for (struct generation *generation = scheduler->first; generation && scheduler->n_queued > 0;
         generation = generation->next) {
        if (generation->state != GENERATION_QUEUED || (position == 0 && try_start(scheduler, generation))) {
            continue;
        }
        if (generation->position != ++position) {
            generation->position = position;
            events_queued(scheduler->events, generation->command->id, position);
        }
    }
}

static int count_decoding(const struct scheduler *scheduler) {
    int n = 0;
    for (const struct generation *generation = scheduler->first; generation; generation = generation->next) {
        n += generation->state == GENERATION_DECODING && generation->reason == NULL;
    }
    return n;
}

static void end_longest(struct scheduler *scheduler) {
    struct generation *longest = NULL;
    for (struct generation *generation = scheduler->first; generation; generation = generation->next) {
        if (generation->state == GENERATION_DECODING &&
            (longest == NULL || generation->slot->n_tokens > longest->slot->n_tokens)) {
            longest = generation;
        }
    }
    assert(longest);
    flush(scheduler, longest);
    longest->reason = "length";
    end(scheduler, longest);
}

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
    if (chunk < CHUNK_TOKENS_TILED || n_rest <= 0 || n_rest >= CHUNK_TOKENS_TILED) {
        return chunk;
    }
    return n_left <= n_max ? n_left : n_left - CHUNK_TOKENS_TILED;
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
    while (!slots_make_room(slots, count_decoding(scheduler))) {
        end_longest(scheduler);
    }
    int n_decoding = count_decoding(scheduler);
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

void scheduler_step(struct scheduler *scheduler) {
    start_queued(scheduler);
    int n_prefill = build_batch(scheduler);
    if (scheduler->batch.n_tokens > 0) {
        uint64_t began_ns = clock_now_ns();
        int failed = llama_decode(scheduler->model->context, scheduler->batch);
        if (failed) {
            fail_batch(scheduler, failed);
        } else {
            llama_synchronize(scheduler->model->context);
            accept_batch(scheduler);
            if (n_prefill >= scheduler->chunk_min) {
                scheduler->prefill_token_ms = (double)(clock_now_ns() - began_ns) / 1e6 / n_prefill;
            }
            sample_all(scheduler);
        }
    }
    end_all_with_reason(scheduler);
    sweep(scheduler);
    start_queued(scheduler);
}
