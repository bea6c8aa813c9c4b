#include "policy.h"

#include <assert.h>
#include <math.h>

/* A chunk is good enough at this share of the best tokens per second: a smaller one lets the others go on sooner. */
#define GOOD_ENOUGH 0.9

/* A size that is in doubt is expected to be faster than it was, and more so the longer that is: else what was slow once, because something
 * interrupted it, is never tried again. That it fits into the budget is hoped no further than the first step. */
#define HOPE       0.85
#define HOPE_LEAST 0.3

/* The share of the budget that a chunk may take in a lane that is being tried. When nobody reads it is a tile: what a bad try loses is the
 * time of a person who waits. */
#define PROBE_SHARE 0.4

/* How fast an answer goes on at least while prompts are taken in, if the machine can; and what it may have of the time for that. */
#define READING_PER_MS     0.007
#define DECODE_SHARE_PARTS 3.0 /* of prefill to one of decoding */

/* When nobody reads, a chunk larger than a tile takes no longer than this: whoever waits sees how far it is. And its longest operation takes
 * no longer than this: between two operations a cancel is seen. */
#define ALONE_MS     1000.0
#define OPERATION_MS 50.0

/* Prompts are measured by the time per token of a chunk of this size at their beginning. */
#define MEASURE_TOKENS 64

/* The chunks to choose from. */
static const int chunk_sizes[] = { 1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512 };
#define CHUNK_SIZES_MAX (sizeof chunk_sizes / sizeof chunk_sizes[0])

void policy_init(struct policy *policy, const struct cost *decode_cost, const struct cost *prefill_cost,
                 double step_ms, int n_layers) {
    *policy = (struct policy){
        .decode_cost = decode_cost, .prefill_cost = prefill_cost, .step_ms = step_ms, .n_layers = n_layers
    };
}

static double decode_ms(const struct policy *policy, const struct policy_view *view) {
    return view->decoding.n_tokens > 0 ? cost_predict(policy->decode_cost, view->lane_decode, view->decoding)
                                       : 0;
}

double policy_budget(const struct policy *policy, const struct policy_view *view) {
    if (policy->step_ms > 0) {
        return policy->step_ms;
    }
    return fmax(POLICY_STEP_MS, POLICY_STEP_STEPS * decode_ms(policy, view));
}

static double predict(const struct policy *policy, const struct policy_view *view, struct cost_work work) {
    double hope = cost_doubt(policy->prefill_cost, work.n_tokens) >= 1 ? HOPE : 1;
    return hope * cost_predict(policy->prefill_cost, view->lane_prefill, work);
}

static double hope_for(const struct policy *policy, struct cost_work work) {
    double doubt = fmax(cost_doubt(policy->prefill_cost, work.n_tokens), 1);
    return fmax(1 / doubt, HOPE_LEAST);
}

/* Decode steps behind a chunk of `chunk_ms`. */
static int count_owed(double chunk_ms, double one_ms) {
    double left = 1 - READING_PER_MS * one_ms; /* of the time, when an answer goes on at reading speed */
    double n_share = floor(chunk_ms / (DECODE_SHARE_PARTS * one_ms));
    double n_reading = left > 0 ? ceil(READING_PER_MS * chunk_ms / left) : n_share;
    return (int)fmax(1, fmin(n_reading, n_share));
}

/* Prompt tokens per millisecond, with the decode steps that follow. */
static double rate_of(const struct policy *policy, const struct policy_view *view, struct cost_work work) {
    double ms = hope_for(policy, work) * predict(policy, view, work);
    double one_ms = decode_ms(policy, view);
    return work.n_tokens / (one_ms > 0 ? ms + one_ms * count_owed(ms, one_ms) : ms);
}

static bool fits_alone(const struct policy *policy, const struct policy_view *view, struct cost_work work) {
    double ms = predict(policy, view, work);
    double operation_ms =
        cost_predict_pairs(policy->prefill_cost, view->lane_prefill, work) / fmax(policy->n_layers, 1);
    return work.n_tokens <= COST_TILE_TOKENS ||
           (!view->is_probe && operation_ms <= OPERATION_MS && ms <= ALONE_MS);
}

static bool fits(const struct policy *policy, const struct policy_view *view, struct cost_work work) {
    if (view->decoding.n_tokens == 0) {
        return fits_alone(policy, view, work);
    }
    double limit_ms = policy_budget(policy, view) * (view->is_probe ? PROBE_SHARE : 1);
    return predict(policy, view, work) + decode_ms(policy, view) <= limit_ms;
}

/* A prompt comes out the same whatever the size of its chunks was (that goes by time), as long as all of them are computed in one way: so
 * a chunk takes a short rest along, or leaves a longer one. */
static int round_up_to_rest(int n, int n_left, int n_max) {
    int n_rest = n_left - n;
    if (n < COST_TILE_TOKENS || n_rest <= 0 || n_rest >= COST_TILE_TOKENS) {
        return n;
    }
    return n_left <= n_max ? n_left : n_left - COST_TILE_TOKENS;
}

/* When nobody reads, a chunk is at least a tile. */
static bool is_allowed(const struct policy *policy, const struct policy_view *view, struct cost_work work,
                       int n_max) {
    bool is_alone = view->decoding.n_tokens == 0;
    bool is_too_small = is_alone && work.n_tokens < COST_TILE_TOKENS && n_max >= COST_TILE_TOKENS;
    return work.n_tokens <= n_max && !is_too_small && fits(policy, view, work);
}

