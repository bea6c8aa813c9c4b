/* rate.h - so many in such a time: "60/min".
 *
 * The whole number may come at once, and then comes back evenly: 60/min is one a second once the 60 are used up (the generic cell rate
 * algorithm: one number says when all of them are back).
 *
 * Pure.
 * Units   nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef RUNNEL_ACCESS_RATE_H
#define RUNNEL_ACCESS_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_N_MAX      1000000
#define RATE_TEXT_BYTES 24

/* Zeroed: without a limit. */
struct rate {
    uint32_t n;
    uint32_t per_s; /* 1, 60, 3600 or 86400 */
};

/* rate_parse knows N/s, N/min, N/h and N/d. False: it is no rate. */
bool rate_parse(const char *text, struct rate *out);
void rate_format(const struct rate *rate, char out[RATE_TEXT_BYTES]); /* "": none */

/* rate_take takes one: 0, or the seconds after which there is one. *full_ns is kept by the caller, 0 at first. */
uint32_t rate_take(const struct rate *rate, uint64_t *full_ns, uint64_t now_ns);

#endif
