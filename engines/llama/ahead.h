/* ahead.h - guesses of what answers say next (speculation.h) in the decode steps of the scheduler.
 *
 * Guesses are made where few answers go on, no prompt waits, and there are free cells: nobody's tokens are given up for them. What a step
 * computed for guesses that were not right is cut off behind it; these cells are new in the step, so that no other sequence has a part
 * in them.
 *
 * Owner   the scheduler.
 * Thread  one.
 */
#ifndef RUNNEL_ENGINES_LLAMA_AHEAD_H
#define RUNNEL_ENGINES_LLAMA_AHEAD_H

#include "scheduler.h"

#define AHEAD_ANSWERS_MAX 4 /* beyond that the rows of the answers themselves fill a step */

/* ahead_plan makes guesses for the decode step of `view`, or makes sure that there are none; returns its work with them. */
struct cost_work ahead_plan(struct scheduler *scheduler, const struct policy_view *view);

/* ahead_say goes on behind the token that was just said: with the guesses that were right, and one more. */
void ahead_say(struct scheduler *scheduler, struct generation *generation, uint64_t t_ns);

/* ahead_learn: the step with these guesses took `ms`, and its tokens are said. */
void ahead_learn(struct scheduler *scheduler, const struct policy_view *view, double ms);

#endif
