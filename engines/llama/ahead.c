#include "ahead.h"

#include "base/mem.h"

static struct generation *next_answer(struct generation *generation) {
    while (generation && generation->state != GENERATION_DECODING) {
        generation = generation->next;
    }
    return generation;
}

static int count_answers(const struct scheduler *scheduler) {
    int n = 0;
    for (struct generation *at = next_answer(scheduler->first); at; at = next_answer(at->next)) {
        n++;
    }
    return n;
}

/* Its history is looked at from the first step in which it could be of use. */
static struct speculation *open(struct generation *generation) {
    if (generation->speculation == NULL) {
        generation->speculation = mem_alloc(sizeof *generation->speculation);
        speculation_init(generation->speculation);
        for (int i = 0; i < generation->slot->n_tokens; i++) {
            ngram_add(&generation->speculation->ngram, generation->slot->tokens[i]);
        }
        speculation_note(generation->speculation, generation->last);
    }
    return generation->speculation;
}

static int min(int a, int b) {
    return a < b ? a : b;
}

/* How many tokens may be said behind the next one. */
static int count_left(const struct scheduler *scheduler, const struct generation *generation) {
    int max_tokens = generation->command->generate.max_tokens;
    int n_context = scheduler->model->n_context - generation->n_prompt - generation->n_sampled - 1;
    int n_left = max_tokens < 0 ? n_context : min(n_context, max_tokens - generation->n_sampled - 1);
    return n_left > 0 ? n_left : 0;
}

static int plan(struct scheduler *scheduler, struct generation *generation, struct speculation_offer *offer,
                int n_free) {
    int n_rows = SPECULATION_ROWS_MAX - offer->work.n_tokens;
    offer->depth = generation->slot->n_tokens + 1;
    offer->n_tokens_max = min(min(n_free, n_rows), count_left(scheduler, generation));
    return speculation_plan(open(generation), offer);
}

struct cost_work ahead_plan(struct scheduler *scheduler, const struct policy_view *view) {
    const struct model *model = scheduler->model;
    struct speculation_offer offer = {
        .cost = &scheduler->costs[STEP_DECODE],
        .lane = view->lane_decode,
        .work = view->decoding,
        .n_answers = count_answers(scheduler),
        .limit_ms = policy_budget(&scheduler->policy, view),
        .is_forced = model->speculation == SPECULATION_ALWAYS,
    };
    bool may_guess =
        model->speculation != SPECULATION_OFF && view->n_prompts == 0 && offer.n_answers <= AHEAD_ANSWERS_MAX;
    int n_free = model->n_context - slots_count_cells(&scheduler->slots) - view->decoding.n_tokens;
    for (struct generation *at = next_answer(scheduler->first); at; at = next_answer(at->next)) {
        if (may_guess) {
            int n = plan(scheduler, at, &offer, n_free);
            offer.work = cost_add_work(offer.work, cost_work_of(n, offer.depth));
            n_free -= n;
        } else if (at->speculation) {
            at->speculation->n_guessed = 0;
        }
    }
    return offer.work;
}

void ahead_say(struct scheduler *scheduler, struct generation *generation, uint64_t t_ns) {
    struct speculation *speculation = generation->speculation;
    if (speculation == NULL) {
        return;
    }
    int n = 0;
    speculation_note(speculation, generation->sampled);
    while (n < speculation->n_guessed && generation->reason == NULL &&
           generation->last == speculation->guesses[n]) {
        slots_add_tokens(generation->slot, &generation->last, 1);
        n++;
        generation->batch_output++;
        generation_sample(generation);
        generation_say(generation, scheduler->model, scheduler->events, t_ns);
        speculation_note(speculation, generation->sampled);
    }
    if (n < speculation->n_guessed) {
        slots_cut(&scheduler->slots, generation->slot);
    }
    speculation->n_said = n + 1;
}

void ahead_learn(struct scheduler *scheduler, const struct policy_view *view, double ms) {
    double plain_ms = cost_predict(&scheduler->costs[STEP_DECODE], view->lane_decode, view->decoding);
    for (struct generation *at = next_answer(scheduler->first); at; at = next_answer(at->next)) {
        if (at->speculation && at->speculation->n_guessed > 0) {
            speculation_learn(at->speculation, at->speculation->n_said, ms, plain_ms);
        }
    }
}
