#include "cost.h"

#include <assert.h>
#include <math.h>

static const int sizes[COST_SIZES_MAX] = { 1, 4, 8, 16, 64, 128, 256, 512 };

/* Guesses for what was not measured: one more token of a small batch costs a quarter of its share, later all of it; a pair in a tile half
 * of one outside. */
#define SMALL_TOKENS      16
#define SMALL_TOKEN_SHARE 0.25
#define TILE_PAIR_SHARE   0.5

/* How much of an error (as a logarithm) goes into the slowness of the lane at once, and into the tables at first and later. */
#define SLOWNESS_RATE    0.5
#define TABLE_RATE_FIRST 0.5
#define TABLE_RATE_LEAST 0.1

/* A step that was so many times slower or faster than expected tells of an interruption, not of the work. */
#define ERROR_MAX 8.0

/* Two steps give the cost of a pair: how much of a step's time is the machine's mood, how far one measurement may lead, and after how
 * many steps the machine may be another. */
#define STEP_NOISE       0.1
#define PAIR_FACTOR_MAX  4.0
#define ANCHOR_STEPS_MAX 200
#define ANCHOR_ERROR_MAX 1.5 /* a step this far off: it is another machine now */

/* Less than this of a step is never base. */
#define BASE_SHARE_MIN 0.05

/* The first step of a size says no more than so many times what was guessed: it may have been interrupted. */
#define FIRST_FACTOR_MAX 4.0

/* So many steps later a size that was seen once is in doubt; one that was seen often, at the most so many. */
#define DOUBT_STEPS     8.0
#define DOUBT_STEPS_MAX 2000.0

static bool is_tiled(int n_tokens) {
    return n_tokens >= COST_TILE_TOKENS;
}

void cost_init(struct cost *cost, double token_ms, double pair_share) {
    *cost = (struct cost){ .pair_guess_ms = token_ms * pair_share };
    cost->sizes[0].base_ms = token_ms;
    cost->sizes[0].n_bases = 1;
}

struct cost_work cost_work_of(int n_tokens, int depth) {
    double n = n_tokens;
    return (struct cost_work){ .n_tokens = n_tokens, .n_pairs = n * depth + n * (n + 1) / 2 };
}

struct cost_work cost_add_work(struct cost_work a, struct cost_work b) {
    return (struct cost_work){ .n_tokens = a.n_tokens + b.n_tokens, .n_pairs = a.n_pairs + b.n_pairs };
}

/* The largest size that is not above n. */
static size_t find_size(int n_tokens) {
    size_t at = 0;
    while (at + 1 < COST_SIZES_MAX && sizes[at + 1] <= n_tokens) {
        at++;
    }
    return at;
}

static double between(double way, double from, double to) {
    return from + way * (to - from);
}

/* What was not measured is between its neighbours, or grows on from the last. The first is known from the start. */
static double base_at(const struct cost *cost, size_t at) {
    size_t lower = at;
    while (cost->sizes[lower].n_bases == 0) {
        lower--;
    }
    size_t upper = at;
    while (upper < COST_SIZES_MAX && cost->sizes[upper].n_bases == 0) {
        upper++;
    }
    double lower_ms = cost->sizes[lower].base_ms;
    if (upper == COST_SIZES_MAX) {
        double share = sizes[lower] < SMALL_TOKENS ? SMALL_TOKEN_SHARE : 1;
        return lower_ms * (1 + share * ((double)sizes[at] / sizes[lower] - 1));
    }
    if (upper == lower) {
        return lower_ms;
    }
    double way = (double)(sizes[at] - sizes[lower]) / (sizes[upper] - sizes[lower]);
    return between(way, lower_ms, cost->sizes[upper].base_ms);
}

static double base_of(const struct cost *cost, int n_tokens) {
    size_t at = find_size(n_tokens);
    if (at + 1 == COST_SIZES_MAX) {
        return base_at(cost, at); /* nothing is larger */
    }
    double way = (double)(n_tokens - sizes[at]) / (sizes[at + 1] - sizes[at]);
    return between(way, base_at(cost, at), base_at(cost, at + 1));
}

/* The nearest measured size: of the same method, else of the other. */
static double pair_at(const struct cost *cost, size_t at) {
    double pair_ms = cost->pair_guess_ms * (is_tiled(sizes[at]) ? TILE_PAIR_SHARE : 1);
    size_t nearest = 2 * COST_SIZES_MAX;
    for (size_t i = 0; i < COST_SIZES_MAX; i++) {
        bool is_same = is_tiled(sizes[i]) == is_tiled(sizes[at]);
        size_t distance = (i > at ? i - at : at - i) + (is_same ? 0 : COST_SIZES_MAX);
        if (cost->sizes[i].n_pairs > 0 && distance < nearest) {
            double share = is_same ? 1 : is_tiled(sizes[at]) ? TILE_PAIR_SHARE : 1 / TILE_PAIR_SHARE;
            pair_ms = cost->sizes[i].pair_ms * share;
            nearest = distance;
        }
    }
    return pair_ms;
}

