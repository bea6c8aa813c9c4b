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

#include "generation.h"

#define SCHEDULER_QUEUED_MAX 4096

/* From this many tokens on the library computes attention in tiles. */
#define SCHEDULER_CHUNK_TILED 64

struct scheduler {
    const struct model *model;
    struct events *events;
    struct slots slots;
    struct llama_batch batch;
    struct generation *first; /* in the order they came */
    int n_queued;
    int chunk_min;           /* prompt tokens of a step */
    double prefill_token_ms; /* what one prompt token costs, as last measured */
};

void scheduler_init(struct scheduler *scheduler, const struct model *model, struct events *events);
void scheduler_deinit(struct scheduler *scheduler);

/* scheduler_add takes the command. */
void scheduler_add(struct scheduler *scheduler, struct command *command);

/* scheduler_cancel: an unknown id is ignored ([E16]). NULL cancels all. */
void scheduler_cancel(struct scheduler *scheduler, const char *id);

bool scheduler_has_work(const struct scheduler *scheduler);
int scheduler_count_decoding(const struct scheduler *scheduler);

/* scheduler_step computes one step. Call it while there is work. */
void scheduler_step(struct scheduler *scheduler);

#endif
