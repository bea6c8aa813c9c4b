/* speculation.h - what an answer will probably say next, and whether it pays to compute that in one step.
 *
 * An answer that quotes, edits or repeats says again what stands in its conversation. The tokens that followed the last time are put behind
 * the next one in the same decode step; each of them is then sampled as if it stood alone, and those behind the first that came out
 * otherwise are thrown away. So nothing of what is said depends on it.
 *
 * Rows are not free: the cost model says what a step with so many takes. How often a guess is right is known without computing it, because
 * every token that is said shows whether it would have been: by the number of tokens that were the same before it. Guesses are made when
 * tokens per millisecond, so expected, rise by SPECULATION_GAIN; their number is one of few, so that the cost of each is measured and not guessed.
 *
 *   guessing ──guesses lost more time than they saved──▶ resting ──so many tokens later──▶ guessing
 *
 * Pure: no clock, no library. Owner: one generation. Thread: one. Units: tokens, milliseconds.
 */
#ifndef RUNNEL_ENGINES_LLAMA_SPECULATION_H
#define RUNNEL_ENGINES_LLAMA_SPECULATION_H

#include "cost.h"
#include "ngram.h"

#define SPECULATION_ROWS_MAX   16 /* of one step, all answers together */
#define SPECULATION_TOKENS_MAX (SPECULATION_ROWS_MAX - 1)
#define SPECULATION_GAIN       1.1
#define SPECULATION_REST_MIN   64
#define SPECULATION_REST_MAX   1024
#define SPECULATION_CLASSES    4

/* How often a guess was right. */
struct speculation_rate {
    double n_right;
    double n_all;
};

struct speculation {
    struct ngram ngram;
    int next; /* the place of the token that is expected next; −1: nothing is */
    int n_match;
    struct speculation_rate rates[SPECULATION_CLASSES]; /* by the length of the match */
    double saved_ms;                                    /* lately */
    int rest;                                           /* tokens until it may guess again */
    int rest_next;
    llama_token guesses[SPECULATION_TOKENS_MAX]; /* of the step under way */
    int n_guessed;
    int n_said; /* tokens of the answer in that step */
};

/* What there is room and time for. */
struct speculation_offer {
    const struct cost *cost;
    int lane;
    struct cost_work work; /* of the step without guesses */
    int n_answers;         /* in it */
    int depth;             /* of the answer */
    int n_tokens_max;
    double limit_ms; /* for the whole step */
    bool is_forced;  /* whatever it costs */
};

void speculation_init(struct speculation *speculation);
void speculation_deinit(struct speculation *speculation);

/* speculation_note: the next token of the answer. What stands before it is added to the n-grams. */
void speculation_note(struct speculation *speculation, llama_token token);

/* speculation_plan writes the guesses; returns n_guessed, which may be 0. */
int speculation_plan(struct speculation *speculation, const struct speculation_offer *offer);

/* speculation_learn: a step with guesses took `ms`, and brought n_said tokens of this answer; without it, it would have taken plain_ms
 * for one. */
void speculation_learn(struct speculation *speculation, int n_said, double ms, double plain_ms);

#endif
