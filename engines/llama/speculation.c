#include "speculation.h"

#include <math.h>

/* What is believed of a guess before it was seen, as strong as so many guesses; and how fast old ones are forgotten. */
#define BELIEF_WEIGHT 2.0
#define MEMORY        0.95

/* The balance of time, in plain steps: so much may be lost, and so much of what was saved is remembered. */
#define LOSS_STEPS   2.0
#define CREDIT_STEPS 4.0

static const double beliefs[SPECULATION_CLASSES] = { 0.3, 0.5, 0.7, 0.8 };
static const int class_ends[SPECULATION_CLASSES] = { 4, 8, 16,
                                                     NGRAM_MATCH_MAX }; /* the longest match of each */

/* Rows of a step with guesses: sizes that the cost model knows apart. */
static const int row_counts[] = { 4, 8, SPECULATION_ROWS_MAX };
#define ROW_COUNTS_MAX (sizeof row_counts / sizeof row_counts[0])

void speculation_init(struct speculation *speculation) {
    *speculation = (struct speculation){ .next = -1, .rest_next = SPECULATION_REST_MIN };
    ngram_init(&speculation->ngram);
}

void speculation_deinit(struct speculation *speculation) {
    ngram_deinit(&speculation->ngram);
}

static int class_of(int n_match) {
    int class = 0;
    while (class + 1 < SPECULATION_CLASSES && n_match > class_ends[class]) {
        class ++;
    }
    return class;
}

static void note_guess(struct speculation *speculation, bool is_right) {
    struct speculation_rate *rate = &speculation->rates[class_of(speculation->n_match)];
    rate->n_right = MEMORY * rate->n_right + is_right;
    rate->n_all = MEMORY * rate->n_all + 1;
}

static double chance_of(const struct speculation *speculation, int n_match) {
    int class = class_of(n_match);
    const struct speculation_rate *rate = &speculation->rates[class];
    return (rate->n_right + BELIEF_WEIGHT * beliefs[class]) / (rate->n_all + BELIEF_WEIGHT);
}

void speculation_note(struct speculation *speculation, llama_token token) {
    struct ngram *ngram = &speculation->ngram;
    bool is_right = speculation->next >= 0 && ngram->tokens[speculation->next] == token;
    if (speculation->next >= 0) {
        note_guess(speculation, is_right);
    }
    ngram_add(ngram, token);
    speculation->rest -= speculation->rest > 0;
    if (is_right) {
        speculation->next++;
        speculation->n_match += speculation->n_match < NGRAM_MATCH_MAX;
    } else {
        speculation->next = ngram_find(ngram, &speculation->n_match);
    }
}

/* How many of n guesses are expected to be right. */
static double expect(const struct speculation *speculation, int n_guessed) {
    double n = 0;
    double chance = 1;
    for (int i = 0; i < n_guessed; i++) {
        chance *= chance_of(speculation, speculation->n_match + i);
        n += chance;
    }
    return n;
}

static double ms_with(const struct speculation_offer *offer, int n_guessed) {
    struct cost_work rows = cost_work_of(n_guessed, offer->depth);
    return cost_predict(offer->cost, offer->lane, cost_add_work(offer->work, rows));
}

/* The best length; 0: none is good enough. */
static int choose_length(const struct speculation *speculation, const struct speculation_offer *offer) {
    double best_rate = offer->is_forced ? 0 : SPECULATION_GAIN * offer->n_answers / ms_with(offer, 0);
    int best = 0;
    for (size_t i = 0; i < ROW_COUNTS_MAX; i++) {
        int n_guessed = row_counts[i] - offer->work.n_tokens;
        if (n_guessed < 1 || n_guessed > offer->n_tokens_max) {
            continue;
        }
        double ms = ms_with(offer, n_guessed);
        double rate = (offer->n_answers + expect(speculation, n_guessed)) / ms;
        if (rate > best_rate && (offer->is_forced || ms <= offer->limit_ms)) {
            best_rate = rate;
            best = n_guessed;
        }
    }
    return best;
}

int speculation_plan(struct speculation *speculation, const struct speculation_offer *offer) {
    const struct ngram *ngram = &speculation->ngram;
    bool may_guess = speculation->next >= 0 && (speculation->rest == 0 || offer->is_forced);
    int n = may_guess ? choose_length(speculation, offer) : 0;
    for (int i = 0; i < n; i++) {
        int place = speculation->next + i;
        /* Beyond the end it goes on with itself: what repeats goes on repeating. */
        speculation->guesses[i] =
            place < ngram->n_tokens ? ngram->tokens[place] : speculation->guesses[place - ngram->n_tokens];
    }
    speculation->n_guessed = n;
    return n;
}

void speculation_learn(struct speculation *speculation, int n_said, double ms, double plain_ms) {
    double saved_ms = speculation->saved_ms + n_said * plain_ms - ms;
    speculation->saved_ms = fmin(saved_ms, CREDIT_STEPS * plain_ms);
    if (saved_ms >= CREDIT_STEPS * plain_ms) {
        speculation->rest_next = SPECULATION_REST_MIN;
    } else if (saved_ms < -LOSS_STEPS * plain_ms) {
        speculation->saved_ms = 0;
        speculation->rest = speculation->rest_next;
        speculation->rest_next = speculation->rest_next * 2 < SPECULATION_REST_MAX
                                     ? speculation->rest_next * 2
                                     : SPECULATION_REST_MAX;
    }
}
