/* Guesses on machines that are made up, for texts that repeat themselves and texts that do not: what is saved, and what is lost at most. */
#include "speculation.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define PROMPT_TOKENS 400
#define ANSWER_TOKENS 600

/* The time of a step with so many rows, in steps of one row. */
typedef double (*row_cost)(int n_rows);

static double cheap_rows(int n_rows) { /* the weights are read once, whatever is computed with them */
    return 1 + 0.05 * (n_rows - 1);
}

static double dear_rows(int n_rows) { /* each row takes its time */
    return 0.3 + 0.7 * n_rows;
}

static double deceptive_rows(int n_rows) { /* the first looks cheap */
    return n_rows <= 4 ? 1 + 0.1 * (n_rows - 1) : 0.9 * n_rows;
}

/* Says the text behind the prompt; returns how much faster than one by one. */
static double say(const llama_token *text, int n_prompt, int n_tokens, row_cost rows) {
    struct cost cost;
    struct speculation speculation;
    double ms = 0;
    double plain_ms = 0;
    cost_init(&cost, 10, 0);
    speculation_init(&speculation);
    for (int i = 0; i <= n_prompt; i++) {
        speculation_note(&speculation, text[i]);
    }
    for (int at = n_prompt; at + 1 < n_tokens;) {
        struct speculation_offer offer = { .cost = &cost,
                                           .work = cost_work_of(1, at),
                                           .n_answers = 1,
                                           .depth = at + 1,
                                           .n_tokens_max = n_tokens - at - 2,
                                           .limit_ms = 280 };
        int n_guessed = speculation_plan(&speculation, &offer);
        assert_in_range(n_guessed, 0, SPECULATION_TOKENS_MAX);
        assert_true(n_guessed <= offer.n_tokens_max);
        double step_ms = 10 * rows(1 + n_guessed);
        int n_said = 1;
        while (n_said <= n_guessed && speculation.guesses[n_said - 1] == text[at + n_said]) {
            n_said++;
        }
        for (int i = 0; i < n_said; i++) {
            speculation_note(&speculation, text[++at]);
        }
        cost_learn(&cost, 0, cost_add_work(offer.work, cost_work_of(n_guessed, offer.depth)), step_ms);
        if (n_guessed > 0) {
            speculation_learn(&speculation, n_said, step_ms, cost_predict(&cost, 0, offer.work));
        }
        ms += step_ms;
        plain_ms += n_said * 10;
    }
    speculation_deinit(&speculation);
    return plain_ms / ms;
}

/* A text whose answer copies the prompt, and with the given chance says something else. */
static void write_copy(llama_token *text, double chance) {
    for (int i = 0; i < PROMPT_TOKENS; i++) {
        text[i] = rand() % 30000;
    }
    for (int i = 0; i < ANSWER_TOKENS; i++) {
        bool is_new = rand() / (RAND_MAX + 1.0) < chance;
        text[PROMPT_TOKENS + i] = is_new ? rand() % 30000 : text[i % PROMPT_TOKENS];
    }
}

/* Words by their frequency: n-grams come again, and go on otherwise. */
static void write_prose(llama_token *text) {
    for (int i = 0; i < PROMPT_TOKENS + ANSWER_TOKENS; i++) {
        double chance = rand() / (RAND_MAX + 1.0);
        text[i] = (llama_token)(60 * chance * chance * chance);
    }
}

static void test_a_copy_is_said_much_faster_where_rows_are_cheap(void **state) {
    (void)state;
    llama_token text[PROMPT_TOKENS + ANSWER_TOKENS];
    srand(1);
    write_copy(text, 0);
    assert_true(say(text, PROMPT_TOKENS, PROMPT_TOKENS + ANSWER_TOKENS, cheap_rows) > 6);
    write_copy(text, 0.05);
    assert_true(say(text, PROMPT_TOKENS, PROMPT_TOKENS + ANSWER_TOKENS, cheap_rows) > 2);
}

static void test_nothing_is_lost_on_prose(void **state) {
    (void)state;
    const row_cost machines[] = { cheap_rows, dear_rows, deceptive_rows };
    for (unsigned seed = 1; seed <= 20; seed++) {
        llama_token text[PROMPT_TOKENS + ANSWER_TOKENS];
        srand(seed);
        write_prose(text);
        for (int i = 0; i < 3; i++) {
            double gain = say(text, PROMPT_TOKENS, PROMPT_TOKENS + ANSWER_TOKENS, machines[i]);
            if (gain < 0.98) {
                fail_msg("seed %u, machine %d: %.3f times as fast as without", seed, i, gain);
            }
        }
    }
}

/* What it costs to find that out. */
static void test_where_rows_are_dear_a_copy_loses_little(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        llama_token text[PROMPT_TOKENS + ANSWER_TOKENS];
        srand(seed);
        write_copy(text, 0.1);
        assert_true(say(text, PROMPT_TOKENS, PROMPT_TOKENS + ANSWER_TOKENS, dear_rows) > 0.95);
        assert_true(say(text, PROMPT_TOKENS, PROMPT_TOKENS + ANSWER_TOKENS, deceptive_rows) > 0.95);
    }
}

static void test_guesses_go_on_with_themselves(void **state) {
    (void)state;
    struct cost cost;
    struct speculation speculation;
    cost_init(&cost, 10, 0);
    speculation_init(&speculation);
    for (int i = 0; i < 10; i++) {
        speculation_note(&speculation, i % 2);
    }
    struct speculation_offer offer = {
        .cost = &cost, .work = cost_work_of(1, 10), .n_answers = 1, .n_tokens_max = 7, .is_forced = true
    };
    int n_guessed = speculation_plan(&speculation, &offer);
    assert_in_range(n_guessed, 3, 7);
    for (int i = 0; i < n_guessed; i++) {
        assert_int_equal(speculation.guesses[i], i % 2);
    }
    speculation_deinit(&speculation);
}

static void test_guesses_that_lose_rest_and_come_back(void **state) {
    (void)state;
    struct cost cost;
    struct speculation speculation;
    cost_init(&cost, 10, 0);
    speculation_init(&speculation);
    for (int i = 0; i < 100; i++) {
        speculation_note(&speculation, i % 10);
    }
    struct speculation_offer offer = {
        .cost = &cost, .work = cost_work_of(1, 100), .n_answers = 1, .n_tokens_max = 15, .limit_ms = 1000
    };
    assert_true(speculation_plan(&speculation, &offer) > 0);
    speculation_learn(&speculation, 1, 60, 10);
    for (int i = 0; i < SPECULATION_REST_MIN; i++) {
        assert_int_equal(speculation_plan(&speculation, &offer), 0);
        speculation_note(&speculation, i % 10);
    }
    assert_true(speculation_plan(&speculation, &offer) > 0);
    speculation_deinit(&speculation);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_copy_is_said_much_faster_where_rows_are_cheap),
        cmocka_unit_test(test_nothing_is_lost_on_prose),
        cmocka_unit_test(test_where_rows_are_dear_a_copy_loses_little),
        cmocka_unit_test(test_guesses_go_on_with_themselves),
        cmocka_unit_test(test_guesses_that_lose_rest_and_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
