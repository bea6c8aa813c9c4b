#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const pairs[][2] = {
    /* RFC 4648 section 10 */
    { "", "" },
    { "f", "Zg==" },
    { "fo", "Zm8=" },
    { "foo", "Zm9v" },
    { "foob", "Zm9vYg==" },
    { "fooba", "Zm9vYmE=" },
    { "foobar", "Zm9vYmFy" },
    { "\xfb\xff", "+/8=" },
};

static void test_the_vectors_of_the_rfc_go_there_and_back(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        size_t n = strlen(pairs[i][0]);
        char back[8] = "";
        struct bytes out;
        bytes_init(&out, 64);
        bytes_add_text(&out, ">");
        base64_add(&out, pairs[i][0], n);
        assert_string_equal(out.data + 1, pairs[i][1]);
        assert_int_equal(out.size, 1 + BASE64_SIZE(n));
        assert_true(base64_read(pairs[i][1], strlen(pairs[i][1]), back, n));
        assert_memory_equal(back, pairs[i][0], n);
        bytes_deinit(&out);
    }
}

static void test_what_is_none_is_not_read(void **state) {
    (void)state;
    char back[8];
    assert_false(base64_read("Zm9v", 4, back, 2));
    assert_false(base64_read("Zm9v", 4, back, 4));
    assert_false(base64_read("Zm=v", 4, back, 3));
    assert_false(base64_read("Zm9-", 4, back, 3));
    assert_false(base64_read("Zg=", 3, back, 1));
}

static void test_a_full_buffer_takes_nothing(void **state) {
    (void)state;
    struct bytes out;
    bytes_init(&out, 7);
    base64_add(&out, "foobar", 6);
    assert_true(out.failed);
    assert_int_equal(out.size, 0);
    bytes_deinit(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_vectors_of_the_rfc_go_there_and_back),
        cmocka_unit_test(test_what_is_none_is_not_read),
        cmocka_unit_test(test_a_full_buffer_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
