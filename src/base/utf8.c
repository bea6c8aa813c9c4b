#include "base/utf8.h"

/* The legal second byte depends on the first (Unicode 15, table 3-7). */
static void second_byte_range(unsigned char first, unsigned char *low, unsigned char *high) {
    *low = 0x80;
    *high = 0xBF;
    switch (first) {
    case 0xE0:
        *low = 0xA0;
        break;
    case 0xED:
        *high = 0x9F;
        break;
    case 0xF0:
        *low = 0x90;
        break;
    case 0xF4:
        *high = 0x8F;
        break;
    default:
        break;
    }
}

static size_t sequence_length(unsigned char first) {
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        return 2;
    }
    if (first >= 0xE0 && first <= 0xEF) {
        return 3;
    }
    return first >= 0xF0 && first <= 0xF4 ? 4 : 0;
}

int utf8_step(const char *text, size_t n_bytes) {
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length = sequence_length(bytes[0]);
    if (length == 0) {
        return -1;
    }
    unsigned char low, high;
    second_byte_range(bytes[0], &low, &high);
    for (size_t i = 1; i < length; i++) {
        if (i >= n_bytes) {
            return 0;
        }
        if (bytes[i] < low || bytes[i] > high) {
            return -(int)i;
        }
        low = 0x80;
        high = 0xBF;
    }
    return (int)length;
}

bool utf8_is_valid(const char *text, size_t n_bytes) {
    size_t at = 0;
    while (at < n_bytes) {
        int step = utf8_step(text + at, n_bytes - at);
        if (step <= 0) {
            return false;
        }
        at += (size_t)step;
    }
    return true;
}

size_t utf8_whole_length(const char *text, size_t n_bytes) {
    /* A character has at most four bytes: its first byte is among the last four. */
    size_t back = n_bytes < 4 ? n_bytes : 4;
    for (size_t i = 1; i <= back; i++) {
        unsigned char byte = (unsigned char)text[n_bytes - i];
        if (byte < 0x80) {
            return n_bytes;
        }
        if (byte >= 0xC0) {
            return utf8_step(text + n_bytes - i, i) == 0 ? n_bytes - i : n_bytes;
        }
    }
    return n_bytes;
}
