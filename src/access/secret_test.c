#include "access/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_a_hash_is_sha_256(void **state) {
    (void)state;
    char hex[SECRET_HEX_BYTES];
    struct secret_hash hash = secret_hash_of("abc"); /* FIPS 180-2, appendix B.1 */
    secret_format_hash(&hash, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct secret_hash again;
    assert_true(secret_parse_hash(hex, &again));
    assert_true(secret_is_same(&hash, &again));
    again.bytes[31] ^= 1;
    assert_false(secret_is_same(&hash, &again));
    hex[0] = 'B';
    assert_false(secret_parse_hash(hex, &again));
    assert_false(secret_parse_hash("ba78", &again));
    assert_false(secret_parse_hash("", &again));
}

static void test_no_two_keys_are_the_same(void **state) {
    (void)state;
    char one[SECRET_KEY_BYTES];
    char other[SECRET_KEY_BYTES];
    secret_make_key(one);
    secret_make_key(other);
    assert_int_equal(strlen(one), SECRET_KEY_BYTES - 1);
    assert_int_equal(strspn(one + strlen(SECRET_KEY_PREFIX), "0123456789abcdef"), 64);
    assert_int_equal(strncmp(one, SECRET_KEY_PREFIX, strlen(SECRET_KEY_PREFIX)), 0);
    assert_string_not_equal(one, other);
    assert_string_not_equal(one + 40, other + 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hash_is_sha_256),
        cmocka_unit_test(test_no_two_keys_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
