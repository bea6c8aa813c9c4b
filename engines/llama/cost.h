/* cost.h - how long a step of one kind will take: a model of this machine with this model, kept up to date by every step.
 *
 *     time = slowness[lane] × (base[size] + pairs × pair[size])
 *
 * `base` is what the weights cost, `pair` is attention: a pair is one token that attends to one cell, a token at depth d has d of
 * them. Both are tables over a row of sizes, because they are no straight lines: a batch of few tokens costs little more than one,
 * and pairs cost half when the library computes them in tiles, which is from 64 tokens on. What a pair costs is measured between
 * steps of one size that go deeper and deeper into a context. What was never measured follows what was.
 *
 * Young entries of the tables move much, old ones little: from then on an error is the machine's. The slowness of the lane takes half of
 * every error, so that a machine that becomes three times slower is known after three steps, for all sizes. A lane is one way to
 * compute: with so many threads.
 *
 * Owner   the scheduler.
 * Thread  one.
 * Units   milliseconds.
 */
#ifndef RUNNEL_ENGINES_LLAMA_COST_H
#define RUNNEL_ENGINES_LLAMA_COST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COST_SIZES_MAX   8
#define COST_LANES_MAX   16
#define COST_TILE_TOKENS 64

struct cost_work {
    int n_tokens;
    double n_pairs;
};

/* The step from which the next ones of its size are measured. */
struct cost_anchor {
    struct cost_work work;
    double ms;
    int lane;
    uint64_t step;
};

struct cost_size {
    double base_ms; /* of a whole batch of that size */
    double pair_ms; /* of each pair */
    uint64_t step;  /* when it was seen last; 0: never */
    int n_bases;    /* how often each was measured; 0: it says nothing */
    int n_pairs;
    struct cost_anchor anchor;
};

struct cost {
    double pair_guess_ms;
    struct cost_size sizes[COST_SIZES_MAX];
    double slowness[COST_LANES_MAX]; /* 0: never seen */
    int lane_last;
    uint64_t n_steps;
};

/* cost_init begins with a guess: one token alone takes `token_ms`, and a pair the given share of that. */
void cost_init(struct cost *cost, double token_ms, double pair_share);

/* cost_work_of is the work of `n_tokens` tokens of one sequence behind `depth` others. */
struct cost_work cost_work_of(int n_tokens, int depth);
struct cost_work cost_add_work(struct cost_work a, struct cost_work b);

/* cost_predict: a lane that was never used is as slow as the one used last. cost_predict_pairs is the part of attention in it. */
double cost_predict(const struct cost *cost, int lane, struct cost_work work);
double cost_predict_pairs(const struct cost *cost, int lane, struct cost_work work);

/* cost_learn: a step took `ms`. */
void cost_learn(struct cost *cost, int lane, struct cost_work work, double ms);

/* cost_doubt grows with the time since batches of that many tokens were seen, the faster the less often that was; from 1 on what is known of
 * them is little, or old. */
double cost_doubt(const struct cost *cost, int n_tokens);

/* cost_compare is `ms` over what is expected of any lane: to compare lanes, whatever their steps had to do. */
double cost_compare(const struct cost *cost, struct cost_work work, double ms);

#endif
