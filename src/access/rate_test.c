#include "access/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND 1000000000ull

static void test_a_rate_is_a_number_and_a_unit(void **state) {
    (void)state;
    struct rate rate;
    char text[RATE_TEXT_BYTES];
    const char *good[] = { "1/s", "60/min", "1000000/h", "5/d" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(rate_parse(good[i], &rate));
        rate_format(&rate, text);
        assert_string_equal(text, good[i]);
    }
    const char *bad[] = { "",        "60",      "60/",  "/min",    "0/min",     "60/minute",
                          "-1/s",    "60 /min", "60/m", "60/min ", "1000001/h", "99999999999999999/h",
                          "6e1/min", "60/S" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(rate_parse(bad[i], &rate));
    }
    rate_format(&(struct rate){ 0 }, text);
    assert_string_equal(text, "");
}

static void test_all_may_come_at_once_and_then_evenly(void **state) {
    (void)state;
    struct rate rate = { .n = 6, .per_s = 60 };
    uint64_t full_ns = 0;
    uint64_t now_ns = 1000 * SECOND;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(rate_take(&rate, &full_ns, now_ns), 0);
    }
    assert_int_equal(rate_take(&rate, &full_ns, now_ns), 10);
    assert_int_equal(rate_take(&rate, &full_ns, now_ns + 1), 10); /* asking costs nothing */
    assert_int_equal(rate_take(&rate, &full_ns, now_ns + 9 * SECOND + 1), 1);
    assert_int_equal(rate_take(&rate, &full_ns, now_ns + 10 * SECOND), 0);
    assert_int_equal(rate_take(&rate, &full_ns, now_ns + 10 * SECOND), 10);
    now_ns += 1000 * SECOND;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(rate_take(&rate, &full_ns, now_ns), 0); /* no more than all of them come back */
    }
    assert_int_not_equal(rate_take(&rate, &full_ns, now_ns), 0);
}

static void test_no_rate_is_no_limit(void **state) {
    (void)state;
    struct rate none = { 0 };
    uint64_t full_ns = 0;
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(rate_take(&none, &full_ns, SECOND), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_rate_is_a_number_and_a_unit),
        cmocka_unit_test(test_all_may_come_at_once_and_then_evenly),
        cmocka_unit_test(test_no_rate_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
