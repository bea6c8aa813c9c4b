#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_appends_follow_each_other_and_end_with_a_nul(void **state) {
    (void)state;
    struct bytes bytes;
    bytes_init(&bytes, 100);
    assert_int_equal(bytes_add(&bytes, "ab\0c", 4), STATUS_OK);
    assert_int_equal(bytes_add_text(&bytes, "d"), STATUS_OK);
    assert_int_equal(bytes_add_char(&bytes, 'e'), STATUS_OK);
    assert_int_equal(bytes_add_format(&bytes, "%d-%s", 42, "x"), STATUS_OK);
    assert_int_equal(bytes.size, 10);
    assert_memory_equal(bytes.data, "ab\0cde42-x", 11);
    bytes_deinit(&bytes);
    assert_null(bytes.data);
}

static void test_append_past_the_maximum_is_refused_whole_and_marked(void **state) {
    (void)state;
    struct bytes bytes;
    bytes_init(&bytes, 4);
    assert_int_equal(bytes_add_text(&bytes, "abc"), STATUS_OK);
    assert_int_equal(bytes_add_text(&bytes, "de"), STATUS_FULL);
    assert_true(bytes.failed);
    assert_string_equal(bytes.data, "abc");
    assert_int_equal(bytes_add_format(&bytes, "%d", 12), STATUS_FULL);
    assert_string_equal(bytes.data, "abc");
    assert_int_equal(bytes_add_text(&bytes, "d"), STATUS_OK);
    assert_true(bytes.failed);
    bytes_clear(&bytes);
    assert_false(bytes.failed);
    assert_int_equal(bytes_add_text(&bytes, "wxyz"), STATUS_OK);
    assert_int_equal(bytes.size, 4);
    bytes_deinit(&bytes);
}

static void test_zeroed_memory_with_a_maximum_is_a_buffer(void **state) {
    (void)state;
    struct bytes bytes = { .size_max = 8 };
    bytes_clear(&bytes);
    assert_int_equal(bytes_add(&bytes, NULL, 0), STATUS_OK);
    assert_int_equal(bytes_add_text(&bytes, "ok"), STATUS_OK);
    assert_string_equal(bytes.data, "ok");
    bytes_deinit(&bytes);
}

static void test_drop_removes_from_the_front(void **state) {
    (void)state;
    struct bytes bytes;
    bytes_init(&bytes, 1000);
    bytes_drop(&bytes, 0);
    for (int i = 0; i < 100; i++) {
        bytes_add_format(&bytes, "%02d", i);
    }
    bytes_drop(&bytes, 196);
    assert_string_equal(bytes.data, "9899");
    bytes_drop(&bytes, 4);
    assert_int_equal(bytes.size, 0);
    assert_string_equal(bytes.data, "");
    bytes_deinit(&bytes);
}

static void expect_json(const char *text, size_t n, const char *expected) {
    struct bytes bytes;
    bytes_init(&bytes, 200);
    assert_int_equal(bytes_add_json_string(&bytes, text, n), STATUS_OK);
    assert_string_equal(bytes.data, expected);
    bytes_deinit(&bytes);
}

static void test_json_string_escapes_what_must_be_escaped(void **state) {
    (void)state;
    expect_json("", 0, "\"\"");
    expect_json(NULL, 0, "\"\"");
    expect_json("plain", 5, "\"plain\"");
    expect_json("a\"b\\c\nd\re\tf\bg\fh", 15, "\"a\\\"b\\\\c\\nd\\re\\tf\\bg\\fh\"");
    expect_json("\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\"");
    expect_json("</script>", 9, "\"\\u003c/script>\"");
    expect_json("x\xE2\x80\xA8y\xE2\x80\xA9", 8, "\"x\\u2028y\\u2029\"");
    expect_json("\xE2\x80\xA6 \xC3\xA9 \xF0\x9F\x98\x8A", 11, "\"\xE2\x80\xA6 \xC3\xA9 \xF0\x9F\x98\x8A\"");
}

static void test_json_string_that_does_not_fit_leaves_nothing(void **state) {
    (void)state;
    struct bytes bytes;
    bytes_init(&bytes, 8);
    bytes_add_text(&bytes, "abc");
    assert_int_equal(bytes_add_json_string(&bytes, "123456", 6), STATUS_FULL);
    assert_true(bytes.failed);
    assert_int_equal(bytes.size, 3);
    assert_string_equal(bytes.data, "abc");
    /* One that fits is added, and the mark of the earlier one stays. */
    assert_int_equal(bytes_add_json_string(&bytes, "123", 3), STATUS_OK);
    assert_string_equal(bytes.data, "abc\"123\"");
    assert_true(bytes.failed);
    bytes_deinit(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_follow_each_other_and_end_with_a_nul),
        cmocka_unit_test(test_append_past_the_maximum_is_refused_whole_and_marked),
        cmocka_unit_test(test_zeroed_memory_with_a_maximum_is_a_buffer),
        cmocka_unit_test(test_drop_removes_from_the_front),
        cmocka_unit_test(test_json_string_escapes_what_must_be_escaped),
        cmocka_unit_test(test_json_string_that_does_not_fit_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
