/* The cost model against machines that are made up. */
#include "cost.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* Measured on two cores with a model of 135 million weights in 4 bits: 64 tokens are hardly more than 32, and cost half per pair. */
static double true_ms(struct cost_work work) {
    double base_ms = work.n_tokens == 1   ? 5
                     : work.n_tokens < 64 ? 6 + 0.7 * work.n_tokens
                                          : 0.73 * work.n_tokens;
    return base_ms + work.n_pairs * (work.n_tokens < 64 ? 3.2e-3 : 1.4e-3);
}

static double error_of(const struct cost *cost, int lane, struct cost_work work, double slower) {
    return cost_predict(cost, lane, work) / (slower * true_ms(work));
}

static void assert_near(double ratio, double tolerance) {
    if (!(ratio > 1 - tolerance && ratio < 1 + tolerance)) {
        fail_msg("predicted over true is %.3f", ratio);
    }
}

/* A long prompt in chunks of `size`, as the engine sees it. */
static void read_prompt(struct cost *cost, int lane, int size, int n_tokens, double slower) {
    for (int depth = 0; depth + size <= n_tokens; depth += size) {
        struct cost_work work = cost_work_of(size, depth);
        cost_learn(cost, lane, work, slower * true_ms(work));
    }
}

static void test_the_first_step_of_a_size_sets_it(void **state) {
    (void)state;
    struct cost cost;
    cost_init(&cost, 20, 1e-4);
    struct cost_work work = cost_work_of(64, 0);
    cost_learn(&cost, 0, work, 47);
    assert_near(error_of(&cost, 0, work, 47 / true_ms(work)), 0.001);
}

static void test_what_was_never_seen_follows_what_was(void **state) {
    (void)state;
    struct cost cost;
    cost_init(&cost, 5, 1e-4);
    double guess_ms = cost_predict(&cost, 0, cost_work_of(128, 0));
    cost_learn(&cost, 0, cost_work_of(64, 0), 3 * cost_predict(&cost, 0, cost_work_of(64, 0)));
    assert_near(cost_predict(&cost, 0, cost_work_of(128, 0)) / (3 * guess_ms), 0.02);
}

static void test_attention_is_learned_as_the_prompt_grows(void **state) {
    (void)state;
    const double pair_guesses[] = { 2.8e-3 / 5, 0.7e-3 / 5,
                                    28e-3 / 5 }; /* right, a quarter, ten times too much */
    for (size_t i = 0; i < 3; i++) {
        struct cost cost;
        cost_init(&cost, 5, pair_guesses[i]);
        read_prompt(&cost, 0, 64, 4000, 1);
        assert_near(error_of(&cost, 0, cost_work_of(64, 4000), 1), 0.1);
        read_prompt(&cost, 0, 64, 4000, 1);
        read_prompt(&cost, 0, 64, 4000, 1);
        assert_near(error_of(&cost, 0, cost_work_of(64, 64), 1), 0.25);
        assert_near(error_of(&cost, 0, cost_work_of(64, 2000), 1), 0.15);
    }
}

static void test_a_machine_that_is_three_times_slower_is_known_after_three_steps(void **state) {
    (void)state;
    for (int direction = 0; direction < 2; direction++) {
        struct cost cost;
        double slower = direction ? 3 : 1.0 / 3;
        cost_init(&cost, 5, 1e-4);
        read_prompt(&cost, 0, 64, 4000, 1);
        read_prompt(&cost, 0, 64, 256, slower); /* four chunks */
        assert_near(error_of(&cost, 0, cost_work_of(64, 256), slower), 0.2);
    }
}

static void test_one_interruption_is_forgotten_after_three_steps(void **state) {
    (void)state;
    struct cost cost;
    cost_init(&cost, 5, 1e-4);
    read_prompt(&cost, 0, 64, 4000, 1);
    struct cost_work work = cost_work_of(64, 1000);
    cost_learn(&cost, 0, work, 50 * true_ms(work));
    for (int i = 0; i < 3; i++) {
        cost_learn(&cost, 0, work, true_ms(work));
    }
    assert_near(error_of(&cost, 0, work, 1), 0.4);
}

static void test_lanes_differ_and_share_the_tables(void **state) {
    (void)state;
    struct cost cost;
    cost_init(&cost, 5, 1e-4);
    read_prompt(&cost, 1, 64, 1000, 1);
    struct cost_work work = cost_work_of(64, 500);
    cost_learn(&cost, 2, work, 2 * true_ms(work)); /* one step, with half of the threads */
    assert_near(error_of(&cost, 2, cost_work_of(64, 800), 2), 0.15);
    assert_near(error_of(&cost, 1, cost_work_of(64, 800), 1), 0.15);
}

static void test_nonsense_changes_nothing(void **state) {
    (void)state;
    struct cost cost;
    cost_init(&cost, 5, 1e-4);
    double before_ms = cost_predict(&cost, 0, cost_work_of(1, 0));
    cost_learn(&cost, 0, cost_work_of(1, 0), 0);
    cost_learn(&cost, 0, cost_work_of(1, 0), NAN);
    cost_learn(&cost, 0, cost_work_of(0, 0), 5);
    assert_true(cost_predict(&cost, 0, cost_work_of(1, 0)) == before_ms);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_step_of_a_size_sets_it),
        cmocka_unit_test(test_what_was_never_seen_follows_what_was),
        cmocka_unit_test(test_attention_is_learned_as_the_prompt_grows),
        cmocka_unit_test(test_a_machine_that_is_three_times_slower_is_known_after_three_steps),
        cmocka_unit_test(test_one_interruption_is_forgotten_after_three_steps),
        cmocka_unit_test(test_lanes_differ_and_share_the_tables),
        cmocka_unit_test(test_nonsense_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
