#include "base/histogram.h"

static const uint64_t bounds_ns[HISTOGRAM_N_BOUNDS] = {
    10000,     20000,      50000,      100000,     200000,      500000,      1000000,
    2000000,   5000000,    10000000,   20000000,   50000000,    100000000,   200000000,
    500000000, 1000000000, 2000000000, 5000000000, 10000000000, 20000000000, 50000000000,
};

uint64_t histogram_bound_ns(size_t i) {
    return bounds_ns[i];
}

/* One writer: a load and a store, and no locked instruction. */
static void add_to(_Atomic uint64_t *count, uint64_t by) {
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

void histogram_add(struct histogram *histogram, uint64_t ns) {
    size_t i = 0;
    while (i < HISTOGRAM_N_BOUNDS && ns > bounds_ns[i]) {
        i++;
    }
    add_to(&histogram->counts[i], 1);
    add_to(&histogram->sum_ns, ns);
}

void histogram_read(const struct histogram *histogram, struct histogram_values *out) {
    out->n = 0;
    for (size_t i = 0; i <= HISTOGRAM_N_BOUNDS; i++) {
        out->counts[i] = atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        out->n += out->counts[i];
    }
    out->sum_ns = atomic_load_explicit(&histogram->sum_ns, memory_order_relaxed);
}