static double pairs_of(const struct cost *cost, struct cost_work work) {
    return work.n_pairs * pair_at(cost, find_size(work.n_tokens));
}

static double slowness_of(const struct cost *cost, int lane) {
    assert(lane >= 0 && lane < COST_LANES_MAX);
    double slowness = cost->slowness[lane] > 0 ? cost->slowness[lane] : cost->slowness[cost->lane_last];
    return slowness > 0 ? slowness : 1;
}

double cost_predict(const struct cost *cost, int lane, struct cost_work work) {
    return slowness_of(cost, lane) * (base_of(cost, work.n_tokens) + pairs_of(cost, work));
}

double cost_predict_pairs(const struct cost *cost, int lane, struct cost_work work) {
    return slowness_of(cost, lane) * pairs_of(cost, work);
}

double cost_compare(const struct cost *cost, struct cost_work work, double ms) {
    return ms / (base_of(cost, work.n_tokens) + pairs_of(cost, work));
}

double cost_doubt(const struct cost *cost, int n_tokens) {
    const struct cost_size *size = &cost->sizes[find_size(n_tokens)];
    double n_steps = (double)(cost->n_steps - size->step);
    return size->step == 0 ? 1 : n_steps / fmin(DOUBT_STEPS * size->n_bases, DOUBT_STEPS_MAX);
}

/* What was measured often moves little. */
static double rate_after(int n_measured) {
    return fmax(TABLE_RATE_FIRST / (1 + n_measured / 16.0), TABLE_RATE_LEAST);
}

/* What a pair costs, from two steps that differ in nothing else. The further apart they are, the more it says. */
static void learn_pair(struct cost *cost, struct cost_size *size, struct cost_work work, double ms) {
    const struct cost_anchor *from = &size->anchor;
    double pair_ms = pair_at(cost, (size_t)(size - cost->sizes));
    double scale = slowness_of(cost, from->lane) * (work.n_pairs - from->work.n_pairs);
    double measured = (ms - from->ms) / scale;
    double noise = STEP_NOISE * (ms + from->ms) / scale;
    double signal = fmax(fabs(measured), pair_ms);
    double trust = signal * signal / (signal * signal + noise * noise);
    measured = fmin(fmax(measured, pair_ms / PAIR_FACTOR_MAX), pair_ms * PAIR_FACTOR_MAX);
    size->pair_ms = pair_ms + rate_after(size->n_pairs) * trust * (measured - pair_ms);
    size->n_pairs++;
}

/* `factor` is how many times longer than expected the step took. */
static void follow_anchor(struct cost *cost, int lane, struct cost_work work, double ms, double factor) {
    struct cost_size *size = &cost->sizes[find_size(work.n_tokens)];
    struct cost_anchor *anchor = &size->anchor;
    bool is_same_size = anchor->work.n_tokens == work.n_tokens && anchor->lane == lane;
    bool is_same_machine = factor < ANCHOR_ERROR_MAX && factor > 1 / ANCHOR_ERROR_MAX &&
                           cost->n_steps - anchor->step <= ANCHOR_STEPS_MAX;
    if (is_same_size && is_same_machine && work.n_pairs > anchor->work.n_pairs) {
        learn_pair(cost, size, work, ms);
    } else {
        *anchor = (struct cost_anchor){ .work = work, .ms = ms, .lane = lane, .step = cost->n_steps };
    }
}

/* The first step of a size sets it. */
static void set_base(struct cost *cost, struct cost_size *size, struct cost_work work, double table_ms) {
    double base_ms = fmax(table_ms - pairs_of(cost, work), BASE_SHARE_MIN * table_ms);
    double factor = fmin(base_ms / base_of(cost, work.n_tokens), FIRST_FACTOR_MAX);
    size->base_ms = base_at(cost, (size_t)(size - cost->sizes)) * factor;
}

void cost_learn(struct cost *cost, int lane, struct cost_work work, double ms) {
    if (work.n_tokens <= 0 || !(ms > 0)) {
        return;
    }
    struct cost_size *size = &cost->sizes[find_size(work.n_tokens)];
    double expected_ms = cost_predict(cost, lane, work);
    double factor = fmin(fmax(ms / expected_ms, 1 / ERROR_MAX), ERROR_MAX);
    bool is_new_lane = cost->slowness[lane] <= 0;
    cost->slowness[lane] = slowness_of(cost, lane);
    cost->lane_last = lane;
    if (size->n_bases == 0) {
        set_base(cost, size, work, ms / cost->slowness[lane]);
    } else if (is_new_lane) {
        cost->slowness[lane] *= factor;
    } else {
        cost->slowness[lane] *= pow(factor, SLOWNESS_RATE);
        size->base_ms *= pow(factor, (1 - SLOWNESS_RATE) * rate_after(size->n_bases));
    }
    size->n_bases++;
    size->step = ++cost->n_steps;
    follow_anchor(cost, lane, work, factor * expected_ms, factor);
}
