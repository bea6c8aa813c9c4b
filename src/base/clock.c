#include "base/clock.h"

#include <stdio.h>
#include <string.h>
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

/* Reads digits where `form` has a 'd', and the very character elsewhere. */
static bool read_form(const char *text, const char *form, int digits[17]) {
    size_t n = 0;
    if (strlen(text) != strlen(form)) {
        return false;
    }
    for (size_t i = 0; form[i]; i++) {
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == 'd' ? !is_digit : text[i] != form[i]) {
            return false;
        }
        if (form[i] == 'd') {
            digits[n++] = text[i] - '0';
        }
    }
    return true;
}

static int number(const int *digits, size_t n) {
    int value = 0;
    for (size_t i = 0; i < n; i++) {
        value = value * 10 + digits[i];
    }
    return value;
}

bool clock_parse(const char *text, int64_t *wall_ms) {
    int digits[17];
    if (!read_form(text, "dddd-dd-dd-dd-dd-dd-ddd", digits) &&
        !read_form(text, "dddd-dd-ddTdd:dd:dd.dddZ", digits)) {
        return false;
    }
    struct tm date = {
        .tm_year = number(digits, 4) - 1900,
        .tm_mon = number(digits + 4, 2) - 1,
        .tm_mday = number(digits + 6, 2),
        .tm_hour = number(digits + 8, 2),
        .tm_min = number(digits + 10, 2),
        .tm_sec = number(digits + 12, 2),
    };
    *wall_ms = (int64_t)timegm(&date) * 1000 + number(digits + 14, 3);
    return *wall_ms > 0;
}
