/* admission.h - who is let into the cache, and who waits.
 *
 * A generation gets a slot when its whole prompt and a fair share for its answer have room beside those of all that are inside, so
 * that prefill never waits for itself and those inside seldom cut each other short. What several of them share counts once.
 * Drafts are let in when there is nothing else. Those who wait are let in strictly in order.
 *
 * Owner   the scheduler.
 * Thread  one.
 */
#ifndef RUNNEL_ENGINES_LLAMA_ADMISSION_H
#define RUNNEL_ENGINES_LLAMA_ADMISSION_H

#include "scheduler.h"

/* admission_start_queued lets in those who waited longest, and tells the others their new place. */
void admission_start_queued(struct scheduler *scheduler);

#endif
