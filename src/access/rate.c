#include "access/rate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000u

static const struct {
    const char *name;
    uint32_t seconds;
} units[] = { { "s", 1 }, { "min", 60 }, { "h", 3600 }, { "d", 86400 } };

bool rate_parse(const char *text, struct rate *out) {
    size_t n_digits = strspn(text, "0123456789");
    unsigned long n = strtoul(text, NULL, 10);
    if (n_digits == 0 || n_digits > 7 || n == 0 || n > RATE_N_MAX || text[n_digits] != '/') {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text + n_digits + 1, units[i].name) == 0) {
            *out = (struct rate){ .n = (uint32_t)n, .per_s = units[i].seconds };
            return true;
        }
    }
    return false;
}

void rate_format(const struct rate *rate, char out[RATE_TEXT_BYTES]) {
    out[0] = '\0';
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (rate->n > 0 && rate->per_s == units[i].seconds) {
            snprintf(out, RATE_TEXT_BYTES, "%u/%s", rate->n, units[i].name);
        }
    }
}

uint32_t rate_take(const struct rate *rate, uint64_t *full_ns, uint64_t now_ns) {
    if (rate->n == 0) {
        return 0;
    }
    uint64_t window_ns = (uint64_t)rate->per_s * NS_PER_S;
    uint64_t each_ns = window_ns / rate->n;
    uint64_t full_then_ns = (*full_ns > now_ns ? *full_ns : now_ns) + each_ns;
    if (full_then_ns > now_ns + window_ns) {
        return (uint32_t)((full_then_ns - now_ns - window_ns + NS_PER_S - 1) / NS_PER_S);
    }
    *full_ns = full_then_ns;
    return 0;
}
