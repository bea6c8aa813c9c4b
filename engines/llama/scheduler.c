#include "scheduler.h"

#include "admission.h"
#include "fetch.h"
#include "parking.h"
#include "sharing.h"
#include "step.h"

#include "base/clock.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

/* The guess of the cost model: attention to one cell takes four times as long as its share of the arithmetic. */
#define PAIR_SLOWNESS 4.0

/* Of the arithmetic of one token, the share of one cell that it attends to. */
static double pair_share(const struct model *model) {
    double n_weights = (double)llama_model_n_params(model->weights);
    double n_width = llama_model_n_embd(model->weights);
    double n_layers = llama_model_n_layer(model->weights);
    return 4 * n_layers * n_width / (2 * n_weights);
}

void scheduler_init(struct scheduler *scheduler, const struct model *model, struct events *events,
                    bool (*must_stop)(void *ctx), void *ctx) {
    *scheduler = (struct scheduler){ .model = model, .events = events };
    slots_init(&scheduler->slots, model);
    parking_init(&scheduler->slots);
    compute_init(&scheduler->compute, model, model->context, must_stop, ctx);
    for (int kind = 0; kind < STEP_KINDS_MAX; kind++) {
        cost_init(&scheduler->costs[kind], model->step_ms, PAIR_SLOWNESS * pair_share(model));
        tuner_init(&scheduler->tuners[kind], model->n_threads, model->has_fixed_threads);
    }
    policy_init(&scheduler->policy, &scheduler->costs[STEP_DECODE], &scheduler->costs[STEP_PREFILL],
                model->budget_ms, llama_model_n_layer(model->weights));
    keep_init(&scheduler->keep, &scheduler->slots);
    scheduler->batch = llama_batch_init(MODEL_BATCH_TOKENS_MAX, 0, 1);
}

void scheduler_deinit(struct scheduler *scheduler) {
    while (scheduler->first) {
        struct generation *generation = scheduler->first;
        scheduler->first = generation->next;
        generation_free(generation);
    }
    compute_deinit(&scheduler->compute);
    slots_deinit(&scheduler->slots);
    llama_batch_free(scheduler->batch);
}

bool scheduler_has_work(const struct scheduler *scheduler) {
    return scheduler->first != NULL;
}

int scheduler_fd(const struct scheduler *scheduler) {
    return scheduler->keep.store ? kv_store_fd(scheduler->keep.store) : -1;
}

int scheduler_rest(struct scheduler *scheduler) {
    if (scheduler->keep.store) {
        kv_store_drain(scheduler->keep.store);
    }
    return keep_save(&scheduler->keep, false) ? 0 : keep_due_ms(&scheduler->keep);
}

void scheduler_flush(struct scheduler *scheduler, int timeout_ms) {
    keep_flush(&scheduler->keep, clock_now_ms() + (uint64_t)timeout_ms);
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
        sharing_leave(scheduler->first, generation, &scheduler->slots);
        slots_release(&scheduler->slots, generation->slot);
    }
    fetch_free(generation->fetch);
    generation->fetch = NULL;
    generation->slot = NULL;
    generation->state = GENERATION_ENDED;
    sharing_find_leaders(scheduler->first);
    generation_report(generation, scheduler->model, scheduler->events);
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

static bool is_same_conversation(const struct command *a, const struct command *b) {
    const char *key = a->generate.cache_key;
    const char *other = b->generate.cache_key;
    return key && other && strcmp(key, other) == 0;
}

/* What the one that comes makes useless: an answer all drafts, a draft the earlier one of its conversation, and the oldest when there
 * are too many. */
static void drop_drafts(struct scheduler *scheduler, const struct generation *coming) {
    struct generation *oldest = NULL;
    int n_drafts = 0;
    for (struct generation *generation = scheduler->first; generation; generation = generation->next) {
        if (generation == coming || !generation->is_draft || generation->reason) {
            continue;
        }
        n_drafts++;
        oldest = oldest ? oldest : generation;
        if (!coming->is_draft || is_same_conversation(generation->command, coming->command)) {
            generation->reason = "cancelled";
        }
    }
    if (n_drafts >= SCHEDULER_DRAFTS_MAX && oldest->reason == NULL) {
        oldest->reason = "cancelled";
    }
}

