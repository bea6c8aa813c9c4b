/* [E12] whole UTF-8 only, against a reference that tries everything. */
#include "common/utf8_joiner.h"

#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REPLACEMENT    "\xEF\xBF\xBD"
#define N_ROUNDS       20000
#define TEXT_BYTES_MAX 24

/* RFC 3629 by its arithmetic: decode, then ask whether the number is allowed and the form the shortest. */
static bool is_character(const unsigned char *bytes, size_t n) {
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    static const unsigned char heads[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
    static const unsigned char masks[] = { 0, 0, 0xE0, 0xF0, 0xF8 };
    if (n == 1) {
        return bytes[0] < 0x80;
    }
    if ((bytes[0] & masks[n]) != heads[n]) {
        return false;
    }
    uint32_t number = (uint32_t)(bytes[0] & ~masks[n] & 0xFF);
    for (size_t i = 1; i < n; i++) {
        if ((bytes[i] & 0xC0) != 0x80) {
            return false;
        }
        number = number << 6 | (bytes[i] & 0x3F);
    }
    return number >= smallest[n] && number <= 0x10FFFF && (number < 0xD800 || number > 0xDFFF);
}

/* Whether some continuation makes a character of it: all borders of the allowed ranges are tried. */
static bool can_become_character(unsigned char *bytes, size_t n) {
    static const unsigned char tries[] = { 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF };
    if (n > 4) {
        return false;
    }
    if (is_character(bytes, n)) {
        return true;
    }
    for (size_t i = 0; i < sizeof tries && n < 4; i++) {
        bytes[n] = tries[i];
        if (can_become_character(bytes, n + 1)) {
            return true;
        }
    }
    return false;
}

static bool is_beginning(const unsigned char *bytes, size_t n) {
    unsigned char copy[8] = { 0 };
    memcpy(copy, bytes, n);
    return can_become_character(copy, n);
}

/* What the whole text must become, with an unfinished tail as U+FFFD. */
static size_t reference(const unsigned char *text, size_t n, char *out) {
    size_t at = 0;
    size_t n_out = 0;
    while (at < n) {
        size_t length = 0;
        for (size_t k = 1; k <= 4 && at + k <= n; k++) {
            length = is_character(text + at, k) ? k : length;
        }
        if (length > 0) {
            memcpy(out + n_out, text + at, length);
            n_out += length;
            at += length;
            continue;
        }
        size_t subpart = 1;
        while (subpart < 3 && at + subpart < n && is_beginning(text + at, subpart + 1)) {
            subpart++;
        }
        memcpy(out + n_out, REPLACEMENT, 3);
        n_out += 3;
        at += subpart;
    }
    return n_out;
}

static size_t random_text(unsigned char *text) {
    static const unsigned char likely[] = { 'a',  0x80, 0xBF, 0xC2, 0xC0, 0xE0, 0xED, 0xE2,
                                            0xF0, 0xF4, 0x9F, 0x90, 0xA0, 0xFF, 0x8C, 0x8A };
    size_t n = (size_t)rand() % TEXT_BYTES_MAX;
    for (size_t i = 0; i < n; i++) {
        text[i] = rand() % 8 ? likely[(size_t)rand() % sizeof likely] : (unsigned char)rand();
    }
    return n;
}

static void test_any_split_gives_the_reference(void **state) {
    (void)state;
    srand(7);
    for (int round = 0; round < N_ROUNDS; round++) {
        unsigned char text[TEXT_BYTES_MAX];
        char wanted[3 * TEXT_BYTES_MAX];
        size_t n = random_text(text);
        size_t n_wanted = reference(text, n, wanted);
        struct utf8_joiner joiner = { 0 };
        struct bytes out;
        bytes_init(&out, 1024);
        for (size_t at = 0; at < n;) {
            size_t part = (size_t)rand() % 5;
            part = part < n - at ? part : n - at;
            utf8_joiner_add(&joiner, (const char *)text + at, part, &out);
            assert_true(out.size == 0 || utf8_is_valid(out.data, out.size));
            at += part;
        }
        utf8_joiner_finish(&joiner, &out);
        assert_int_equal(out.size, n_wanted);
        assert_true(n_wanted == 0 || memcmp(out.data, wanted, n_wanted) == 0);
        bytes_deinit(&out);
    }
}

static void test_a_split_emoji_comes_with_its_last_byte(void **state) {
    (void)state;
    struct utf8_joiner joiner = { 0 };
    struct bytes out;
    bytes_init(&out, 64);
    utf8_joiner_add(&joiner, "a\xF0\x9F", 3, &out);
    assert_string_equal(out.data, "a");
    utf8_joiner_add(&joiner, "\x8C", 1, &out);
    assert_string_equal(out.data, "a");
    utf8_joiner_add(&joiner, "\x8A!", 2, &out);
    assert_string_equal(out.data, "a\xF0\x9F\x8C\x8A!");
    bytes_deinit(&out);
}

static void test_a_broken_beginning_is_one_replacement(void **state) {
    (void)state;
    struct utf8_joiner joiner = { 0 };
    struct bytes out;
    bytes_init(&out, 64);
    utf8_joiner_add(&joiner, "\xF0\x9F\x8C", 3, &out);
    utf8_joiner_add(&joiner, "x", 1, &out);
    assert_string_equal(out.data, REPLACEMENT "x");
    utf8_joiner_add(&joiner, "\xE2\x82", 2, &out);
    utf8_joiner_finish(&joiner, &out);
    assert_string_equal(out.data, REPLACEMENT "x" REPLACEMENT);
    bytes_deinit(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_split_gives_the_reference),
        cmocka_unit_test(test_a_split_emoji_comes_with_its_last_byte),
        cmocka_unit_test(test_a_broken_beginning_is_one_replacement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
