/* histogram.h - how often something took how long.
 *
 * One set of bounds for all, in the steps 1, 2, 5 from 10 µs to 50 s: the same picture of a token's way and of a slow disk.
 *
 * Owner   whoever declares it; zeroed memory is an empty one.
 * Thread  histogram_add: one thread, always the same. histogram_read: any, at any time; what was added last may be half there.
 * Units   nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef RUNNEL_BASE_HISTOGRAM_H
#define RUNNEL_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_N_BOUNDS 21

struct histogram {
    _Atomic uint64_t counts[HISTOGRAM_N_BOUNDS + 1]; /* the last: longer than all bounds */
    _Atomic uint64_t sum_ns;
};

struct histogram_values {
    uint64_t counts[HISTOGRAM_N_BOUNDS + 1];
    uint64_t n; /* of them all */
    uint64_t sum_ns;
};

uint64_t histogram_bound_ns(size_t i);
void histogram_add(struct histogram *histogram, uint64_t ns);
void histogram_read(const struct histogram *histogram, struct histogram_values *out);

#endif
