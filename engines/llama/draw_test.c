/* [E20] a draw depends on seed and place alone, and follows the probabilities. */
#include "draw.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define N_DRAWS 200000

static void test_the_same_place_draws_the_same_number(void **state) {
    (void)state;
    assert_true(draw_uniform(42, 7, 0) == draw_uniform(42, 7, 0));
    assert_true(draw_uniform(42, 7, 0) != draw_uniform(42, 8, 0));
    assert_true(draw_uniform(42, 7, 0) != draw_uniform(43, 7, 0));
    assert_true(draw_uniform(42, 7, 0) != draw_uniform(42, 7, 1));
    assert_true(draw_uniform(0, 1, 0) != draw_uniform(1, 0, 0));
}

/* Neighbours of places and of seeds: means, and the chi-square of 100 cells (99 degrees of freedom: 99.9 % are below 149). */
static void test_numbers_are_even(void **state) {
    (void)state;
    for (int by_seed = 0; by_seed < 2; by_seed++) {
        double cells[100] = { 0 };
        double sum = 0;
        double lag = 0;
        double last = 0.5;
        for (uint64_t i = 0; i < N_DRAWS; i++) {
            double number = by_seed ? draw_uniform(i, 3, 0) : draw_uniform(3, i, 0);
            assert_true(number >= 0 && number < 1);
            cells[(int)(number * 100)]++;
            sum += number;
            lag += (number - 0.5) * (last - 0.5);
            last = number;
        }
        double chi = 0;
        for (int i = 0; i < 100; i++) {
            chi += (cells[i] - N_DRAWS / 100.0) * (cells[i] - N_DRAWS / 100.0) / (N_DRAWS / 100.0);
        }
        assert_true(fabs(sum / N_DRAWS - 0.5) < 0.003);
        assert_true(fabs(lag / N_DRAWS) < 0.001);
        assert_true(chi < 149);
    }
}

static void test_a_pick_follows_the_probabilities(void **state) {
    (void)state;
    double wanted[] = { 0.5, 0.25, 0.2, 0.05, 0 };
    double counts[5] = { 0 };
    for (uint64_t i = 0; i < N_DRAWS; i++) {
        llama_token_data candidates[5];
        for (int k = 0; k < 5; k++) {
            candidates[k] =
                (llama_token_data){ .id = k, .logit = wanted[k] > 0 ? (float)log(wanted[k]) : -INFINITY };
        }
        counts[draw_pick(candidates, 5, draw_uniform(9, i, 0))]++;
    }
    for (int k = 0; k < 5; k++) {
        assert_true(fabs(counts[k] / N_DRAWS - wanted[k]) < 0.005);
    }
}

static void test_the_ends_of_the_range_are_candidates(void **state) {
    (void)state;
    llama_token_data candidates[] = { { .id = 0, .logit = -INFINITY },
                                      { .id = 1, .logit = 1 },
                                      { .id = 2, .logit = 1 },
                                      { .id = 3, .logit = -INFINITY } };
    assert_int_equal(draw_pick(candidates, 4, 0), 1);
    assert_int_equal(draw_pick(candidates, 4, 0x1.fffffffffffffp-1), 2);
}

static void test_mirostat_leaves_out_what_is_too_surprising(void **state) {
    (void)state;
    struct draw_mirostat mirostat = { .tau = 1, .eta = 0.5, .limit = 2 };
    llama_token_data candidates[] = { { .id = 0, .logit = (float)log(0.1) },
                                      { .id = 1, .logit = (float)log(0.6) },
                                      { .id = 2, .logit = (float)log(0.3) } };
    size_t n = draw_mirostat_cut(&mirostat, candidates, 3);
    assert_int_equal(n, 2); /* 3.3 bits are too many */
    assert_int_equal(candidates[0].id, 1);
    assert_int_equal(candidates[1].id, 2);
    draw_mirostat_note(&mirostat, candidates, n, 2);
    assert_true(fabs(mirostat.limit - (2 - 0.5 * (log2(3) - 1))) < 1e-6); /* 0.3 of 0.9 */
    draw_mirostat_note(&mirostat, candidates, n, 0);
    assert_true(fabs(mirostat.limit - (2 - 0.5 * (log2(3) - 1))) < 1e-6);
    mirostat.limit = -1;
    assert_int_equal(draw_mirostat_cut(&mirostat, candidates, 2), 1);
    assert_int_equal(candidates[0].id, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_place_draws_the_same_number),
        cmocka_unit_test(test_numbers_are_even),
        cmocka_unit_test(test_a_pick_follows_the_probabilities),
        cmocka_unit_test(test_the_ends_of_the_range_are_candidates),
        cmocka_unit_test(test_mirostat_leaves_out_what_is_too_surprising),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
