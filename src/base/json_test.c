#include "base/json.h"

#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_refused(const char *text, size_t n) {
    json_t *value = NULL;
    struct fault fault = { 0 };
    assert_int_equal(json_parse(text, n, &value, &fault), STATUS_INVALID);
    assert_null(value);
    assert_int_equal(fault.status, STATUS_INVALID);
    assert_true(strlen(fault.text) > 0);
}

static json_t *object_of(const char *text) {
    json_t *object = NULL;
    struct fault fault;
    assert_int_equal(json_parse_object(text, strlen(text), &object, &fault), STATUS_OK);
    return object;
}

static void test_what_rfc_8259_leaves_open_is_refused(void **state) {
    (void)state;
    const char *const texts[] = {
        "",
        "{",
        "{}x",
        "{\"a\":1,\"a\":2}",
        "[1,]",
        "{'a':1}",
        "NaN",
        "[1e999]",
        "\"\x80\"",
        "\"\xED\xA0\x80\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "01",
        "\"a\nb\"",
        "\xEF\xBB\xBF{}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        expect_refused(texts[i], strlen(texts[i]));
    }
    expect_refused("{}\0", 3);
}

static void test_any_value_is_a_text(void **state) {
    (void)state;
    const char *const texts[] = { "null", "true", " 1.5 ", "\"\\ud83d\\ude0a\"", "[]", "{\"a\":[1,{}]}" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_t *value = NULL;
        assert_int_equal(json_parse(texts[i], strlen(texts[i]), &value, NULL), STATUS_OK);
        assert_non_null(value);
        json_decref(value);
    }
}

static void test_depth_is_counted_outside_strings(void **state) {
    (void)state;
    char text[2 * (JSON_DEPTH_MAX + 1)];
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    expect_refused(text, sizeof text);
    json_t *value = NULL;
    assert_int_equal(json_parse(text + 1, sizeof text - 2, &value, NULL), STATUS_OK);
    json_decref(value);

    char string[200];
    memset(string, '[', sizeof string);
    memcpy(string, "\"\\\"", 3); /* an escaped quote does not end the string */
    string[sizeof string - 1] = '"';
    assert_int_equal(json_parse(string, sizeof string, &value, NULL), STATUS_OK);
    json_decref(value);
}

static void test_hundred_thousand_brackets_are_refused_without_recursion(void **state) {
    (void)state;
    size_t n = 100000;
    char *text = malloc(n);
    assert_non_null(text);
    memset(text, '[', n);
    expect_refused(text, n);
    free(text);
}

static void test_an_object_is_asked_for(void **state) {
    (void)state;
    json_t *value = NULL;
    struct fault fault;
    assert_int_equal(json_parse_object("[]", 2, &value, &fault), STATUS_INVALID);
    assert_null(value);
}

static void test_absent_and_null_fields_leave_the_default(void **state) {
    (void)state;
    json_t *object = object_of("{\"s\":null}");
    const char *text = "default";
    bool flag = true;
    int64_t number = 7;
    double real = 0.5;
    assert_int_equal(json_take_string(object, "s", &text, NULL), STATUS_OK);
    assert_int_equal(json_take_bool(object, "b", &flag, NULL), STATUS_OK);
    assert_int_equal(json_take_int(object, "i", 0, 10, &number, NULL), STATUS_OK);
    assert_int_equal(json_take_double(object, "d", 0, 1, &real, NULL), STATUS_OK);
    assert_string_equal(text, "default");
    assert_true(flag);
    assert_int_equal(number, 7);
    assert_true(real > 0.4 && real < 0.6);
    json_decref(object);
}

