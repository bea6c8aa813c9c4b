#include "base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_each_value_is_counted_at_the_first_bound_that_holds_it(void **state) {
    (void)state;
    struct histogram histogram = { 0 };
    struct histogram_values values;
    histogram_add(&histogram, 0);
    histogram_add(&histogram, 10000);
    histogram_add(&histogram, 10001);
    histogram_add(&histogram, 1000000000);
    histogram_add(&histogram, 60000000000);
    histogram_read(&histogram, &values);
    assert_int_equal(values.counts[0], 2);
    assert_int_equal(values.counts[1], 1);
    assert_int_equal(values.counts[15], 1);
    assert_int_equal(histogram_bound_ns(15), 1000000000);
    assert_int_equal(values.counts[HISTOGRAM_N_BOUNDS], 1);
    assert_int_equal(values.n, 5);
    assert_int_equal(values.sum_ns, 61000020001);
}

static void test_the_bounds_rise(void **state) {
    (void)state;
    for (size_t i = 1; i < HISTOGRAM_N_BOUNDS; i++) {
        assert_true(histogram_bound_ns(i) >= 2 * histogram_bound_ns(i - 1));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_value_is_counted_at_the_first_bound_that_holds_it),
        cmocka_unit_test(test_the_bounds_rise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
