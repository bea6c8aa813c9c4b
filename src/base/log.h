/* log.h - one line per event on standard error: an event word, then key=value. The newest are in log_memory.h too.
 *
 *     LOG_INFO("turn_end", "generation=%s tokens=%u reason=%s", id, n_tokens, reason);
 *
 * Text of people or models is logged at trace level only, and nothing per token above debug. A level that is
 * off costs one comparison.
 *
 * Thread  any; a line is written with one call. log_set_level is called before threads start.
 */
#ifndef RUNNEL_BASE_LOG_H
#define RUNNEL_BASE_LOG_H

#include "base/status.h"

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVEL_TRACE };

extern enum log_level log_level_now;

/* log_parse_level knows error, warn, info, debug and trace. */
bool log_parse_level(const char *name, enum log_level *out);
const char *log_level_name(enum log_level level);
void log_set_level(enum log_level level);

void log_write(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);

#define LOG_AT(level, ...)                                                                                   \
    do {                                                                                                     \
        if ((level) <= log_level_now) {                                                                      \
            log_write((level), __VA_ARGS__);                                                                 \
        }                                                                                                    \
    } while (0)

#define LOG_ERROR(...) LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__)
#define LOG_WARN(...)  LOG_AT(LOG_LEVEL_WARN, __VA_ARGS__)
#define LOG_INFO(...)  LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__)
#define LOG_DEBUG(...) LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define LOG_TRACE(...) LOG_AT(LOG_LEVEL_TRACE, __VA_ARGS__)

#endif
