#include "net/chunked.h"

#include "net/head.h"

static enum chunked_event bad(struct chunked *chunked, int status, const char *error) {
    chunked->status = status;
    chunked->error = error;
    return CHUNKED_BAD;
}

static enum chunked_event go_to(struct chunked *chunked, enum chunked_state state) {
    chunked->state = state;
    return CHUNKED_MORE;
}

static enum chunked_event expect(struct chunked *chunked, char c, char wanted, enum chunked_state next) {
    return c == wanted ? go_to(chunked, next)
                       : bad(chunked, 400, "a chunk's lines end in CR LF, and its data where its size says");
}

static enum chunked_event take_size(struct chunked *chunked, char c) {
    int value = head_hex_value(c);
    if (c == '\r' && chunked->n_digits > 0) {
        return go_to(chunked, CHUNKED_IN_SIZE_LF);
    }
    if (value < 0 || ++chunked->n_digits > CHUNKED_DIGITS_MAX) {
        return bad(chunked, 400,
                   "the size of a chunk is at most 15 hex digits, with nothing before or behind them");
    }
    chunked->n_left = chunked->n_left << 4 | (unsigned)value;
    return CHUNKED_MORE;
}

static enum chunked_event take_trailer(struct chunked *chunked, char c) {
    if (++chunked->n_trailer > CHUNKED_TRAILER_BYTES_MAX) {
        return bad(chunked, 431, "the trailer of the body is too large: the limit is 4 KiB");
    }
    switch (chunked->state) {
    case CHUNKED_IN_LINE:
        if (c == '\r') {
            return go_to(chunked, CHUNKED_IN_END_LF);
        }
        return head_is_token_char(c) ? go_to(chunked, CHUNKED_IN_NAME)
                                     : bad(chunked, 400, "a field of a trailer is NAME: VALUE");
    case CHUNKED_IN_NAME:
        if (c == ':') {
            return go_to(chunked, CHUNKED_IN_VALUE);
        }
        return head_is_token_char(c) ? CHUNKED_MORE
                                     : bad(chunked, 400, "a field of a trailer is NAME: VALUE");
    case CHUNKED_IN_VALUE:
        if (c == '\r') {
            return go_to(chunked, CHUNKED_IN_VALUE_LF);
        }
        return head_is_field_char(c)
                   ? CHUNKED_MORE
                   : bad(chunked, 400, "there is a control character in the body's trailer");
    default:
        return expect(chunked, c, '\n', CHUNKED_IN_LINE);
    }
}

static enum chunked_event take_data(struct chunked *chunked, const char *bytes, size_t n_bytes,
                                    size_t *n_taken) {
    size_t n = n_bytes < chunked->n_left ? n_bytes : (size_t)chunked->n_left;
    chunked->data = bytes;
    chunked->n_data = n;
    chunked->n_left -= n;
    *n_taken += n;
    if (chunked->n_left == 0) {
        chunked->state = CHUNKED_IN_DATA_CR;
    }
    return CHUNKED_DATA;
}

static enum chunked_event take_char(struct chunked *chunked, char c) {
    switch (chunked->state) {
    case CHUNKED_IN_SIZE:
        return take_size(chunked, c);
    case CHUNKED_IN_SIZE_LF:
        return expect(chunked, c, '\n', chunked->n_left > 0 ? CHUNKED_IN_DATA : CHUNKED_IN_LINE);
    case CHUNKED_IN_DATA_CR:
        return expect(chunked, c, '\r', CHUNKED_IN_DATA_LF);
    case CHUNKED_IN_DATA_LF:
        chunked->n_digits = 0;
        return expect(chunked, c, '\n', CHUNKED_IN_SIZE);
    case CHUNKED_IN_END_LF:
        return expect(chunked, c, '\n', CHUNKED_IN_END_LF) == CHUNKED_BAD ? CHUNKED_BAD : CHUNKED_END;
    default:
        return take_trailer(chunked, c);
    }
}

enum chunked_event chunked_next(struct chunked *chunked, const char *bytes, size_t n_bytes, size_t *n_taken) {
    enum chunked_event event = CHUNKED_MORE;
    *n_taken = 0;
    while (event == CHUNKED_MORE && *n_taken < n_bytes) {
        const char *at = bytes + *n_taken;
        if (chunked->state == CHUNKED_IN_DATA) {
            return take_data(chunked, at, n_bytes - *n_taken, n_taken);
        }
        event = take_char(chunked, *at);
        ++*n_taken;
    }
    return event;
}
