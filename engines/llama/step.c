#include "step.h"

#include "ahead.h"
#include "sharing.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>

#define TELL_STEPS_NS 100000000u

/* Whoever comes waits for one chunk of a draft. */
#define DRAFT_CHUNK_TOKENS COST_TILE_TOKENS

/* Of the time of generations to what is none, while there are answers. */
#define OTHER_SHARE_PARTS 3.0
/* However little the budget leaves, a token is computed. */
#define SPARE_MS_MIN 1.0

static_assert(TUNER_COUNTS_MAX <= COST_LANES_MAX, "a number of threads is a lane of the cost model");
static_assert(COMMAND_SLOTS_MAX <= POLICY_PROMPTS_MAX, "a prompt for each slot");
static_assert(COMMAND_SLOTS_MAX <= MODEL_BATCH_TOKENS_MAX, "a token of each slot fits into a batch");

/* Something of it can be computed now. */
static bool is_due(const struct generation *generation) {
    return generation->slot && !sharing_waits(generation) && generation->fetch == NULL;
}

/* How many tokens of the prompt are computed in chunks: all, or up to a prefix that is to be exact. */
static int count_chunked(const struct generation *generation) {
    int n_end = generation->is_stepwise ? generation->n_conversation : generation->n_prompt;
    return n_end - generation->slot->n_tokens;
}

static bool needs_logits(const struct generation *generation, int position) {
    return !generation->is_draft && position + 1 >= generation_count_reusable(generation);
}

/* What there is to choose from; owners[i] is the generation of prompts[i]. */
struct choice {
    struct policy_view view;
    struct policy_prompt prompts[POLICY_PROMPTS_MAX];
    struct generation *owners[POLICY_PROMPTS_MAX];
    int take[POLICY_PROMPTS_MAX];
    bool is_prefill;
    struct cost_work work;
    enum step_kind kind;
    int lane; /* of the number of threads */
};

static void collect(const struct scheduler *scheduler, struct choice *choice) {
    struct policy_view *view = &choice->view;
    for (struct generation *generation = scheduler->first; generation; generation = generation->next) {
        if (!is_due(generation)) {
            continue;
        }
        int depth = generation->slot->n_tokens;
        if (generation_is_in_decode(generation)) {
            view->decoding = cost_add_work(view->decoding, cost_work_of(1, depth));
        } else if (generation->state == GENERATION_PREFILL) {
            assert(view->n_prompts < POLICY_PROMPTS_MAX);
            choice->owners[view->n_prompts] = generation;
            choice->prompts[view->n_prompts++] =
                (struct policy_prompt){ .n_left = count_chunked(generation),
                                        .depth = depth,
                                        .since_ms = (double)generation->started_ns / 1e6 };
        }
    }
    view->prompts = choice->prompts;
}

static int count_taken(const struct choice *choice) {
    int n = 0;
    for (size_t i = 0; i < choice->view.n_prompts; i++) {
        n += choice->take[i];
    }
    return n;
}

static struct cost_work work_taken(const struct choice *choice) {
    struct cost_work work = { .n_tokens = 0 };
    for (size_t i = 0; i < choice->view.n_prompts; i++) {
        if (choice->take[i] > 0) {
            work = cost_add_work(work, cost_work_of(choice->take[i], choice->prompts[i].depth));
        }
    }
    return work;
}

/* The policy's choice, within the room that there is in the cache. */
static void choose(struct scheduler *scheduler, struct choice *choice) {
    *choice = (struct choice){ .is_prefill = false };
    collect(scheduler, choice);
    struct policy_view *view = &choice->view;
    view->lane_decode = tuner_choose(&scheduler->tuners[STEP_DECODE]);
    view->lane_prefill = tuner_choose(&scheduler->tuners[STEP_PREFILL]);
    view->is_probe = view->lane_prefill != scheduler->tuners[STEP_PREFILL].at;
    view->n_tokens_max = scheduler_has_answers(scheduler) ? MODEL_BATCH_TOKENS_MAX : DRAFT_CHUNK_TOKENS;
    choice->is_prefill = policy_choose(&scheduler->policy, view, choice->take);
    int n_decoding = view->decoding.n_tokens;
    if (choice->is_prefill && !slots_make_room(&scheduler->slots, count_taken(choice) + n_decoding)) {
        view->n_tokens_max = scheduler->model->n_context - slots_count_cells(&scheduler->slots) - n_decoding;
        choice->is_prefill = policy_choose(&scheduler->policy, view, choice->take);
    }
    choice->work = choice->is_prefill ? work_taken(choice) : ahead_plan(scheduler, view);
    choice->kind = choice->is_prefill ? STEP_PREFILL : STEP_DECODE;
    choice->lane = choice->is_prefill ? view->lane_prefill : view->lane_decode;
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

static void add_prompt(struct llama_batch *batch, struct generation *generation, int n_tokens) {
    const struct slot *slot = generation->slot;
    for (int i = 0; i < n_tokens; i++) {
        int position = slot->n_tokens + i;
        bool has_output = needs_logits(generation, position);
        generation->batch_output = has_output ? batch->n_tokens : -1;
        add_to_batch(batch, generation->prompt[position], position, slot->id, has_output);
    }
    generation->batch_count = n_tokens;
}

static void add_decoding(struct llama_batch *batch, struct generation *generation) {
    if (generation->state == GENERATION_PREFILL) {
        add_prompt(batch, generation, 1);
        return;
    }
    const struct speculation *speculation = generation->speculation;
    const struct slot *slot = generation->slot;
    int n_guessed = speculation ? speculation->n_guessed : 0;
    generation->batch_output = batch->n_tokens;
    generation->batch_count = 1 + n_guessed;
    add_to_batch(batch, generation->last, slot->n_tokens, slot->id, true);
    for (int i = 0; i < n_guessed; i++) {
        add_to_batch(batch, speculation->guesses[i], slot->n_tokens + 1 + i, slot->id, true);
    }
}

static void build_batch(struct scheduler *scheduler, const struct choice *choice) {
    struct llama_batch *batch = &scheduler->batch;
    batch->n_tokens = 0;
    for (struct generation *generation = scheduler->first; generation; generation = generation->next) {
        generation->batch_count = 0;
        generation->batch_output = -1;
        if (!choice->is_prefill && is_due(generation) && generation_is_in_decode(generation)) {
            add_decoding(batch, generation);
        }
    }
    for (size_t i = 0; choice->is_prefill && i < choice->view.n_prompts; i++) {
        if (choice->take[i] > 0) {
            add_prompt(batch, choice->owners[i], choice->take[i]);
        }
    }
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
        if (slot->n_tokens == generation->n_prompt && generation->is_draft) {
            generation->reason = "stop";
        } else if (slot->n_tokens == generation->n_prompt) {
            generation->state = GENERATION_DECODING;
        }
    }
}

