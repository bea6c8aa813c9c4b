#include "base/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define WALL_MS 1795381510123 /* 2026-11-22T21:05:10.123Z */

static void test_hex_ids_are_hex_and_differ(void **state) {
    (void)state;
    char a[ID_HEX_BYTES], b[ID_HEX_BYTES];
    id_make_hex(a);
    id_make_hex(b);
    assert_true(id_is_hex(a));
    assert_true(id_is_hex(b));
    assert_string_not_equal(a, b);
    assert_true(id_make_u64() != id_make_u64());
}

static void test_other_texts_are_no_hex_id(void **state) {
    (void)state;
    assert_false(id_is_hex(""));
    assert_false(id_is_hex("0123456789abcdef0123456789abcde"));
    assert_false(id_is_hex("0123456789abcdef0123456789abcdef0"));
    assert_false(id_is_hex("0123456789ABCDEF0123456789abcdef"));
    assert_false(id_is_hex("0123456789abcdef0123456789abcdeg"));
}

static void test_conversation_id_is_the_time_in_utc(void **state) {
    (void)state;
    char id[ID_CONVERSATION_BYTES];
    id_make_conversation(WALL_MS, 1, id);
    assert_string_equal(id, "chat_2026-11-22-21-05-10-123.txt");
    id_make_conversation(WALL_MS, 2, id);
    assert_string_equal(id, "chat_2026-11-22-21-05-10-123_2.txt");
    id_make_conversation(WALL_MS, 999999, id);
    char parsed[ID_CONVERSATION_BYTES];
    assert_true(id_parse_conversation(id, parsed));
    assert_string_equal(parsed, id);
}

static void test_parse_adds_a_missing_txt(void **state) {
    (void)state;
    char id[ID_CONVERSATION_BYTES];
    assert_true(id_parse_conversation("chat_2026-11-22-21-05-10-123", id));
    assert_string_equal(id, "chat_2026-11-22-21-05-10-123.txt");
    assert_true(id_parse_conversation("chat_2026-11-22-21-05-10-123_17", id));
    assert_string_equal(id, "chat_2026-11-22-21-05-10-123_17.txt");
}

static void test_parse_refuses_everything_else(void **state) {
    (void)state;
    const char *const others[] = {
        "",
        "chat_",
        "chat",
        "chat_2026-11-22-21-05-10-12",
        "chat_2026-11-22-21-05-10-1234",
        "chat_2026-11-22-21-05-10-123.tx",
        "chat_2026-11-22-21-05-10-123.txt.txt",
        "chat_2026-11-22-21-05-10-123.txt/..",
        "chat_2026-11-22-21-05-10-123_.txt",
        "chat_2026-11-22-21-05-10-123_02.txt",
        "chat_2026-11-22-21-05-10-123_1234567.txt",
        "chat_2026-11-22-21-05-10-123_2_3.txt",
        "../chat_2026-11-22-21-05-10-123.txt",
        "chat_../../../../etc/passwd",
        "Chat_2026-11-22-21-05-10-123.txt",
        " chat_2026-11-22-21-05-10-123.txt",
    };
    char id[ID_CONVERSATION_BYTES];
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(id_parse_conversation(others[i], id));
    }
}

static void test_a_copy_is_cut_to_its_place(void **state) {
    (void)state;
    char out[4] = "xyz";
    id_copy(out, sizeof out, "ab");
    assert_string_equal(out, "ab");
    id_copy(out, sizeof out, "abcdef");
    assert_string_equal(out, "abc");
}

static void test_client_ids_are_short_and_plain(void **state) {
    (void)state;
    char longest[ID_CLIENT_BYTES_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[ID_CLIENT_BYTES_MAX] = '\0';
    assert_true(id_is_client(longest));
    longest[ID_CLIENT_BYTES_MAX] = 'a';
    longest[ID_CLIENT_BYTES_MAX + 1] = '\0';
    assert_false(id_is_client(longest));
    assert_true(id_is_client("A-z_09"));
    assert_false(id_is_client(""));
    assert_false(id_is_client("a b"));
    assert_false(id_is_client("a\n"));
    assert_false(id_is_client("\xC3\xA9"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex_ids_are_hex_and_differ),
        cmocka_unit_test(test_other_texts_are_no_hex_id),
        cmocka_unit_test(test_conversation_id_is_the_time_in_utc),
        cmocka_unit_test(test_parse_adds_a_missing_txt),
        cmocka_unit_test(test_parse_refuses_everything_else),
        cmocka_unit_test(test_a_copy_is_cut_to_its_place),
        cmocka_unit_test(test_client_ids_are_short_and_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
