/* status.h - how a function says that it failed.
 *
 * A function that can fail returns an enum status that must be looked at. Where a person will read the
 * reason (configuration, model load, a bad request) it also fills a struct fault with one sentence that says
 * what to do. Programmer errors are asserts; asserts stay on in release builds.
 *
 * Memory  a fault is plain memory of the caller; text is always terminated.
 */
#ifndef RUNNEL_BASE_STATUS_H
#define RUNNEL_BASE_STATUS_H

#include <stddef.h>

#define MUST_CHECK                            __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, args_index) __attribute__((format(printf, format_index, args_index)))

enum status {
    STATUS_OK = 0,
    STATUS_INVALID,     /* the input is wrong; the fault says how */
    STATUS_NOT_FOUND,   /* there is no such thing */
    STATUS_CONFLICT,    /* the same id with other contents, or a state that does not allow it */
    STATUS_BUSY,        /* allowed, but not now */
    STATUS_FULL,        /* a named maximum is reached; nothing was changed */
    STATUS_TOO_LARGE,   /* the input passes a named maximum */
    STATUS_DENIED,      /* not allowed for this caller */
    STATUS_NOMEM,       /* a size that came from outside could not be had */
    STATUS_IO,          /* the operating system or the disk refused */
    STATUS_CORRUPT,     /* stored or received bytes are not what they must be */
    STATUS_CLOSED,      /* the other side is gone */
    STATUS_UNAVAILABLE, /* it cannot be had now; the fault says what to do */
};

#define FAULT_TEXT_BYTES 400

struct fault {
    enum status status;
    char text[FAULT_TEXT_BYTES];
};

/* status_name is the constant's name in lower case without the prefix, for logs. Never NULL. */
const char *status_name(enum status status);

/* fault_set writes the sentence and returns `status`, so that `return fault_set(…)` reads well. `fault` may
 * be NULL. A longer text is cut at a whole UTF-8 character. */
enum status fault_set(struct fault *fault, enum status status, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
