/* scheduler.h - continuous batching: who computes what in the next step.
 *
 * The list of generations, and what happens around one step: who is let in (admission.h), what is computed (step.h), who ends.
 *
 * Invariants: (1) the tokens of all slots never pass the context; (2) a generation is let in only when its whole prompt has
 * room beside the prompts of those already in; (3) when decoding needs room and no idle slot is left to empty, the longest
 * generation ends as "length".
 *
 * Owner   the main loop.
 * Thread  one.
 * Limits  SCHEDULER_QUEUED_MAX generations wait.
 */
#ifndef RUNNEL_ENGINES_LLAMA_SCHEDULER_H
#define RUNNEL_ENGINES_LLAMA_SCHEDULER_H

#include "compute.h"
#include "cost.h"
#include "generation.h"
#include "policy.h"
#include "tuner.h"

#define SCHEDULER_QUEUED_MAX 4096

enum step_kind { STEP_DECODE, STEP_PREFILL, STEP_KINDS_MAX };

struct scheduler {
    const struct model *model;
    struct events *events;
    struct slots slots;
    struct compute compute;
    struct cost costs[STEP_KINDS_MAX];
    struct policy policy;
    struct tuner tuners[STEP_KINDS_MAX];
    struct llama_batch batch;
    struct generation *first; /* in the order they came */
    int n_queued;
    bool is_reading; /* the batch under way is a chunk of prompts */
};

/* scheduler_init: `must_stop` is asked now and then while a chunk of prompts is computed, on this thread; true gives the chunk up. */
void scheduler_init(struct scheduler *scheduler, const struct model *model, struct events *events,
                    bool (*must_stop)(void *ctx), void *ctx);
void scheduler_deinit(struct scheduler *scheduler);

/* scheduler_add takes the command. */
void scheduler_add(struct scheduler *scheduler, struct command *command);

/* scheduler_cancel: an unknown id is ignored ([E16]). NULL cancels all. */
void scheduler_cancel(struct scheduler *scheduler, const char *id);

/* scheduler_can_give_up, inside must_stop: the chunk under way is of use to this generation, and may be given up for its cancel. Where
 * the cache cannot be cut (one state for each sequence, which moves between the states of others) a step that is not finished spoils
 * all of them: never there. */
bool scheduler_can_give_up(const struct scheduler *scheduler, const char *id);

bool scheduler_has_work(const struct scheduler *scheduler);

/* scheduler_step computes one step. Call it while there is work. */
void scheduler_step(struct scheduler *scheduler);

#endif