static double find_best_rate(const struct policy *policy, const struct policy_view *view, int depth,
                             int n_max) {
    double best_rate = 0;
    for (size_t i = 0; i < CHUNK_SIZES_MAX; i++) {
        struct cost_work work = cost_work_of(chunk_sizes[i], depth);
        if (is_allowed(policy, view, work, n_max)) {
            best_rate = fmax(best_rate, rate_of(policy, view, work));
        }
    }
    return best_rate;
}

/* The smallest chunk that is good enough; and when nobody reads, one that is not known well: it is the time to measure. At least one
 * token, whatever it takes. */
static int choose_size(const struct policy *policy, const struct policy_view *view,
                       const struct policy_prompt *prompt, int n_max) {
    bool is_alone = view->decoding.n_tokens == 0;
    double good_rate = GOOD_ENOUGH * find_best_rate(policy, view, prompt->depth, n_max);
    for (size_t i = 0; i < CHUNK_SIZES_MAX; i++) {
        struct cost_work work = cost_work_of(chunk_sizes[i], prompt->depth);
        bool is_good = rate_of(policy, view, work) >= good_rate ||
                       (is_alone && cost_doubt(policy->prefill_cost, work.n_tokens) >= 1);
        if (is_good && is_allowed(policy, view, work, n_max)) {
            return chunk_sizes[i];
        }
    }
    return 1;
}

static int choose_chunk(const struct policy *policy, const struct policy_view *view,
                        const struct policy_prompt *prompt) {
    int n_max = prompt->n_left < view->n_tokens_max ? prompt->n_left : view->n_tokens_max;
    if (n_max == prompt->n_left && fits(policy, view, cost_work_of(n_max, prompt->depth))) {
        return n_max; /* the sooner it is complete, the better */
    }
    int n = choose_size(policy, view, prompt, n_max);
    bool is_alone = view->decoding.n_tokens == 0;
    return is_alone ? round_up_to_rest(n, prompt->n_left, n_max) : n;
}

/* When a prompt should be complete: its own time, and patience for those that need less. */
static double deadline_ms(const struct policy_prompt *prompt, double token_ms) {
    return prompt->since_ms + POLICY_PATIENCE * token_ms * prompt->n_left;
}

/* The next prompt that nothing was taken of, the earliest deadline first; −1: there is none. */
static int find_next(const struct policy_view *view, double token_ms, const bool *is_tried) {
    int best = -1;
    double best_ms = 0;
    for (size_t i = 0; i < view->n_prompts; i++) {
        double ms = deadline_ms(&view->prompts[i], token_ms);
        if (!is_tried[i] && (best < 0 || ms < best_ms)) {
            best = (int)i;
            best_ms = ms;
        }
    }
    return best;
}

/* A short prompt joins the chunk when it fits in whole and makes each of its tokens cheaper. */
static bool can_join(const struct policy *policy, const struct policy_view *view, struct cost_work chunk,
                     struct cost_work other) {
    struct cost_work both = cost_add_work(chunk, other);
    return both.n_tokens <= view->n_tokens_max && fits(policy, view, both) &&
           rate_of(policy, view, both) >= rate_of(policy, view, chunk);
}

static void fill_chunk(const struct policy *policy, const struct policy_view *view, int *take) {
    bool is_tried[POLICY_PROMPTS_MAX] = { false };
    struct cost_work chunk = { .n_tokens = 0 };
    double token_ms = predict(policy, view, cost_work_of(MEASURE_TOKENS, 0)) / MEASURE_TOKENS;
    for (int at = find_next(view, token_ms, is_tried); at >= 0; at = find_next(view, token_ms, is_tried)) {
        const struct policy_prompt *prompt = &view->prompts[at];
        is_tried[at] = true;
        if (chunk.n_tokens == 0) {
            take[at] = choose_chunk(policy, view, prompt);
            chunk = cost_work_of(take[at], prompt->depth);
            if (take[at] < prompt->n_left) {
                return;
            }
        } else if (can_join(policy, view, chunk, cost_work_of(prompt->n_left, prompt->depth))) {
            take[at] = prompt->n_left;
            chunk = cost_add_work(chunk, cost_work_of(take[at], prompt->depth));
        }
    }
}

bool policy_choose(struct policy *policy, const struct policy_view *view, int *take) {
    assert(view->n_prompts <= POLICY_PROMPTS_MAX);
    for (size_t i = 0; i < view->n_prompts; i++) {
        take[i] = 0;
    }
    bool has_prompts = view->n_prompts > 0 && view->n_tokens_max > 0;
    if (!has_prompts || (view->decoding.n_tokens > 0 && policy->n_owed > 0)) {
        return false;
    }
    fill_chunk(policy, view, take);
    return true;
}

void policy_note(struct policy *policy, const struct policy_view *view, bool is_prefill, double ms) {
    if (!is_prefill) {
        policy->n_owed -= policy->n_owed > 0;
    } else if (view->decoding.n_tokens > 0) {
        policy->n_owed = count_owed(ms, decode_ms(policy, view));
    }
}
