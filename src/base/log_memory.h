/* log_memory.h - the newest lines of the log, for whoever looks later.
 *
 * Lines have numbers from 1, without holes. The oldest give way.
 *
 * Thread  any: a lock is held for the copy of a line, and while lines are visited.
 * Memory  of the program; pages are taken as they are used.
 * Limits  LOG_MEMORY_LINES_MAX lines, and LOG_MEMORY_BYTES of text.
 */
#ifndef RUNNEL_BASE_LOG_MEMORY_H
#define RUNNEL_BASE_LOG_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define LOG_MEMORY_LINES_MAX  2000
#define LOG_MEMORY_BYTES      (256u << 10)
#define LOG_MEMORY_LINE_BYTES 2048 /* what is longer is cut */

void log_memory_add(const char *line, size_t n_bytes);

/* log_memory_visit shows the lines with a number above `after`, oldest first. `visit` must not log. Returns the number of the newest line; 0: none yet. */
uint64_t log_memory_visit(uint64_t after,
                          void (*visit)(void *ctx, uint64_t number, const char *line, size_t n_bytes),
                          void *ctx);

#endif
