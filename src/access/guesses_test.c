#include "access/guesses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NS_PER_S 1000000000u
#define NOW_NS   (1000ull * NS_PER_S)

struct address {
    uint8_t bytes[GUESSES_ADDRESS_BYTES];
};

static struct address v4(unsigned number) {
    struct address address = { { [10] = 0xff, [11] = 0xff, [12] = 10 } };
    address.bytes[14] = (uint8_t)(number >> 8);
    address.bytes[15] = (uint8_t)number;
    return address;
}

static struct address v6(uint8_t network, uint8_t host) {
    return (struct address){ { [0] = 0x20, [7] = network, [15] = host } };
}

static void guess(struct guesses *guesses, struct address address, int n, uint64_t now_ns) {
    for (int i = 0; i < n; i++) {
        guesses_add(guesses, address.bytes, now_ns);
    }
}

static void test_an_address_that_has_said_too_many_waits_and_no_other(void **state) {
    (void)state;
    struct guesses *guesses = calloc(1, sizeof *guesses);
    guess(guesses, v4(1), GUESSES_N - 1, NOW_NS);
    assert_int_equal(guesses_wait(guesses, v4(1).bytes, NOW_NS), 0);
    guess(guesses, v4(1), 1, NOW_NS);
    assert_int_equal(guesses_wait(guesses, v4(1).bytes, NOW_NS), 1);
    assert_int_equal(guesses_wait(guesses, v4(2).bytes, NOW_NS), 0);
    guess(guesses, v4(1), 1000, NOW_NS); /* more of them make it no longer */
    assert_int_equal(guesses_wait(guesses, v4(1).bytes, NOW_NS), 1);
    assert_int_equal(guesses_wait(guesses, v4(1).bytes, NOW_NS + NS_PER_S), 0);
    free(guesses);
}

static void test_a_network_of_ipv6_is_one_address(void **state) {
    (void)state;
    struct guesses *guesses = calloc(1, sizeof *guesses);
    for (int i = 0; i < GUESSES_N; i++) {
        guess(guesses, v6(1, (uint8_t)i), 1, NOW_NS);
    }
    assert_int_equal(guesses_wait(guesses, v6(1, 200).bytes, NOW_NS), 1);
    assert_int_equal(guesses_wait(guesses, v6(2, 200).bytes, NOW_NS), 0);
    free(guesses);
}

static void test_many_addresses_take_the_place_of_those_that_guessed_least(void **state) {
    (void)state;
    struct guesses *guesses = calloc(1, sizeof *guesses);
    guess(guesses, v4(1), GUESSES_N, NOW_NS);
    for (unsigned i = 0; i < 2 * GUESSES_ADDRESSES_MAX; i++) {
        guess(guesses, v4(100 + i), 1, NOW_NS);
    }
    assert_int_equal(guesses_wait(guesses, v4(1).bytes, NOW_NS), 1);
    free(guesses);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_that_has_said_too_many_waits_and_no_other),
        cmocka_unit_test(test_a_network_of_ipv6_is_one_address),
        cmocka_unit_test(test_many_addresses_take_the_place_of_those_that_guessed_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
