#include "engine/log_lines.h"

#include "base/log.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define EVENT_BYTES 32

/* Replaces in place what a log line must not hold; it never grows. */
static void clean(char *line) {
    size_t n = strlen(line);
    n = utf8_whole_length(line, n); /* a character that the limit cut */
    line[n] = '\0';
    for (size_t i = 0; i < n;) {
        int step = utf8_step(line + i, n - i);
        bool is_control = (unsigned char)line[i] < 0x20 || line[i] == 0x7F ||
                          (step == 2 && line[i] == '\xC2' && (unsigned char)line[i + 1] < 0xA0);
        size_t length = step > 0 ? (size_t)step : 1;
        if (step <= 0 || is_control) {
            memset(line + i, line[i] == '\t' ? ' ' : '?', length);
        }
        i += length;
    }
}

void log_lines_flush(struct log_lines *lines) {
    if (lines->size == 0) {
        return;
    }
    size_t size = lines->size < LOG_LINES_BYTES_MAX ? lines->size : LOG_LINES_BYTES_MAX;
    lines->line[size] = '\0';
    lines->size = 0;
    clean(lines->line);
    char event[EVENT_BYTES];
    snprintf(event, sizeof event, "engine[%d]", (int)lines->pid);
    LOG_INFO(event, "%s", lines->line);
}

void log_lines_add(struct log_lines *lines, const char *data, size_t n_bytes) {
    for (size_t i = 0; i < n_bytes; i++) {
        if (data[i] == '\n') {
            log_lines_flush(lines);
            continue;
        }
        if (lines->size < LOG_LINES_BYTES_MAX) {
            lines->line[lines->size] = data[i] ? data[i] : '?';
        }
        lines->size++;
    }
}
