/* [E12] [E13] [E14]: the joiner and the stop strings together. */
#include "common/piece.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define REPLACEMENT "\xEF\xBF\xBD"

static const char *text_of(const struct piece *piece) {
    return piece->text.size > 0 ? piece->text.data : "";
}

static void test_a_stop_string_of_split_characters_is_found(void **state) {
    (void)state;
    struct piece piece;
    piece_init(&piece, (const char *[]){ "\xF0\x9F\x8C\x8A!" }, 1);
    assert_false(piece_add(&piece, "sea \xF0\x9F", 6));
    assert_string_equal(text_of(&piece), "sea ");
    assert_false(piece_add(&piece, "\x8C\x8A", 2));
    assert_string_equal(text_of(&piece), "");
    assert_true(piece_add(&piece, "! more", 6));
    assert_string_equal(text_of(&piece), "");
    piece_finish(&piece);
    assert_string_equal(text_of(&piece), "");
    piece_deinit(&piece);
}

static void test_the_last_token_carries_what_is_held(void **state) {
    (void)state;
    struct piece piece;
    piece_init(&piece, (const char *[]){ "END" }, 1);
    piece_add(&piece, "x", 1);
    piece_add(&piece, "yEN\xE2\x82", 5);
    assert_string_equal(text_of(&piece), "y");
    assert_false(piece_finish(&piece));
    assert_string_equal(text_of(&piece), "yEN" REPLACEMENT);
    piece_deinit(&piece);
}

static void test_cancel_flushes_only_what_was_not_sent(void **state) {
    (void)state;
    struct piece piece;
    piece_init(&piece, (const char *[]){ "END" }, 1);
    piece_add(&piece, "aEN", 3);
    assert_string_equal(text_of(&piece), "a");
    piece_clear_text(&piece);
    piece_finish(&piece);
    assert_string_equal(text_of(&piece), "EN");
    piece_clear_text(&piece);
    piece_finish(&piece);
    assert_string_equal(text_of(&piece), "");
    piece_deinit(&piece);
}

static void test_the_end_itself_may_complete_a_stop_string(void **state) {
    (void)state;
    struct piece piece;
    piece_init(&piece, (const char *[]){ "a" REPLACEMENT }, 1);
    piece_add(&piece, "xa\xF0", 3);
    assert_string_equal(text_of(&piece), "x");
    assert_true(piece_finish(&piece));
    assert_string_equal(text_of(&piece), "x");
    piece_deinit(&piece);
}

/* [E21] */
static void test_what_was_said_is_held_again_and_not_said_again(void **state) {
    (void)state;
    struct piece piece;
    piece_init(&piece, (const char *[]){ "END" }, 1);
    assert_false(piece_add_said(&piece, "aEN", 3));
    assert_false(piece_add(&piece, "\xF0\x9F", 2));
    assert_string_equal(text_of(&piece), "");
    assert_false(piece_add(&piece, "\x8C\x8A", 2));
    assert_string_equal(text_of(&piece), "EN\xF0\x9F\x8C\x8A");
    piece_clear_text(&piece);
    assert_false(piece_add_said(&piece, "bE\xF0", 3));
    assert_false(piece_finish_said(&piece));
    assert_false(piece_add(&piece, "ND", 2));
    assert_string_equal(text_of(&piece), "ND");
    assert_true(piece_add_said(&piece, "cEND", 4));
    piece_finish(&piece);
    assert_string_equal(text_of(&piece), "");
    piece_deinit(&piece);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stop_string_of_split_characters_is_found),
        cmocka_unit_test(test_the_last_token_carries_what_is_held),
        cmocka_unit_test(test_cancel_flushes_only_what_was_not_sent),
        cmocka_unit_test(test_the_end_itself_may_complete_a_stop_string),
        cmocka_unit_test(test_what_was_said_is_held_again_and_not_said_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
