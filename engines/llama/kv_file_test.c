/* The head of a file of the KV cache: what was written is read, and nothing else passes. */
#include "kv_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_TOKENS 40
#define N_BYTES  (KV_FILE_HEAD_BYTES + 4 * N_TOKENS)

static struct kv_head make(uint8_t *out) {
    int32_t tokens[N_TOKENS];
    struct kv_head head = {
        .kind = kv_id_of("kind", 4),
        .parent = kv_id_of("parent", 6),
        .owner = kv_id_of("owner", 5),
        .n_before = 256,
        .n_tokens = N_TOKENS,
        .payload_bytes = 1000,
        .payload_hash = 77,
    };
    for (int i = 0; i < N_TOKENS; i++) {
        tokens[i] = i * 1000;
    }
    head.key = kv_file_key(&head.kind, &head.parent, head.n_before, tokens, N_TOKENS);
    kv_file_encode(&head, tokens, out);
    return head;
}

static void test_what_was_written_is_read(void **state) {
    (void)state;
    uint8_t data[N_BYTES];
    struct kv_head head;
    int32_t tokens[N_TOKENS];
    int n_tokens;
    const struct kv_head expected = make(data);
    assert_int_equal(kv_file_head_bytes(N_TOKENS), N_BYTES);
    assert_int_equal(kv_file_peek_tokens(data, KV_FILE_HEAD_BYTES, &n_tokens), STATUS_OK);
    assert_int_equal(n_tokens, N_TOKENS);
    assert_int_equal(kv_file_decode(data, N_BYTES, &head, tokens), STATUS_OK);
    assert_memory_equal(&head, &expected, sizeof head);
    for (int i = 0; i < N_TOKENS; i++) {
        assert_int_equal(tokens[i], i * 1000);
    }
}

static void test_no_byte_may_change(void **state) {
    (void)state;
    uint8_t data[N_BYTES];
    struct kv_head head;
    int32_t tokens[N_TOKENS];
    for (size_t i = 0; i < N_BYTES; i++) {
        for (int bit = 0; bit < 8; bit++) {
            make(data);
            data[i] ^= (uint8_t)(1 << bit);
            assert_int_equal(kv_file_decode(data, N_BYTES, &head, tokens), STATUS_CORRUPT);
        }
    }
}

static void test_no_byte_may_be_missing(void **state) {
    (void)state;
    uint8_t data[N_BYTES];
    struct kv_head head;
    int32_t tokens[N_TOKENS];
    make(data);
    for (size_t n = 0; n < N_BYTES; n++) {
        uint8_t *part = malloc(n + 1);
        memcpy(part, data, n);
        assert_int_equal(kv_file_decode(part, n, &head, tokens), STATUS_CORRUPT);
        free(part);
    }
}

/* The first file has no parent, and only the first. */
static void test_a_parent_belongs_to_what_stands_before(void **state) {
    (void)state;
    uint8_t data[N_BYTES];
    int32_t tokens[N_TOKENS] = { 0 };
    struct kv_head head = { .n_tokens = N_TOKENS, .parent = kv_id_of("x", 1) };
    head.key = kv_file_key(&head.kind, &head.parent, 0, tokens, N_TOKENS);
    kv_file_encode(&head, tokens, data);
    assert_int_equal(kv_file_decode(data, N_BYTES, &head, tokens), STATUS_CORRUPT);
}

static void test_the_key_depends_on_all_before_it(void **state) {
    (void)state;
    const struct kv_id a = kv_id_of("a", 1);
    const struct kv_id b = kv_id_of("b", 1);
    const int32_t tokens[] = { 1, 2, 3 };
    const int32_t others[] = { 1, 2, 4 };
    const struct kv_id key = kv_file_key(&a, &a, 5, tokens, 3);
    const struct kv_id different[] = {
        kv_file_key(&b, &a, 5, tokens, 3), kv_file_key(&a, &b, 5, tokens, 3),
        kv_file_key(&a, &a, 6, tokens, 3), kv_file_key(&a, &a, 5, others, 3),
        kv_file_key(&a, &a, 5, tokens, 2),
    };
    for (size_t i = 0; i < sizeof different / sizeof different[0]; i++) {
        assert_false(kv_id_equals(&key, &different[i]));
    }
}

static void test_an_id_is_its_text(void **state) {
    (void)state;
    char text[KV_ID_TEXT_BYTES];
    struct kv_id back;
    const struct kv_id id = kv_id_of("chat", 4);
    kv_id_text(&id, text);
    assert_int_equal(strlen(text), 32);
    assert_true(kv_id_parse(text, &back) && kv_id_equals(&id, &back));
    for (size_t i = 0; i < 32; i++) {
        char wrong[KV_ID_TEXT_BYTES];
        memcpy(wrong, text, sizeof wrong);
        wrong[i] = i % 2 ? 'G' : '\0';
        assert_false(kv_id_parse(wrong, &back));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_written_is_read),
        cmocka_unit_test(test_no_byte_may_change),
        cmocka_unit_test(test_no_byte_may_be_missing),
        cmocka_unit_test(test_a_parent_belongs_to_what_stands_before),
        cmocka_unit_test(test_the_key_depends_on_all_before_it),
        cmocka_unit_test(test_an_id_is_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
