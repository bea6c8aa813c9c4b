#include "net/chunked.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct result {
    enum chunked_event event; /* the last */
    int status;
    size_t n_taken; /* of all bytes */
    struct bytes body;
};

/* All bytes, `step` at a time, each piece in memory of its own. */
static struct result undo(const char *text, size_t n_bytes, size_t step) {
    struct chunked chunked = { .n_left = 0 };
    struct result result = { .event = CHUNKED_MORE };
    bytes_init(&result.body, 1u << 20);
    while (result.n_taken < n_bytes && (result.event == CHUNKED_MORE || result.event == CHUNKED_DATA)) {
        size_t left = n_bytes - result.n_taken;
        size_t n = left < step ? left : step;
        char *piece = mem_copy_bytes(text + result.n_taken, n);
        size_t n_taken;
        result.event = chunked_next(&chunked, piece, n, &n_taken);
        if (result.event == CHUNKED_DATA) {
            bytes_add(&result.body, chunked.data, chunked.n_data);
        } else if (result.event == CHUNKED_MORE) {
            assert_int_equal(n_taken, n);
        }
        result.n_taken += n_taken;
        free(piece);
    }
    result.status = chunked.status;
    assert_true(result.event != CHUNKED_BAD || chunked.error);
    return result;
}

static const struct {
    const char *text;
    const char *body;
} good[] = {
    { "0\r\n\r\n", "" },
    { "5\r\nriver\r\n0\r\n\r\n", "river" },
    { "2\r\nri\r\n3\r\nver\r\n0\r\n\r\n", "river" },
    { "00000000000000A\r\n0123456789\r\n000\r\n\r\n", "0123456789" },
    { "a\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n\r\n\r\n\r\n" },
    { "1\r\nx\r\n0\r\nA: b\r\nC-D:\t\xc3\xa4 : \r\nE:\r\n\r\n", "x" },
};

static void test_what_is_behind_the_last_chunk_is_left(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char *text = mem_format("%sGET / HTTP/1.1\r\n", good[i].text);
        for (size_t step = 1; step <= strlen(text); step++) {
            struct result result = undo(text, strlen(text), step);
            if (result.event != CHUNKED_END || result.n_taken != strlen(good[i].text)) {
                fail_msg("event %d after %zu bytes, %zu at a time: %s", (int)result.event, result.n_taken,
                         step, text);
            }
            assert_string_equal(result.body.data ? result.body.data : "", good[i].body);
            bytes_deinit(&result.body);
        }
        free(text);
    }
}

/* Each is bad at its last byte, and not before. */
static const struct {
    const char *text;
    size_t n_bytes;
} refused[] = {
#define TEXT(literal)                                                                                        \
    { literal, sizeof literal - 1 }
    TEXT("\r"),
    TEXT("\n"),
    TEXT(" "),
    TEXT("+"),
    TEXT("-"),
    TEXT(";"),
    TEXT("x"),
    TEXT("0x"),
    TEXT("1 "),
    TEXT("1\t"),
    TEXT("1;"),
    TEXT("1\n"),
    TEXT("1,"),
    TEXT("1\r "),
    TEXT("1\r\r"),
    TEXT("1\0"),
    TEXT("0000000000000000"),
    TEXT("1000000000000000"),
    TEXT("1\r\nxy"),
    TEXT("1\r\nx\n"),
    TEXT("1\r\nx\r\r"),
    TEXT("1\r\nx\r\n\r"),
    TEXT("0\r\n "),
    TEXT("0\r\n:"),
    TEXT("0\r\n\n"),
    TEXT("0\r\n\r\r"),
    TEXT("0\r\nA "),
    TEXT("0\r\nA\r"),
    TEXT("0\r\nA: b\n"),
    TEXT("0\r\nA: b\x7f"),
    TEXT("0\r\nA: \0"),
    TEXT("0\r\nA: b\rc"),
    TEXT("0\r\nA: b\r\n "),
};

static void test_what_another_reader_could_take_for_something_else_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        for (size_t step = 1; step <= refused[i].n_bytes; step++) {
            struct result result = undo(refused[i].text, refused[i].n_bytes, step);
            if (result.event != CHUNKED_BAD || result.status != 400 || result.n_taken != refused[i].n_bytes) {
                fail_msg("event %d status %d after %zu bytes: %s", (int)result.event, result.status,
                         result.n_taken, refused[i].text);
            }
            bytes_deinit(&result.body);
        }
    }
}

static void test_a_size_is_known_when_its_first_byte_is_here(void **state) {
    (void)state;
    struct chunked chunked = { .n_left = 0 };
    size_t n_taken;
    assert_int_equal(chunked_next(&chunked, "fffffffffffffff\r\nx", 18, &n_taken), CHUNKED_DATA);
    assert_int_equal(n_taken, 18);
    assert_int_equal(chunked.n_data, 1);
    assert_true(chunked.n_left == 0xffffffffffffffe);
}

static void check_trailer(size_t n_fields, enum chunked_event event, int status) {
    struct bytes text;
    bytes_init(&text, 1u << 20);
    bytes_add_text(&text, "0\r\n");
    for (size_t i = 0; i < n_fields; i++) {
        bytes_add_text(&text, "A: 45678901234\r\n");
    }
    bytes_add_text(&text, "\r\n");
    struct result result = undo(text.data, text.size, text.size);
    assert_int_equal(result.event, event);
    assert_int_equal(result.status, status);
    bytes_deinit(&text);
    bytes_deinit(&result.body);
}

static void test_too_large_a_trailer_is_431(void **state) {
    (void)state;
    check_trailer(CHUNKED_TRAILER_BYTES_MAX / 16 - 1, CHUNKED_END, 0);
    check_trailer(CHUNKED_TRAILER_BYTES_MAX / 16, CHUNKED_BAD, 431);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_behind_the_last_chunk_is_left),
        cmocka_unit_test(test_what_another_reader_could_take_for_something_else_is_refused),
        cmocka_unit_test(test_a_size_is_known_when_its_first_byte_is_here),
        cmocka_unit_test(test_too_large_a_trailer_is_431),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
