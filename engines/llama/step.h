/* step.h - one llama_decode: what goes in, and what came of it.
 *
 * A decode step has one token of each answer that is being said, and guesses behind it (ahead.h); one that goes on with a prefix token by token ([E21]) is among them.
 * A prefill step has a chunk of the prompts that are still to be computed. policy.h says which of them is next. Then the slots know
 * the tokens that the cache has taken, a token is sampled for each generation that has logits, and all go out in one line ([E11]).
 *
 * A prefill step that was stopped leaves everything as it was before it.
 *
 * Owner   the scheduler.
 * Thread  one.
 */
#ifndef RUNNEL_ENGINES_LLAMA_STEP_H
#define RUNNEL_ENGINES_LLAMA_STEP_H

#include "scheduler.h"

/* step_compute computes one step; of generations that end with it only `reason` is set. */
void step_compute(struct scheduler *scheduler);

/* step_can_spare: something that is no generation may compute now, and how long: with a decode step no longer than the budget; 0: as long as it takes. While
 * answers are made that has a quarter of the time, and behind it come as many decode steps as behind a chunk of a prompt. step_spent: it took so long. */
bool step_can_spare(const struct scheduler *scheduler, double *max_ms);
void step_spent(struct scheduler *scheduler, double ms);

#endif
