/* embedder.h - vectors of texts ([E49]).
 *
 * They are computed in a context of their own, which is no larger than the longest text needs: it is made for the first, made anew for one
 * that does not fit, and freed when nobody has asked for EMBEDDER_IDLE_MS. So the cache of the conversations stays as it is. A text is taken in chunks, and
 * what a token's row says is added up as it comes: the pooling of the library would want a whole text in one chunk. Short texts share one.
 *
 * Pooling is the model's own (mean, first or last token) when its file names one, else the mean.
 *
 * Owner   the main loop, which says when a chunk may be computed.
 * Thread  one.
 * Limits  EMBEDDER_QUEUED_MAX operations wait; a text has at most as many tokens as a conversation.
 */
#ifndef RUNNEL_ENGINES_LLAMA_EMBEDDER_H
#define RUNNEL_ENGINES_LLAMA_EMBEDDER_H

#include "compute.h"
#include "cost.h"
#include "tuner.h"

#define EMBEDDER_QUEUED_MAX 1024
#define EMBEDDER_IDLE_MS    30000

/* Of one chunk. The rows of all its tokens go through the output of the model too, which takes memory for each, and nothing is gained beyond this. */
#define EMBEDDER_CHUNK_TOKENS 64

struct embedder_job;

struct embedder {
    const struct model *model;
    struct events *events;
    const struct cost *guess; /* what chunks of prompts take: the first guess */
    bool (*must_stop)(void *ctx);
    void *ctx;
    enum llama_pooling_type pooling;
    bool has_own_pooling;          /* the model's file names it */
    struct llama_context *context; /* NULL: none now */
    int n_context;
    struct compute compute; /* with `context` */
    struct cost cost;
    struct tuner tuner;
    struct llama_batch batch;
    struct embedder_job *first; /* in the order they came */
    int n_jobs;
    uint64_t used_ms;
    bool is_computing;
    bool is_alone; /* the chunk under way was begun while nobody's answer was made */
};

/* embedder_init: must_stop as of scheduler_init. */
void embedder_init(struct embedder *embedder, const struct model *model, struct events *events,
                   const struct cost *guess, bool (*must_stop)(void *ctx), void *ctx);
void embedder_deinit(struct embedder *embedder);

/* embedder_add takes the command. */
void embedder_add(struct embedder *embedder, struct command *command);

/* embedder_cancel: an unknown id is ignored. NULL cancels all. */
void embedder_cancel(struct embedder *embedder, const char *id);

bool embedder_has_work(const struct embedder *embedder);

/* embedder_can_give_up, inside must_stop: the chunk under way is of no use after this command, or somebody's answer should not wait for it. */
bool embedder_can_give_up(const struct embedder *embedder, const struct command *command);

/* embedder_step computes one chunk that should not take longer (0: as long as it takes), and answers what is complete. The time that it took. */
double embedder_step(struct embedder *embedder, double max_ms);

/* embedder_rest frees the context when its time has come. The time until then, −1: there is none. */
int embedder_rest(struct embedder *embedder);

#endif
