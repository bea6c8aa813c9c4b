/* The one-pass selection against sorting everything. */
#include "candidates.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_VOCAB  500
#define N_ROUNDS 2000

static void random_logits(float *logits, int n_vocab) {
    for (int i = 0; i < n_vocab; i++) {
        logits[i] = (float)(rand() % 200 - 100) / 10; /* coarse: many are equal */
    }
}

static int compare(const void *a, const void *b) {
    const llama_token_data *left = a;
    const llama_token_data *right = b;
    if (left->logit != right->logit) {
        return left->logit > right->logit ? -1 : 1;
    }
    return left->id < right->id ? -1 : 1;
}

static void test_the_top_k_are_those_of_a_full_sort(void **state) {
    (void)state;
    srand(5);
    for (int round = 0; round < N_ROUNDS; round++) {
        float logits[N_VOCAB];
        llama_token_data all[N_VOCAB];
        llama_token_data top[N_VOCAB];
        int n_vocab = 1 + rand() % N_VOCAB;
        size_t k = 1 + (size_t)rand() % 60;
        random_logits(logits, n_vocab);
        size_t n = candidates_take_top(logits, n_vocab, k, top);
        assert_int_equal(n, k < (size_t)n_vocab ? k : (size_t)n_vocab);
        candidates_take_all(logits, n_vocab, all);
        qsort(all, (size_t)n_vocab, sizeof *all, compare);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(top[i].id, all[i].id);
            assert_true(top[i].logit == all[i].logit);
        }
        assert_int_equal(candidates_best(logits, n_vocab), all[0].id);
    }
}

static void test_the_penalty_counts_a_token_once(void **state) {
    (void)state;
    float logits[] = { 2, -2, 4, 1 };
    candidates_penalize(logits, 4, (const llama_token[]){ 0, 1, 0, 0, 9 }, 5, 2);
    assert_true(logits[0] == 1 && logits[1] == -4 && logits[2] == 4 && logits[3] == 1);
}

static void test_a_token_is_lowered_by_how_often_it_was_said(void **state) {
    (void)state;
    float logits[] = { 2, -2, 4, 1 };
    candidates_lower(logits, 4, (const llama_token[]){ 1, 3, 7 }, (const uint32_t[]){ 1, 3, 1 }, 3, 0.5f, 1);
    assert_true(logits[0] == 2 && logits[1] == -3.5f && logits[2] == 4 && logits[3] == -1.5f);
}

static void test_a_forbidden_token_is_never_best(void **state) {
    (void)state;
    float logits[] = { 1, 9, 3 };
    candidates_forbid(logits, 3, (const llama_token[]){ 1 }, 1);
    assert_true(isinf(logits[1]));
    assert_int_equal(candidates_best(logits, 3), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_top_k_are_those_of_a_full_sort),
        cmocka_unit_test(test_the_penalty_counts_a_token_once),
        cmocka_unit_test(test_a_token_is_lowered_by_how_often_it_was_said),
        cmocka_unit_test(test_a_forbidden_token_is_never_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
