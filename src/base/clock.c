#include "base/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t clock_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_now_ms(void) {
    return clock_now_ns() / 1000000u;
}

int64_t clock_wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void format(int64_t wall_ms, const char *pattern, const char *tail, char *out) {
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char date[24];
    if (strftime(date, sizeof date, pattern, &utc) == 0) {
        date[0] = '\0';
    }
    snprintf(out, CLOCK_ISO_BYTES, tail, date, (int)(wall_ms % 1000));
}

void clock_format_iso(int64_t wall_ms, char out[CLOCK_ISO_BYTES]) {
    format(wall_ms, "%Y-%m-%dT%H:%M:%S", "%s.%03dZ", out);
}

void clock_format_dashes(int64_t wall_ms, char out[CLOCK_ISO_BYTES]) {
    format(wall_ms, "%Y-%m-%d-%H-%M-%S", "%s-%03d", out);
}
