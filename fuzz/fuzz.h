/* fuzz.h - what every target has: the entry, and a property that ends the run when it does not hold. */
#ifndef RUNNEL_FUZZ_FUZZ_H
#define RUNNEL_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

#define HOLDS(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                   \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* A copy that ends where the input ends, so that a read behind it is seen. */
static inline char *fuzz_copy(const uint8_t *data, size_t n_bytes) {
    char *copy = malloc(n_bytes ? n_bytes : 1);
    HOLDS(copy);
    memcpy(copy, data, n_bytes);
    return copy;
}

/* A C string: the input up to its first NUL. */
static inline char *fuzz_string(const uint8_t *data, size_t n_bytes) {
    char *copy = malloc(n_bytes + 1);
    HOLDS(copy);
    memcpy(copy, data, n_bytes);
    copy[n_bytes] = '\0';
    return copy;
}

#endif
