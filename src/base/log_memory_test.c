#include "base/log_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    uint64_t first;
    uint64_t last;
    size_t n;
    char newest[LOG_MEMORY_LINE_BYTES + 1];
};

static void see(void *ctx, uint64_t number, const char *line, size_t n_bytes) {
    struct seen *seen = ctx;
    assert_true(seen->n == 0 || number == seen->last + 1);
    seen->first = seen->n == 0 ? number : seen->first;
    seen->last = number;
    seen->n++;
    memcpy(seen->newest, line, n_bytes);
    seen->newest[n_bytes] = '\0';
    /* Each line begins with its own number. */
    char wanted[32];
    int length = snprintf(wanted, sizeof wanted, "%llu ", (unsigned long long)number);
    assert_memory_equal(line, wanted, (size_t)length);
}

static void add_numbered(uint64_t number, size_t n_bytes) {
    char line[LOG_MEMORY_LINE_BYTES + 1];
    memset(line, 'x', sizeof line);
    int length = snprintf(line, sizeof line, "%llu ", (unsigned long long)number);
    line[length] = 'x';
    log_memory_add(line, n_bytes);
}

/* One program, one memory: the tests go on with its numbers. */
static uint64_t last;

static void add_many(size_t n, size_t n_bytes) {
    for (size_t i = 0; i < n; i++) {
        add_numbered(++last, n_bytes);
    }
}

static void test_lines_are_told_from_a_number_on(void **state) {
    (void)state;
    struct seen seen = { 0 };
    assert_int_equal(log_memory_visit(0, see, &seen), 0);
    assert_int_equal(seen.n, 0);
    add_many(3, 100);
    assert_int_equal(log_memory_visit(1, see, &seen), 3);
    assert_int_equal(seen.n, 2);
    assert_int_equal(seen.first, 2);
    assert_int_equal(strlen(seen.newest), 100);
    struct seen none = { 0 };
    assert_int_equal(log_memory_visit(3, see, &none), 3);
    assert_int_equal(log_memory_visit(900, see, &none), 3);
    assert_int_equal(none.n, 0);
}

static void test_short_lines_give_way_by_their_number(void **state) {
    (void)state;
    struct seen seen = { 0 };
    add_many(2 * LOG_MEMORY_LINES_MAX, 20);
    assert_int_equal(log_memory_visit(0, see, &seen), last);
    assert_int_equal(seen.n, LOG_MEMORY_LINES_MAX);
    assert_int_equal(seen.last, last);
}

static void test_long_lines_give_way_by_their_size_and_are_cut(void **state) {
    (void)state;
    for (size_t n_bytes = 1000; n_bytes <= LOG_MEMORY_LINE_BYTES; n_bytes += 131) {
        struct seen seen = { 0 };
        add_many(600, n_bytes);
        assert_int_equal(log_memory_visit(0, see, &seen), last);
        assert_int_equal(seen.last, last);
        assert_true(seen.n >= LOG_MEMORY_BYTES / n_bytes - 2);
        assert_true(seen.n <= LOG_MEMORY_BYTES / n_bytes);
    }
    struct seen seen = { 0 };
    add_numbered(++last, LOG_MEMORY_LINE_BYTES + 1);
    log_memory_visit(last - 1, see, &seen);
    assert_int_equal(strlen(seen.newest), LOG_MEMORY_LINE_BYTES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_told_from_a_number_on),
        cmocka_unit_test(test_short_lines_give_way_by_their_number),
        cmocka_unit_test(test_long_lines_give_way_by_their_size_and_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
