#include "net/ws_input.h"

#include "base/mem.h"
#include "net/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What an input said, in short: "M:text" a message, "B:…" a binary one, "P:…" a ping, "C1000" a close, "!1002" a bad end. */
struct said {
    char text[512];
    size_t n;
};

static void note(struct said *said, const char *mark, const char *bytes, size_t n_bytes) {
    said->n += (size_t)snprintf(said->text + said->n, sizeof said->text - said->n, "%s%s%.*s",
                                said->n ? " " : "", mark, (int)n_bytes, bytes);
}

static bool note_next(struct ws_input *input, struct said *said) {
    char code[16];
    enum ws_input_event event = ws_input_next(input);
    snprintf(code, sizeof code, event == WS_INPUT_BAD ? "!%u" : "C%u", input->close_code);
    switch (event) {
    case WS_INPUT_MORE:
        return false;
    case WS_INPUT_MESSAGE:
        note(said, input->message_opcode == WSLAY_TEXT_FRAME ? "M:" : "B:",
             input->message.data ? input->message.data : "", input->message.size);
        return true;
    case WS_INPUT_PING:
        note(said, "P:", input->control, input->n_control);
        return true;
    case WS_INPUT_BAD:
        assert_non_null(input->error);
        break;
    case WS_INPUT_CLOSE:
        break;
    }
    note(said, code, "", 0);
    return false;
}

/* All bytes, `step` at a time. */
static void hear(struct ws_input *input, struct said *said, const char *bytes, size_t n_bytes, size_t step) {
    for (size_t at = 0; at < n_bytes; at += step) {
        char *piece = mem_copy_bytes(bytes + at, n_bytes - at < step ? n_bytes - at : step);
        ws_input_give(input, piece, n_bytes - at < step ? n_bytes - at : step);
        bool is_ended = false;
        while (note_next(input, said)) {
        }
        is_ended = said->n > 0 && (strchr(said->text, '!') || strstr(said->text, "C"));
        free(piece);
        if (is_ended) {
            return;
        }
    }
}

#define MASK          "\x01\x02\x03\x04"
#define TEXT(literal) literal, sizeof literal - 1

static const struct {
    const char *bytes;
    size_t n_bytes;
    const char *said;
} cases[] = {
    /* "abc" is 60 60 60 under this mask */
    { TEXT("\x81\x83" MASK "```"), "M:abc" },
    { TEXT("\x81\x80" MASK), "M:" },
    { TEXT("\x81\x83" MASK "```\x81\x81" MASK "`"), "M:abc M:a" },
    { TEXT("\x01\x81" MASK "`\x00\x80" MASK "\x80\x82" MASK "cc"), "M:aba" },
    { TEXT("\x01\x81" MASK "`\x89\x81" MASK "`\x80\x81" MASK "`"), "P:a M:aa" },
    { TEXT("\x89\x80" MASK "\x8a\x81" MASK "`\x89\x81" MASK "`"), "P: P:a" },
    { TEXT("\x88\x80" MASK), "C0" },
    { TEXT("\x88\x82" MASK "\x02\xea"), "C1000" },
    { TEXT("\x88\x84" MASK "\x02\xea\xc0\xad"), "C1000" }, /* "é" */
    { TEXT("\x88\x82" MASK "\x0e\xa2"), "C4000" },
    { TEXT("\x88\x82" MASK "\x02\xea\x81\x80" MASK), "C1000" },
    { TEXT("\x01\x81" MASK "`\x88\x82" MASK "\x02\xea"), "C1000" },
    /* What is no frame of a client */
    { TEXT("\x81\x03"
           "abc"),
      "!1002" },
    { TEXT("\x89\x00"), "!1002" },
    { TEXT("\xc1\x80" MASK), "!1002" },
    { TEXT("\xa1\x80" MASK), "!1002" },
    { TEXT("\x99\x80" MASK), "!1002" },
    { TEXT("\x83\x80" MASK), "!1002" },
    { TEXT("\x87\x81" MASK "x"), "!1002" },
    { TEXT("\x8b\x80" MASK), "!1002" },
    { TEXT("\x8f\x80" MASK), "!1002" },
    { TEXT("\x09\x80" MASK), "!1002" },
    { TEXT("\x08\x80" MASK), "!1002" },
    { TEXT("\x89\xfe\x00\x7e" MASK), "!1002" },
    { TEXT("\x81\xfe\x00\x7d" MASK), "!1002" },
    { TEXT("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff" MASK), "!1002" },
    { TEXT("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00" MASK), "!1002" },
    /* Messages that are none */
    { TEXT("\x80\x81" MASK "`"), "!1002" },
    { TEXT("\x01\x81" MASK "`\x81\x81" MASK "`"), "!1002" },
    { TEXT("\x82\x81" MASK "`"), "!1003" },
    { TEXT("\x81\x82" MASK "\xfe\xfd"), "!1007" },
    { TEXT("\x01\x82" MASK "\xc2\x2b"), "!1007" },     /* C3 29: seen before the end */
    { TEXT("\x01\x83" MASK "\xec\xa2\x83"), "!1007" }, /* a surrogate */
    { TEXT("\x01\x82" MASK "\xf5\x92"), "!1007" },     /* over U+10FFFF, at its second byte */
    { TEXT("\x81\x81" MASK "\xc2"), "!1007" },         /* half a character */
    { TEXT("\x01\x81" MASK "\xc2\x80\x81" MASK "\xa8"), "M:\xc3\xa9" },
    { TEXT("\x81\xff\x00\x00\x00\x00\x00\x10\x00\x01" MASK "`"), "!4009" },
    { TEXT("\x81\xff\x3f\xff\xff\xff\xff\xff\xff\xff" MASK "`"), "!4009" },
    { TEXT("\x01\x81" MASK "`\x00\xff\x00\x00\x00\x00\x00\x10\x00\x00" MASK "`"), "!4009" },
    /* Closes */
    { TEXT("\x88\x81" MASK "\x02"), "!1002" },
    { TEXT("\x88\x82" MASK "\x02\xe5"), "!1002" }, /* 999 */
    { TEXT("\x88\x82" MASK "\x02\xef"), "!1002" }, /* 1005 */
    { TEXT("\x88\x82" MASK "\x0a\xb6"), "!1002" }, /* 2996 */
    { TEXT("\x88\x82" MASK "\x12\x8a"), "!1002" }, /* 5000 */
    { TEXT("\x88\x83" MASK "\x02\xea\xfc"), "!1007" },
};

