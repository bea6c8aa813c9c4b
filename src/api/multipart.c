#include "api/multipart.h"

#include <string.h>
#include <strings.h>

/* Copies a token or a quoted string; returns what follows it. NULL: it does not fit, or has no end. */
static const char *copy_value(const char *at, char *out, size_t out_bytes) {
    size_t n = 0;
    bool is_quoted = *at == '"';
    at += is_quoted;
    while (is_quoted ? *at != '"' : *at && !strchr("; \t\r\n", *at)) {
        /* Browsers write %22 for a quote; others escape it (RFC 9110 section 5.6.4). A backslash before
         * anything else is of a Windows path. */
        at += is_quoted && at[0] == '\\' && (at[1] == '"' || at[1] == '\\');
        if (*at == '\0' || *at == '\r' || n + 1 >= out_bytes) {
            return NULL;
        }
        out[n++] = *at++;
    }
    out[n] = '\0';
    return at + is_quoted;
}

bool multipart_take_parameter(const char *header, const char *name, char *out, size_t out_bytes) {
    size_t name_length = strlen(name);
    const char *at = header + strcspn(header, ";\r");
    while (*at == ';') {
        char ignored[MULTIPART_NAME_BYTES];
        at += 1 + strspn(at + 1, " \t");
        size_t length = strcspn(at, "=; \t\r\n");
        bool is_wanted = length == name_length && strncasecmp(at, name, length) == 0;
        at += length;
        if (*at == '=') {
            at = copy_value(at + 1, is_wanted ? out : ignored, is_wanted ? out_bytes : sizeof ignored);
            if (at == NULL || is_wanted) {
                return at != NULL;
            }
        }
        at += strspn(at, " \t");
    }
    return false;
}

enum status multipart_init(struct multipart *multipart, const char *content_type,
                           const struct multipart_handlers *handlers, void *ctx) {
    *multipart = (struct multipart){ .handlers = handlers, .ctx = ctx };
    bytes_init(&multipart->pending, MULTIPART_PIECE_BYTES_MAX + MULTIPART_HEAD_BYTES_MAX);
    char boundary[MULTIPART_BOUNDARY_BYTES_MAX + 1];
    if (!multipart_take_parameter(content_type, "boundary", boundary, sizeof boundary) || !*boundary) {
        return STATUS_INVALID;
    }
    memcpy(multipart->delimiter, "\r\n--", 4);
    memcpy(multipart->delimiter + 4, boundary, strlen(boundary));
    multipart->delimiter_size = 4 + strlen(boundary);
    /* The first boundary may be the first line: every boundary begins a line. */
    return bytes_add_text(&multipart->pending, "\r\n");
}

void multipart_deinit(struct multipart *multipart) {
    bytes_deinit(&multipart->pending);
}

bool multipart_is_complete(const struct multipart *multipart) {
    return multipart->state == MULTIPART_COMPLETE && multipart->has_file;
}

/* Whether a step went on, or needs more bytes, or found the body wrong. */
enum step { STEP_DONE, STEP_STARVED, STEP_WRONG };

/* Up to the next boundary it is the part's; without one, all but what could be the beginning of one. */
static enum status step_contents(struct multipart *multipart, enum step *step) {
    struct bytes *pending = &multipart->pending;
    const char *found = memmem(pending->data, pending->size, multipart->delimiter, multipart->delimiter_size);
    size_t n_kept = multipart->delimiter_size - 1;
    size_t n_unsure = pending->size < n_kept ? pending->size : n_kept;
    size_t n = found ? (size_t)(found - pending->data) : pending->size - n_unsure;
    enum status status = STATUS_OK;
    if (multipart->state == MULTIPART_FILE && n > 0) {
        status = multipart->handlers->on_bytes(multipart->ctx, pending->data, n);
    }
    bytes_drop(pending, found ? n + multipart->delimiter_size : n);
    multipart->state = found ? MULTIPART_DELIMITER : multipart->state;
    *step = found ? STEP_DONE : STEP_STARVED;
    return status;
}

/* Behind a boundary: "--" ends the body, a line end (after padding) begins a part. */
static enum step step_delimiter(struct multipart *multipart) {
    struct bytes *pending = &multipart->pending;
    if (pending->size >= 2 && memcmp(pending->data, "--", 2) == 0) {
        multipart->state = MULTIPART_COMPLETE;
        return STEP_DONE;
    }
    size_t padding = strspn(pending->data, " \t");
    if (pending->size < padding + 2) {
        return padding > MULTIPART_HEAD_BYTES_MAX ? STEP_WRONG : STEP_STARVED;
    }
    if (memcmp(pending->data + padding, "\r\n", 2) != 0) {
        return STEP_WRONG;
    }
    /* The line end stays: it ends the headers if there are none. */
    bytes_drop(pending, padding);
    multipart->state = MULTIPART_HEAD;
    return STEP_DONE;
}

/* The file's name from the headers of a part; false: it is no file. */
static bool find_file_name(const char *head, char name[MULTIPART_NAME_BYTES]) {
    static const char field[] = "\r\nContent-Disposition:";
    for (const char *line = head; line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line, field, sizeof field - 1) == 0) {
            return multipart_take_parameter(line + 2, "filename", name, MULTIPART_NAME_BYTES);
        }
    }
    return false;
}

static enum status step_head(struct multipart *multipart, enum step *step) {
    struct bytes *pending = &multipart->pending;
    const char *end = memmem(pending->data, pending->size, "\r\n\r\n", 4);
    if (end == NULL || end - pending->data > MULTIPART_HEAD_BYTES_MAX) {
        *step = pending->size > MULTIPART_HEAD_BYTES_MAX ? STEP_WRONG : STEP_STARVED;
        return STATUS_OK;
    }
    size_t n_head = (size_t)(end - pending->data);
    char name[MULTIPART_NAME_BYTES];
    pending->data[n_head] = '\0';
    bool is_file = n_head > 0 && find_file_name(pending->data, name);
    *step = is_file && multipart->has_file ? STEP_WRONG : STEP_DONE;
    bytes_drop(pending, n_head + 4);
    multipart->state = is_file ? MULTIPART_FILE : MULTIPART_SKIPPED;
    if (!is_file || *step == STEP_WRONG) {
        return STATUS_OK;
    }
    multipart->has_file = true;
    return multipart->handlers->on_file(multipart->ctx, name);
}

static enum status step_any(struct multipart *multipart, enum step *step) {
    switch (multipart->state) {
    case MULTIPART_DELIMITER:
        *step = step_delimiter(multipart);
        return STATUS_OK;
    case MULTIPART_HEAD:
        return step_head(multipart, step);
    case MULTIPART_COMPLETE:
        bytes_clear(&multipart->pending);
        *step = STEP_STARVED;
        return STATUS_OK;
    default:
        return step_contents(multipart, step);
    }
}

enum status multipart_feed(struct multipart *multipart, const char *bytes, size_t n_bytes) {
    enum status status = bytes_add(&multipart->pending, bytes, n_bytes);
    for (enum step step = STEP_DONE; status == STATUS_OK && step == STEP_DONE;) {
        status = step_any(multipart, &step);
        if (status == STATUS_OK && step == STEP_WRONG) {
            status = STATUS_INVALID;
        }
    }
    return status;
}
