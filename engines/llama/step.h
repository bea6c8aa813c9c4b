/* step.h - one llama_decode: what goes in, and what came of it.
 *
 * A token of each decoding generation, filled up with a chunk of the prompts that are still to be computed. Then the slots know
 * the tokens that the cache has taken, a token is sampled for each generation that has logits, and all go out in one line ([E11]).
 *
 * Owner   the scheduler.
 * Thread  one.
 */
#ifndef RUNNEL_ENGINES_LLAMA_STEP_H
#define RUNNEL_ENGINES_LLAMA_STEP_H

#include "scheduler.h"

/* step_compute computes one step; of generations that end with it only `reason` is set. */
void step_compute(struct scheduler *scheduler);

#endif
