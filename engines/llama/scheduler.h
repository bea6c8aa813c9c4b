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
#include "keep.h"
#include "policy.h"
#include "tuner.h"

#define SCHEDULER_QUEUED_MAX 4096

/* More drafts than this, and the oldest goes. */
#define SCHEDULER_DRAFTS_MAX 16

enum step_kind { STEP_DECODE, STEP_PREFILL, STEP_KINDS_MAX };

struct scheduler {
    const struct model *model;
    struct events *events;
    struct slots slots;
    struct compute compute;
    struct cost costs[STEP_KINDS_MAX];
    struct policy policy;
    struct tuner tuners[STEP_KINDS_MAX];
    struct keep keep;
    struct llama_batch batch;
    struct generation *first; /* in the order they came */
    int n_queued;
    double owed_ms;  /* to generations, before something else computes again */
    bool is_reading; /* the batch under way is a chunk of prompts */
    bool
        is_waiting; /* the last step had nothing to compute: all that is needed is on its way from the disk */
};

/* scheduler_init: `must_stop` is asked now and then while a chunk of prompts is computed, on this thread; true gives the chunk up. */
void scheduler_init(struct scheduler *scheduler, const struct model *model, struct events *events,
                    bool (*must_stop)(void *ctx), void *ctx);
void scheduler_deinit(struct scheduler *scheduler);

/* scheduler_add takes the command. A `generate` ends all drafts; a draft waits until nothing else is to be done, and ends an earlier one of
 * its conversation. */
void scheduler_add(struct scheduler *scheduler, struct command *command);

/* scheduler_cancel: an unknown id is ignored ([E16]). NULL cancels all. */
void scheduler_cancel(struct scheduler *scheduler, const char *id);

/* scheduler_can_give_up, inside must_stop: the chunk under way may be given up for this command, a cancel of an answer that has a part
 * in it, or an answer that has nothing in common with the draft that is computed. Where
 * the cache cannot be cut (one state for each sequence, which moves between the states of others) a step that is not finished spoils
 * all of them: never there. */
bool scheduler_can_give_up(const struct scheduler *scheduler, const struct command *command);

bool scheduler_has_work(const struct scheduler *scheduler);

/* scheduler_rest is for when there is no work: saves one piece of what the slots hold, if one is due. The time until the next, 0: there may
 * be one at once, −1: never. */
int scheduler_rest(struct scheduler *scheduler);

/* scheduler_flush is for the end: saves what is not saved, within the time. */
void scheduler_flush(struct scheduler *scheduler, int timeout_ms);

/* scheduler_fd can be read when the disk has something for the next step; −1: there is no disk. */
int scheduler_fd(const struct scheduler *scheduler);

/* scheduler_has_answers: somebody's answer is being made, or waits. */
bool scheduler_has_answers(const struct scheduler *scheduler);

/* scheduler_step computes one step. Call it while there is work. */
void scheduler_step(struct scheduler *scheduler);

#endif