static void check_case(size_t i, size_t step) {
    struct ws_input input;
    struct said said = { .n = 0 };
    ws_input_init(&input);
    hear(&input, &said, cases[i].bytes, cases[i].n_bytes, step);
    if (strcmp(said.text, cases[i].said) != 0) {
        fail_msg("case %zu, %zu at a time: \"%s\", not \"%s\"", i, step, said.text, cases[i].said);
    }
    ws_input_deinit(&input);
}

static void test_each_case_is_the_same_however_the_bytes_are_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step = 1; step <= cases[i].n_bytes; step++) {
            check_case(i, step);
        }
    }
}

static void test_binary_messages_are_taken_by_who_wants_them(void **state) {
    (void)state;
    struct ws_input input;
    struct said said = { .n = 0 };
    ws_input_init(&input);
    input.takes_binary = true;
    hear(&input, &said, TEXT("\x02\x81" MASK "`\x80\x81" MASK "\xfe"), 3);
    assert_string_equal(said.text, "B:a\xff");
    ws_input_deinit(&input);
}

static void test_a_length_that_is_only_announced_takes_no_memory(void **state) {
    (void)state;
    struct ws_input input;
    struct said said = { .n = 0 };
    ws_input_init(&input);
    hear(&input, &said, TEXT("\x81\xff\x00\x00\x00\x00\x00\x10\x00\x00" MASK "`"), 15);
    assert_int_equal(said.n, 0);
    assert_true(input.message.capacity < 100);
    ws_input_deinit(&input);
}

static void test_between_two_messages_nothing_is_kept(void **state) {
    (void)state;
    struct ws_input input;
    struct said said = { .n = 0 };
    ws_input_init(&input);
    hear(&input, &said, TEXT("\x81\x83" MASK "```"), 9);
    assert_null(input.frames);
    assert_null(input.message.data);
    hear(&input, &said, TEXT("\x81"), 1);
    assert_non_null(input.frames);
    hear(&input, &said, TEXT("\x83" MASK "```"), 8);
    assert_null(input.frames);
    assert_string_equal(said.text, "M:abc M:abc");
    ws_input_deinit(&input);
}

/* As large as it may be, in pieces of wslay's buffer and of ours. */
static void test_a_whole_mebibyte_is_a_message(void **state) {
    (void)state;
    size_t n_bytes = 14 + NET_MESSAGE_BYTES_MAX;
    char *bytes = mem_alloc(n_bytes);
    memcpy(bytes, "\x81\xff\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00", 14);
    memset(bytes + 14, 'x', NET_MESSAGE_BYTES_MAX);
    struct ws_input input;
    ws_input_init(&input);
    ws_input_give(&input, bytes, n_bytes);
    assert_int_equal(ws_input_next(&input), WS_INPUT_MESSAGE);
    assert_int_equal(input.message.size, NET_MESSAGE_BYTES_MAX);
    assert_int_equal(strspn(input.message.data, "x"), NET_MESSAGE_BYTES_MAX);
    assert_int_equal(ws_input_next(&input), WS_INPUT_MORE);
    ws_input_deinit(&input);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_case_is_the_same_however_the_bytes_are_cut),
        cmocka_unit_test(test_binary_messages_are_taken_by_who_wants_them),
        cmocka_unit_test(test_a_length_that_is_only_announced_takes_no_memory),
        cmocka_unit_test(test_between_two_messages_nothing_is_kept),
        cmocka_unit_test(test_a_whole_mebibyte_is_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