static void test_fields_are_taken(void **state) {
    (void)state;
    json_t *object = object_of("{\"s\":\"x\",\"b\":false,\"i\":10,\"d\":1,\"n\":-3}");
    const char *text = NULL;
    bool flag = true;
    int64_t number = 0;
    double real = 0;
    assert_int_equal(json_take_string(object, "s", &text, NULL), STATUS_OK);
    assert_int_equal(json_take_bool(object, "b", &flag, NULL), STATUS_OK);
    assert_int_equal(json_take_int(object, "i", 0, 10, &number, NULL), STATUS_OK);
    assert_int_equal(json_take_double(object, "d", 0, 1, &real, NULL), STATUS_OK);
    assert_string_equal(text, "x");
    assert_false(flag);
    assert_int_equal(number, 10);
    assert_true(real > 0.9);
    assert_int_equal(json_take_int(object, "n", -3, 0, &number, NULL), STATUS_OK);
    assert_int_equal(number, -3);
    assert_string_equal(json_get_text(object, "s", "-"), "x");
    assert_string_equal(json_get_text(object, "i", "-"), "-");
    json_decref(object);
}

static void test_a_wrong_field_is_named(void **state) {
    (void)state;
    json_t *object =
        object_of("{\"s\":1,\"b\":\"true\",\"i\":1.5,\"d\":\"1\",\"nul\":\"a\\u0000b\",\"big\":11}");
    const char *text = NULL;
    bool flag = false;
    int64_t number = 0;
    double real = 0;
    struct fault fault;
    assert_int_equal(json_take_string(object, "s", &text, &fault), STATUS_INVALID);
    assert_non_null(strstr(fault.text, "\"s\""));
    assert_int_equal(json_take_string(object, "nul", &text, &fault), STATUS_INVALID);
    assert_non_null(strstr(fault.text, "\"nul\""));
    assert_int_equal(json_take_bool(object, "b", &flag, &fault), STATUS_INVALID);
    assert_non_null(strstr(fault.text, "\"b\""));
    assert_int_equal(json_take_int(object, "i", 0, 10, &number, &fault), STATUS_INVALID);
    assert_non_null(strstr(fault.text, "\"i\""));
    assert_int_equal(json_take_int(object, "big", 0, 10, &number, &fault), STATUS_INVALID);
    assert_non_null(strstr(fault.text, "between 0 and 10"));
    assert_int_equal(json_take_double(object, "d", 0, 1, &real, &fault), STATUS_INVALID);
    assert_int_equal(json_take_double(object, "big", 0, 1, &real, &fault), STATUS_INVALID);
    assert_non_null(strstr(fault.text, "\"big\""));
    assert_null(text);
    json_decref(object);
}

static void test_text_of_a_value_parses_to_the_same_value(void **state) {
    (void)state;
    json_t *object = object_of("{\"a\": [1, \"\\u00e9\\n\", null, 0.1]}");
    char *text = json_text(object);
    assert_null(strchr(text, ' '));
    json_t *again = object_of(text);
    assert_true(json_equal(object, again));
    free(text);
    json_decref(object);
    json_decref(again);
}

static void test_a_nul_is_no_end(void **state) {
    (void)state;
    expect_refused("1\0", 2);
    expect_refused("{}\0", 3);
}

static void test_the_sentence_is_text_whatever_came(void **state) {
    (void)state;
    json_t *value;
    struct fault fault;
    static const char broken[] = "[\"\\ud\xc8\x84O\xcf\xe7]";
    assert_int_equal(json_parse(broken, sizeof broken - 1, &value, &fault), STATUS_INVALID);
    assert_true(utf8_is_valid(fault.text, strlen(fault.text)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_nul_is_no_end),
        cmocka_unit_test(test_the_sentence_is_text_whatever_came),
        cmocka_unit_test(test_what_rfc_8259_leaves_open_is_refused),
        cmocka_unit_test(test_any_value_is_a_text),
        cmocka_unit_test(test_depth_is_counted_outside_strings),
        cmocka_unit_test(test_hundred_thousand_brackets_are_refused_without_recursion),
        cmocka_unit_test(test_an_object_is_asked_for),
        cmocka_unit_test(test_absent_and_null_fields_leave_the_default),
        cmocka_unit_test(test_fields_are_taken),
        cmocka_unit_test(test_a_wrong_field_is_named),
        cmocka_unit_test(test_text_of_a_value_parses_to_the_same_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
