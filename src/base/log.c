#include "base/log.h"

#include "base/clock.h"
#include "base/log_memory.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_BYTES 2048

enum log_level log_level_now = LOG_LEVEL_INFO;

static const char *const level_names[] = { "error", "warn", "info", "debug", "trace" };

bool log_parse_level(const char *name, enum log_level *out) {
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum log_level level) {
    return level_names[level];
}

void log_set_level(enum log_level level) {
    log_level_now = level;
}

void log_write(enum log_level level, const char *event, const char *format, ...) {
    char line[LOG_LINE_BYTES];
    char date[CLOCK_ISO_BYTES];
    clock_format_iso(clock_wall_ms(), date);
    int head = snprintf(line, sizeof line, "%s %-5s %s ", date, level_names[level], event);
    size_t at = head < 0 ? 0 : (size_t)head < sizeof line / 2 ? (size_t)head : sizeof line / 2;
    va_list args;
    va_start(args, format);
    int body = vsnprintf(line + at, sizeof line - at - 1, format, args);
    va_end(args);
    size_t wanted = at + (body < 0 ? 0 : (size_t)body);
    size_t size = wanted < sizeof line - 2 ? wanted : sizeof line - 2;
    /* A value with a line break must not look like another line, nor command a terminal (threat T27). */
    for (size_t i = at; i < size; i++) {
        unsigned char c = (unsigned char)line[i];
        unsigned char next = (unsigned char)line[i + 1];
        /* U+0080 to U+009F are commands too. */
        bool is_c1 = c == 0xC2 && i + 1 < size && next >= 0x80 && next < 0xA0;
        if (c < 0x20 || c == 0x7F || is_c1) {
            line[i] = ' ';
            line[i + is_c1] = ' ';
        }
    }
    log_memory_add(line, size);
    line[size] = '\n';
    /* One write per line: lines of several threads and of the engines do not mix. A pipe that can be written takes a whole line
     * (PIPE_BUF); one that is full loses it, because nothing here may wait for who reads the log. */
    struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };
    if (poll(&out, 1, 0) == 1 && (out.revents & POLLOUT)) {
        ssize_t ignored = write(STDERR_FILENO, line, size + 1);
        (void)ignored;
    }
}
