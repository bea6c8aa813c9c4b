/* log_lines.h - what an engine writes to its standard error, as lines of the server's log.
 *
 * Limits  LOG_LINES_BYTES_MAX per line; the rest of a longer one is dropped. Control characters and bytes that are not
 *         UTF-8 become '?': an engine must not steer the terminal that shows the log (threat T27).
 */
#ifndef RUNNEL_ENGINE_LOG_LINES_H
#define RUNNEL_ENGINE_LOG_LINES_H

#include <stddef.h>
#include <sys/types.h>

#define LOG_LINES_BYTES_MAX 1024

/* Zeroed memory with a pid is ready. */
struct log_lines {
    pid_t pid;
    size_t size; /* passes LOG_LINES_BYTES_MAX by what was dropped */
    char line[LOG_LINES_BYTES_MAX + 1];
};

void log_lines_add(struct log_lines *lines, const char *data, size_t n_bytes);

/* log_lines_flush logs the unfinished line, if there is one. */
void log_lines_flush(struct log_lines *lines);

#endif
