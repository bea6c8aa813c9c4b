/* The index of n-grams against a search that looks at everything. */
#include "ngram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void add_all(struct ngram *ngram, const char *text) {
    for (; *text; text++) {
        ngram_add(ngram, *text);
    }
}

static void test_the_longest_match_wins_and_of_equals_the_latest(void **state) {
    (void)state;
    struct ngram ngram;
    int n_match;
    ngram_init(&ngram);
    assert_int_equal(ngram_find(&ngram, &n_match), -1);
    add_all(&ngram, "xabcd yabce abcf xabc");
    assert_int_equal(ngram_find(&ngram, &n_match), 4); /* "xabc" was followed by d */
    assert_int_equal(n_match, 4);
    add_all(&ngram, "g abc");
    assert_int_equal(ngram_find(&ngram, &n_match), 15); /* " abc" by f */
    assert_int_equal(n_match, 4);
    add_all(&ngram, "!abc");
    assert_int_equal(ngram_find(&ngram, &n_match), 26); /* three are the same everywhere: the latest */
    assert_int_equal(n_match, 3);
    ngram_deinit(&ngram);
}

static void test_less_than_an_ngram_is_no_match(void **state) {
    (void)state;
    struct ngram ngram;
    int n_match;
    ngram_init(&ngram);
    add_all(&ngram, "abxab");
    assert_int_equal(ngram_find(&ngram, &n_match), -1);
    add_all(&ngram, "x");
    assert_int_equal(ngram_find(&ngram, &n_match), 3);
    ngram_deinit(&ngram);
}

static int count_same(const struct ngram *ngram, int end) {
    int n = 0;
    while (n <= end && n < NGRAM_MATCH_MAX &&
           ngram->tokens[end - n] == ngram->tokens[ngram->n_tokens - 1 - n]) {
        n++;
    }
    return n;
}

/* Few kinds of tokens and many of them: what was found is a match, and where the search finds one, so does the index. */
static void test_any_sequence(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        srand(seed);
        struct ngram ngram;
        ngram_init(&ngram);
        for (int i = 0; i < 1000; i++) {
            ngram_add(&ngram, rand() % (seed < 10 ? 3 : 40));
            int n_best = 0;
            for (int end = 0; end < ngram.n_tokens - 1; end++) {
                int n = count_same(&ngram, end);
                n_best = n > n_best ? n : n_best;
            }
            int n_match;
            int next = ngram_find(&ngram, &n_match);
            assert_int_equal(next >= 0, n_best >= NGRAM_TOKENS);
            if (next >= 0) {
                assert_in_range(next, 1, ngram.n_tokens - 1);
                assert_int_equal(count_same(&ngram, next - 1), n_match);
            }
        }
        ngram_deinit(&ngram);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_longest_match_wins_and_of_equals_the_latest),
        cmocka_unit_test(test_less_than_an_ngram_is_no_match),
        cmocka_unit_test(test_any_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
