#include "sharing.h"

static int count_common(const struct generation *a, const struct generation *b) {
    int n_max = a->n_prompt < b->n_prompt ? a->n_prompt : b->n_prompt;
    int n = 0;
    while (n < n_max && a->prompt[n] == b->prompt[n]) {
        n++;
    }
    return n;
}

/* How much of its prompt it may take from elsewhere: the last token is always computed. */
static int count_reusable(const struct generation *generation) {
    return generation_count_reusable(generation) - 1;
}

/* `earlier`: a comes before b in the list. */
static bool is_ahead(const struct generation *a, const struct generation *b, bool earlier) {
    if (a->slot->n_tokens != b->slot->n_tokens) {
        return a->slot->n_tokens > b->slot->n_tokens;
    }
    return a->n_prompt != b->n_prompt ? a->n_prompt < b->n_prompt : earlier;
}

static void find_leader(struct generation *first, struct generation *generation) {
    bool earlier = true;
    generation->leader = NULL;
    generation->n_shared = generation->slot->n_tokens + SLOTS_SHARED_TOKENS_MIN - 1;
    for (struct generation *other = first; other; other = other->next) {
        if (other == generation) {
            earlier = false;
        } else if (other->state == GENERATION_PREFILL && is_ahead(other, generation, earlier)) {
            int n = count_common(other, generation);
            n = n < count_reusable(generation) ? n : count_reusable(generation);
            if (n > generation->n_shared) {
                generation->n_shared = n;
                generation->leader = other;
            }
        }
    }
}

void sharing_find_leaders(struct generation *first) {
    for (struct generation *generation = first; generation; generation = generation->next) {
        generation->leader = NULL;
        if (generation->state == GENERATION_PREFILL) {
            find_leader(first, generation);
        }
    }
}

int sharing_follow(struct generation *generation, struct slots *slots) {
    const struct generation *leader = generation->leader;
    if (leader == NULL) {
        return 0;
    }
    int n_gained = 0;
    const struct slot *slot = generation->slot;
    if (leader->slot->n_tokens > slot->n_tokens) {
        n_gained =
            slots_extend(slots, generation->slot, generation->prompt, generation_count_reusable(generation));
    }
    generation->n_cached += n_gained;
    if (leader->slot->n_tokens >= generation->n_shared || slot->n_tokens >= generation->n_shared) {
        generation->leader = NULL;
    }
    return n_gained;
}

void sharing_leave(struct generation *first, const struct generation *leaving, struct slots *slots) {
    for (struct generation *generation = first; generation; generation = generation->next) {
        if (generation->leader == leaving) {
            sharing_follow(generation, slots);
        }
    }
}

bool sharing_waits(const struct generation *generation) {
    return generation->leader != NULL;
}

int sharing_count_common(const struct generation *first, const struct generation *candidate) {
    int best = 0;
    for (const struct generation *other = first; other; other = other->next) {
        if (other->slot && other != candidate) {
            int n = count_common(other, candidate);
            best = n > best ? n : best;
        }
    }
    return best < count_reusable(candidate) ? best : count_reusable(candidate);
}
