#include "admission.h"

#include "base/clock.h"

/* The cells that a generation should have: its prompt, and a fair share for the answer. */
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

void admission_start_queued(struct scheduler *scheduler) {
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
