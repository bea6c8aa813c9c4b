#include "scheduler.h"

#include "admission.h"
#include "step.h"

#include "base/clock.h"

#include <assert.h>
#include <string.h>

/* From 64 tokens on the library computes attention in tiles: deep in a context a chunk of 64 then takes half the time of one of 32
 * (2.4 s and 4.7 s behind 6,000 tokens, one slow thread). So 64 is the least, but for a model so slow that the hang limit comes near. */
#define CHUNK_TOKENS_SLOW 16
#define CHUNK_MS_LIMIT    10000 /* how long a ping or a cancel may wait, as far as the load can tell */
/* A token in a chunk costs a fraction of one alone. Until that is measured: */
#define CHUNK_TOKEN_SHARE 4

void scheduler_init(struct scheduler *scheduler, const struct model *model, struct events *events) {
    *scheduler = (struct scheduler){ .model = model,
                                     .events = events,
                                     .prefill_token_ms = model->step_ms / CHUNK_TOKEN_SHARE };
    bool is_slow = scheduler->prefill_token_ms * SCHEDULER_CHUNK_TILED > CHUNK_MS_LIMIT;
    scheduler->chunk_min = is_slow ? CHUNK_TOKENS_SLOW : SCHEDULER_CHUNK_TILED;
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

int scheduler_count_decoding(const struct scheduler *scheduler) {
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

/* Decoding needs a cell for each: when no idle slot is left to empty, the longest generation gives up its own. */
static void make_room(struct scheduler *scheduler) {
    while (!slots_make_room(&scheduler->slots, scheduler_count_decoding(scheduler))) {
        end_longest(scheduler);
    }
}

void scheduler_step(struct scheduler *scheduler) {
    admission_start_queued(scheduler);
    make_room(scheduler);
    step_compute(scheduler);
    end_all_with_reason(scheduler);
    sweep(scheduler);
    admission_start_queued(scheduler);
}
