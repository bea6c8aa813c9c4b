#include "base/status.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *status_name(enum status status) {
    static const char *const names[] = {
        [STATUS_OK] = "ok",
        [STATUS_INVALID] = "invalid",
        [STATUS_NOT_FOUND] = "not_found",
        [STATUS_CONFLICT] = "conflict",
        [STATUS_BUSY] = "busy",
        [STATUS_FULL] = "full",
        [STATUS_TOO_LARGE] = "too_large",
        [STATUS_DENIED] = "denied",
        [STATUS_NOMEM] = "nomem",
        [STATUS_IO] = "io",
        [STATUS_CORRUPT] = "corrupt",
        [STATUS_CLOSED] = "closed",
        [STATUS_UNAVAILABLE] = "unavailable",
    };
    size_t index = (size_t)status;
    return index < sizeof names / sizeof names[0] ? names[index] : "unknown";
}

enum status fault_set(struct fault *fault, enum status status, const char *format, ...) {
    if (fault == NULL) {
        return status;
    }
    fault->status = status;
    va_list args;
    va_start(args, format);
    vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    fault->text[utf8_whole_length(fault->text, strlen(fault->text))] = '\0';
    return status;
}
