/* policy.h - what goes into the next step.
 *
 * A step either decodes, one token of each answer that is being said, or it takes in prompts: a chunk of one, or several short ones.
 * They are not mixed: the library computes a chunk in tiles of 64 rows, and rows of other sequences cost a tile of their own, over
 * all cells of both; a decode step costs less than that.
 *
 * Rules:
 *  1. Nobody who reads waits longer than the budget: while answers are said, a chunk and the decode step behind it fit into it.
 *  2. Of the chunks that fit the smallest is taken that is nearly as efficient as the best: cost.h knows where the knees are.
 *  3. Behind a chunk come as many decode steps as keep every answer at reading speed, but at most a quarter of the time.
 *  4. The prompt that needs least goes first, and nobody starves: a prompt is ahead of all that come later than PATIENCE times its
 *     own time after it.
 *  5. When nobody reads there is no budget, only the time until a cancel is seen.
 *
 * Pure: no clock, no library. Owner: the scheduler. Units: milliseconds, tokens.
 */
#ifndef RUNNEL_ENGINES_LLAMA_POLICY_H
#define RUNNEL_ENGINES_LLAMA_POLICY_H

#include "cost.h"

#include <stdint.h>

#define POLICY_PROMPTS_MAX 64
#define POLICY_PATIENCE    4.0

/* The budget when none is set. At less than 300 ms a person reads on without a stop (5 to 7 tokens a second); a model so slow that a token
 * alone takes a good part of that may take four. */
#define POLICY_STEP_MS    280.0
#define POLICY_STEP_STEPS 4.0

struct policy_prompt {
    int n_left; /* tokens to compute, at least 1 */
    int depth;  /* tokens before them */
    double since_ms;
};

struct policy_view {
    const struct policy_prompt *prompts; /* in the order they came */
    size_t n_prompts;                    /* at most POLICY_PROMPTS_MAX */
    struct cost_work decoding;           /* one token of each answer; n_tokens 0: nobody decodes */
    int n_tokens_max;                    /* room for a chunk, in the batch and in the cache */
    int lane_decode;
    int lane_prefill;
    bool is_probe; /* the lane of prefill is being tried: what it says of its speed may be wrong */
};

struct policy {
    const struct cost *decode_cost;
    const struct cost *prefill_cost;
    double step_ms; /* the budget; 0: automatic */
    int n_layers; /* of the model: a step can be stopped between two operations, of which attention of a layer is the longest */
    int n_owed; /* decode steps until the next chunk */
};

void policy_init(struct policy *policy, const struct cost *decode_cost, const struct cost *prefill_cost,
                 double step_ms, int n_layers);

/* policy_choose decides. True: the step takes in prompts, take[i] tokens of prompts[i]. False: it decodes. */
bool policy_choose(struct policy *policy, const struct policy_view *view, int *take);

/* policy_note: the step that was chosen last took `ms`. */
void policy_note(struct policy *policy, const struct policy_view *view, bool is_prefill, double ms);

/* policy_budget is the longest time between two tokens of an answer that it plans for. */
double policy_budget(const struct policy *policy, const struct policy_view *view);

#endif
