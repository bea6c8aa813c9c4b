#include "chat/import_split.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#define END_OF_FILE (-1)
#define CANNOT_READ (-2)

static int fill(struct import_split *split) {
    ssize_t n;
    do {
        n = read(split->fd, split->buffer, sizeof split->buffer);
    } while (n < 0 && errno == EINTR);
    split->at = 0;
    split->n_bytes = n > 0 ? (size_t)n : 0;
    return n < 0 ? CANNOT_READ : n == 0 ? END_OF_FILE : 0;
}

/* The next byte, which stays; or one of the two above. */
static int peek(struct import_split *split) {
    if (split->at == split->n_bytes) {
        int result = fill(split);
        if (result < 0) {
            return result;
        }
    }
    return (unsigned char)split->buffer[split->at];
}

static bool is_blank(int c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int peek_behind_blanks(struct import_split *split) {
    int c = peek(split);
    while (is_blank(c)) {
        split->at++;
        c = peek(split);
    }
    return c;
}

static enum status fail(int c, const char *what, struct fault *fault) {
    return c == CANNOT_READ   ? fault_set(fault, STATUS_IO, "the file cannot be read again: look at the log")
           : c == END_OF_FILE ? fault_set(fault, STATUS_INVALID,
                                          "the file ends in the middle: it was cut short, get it again")
                              : fault_set(fault, STATUS_INVALID, "%s", what);
}

enum status import_split_open(struct import_split *split, int fd, struct fault *fault) {
    split->fd = fd;
    split->at = split->n_bytes = split->n_pieces = 0;
    split->is_over = false;
    if (lseek(fd, 0, SEEK_SET) != 0) {
        return fail(CANNOT_READ, "", fault);
    }
    int c = peek(split);
    if (c == 'P' && split->n_bytes > 3 && split->buffer[1] == 'K' && split->buffer[2] == 3) {
        return fault_set(fault, STATUS_INVALID,
                         "this is an archive: unpack it, and import the conversations.json in it");
    }
    bool has_mark = c == 0xEF && split->n_bytes > 3; /* the byte order mark of UTF-8 */
    split->at += has_mark ? 3 : 0;
    c = peek_behind_blanks(split);
    if (c == CANNOT_READ) {
        return fail(c, "", fault);
    }
    split->form = c == '[' ? IMPORT_ARRAY : c == '{' ? IMPORT_OBJECT : IMPORT_TEXT;
    split->at += c == '[';
    return c == END_OF_FILE ? fault_set(fault, STATUS_INVALID, "the file is empty: choose another")
                            : STATUS_OK;
}

/* One object, with all that is in it. */
static enum status take_object(struct import_split *split, struct bytes *out, struct fault *fault) {
    uint64_t depth = 0;
    bool is_string = false, is_escaped = false;
    do {
        int c = peek(split);
        if (c < 0) {
            return fail(c, "", fault);
        }
        size_t from = split->at;
        for (; split->at < split->n_bytes; split->at++) {
            char byte = split->buffer[split->at];
            if (is_string) {
                is_string = is_escaped || byte != '"';
                is_escaped = !is_escaped && byte == '\\';
            } else if (byte == '"') {
                is_string = true;
            } else if (byte == '{' || byte == '[') {
                depth++;
            } else if ((byte == '}' || byte == ']') && --depth == 0) {
                split->at++;
                break;
            }
        }
        if (out && !out->failed) {
            bytes_add(out, split->buffer + from, split->at - from);
        }
    } while (depth > 0 || is_string);
    return out && out->failed
               ? fault_set(fault, STATUS_TOO_LARGE, "it is larger than %u MiB", IMPORT_PIECE_BYTES_MAX >> 20)
               : STATUS_OK;
}

static enum status take_text(struct import_split *split, struct bytes *out, struct fault *fault) {
    int c = peek(split);
    for (; c >= 0; c = peek(split)) {
        if (out) {
            bytes_add(out, split->buffer + split->at, split->n_bytes - split->at);
        }
        split->at = split->n_bytes;
    }
    if (c == CANNOT_READ) {
        return fail(c, "", fault);
    }
    return out && out->failed
               ? fault_set(fault, STATUS_TOO_LARGE, "it is larger than %u MiB", IMPORT_PIECE_BYTES_MAX >> 20)
               : STATUS_OK;
}

/* What comes between two pieces, and behind the last one. */
static enum status take_separator(struct import_split *split, bool *is_end, struct fault *fault) {
    int c = peek_behind_blanks(split);
    bool is_array = split->form == IMPORT_ARRAY;
    bool is_first = split->n_pieces == 0;
    *is_end = is_array ? c == ']' : !is_first && c == END_OF_FILE;
    if (*is_end && is_array) {
        split->at++;
        c = peek_behind_blanks(split);
    }
    if (*is_end) {
        return c == END_OF_FILE ? STATUS_OK
                                : fail(c, "something follows the end of the list in this file", fault);
    }
    if (is_array && !is_first) {
        if (c != ',') {
            return fail(c, "the list in this file has no comma where one must be", fault);
        }
        split->at++;
        c = peek_behind_blanks(split);
    }
    bool is_object = c == '{' && (is_array || is_first);
    return is_object ? STATUS_OK
                     : fail(c, "this file is no list of conversations: see docs/protocol.md for what is read",
                            fault);
}

enum status import_split_next(struct import_split *split, struct bytes *out, bool *is_end,
                              struct fault *fault) {
    *is_end = split->is_over;
    enum status status = STATUS_OK;
    if (split->form == IMPORT_TEXT) {
        *is_end = split->n_pieces > 0;
        status = *is_end ? STATUS_OK : take_text(split, out, fault);
    } else if (!split->is_over) {
        status = take_separator(split, is_end, fault);
        status = status || *is_end ? status : take_object(split, out, fault);
    }
    split->n_pieces += status == STATUS_OK || status == STATUS_TOO_LARGE;
    split->is_over = *is_end || (status && status != STATUS_TOO_LARGE);
    return status;
}
