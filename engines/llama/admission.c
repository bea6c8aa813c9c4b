#include "admission.h"

#include "fetch.h"
#include "sharing.h"

#include "base/clock.h"

/* The cells that a generation still needs: for what is missing of its prompt, and a fair share for the answer. `n_had` tokens it has, or gets
 * from another generation. */
static int cells_missing(const struct scheduler *scheduler, const struct generation *generation, int n_had) {
    int n_fair = scheduler->model->n_context / scheduler->model->n_slots;
    int max_tokens = generation->command->generate.max_tokens;
    int n_answer = max_tokens >= 0 && max_tokens < n_fair ? max_tokens : n_fair;
    int n_missing = generation->n_prompt + n_answer - n_had;
    return n_missing > 0 ? n_missing : 0;
}

static bool has_room(const struct scheduler *scheduler, const struct generation *candidate) {
    bool is_alone = true;
    int n_needed = slots_count_busy_cells(&scheduler->slots);
    for (const struct generation *generation = scheduler->first; generation; generation = generation->next) {
        if (generation->slot) {
            int n_had = generation->leader ? generation->n_shared : generation->slot->n_tokens;
            n_needed += cells_missing(scheduler, generation, n_had);
            is_alone = false;
        }
    }
    n_needed += cells_missing(scheduler, candidate, sharing_count_common(scheduler->first, candidate));
    return is_alone || n_needed <= scheduler->model->n_context;
}

/* What the disk has more than the cache, and more than another generation is about to compute, is loaded if that is faster. */
static void fetch_more(struct scheduler *scheduler, struct generation *generation) {
    int n_had = generation->leader ? generation->n_shared : generation->slot->n_tokens;
    generation->fetch =
        fetch_begin(&scheduler->keep, generation->prompt, generation_count_reusable(generation), n_had,
                    &scheduler->costs[STEP_PREFILL], scheduler->tuners[STEP_PREFILL].at);
    generation->leader = generation->fetch ? NULL : generation->leader;
}

static bool try_start(struct scheduler *scheduler, struct generation *generation) {
    const struct generate *generate = &generation->command->generate;
    struct slot *slot = NULL;
    if (generation->prompt == NULL && generation->reason == NULL) {
        generation_prepare(generation, scheduler->model);
    }
    if (generation->reason == NULL && slots_has_free(&scheduler->slots) && has_room(scheduler, generation)) {
        slot = slots_take(&scheduler->slots, generate->cache_key, generation->prompt,
                          generation_count_reusable(generation));
    }
    if (slot == NULL) {
        return false;
    }
    generation->slot = slot;
    generation->n_cached = slot->n_tokens;
    generation->state = GENERATION_PREFILL;
    generation->started_ns = clock_now_ns();
    scheduler->n_queued--;
    if (generation->n_dropped > 0) {
        events_dropped(scheduler->events, generation->command->id, generation->n_dropped);
    }
    events_prefill(scheduler->events, generation->command->id, slot->n_tokens, generation->n_prompt,
                   generation->n_cached);
    if (generation->is_draft) {
        slots_mark_draft(slot);
    }
    sharing_find_leaders(scheduler->first);
    fetch_more(scheduler, generation);
    return true;
}

void admission_start_queued(struct scheduler *scheduler) {
    bool has_answers = scheduler_has_answers(scheduler);
    int position = 0;
    for (struct generation *generation = scheduler->first; generation && scheduler->n_queued > 0;
         generation = generation->next) {
        bool may_start = generation->is_draft ? !has_answers : position == 0;
        if (generation->state != GENERATION_QUEUED || (may_start && try_start(scheduler, generation)) ||
            generation->is_draft) {
            continue;
        }
        if (generation->position != ++position) {
            generation->position = position;
            events_queued(scheduler->events, generation->command->id, position);
        }
    }
}