void scheduler_add(struct scheduler *scheduler, struct command *command) {
    struct generation *generation = generation_new(scheduler->model, command);
    struct generation **tail = &scheduler->first;
    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = generation;
    drop_drafts(scheduler, generation);
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

/* The last message is what was typed, or the beginning or the rest of it. */
static bool is_typed_on(const struct command *a, const struct command *b) {
    size_t n = a->generate.n_messages;
    if (n == 0 || n != b->generate.n_messages) {
        return false;
    }
    const char *text = a->generate.messages[n - 1].content;
    const char *other = b->generate.messages[n - 1].content;
    size_t n_text = strlen(text);
    size_t n_other = strlen(other);
    return strncmp(text, other, n_text < n_other ? n_text : n_other) == 0;
}

/* A send cancels its own draft first: the chunk under way is of use to it. */
static bool is_useless_after(const struct generation *generation, const struct command *command) {
    switch (command->op) {
    case COMMAND_CANCEL:
        return !generation->is_draft && strcmp(generation->command->id, command->id) == 0;
    case COMMAND_GENERATE:
        return generation->is_draft && !is_same_conversation(generation->command, command) &&
               !is_typed_on(generation->command, command);
    default:
        return false;
    }
}

bool scheduler_can_give_up(const struct scheduler *scheduler, const struct command *command) {
    bool can_stop = scheduler->is_reading && scheduler->model->can_cut;
    const struct generation *generation = can_stop ? scheduler->first : NULL;
    while (generation && (generation->batch_count == 0 || !is_useless_after(generation, command))) {
        generation = generation->next;
    }
    return generation != NULL;
}

bool scheduler_has_answers(const struct scheduler *scheduler) {
    const struct generation *generation = scheduler->first;
    while (generation && generation->is_draft) {
        generation = generation->next;
    }
    return generation != NULL;
}

static int count_in_decode(const struct scheduler *scheduler) {
    int n = 0;
    for (const struct generation *generation = scheduler->first; generation; generation = generation->next) {
        n += generation_is_in_decode(generation);
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

/* A decode step needs a cell for each: when no idle slot is left to empty, the longest generation gives up its own. */
static void make_room(struct scheduler *scheduler) {
    while (!slots_make_room(&scheduler->slots, count_in_decode(scheduler))) {
        end_longest(scheduler);
    }
}

/* Puts what came from the disk into the cache, *n_files at most. */
static int advance_fetch(struct generation *generation, int *n_files) {
    int n_before = generation->slot->n_tokens;
    if (!fetch_advance(generation->fetch, generation->slot, n_files)) {
        fetch_free(generation->fetch);
        generation->fetch = NULL;
    }
    int n_gained = generation->slot->n_tokens - n_before;
    generation->n_cached += n_gained;
    return n_gained;
}

/* Prompts take over what came from the disk, and what other generations have computed of them. While somebody decodes, one file a step. */
static void take_over(struct scheduler *scheduler) {
    int n_files = count_in_decode(scheduler) > 0 ? 1 : INT_MAX;
    for (struct generation *generation = scheduler->first; generation; generation = generation->next) {
        int n_gained = generation->fetch ? advance_fetch(generation, &n_files) : 0;
        n_gained += sharing_follow(generation, &scheduler->slots);
        if (n_gained > 0) {
            events_prefill(scheduler->events, generation->command->id, generation->slot->n_tokens,
                           generation->n_prompt, generation->n_cached);
        }
    }
}

void scheduler_step(struct scheduler *scheduler) {
    if (scheduler->keep.store) {
        kv_store_drain(scheduler->keep.store);
    }
    admission_start_queued(scheduler);
    make_room(scheduler);
    take_over(scheduler);
    step_compute(scheduler);
    scheduler->is_waiting = scheduler->batch.n_tokens == 0;
    end_all_with_reason(scheduler);
    sweep(scheduler);
    keep_save(&scheduler->keep, true);
    admission_start_queued(scheduler);
}
