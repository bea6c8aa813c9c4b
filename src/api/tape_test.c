#include "api/tape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void say(struct tape_reader *reader, struct bytes *frame, const char *text, bool is_extra) {
    tape_follow(reader, frame);
    size_t from = frame->size;
    bytes_add_text(frame, text);
    tape_wrote(reader, frame, from, is_extra);
}

/* Events are said by every reader, what is between them by the first alone. */
static void expect(struct tape *tape, uint64_t skip_to, const char *wanted) {
    struct tape_reader reader = { .tape = tape, .skip_to = skip_to };
    struct bytes frame;
    bytes_init(&frame, 1000);
    say(&reader, &frame, "one", false);
    say(&reader, &frame, "two", false);
    tape_follow(&reader, &frame);
    assert_string_equal(frame.size ? frame.data : "", wanted);
    bytes_deinit(&frame);
}

static void test_every_reader_is_given_the_same_bytes_from_its_offset_on(void **state) {
    (void)state;
    struct tape *tape = tape_new();
    struct tape_reader first = { .tape = tape };
    struct bytes frame;
    bytes_init(&frame, 1000);
    say(&first, &frame, ":a", true);
    say(&first, &frame, ":b", true);
    say(&first, &frame, "one", false);
    say(&first, &frame, ":c", true);
    say(&first, &frame, "two", false);
    assert_string_equal(frame.data, ":a:bone:ctwo");
    assert_int_equal(tape_size(tape), 12);
    const char *whole = frame.data;
    for (uint64_t from = 0; from <= 12; from++) {
        expect(tape, from, whole + from);
    }
    expect(tape, 99, "");
    bytes_deinit(&frame);
    tape_unref(tape);
}

static void test_only_who_is_furthest_may_put_something_in(void **state) {
    (void)state;
    struct tape *tape = tape_new();
    struct tape_reader first = { .tape = tape };
    struct tape_reader second = { .tape = tape };
    struct bytes frame;
    bytes_init(&frame, 1000);
    assert_true(tape_may_add(&first) && tape_may_add(&second));
    say(&first, &frame, "one", false);
    assert_true(tape_may_add(&first));
    assert_false(tape_may_add(&second));
    say(&second, &frame, "one", false);
    assert_true(tape_may_add(&second));
    say(&second, &frame, ":a", true);
    assert_false(tape_may_add(&first));
    bytes_clear(&frame);
    assert_true(tape_follow(&first, &frame));
    assert_string_equal(frame.data, ":a");
    assert_true(tape_may_add(&first));
    bytes_deinit(&frame);
    tape_unref(tape);
}

static void test_without_a_tape_everything_is_written(void **state) {
    (void)state;
    struct tape_reader reader = { 0 };
    struct bytes frame;
    bytes_init(&frame, 1000);
    say(&reader, &frame, "one", false);
    assert_true(tape_may_add(&reader));
    say(&reader, &frame, ":a", true);
    assert_string_equal(frame.data, "one:a");
    bytes_deinit(&frame);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_reader_is_given_the_same_bytes_from_its_offset_on),
        cmocka_unit_test(test_only_who_is_furthest_may_put_something_in),
        cmocka_unit_test(test_without_a_tape_everything_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
