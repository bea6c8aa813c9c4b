/* sharing.h - prompts that begin alike and are computed at the same time: the common part is computed once.
 *
 * Each prompt that is being computed may have a leader: one that is ahead of it and has more of its beginning to come. It waits where
 * the leader was when it last looked, takes over what the leader has computed after each step, and goes on by itself behind the common
 * part, or when its leader is gone. To be ahead means more tokens; of as many, a shorter prompt, so that none waits for one that the policy
 * takes later; and of those an earlier place in the list. So nobody waits in a circle.
 *
 * Thread  one.
 * Memory  none of its own: `leader` and `n_shared` of the generations.
 */
#ifndef RUNNEL_ENGINES_LLAMA_SHARING_H
#define RUNNEL_ENGINES_LLAMA_SHARING_H

#include "generation.h"

/* sharing_find_leaders: after a generation got its slot, or lost it. */
void sharing_find_leaders(struct generation *first);

/* sharing_leave: before a generation gives its slot back, those that follow it take over what it has computed. */
void sharing_leave(struct generation *first, const struct generation *leaving, struct slots *slots);

/* sharing_follow takes over what the leader has computed: before a step is put together. Returns the number of tokens gained. */
int sharing_follow(struct generation *generation, struct slots *slots);

/* sharing_waits: nothing of this prompt is to be computed in this step, its leader does it. */
bool sharing_waits(const struct generation *generation);

/* sharing_count_common: tokens of the prompt that a generation which has a slot has, or will have, in the cache. */
int sharing_count_common(const struct generation *first, const struct generation *candidate);

#endif
