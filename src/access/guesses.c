#include "access/guesses.h"

#include "access/rate.h"

#include <stddef.h>
#include <string.h>

#define NETWORK_BYTES 8

static const struct rate rate = { .n = GUESSES_N, .per_s = GUESSES_PER_S };

static void take_address(const uint8_t address[GUESSES_ADDRESS_BYTES], uint8_t out[GUESSES_ADDRESS_BYTES]) {
    static const uint8_t mapped[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    memcpy(out, address, GUESSES_ADDRESS_BYTES);
    if (memcmp(address, mapped, sizeof mapped) != 0) {
        memset(out + NETWORK_BYTES, 0, GUESSES_ADDRESS_BYTES - NETWORK_BYTES);
    }
}

static size_t find(const struct guesses *guesses, const uint8_t address[GUESSES_ADDRESS_BYTES]) {
    size_t i = 0;
    while (i < GUESSES_ADDRESSES_MAX &&
           memcmp(guesses->rows[i].address, address, GUESSES_ADDRESS_BYTES) != 0) {
        i++;
    }
    return i;
}

static size_t find_emptiest(const struct guesses *guesses) {
    size_t emptiest = 0;
    for (size_t i = 1; i < GUESSES_ADDRESSES_MAX; i++) {
        emptiest = guesses->rows[i].full_ns < guesses->rows[emptiest].full_ns ? i : emptiest;
    }
    return emptiest;
}

uint32_t guesses_wait(const struct guesses *guesses, const uint8_t address[GUESSES_ADDRESS_BYTES],
                      uint64_t now_ns) {
    uint8_t known[GUESSES_ADDRESS_BYTES];
    take_address(address, known);
    size_t i = find(guesses, known);
    uint64_t full_ns = i < GUESSES_ADDRESSES_MAX ? guesses->rows[i].full_ns : 0;
    return rate_take(&rate, &full_ns, now_ns); /* of a copy: nothing is taken */
}

void guesses_add(struct guesses *guesses, const uint8_t address[GUESSES_ADDRESS_BYTES], uint64_t now_ns) {
    uint8_t known[GUESSES_ADDRESS_BYTES];
    take_address(address, known);
    size_t i = find(guesses, known);
    if (i == GUESSES_ADDRESSES_MAX) {
        i = find_emptiest(guesses);
        memcpy(guesses->rows[i].address, known, GUESSES_ADDRESS_BYTES);
        guesses->rows[i].full_ns = 0;
    }
    (void)rate_take(&rate, &guesses->rows[i].full_ns, now_ns);
}
