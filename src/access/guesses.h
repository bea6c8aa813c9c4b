/* guesses.h - wrong keys, counted by the address that they came from.
 *
 * Only the token can be guessed: a person has chosen it. Every other secret is 256 random bits (secret.h). So an address that has said too
 * many wrong keys must wait before the token is taken from it; a key of "runnel key" and a cookie are let in as always, also where many
 * people share an address.
 *
 * A network of IPv6 is one address: whoever has one of its 2^64 has all of them.
 *
 * Owner   access.c. Zeroed memory is an empty one.
 * Units   addresses as IPv6 has them, IPv4 mapped into it, in network order. Nanoseconds of CLOCK_MONOTONIC.
 * Limits  GUESSES_RATE of an address. GUESSES_ADDRESSES_MAX are known; the next one takes the place of whose count is nearest to none.
 */
#ifndef RUNNEL_ACCESS_GUESSES_H
#define RUNNEL_ACCESS_GUESSES_H

#include <stdint.h>

#define GUESSES_N             60
#define GUESSES_PER_S         60
#define GUESSES_ADDRESSES_MAX 512
#define GUESSES_ADDRESS_BYTES 16

struct guesses {
    struct {
        uint8_t address[GUESSES_ADDRESS_BYTES];
        uint64_t full_ns; /* rate_take */
    } rows[GUESSES_ADDRESSES_MAX];
};

/* guesses_wait: 0, or the seconds after which this address may try again. guesses_add: it has said a wrong one. */
uint32_t guesses_wait(const struct guesses *guesses, const uint8_t address[GUESSES_ADDRESS_BYTES],
                      uint64_t now_ns);
void guesses_add(struct guesses *guesses, const uint8_t address[GUESSES_ADDRESS_BYTES], uint64_t now_ns);

#endif
