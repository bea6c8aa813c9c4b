#include "base/base64.h"

#include <stdint.h>
#include <string.h>

#define GROUP_BYTES   3
#define GROUP_LETTERS 4
#define LETTER_BITS   6
#define LETTER_MASK   63u

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void put_group(char *at, const uint8_t *bytes, size_t n) {
    uint32_t bits = 0;
    for (size_t i = 0; i < GROUP_BYTES; i++) {
        bits = bits << 8 | (i < n ? bytes[i] : 0u);
    }
    for (size_t i = 0; i < GROUP_LETTERS; i++) {
        at[i] = i <= n ? letters[bits >> (LETTER_BITS * (GROUP_BYTES - i)) & LETTER_MASK] : '=';
    }
}

void base64_add(struct bytes *out, const void *data, size_t n) {
    const uint8_t *bytes = data;
    char *at = bytes_reserve(out, BASE64_SIZE(n));
    if (at == NULL) {
        return;
    }
    for (size_t i = 0; i < n; i += GROUP_BYTES) {
        put_group(at + i / GROUP_BYTES * GROUP_LETTERS, bytes + i, n - i < GROUP_BYTES ? n - i : GROUP_BYTES);
    }
    out->size += BASE64_SIZE(n);
    out->data[out->size] = '\0';
}

/* −1: it is none. */
static int value_of(char letter) {
    const char *found = letter ? strchr(letters, letter) : NULL;
    return found ? (int)(found - letters) : -1;
}

static bool read_group(const char *text, uint8_t *out, size_t n) {
    uint32_t bits = 0;
    for (size_t i = 0; i < GROUP_LETTERS; i++) {
        int padding = text[i] == '=' ? 0 : -1;
        int value = i <= n ? value_of(text[i]) : padding;
        if (value < 0) {
            return false;
        }
        bits = bits << LETTER_BITS | (uint32_t)value;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = (uint8_t)(bits >> (8 * (GROUP_BYTES - 1 - i)));
    }
    return true;
}

bool base64_read(const char *text, size_t n_text, void *out, size_t n) {
    uint8_t *bytes = out;
    if (n_text != BASE64_SIZE(n)) {
        return false;
    }
    for (size_t i = 0; i < n; i += GROUP_BYTES) {
        size_t n_here = n - i < GROUP_BYTES ? n - i : GROUP_BYTES;
        if (!read_group(text + i / GROUP_BYTES * GROUP_LETTERS, bytes + i, n_here)) {
            return false;
        }
    }
    return true;
}
