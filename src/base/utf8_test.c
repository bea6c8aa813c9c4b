#include "base/utf8.h"

#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The encoding of a code point, surrogates too. */
static size_t encode(uint32_t c, char out[4]) {
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char heads[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
    for (size_t i = n - 1; i > 0; i--, c >>= 6) {
        out[i] = (char)(unsigned char)(0x80 | (c & 0x3F));
    }
    out[0] = (char)(unsigned char)(heads[n] | c);
    return n;
}

static void test_every_code_point_is_valid_but_the_surrogates(void **state) {
    (void)state;
    for (uint32_t c = 0; c <= 0x110FFF; c++) {
        char text[4];
        size_t n = encode(c, text);
        bool is_good = c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
        if (utf8_is_valid(text, n) != is_good) {
            fail_msg("U+%04X", c);
        }
        if (is_good && utf8_step(text, n) != (int)n) {
            fail_msg("the length of U+%04X", c);
        }
    }
}

static void test_beginnings_of_characters_are_unfinished(void **state) {
    (void)state;
    const char *const texts[] = { "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x8A", "\xF4\x8F\xBF\xBF",
                                  "\xED\x9F\xBF" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t whole = strlen(texts[i]);
        for (size_t n = 1; n < whole; n++) {
            assert_int_equal(utf8_step(texts[i], n), 0);
            assert_false(utf8_is_valid(texts[i], n));
            assert_int_equal(utf8_whole_length(texts[i], n), 0);
        }
        assert_int_equal(utf8_whole_length(texts[i], whole), whole);
    }
}

static void test_maximal_subparts_are_as_in_the_standard(void **state) {
    (void)state;
    /* Unicode 15, tables 3-8 to 3-11. */
    assert_int_equal(utf8_step("\xC0\xAF", 2), -1);
    assert_int_equal(utf8_step("\xE0\x80\xBF", 3), -1);
    assert_int_equal(utf8_step("\xF0\x81\x82\x41", 4), -1);
    assert_int_equal(utf8_step("\xED\xA0\x80", 3), -1);
    assert_int_equal(utf8_step("\xF4\x91\x92\x93", 4), -1);
    assert_int_equal(utf8_step("\xFF", 1), -1);
    assert_int_equal(utf8_step("\x80", 1), -1);
    assert_int_equal(utf8_step("\xE1\x80\xE2", 3), -2);
    assert_int_equal(utf8_step("\xF0\x91\x92\xF1", 4), -3);
    assert_int_equal(utf8_step("\xF1\xBF\x41", 3), -2);
}

static void test_whole_length_leaves_out_an_unfinished_end_only(void **state) {
    (void)state;
    assert_int_equal(utf8_whole_length("", 0), 0);
    assert_int_equal(utf8_whole_length("abc", 3), 3);
    assert_int_equal(utf8_whole_length("ab\xC3", 3), 2);
    assert_int_equal(utf8_whole_length("ab\xF0\x9F\x98", 5), 2);
    assert_int_equal(utf8_whole_length("ab\xF0\x9F\x98\x8A", 6), 6);
    /* What can never become valid is not held back. */
    assert_int_equal(utf8_whole_length("ab\xC0", 3), 3);
    assert_int_equal(utf8_whole_length("ab\xED\xA0", 4), 4);
    assert_int_equal(utf8_whole_length("\x80\x80\x80\x80\x80", 5), 5);
}

static void test_a_fault_is_cut_at_a_whole_character(void **state) {
    (void)state;
    char text[FAULT_TEXT_BYTES + 20];
    for (size_t i = 0; i + 2 < sizeof text; i += 2) {
        memcpy(text + i, "\xC3\xA9", 3);
    }
    struct fault fault;
    assert_int_equal(fault_set(&fault, STATUS_IO, "x%s", text), STATUS_IO);
    assert_true(utf8_is_valid(fault.text, strlen(fault.text)));
    assert_int_equal(strlen(fault.text), FAULT_TEXT_BYTES - 1);
    assert_int_equal(fault_set(&fault, STATUS_IO, "%s", text), STATUS_IO);
    assert_true(utf8_is_valid(fault.text, strlen(fault.text)));
    assert_int_equal(strlen(fault.text), FAULT_TEXT_BYTES - 2);
    assert_int_equal(fault_set(NULL, STATUS_BUSY, "nobody reads it"), STATUS_BUSY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point_is_valid_but_the_surrogates),
        cmocka_unit_test(test_beginnings_of_characters_are_unfinished),
        cmocka_unit_test(test_maximal_subparts_are_as_in_the_standard),
        cmocka_unit_test(test_whole_length_leaves_out_an_unfinished_end_only),
        cmocka_unit_test(test_a_fault_is_cut_at_a_whole_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