/* The batch was not computed to its end: the cache goes back to what the slots know. If it cannot be computed, its generations end. */
static void give_up_batch(struct scheduler *scheduler, enum compute_result result) {
    for (struct generation *generation = scheduler->first; generation; generation = generation->next) {
        if (generation->batch_count == 0) {
            continue;
        }
        slots_cut(&scheduler->slots, generation->slot);
        if (result == COMPUTE_FULL) {
            generation_fail(generation, ERROR_CONTEXT_FULL, "the cache has no room for this conversation");
        } else if (result == COMPUTE_FAILED) {
            generation_fail(generation, ERROR_INTERNAL,
                            "the model could not compute this step; the engine's log says more");
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
            ahead_say(scheduler, generation, t_ns);
        } else if (generation->batch_output >= 0 && generation->state == GENERATION_DECODING) {
            generation_flush(generation, scheduler->events);
            generation->reason = "length";
        }
    }
    events_step_send(scheduler->events);
}

/* What the step took teaches those who choose. */
static void learn(struct scheduler *scheduler, const struct choice *choice, double ms) {
    struct cost_work work = choice->work;
    struct cost *cost = &scheduler->costs[choice->kind];
    struct tuner *tuner = &scheduler->tuners[choice->kind];
    LOG_DEBUG("step", "kind=%s tokens=%d pairs=%.0f threads=%d ms=%.2f expected_ms=%.2f",
              choice->is_prefill ? "prefill" : "decode", work.n_tokens, work.n_pairs,
              tuner->counts[choice->lane], ms, cost_predict(cost, choice->lane, work));
    tuner_note(tuner, choice->lane, cost_compare(cost, work, ms), ms);
    cost_learn(cost, choice->lane, work, ms);
    policy_note(&scheduler->policy, &choice->view, choice->is_prefill, ms);
}

/* Decoding, as it stands between two steps. */
static void look(const struct scheduler *scheduler, struct choice *choice) {
    *choice = (struct choice){ .is_prefill = false };
    collect(scheduler, choice);
    choice->view.lane_decode = scheduler->tuners[STEP_DECODE].at;
    choice->view.lane_prefill = scheduler->tuners[STEP_PREFILL].at;
}

bool step_can_spare(const struct scheduler *scheduler, double *max_ms) {
    struct choice choice;
    *max_ms = 0;
    if (!scheduler_has_answers(scheduler)) {
        return true;
    }
    look(scheduler, &choice);
    struct cost_work decoding = choice.view.decoding;
    if (scheduler->owed_ms > 0 || (decoding.n_tokens > 0 && scheduler->policy.n_owed > 0)) {
        return false;
    }
    *max_ms = policy_budget(&scheduler->policy, &choice.view);
    if (decoding.n_tokens > 0) {
        *max_ms -= cost_predict(&scheduler->costs[STEP_DECODE], choice.view.lane_decode, decoding);
        *max_ms = *max_ms < SPARE_MS_MIN ? SPARE_MS_MIN : *max_ms;
    }
    return true;
}

void step_spent(struct scheduler *scheduler, double ms) {
    struct choice choice;
    look(scheduler, &choice);
    scheduler->owed_ms = OTHER_SHARE_PARTS * ms;
    policy_note(&scheduler->policy, &choice.view, true, ms);
}

void step_compute(struct scheduler *scheduler) {
    struct choice choice;
    choose(scheduler, &choice);
    build_batch(scheduler, &choice);
    if (scheduler->batch.n_tokens == 0) {
        return;
    }
    double ms;
    int n_threads = scheduler->tuners[choice.kind].counts[choice.lane];
    scheduler->is_reading = choice.is_prefill;
    enum compute_result result =
        compute_run(&scheduler->compute, scheduler->batch, n_threads, choice.is_prefill, &ms);
    scheduler->is_reading = false;
    scheduler->owed_ms -= ms;
    if (result != COMPUTE_DONE) {
        give_up_batch(scheduler, result);
        /* This time was taken from the others all the same. */
        policy_note(&scheduler->policy, &choice.view, choice.is_prefill, ms);
        return;
    }
    learn(scheduler, &choice, ms);
    accept_batch(scheduler);
    sample_all(scheduler);
    if (!choice.is_prefill) {
        ahead_learn(scheduler, &choice.view, ms);
    }
}
