#include "base/bytes.h"

#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_CAPACITY_MIN 64

void bytes_init(struct bytes *bytes, size_t size_max) {
    assert(size_max < SIZE_MAX / 4); /* so that doubling a capacity cannot wrap */
    *bytes = (struct bytes){ .size_max = size_max };
}

void bytes_deinit(struct bytes *bytes) {
    free(bytes->data);
    *bytes = (struct bytes){ .size_max = bytes->size_max };
}

void bytes_clear(struct bytes *bytes) {
    bytes->size = 0;
    bytes->failed = false;
    if (bytes->data) {
        bytes->data[0] = '\0';
    }
}

void bytes_drop(struct bytes *bytes, size_t n) {
    assert(n <= bytes->size);
    if (n == 0) {
        return;
    }
    memmove(bytes->data, bytes->data + n, bytes->size - n);
    bytes->size -= n;
    bytes->data[bytes->size] = '\0';
}

char *bytes_reserve(struct bytes *bytes, size_t n) {
    if (n > bytes->size_max - bytes->size) {
        bytes->failed = true;
        return NULL;
    }
    size_t wanted = bytes->size + n + 1;
    if (wanted > bytes->capacity) {
        size_t capacity = bytes->capacity ? bytes->capacity : BYTES_CAPACITY_MIN;
        while (capacity < wanted) {
            capacity *= 2;
        }
        bytes->data = mem_resize(bytes->data, capacity);
        bytes->capacity = capacity;
    }
    return bytes->data + bytes->size;
}

enum status bytes_add(struct bytes *bytes, const void *data, size_t n) {
    char *room = bytes_reserve(bytes, n);
    if (room == NULL) {
        return STATUS_FULL;
    }
    if (n) {
        memcpy(room, data, n);
    }
    bytes->size += n;
    bytes->data[bytes->size] = '\0';
    return STATUS_OK;
}

enum status bytes_add_text(struct bytes *bytes, const char *text) {
    return bytes_add(bytes, text, strlen(text));
}

enum status bytes_add_char(struct bytes *bytes, char c) {
    return bytes_add(bytes, &c, 1);
}

enum status bytes_add_format(struct bytes *bytes, const char *format, ...) {
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *room = length < 0 ? NULL : bytes_reserve(bytes, (size_t)length);
    if (room) {
        vsnprintf(room, (size_t)length + 1, format, again);
        bytes->size += (size_t)length;
    }
    va_end(again);
    return room ? STATUS_OK : STATUS_FULL;
}

/* Writes the escape for the character at text[0] and says how many input bytes it stands for; 0: needs none. */
static size_t escape(const unsigned char *text, size_t n, char out[8]) {
    unsigned char c = text[0];
    /* Nearly every byte leaves here. */
    if (c >= 0x20 && c != '"' && c != '\\' && c != '<' && c != 0x7F && c != 0xE2) {
        return 0;
    }
    const char *pairs = "\"\"\\\\\nn\rr\tt\bb\ff";
    for (const char *pair = pairs; *pair; pair += 2) {
        if ((unsigned char)pair[0] == c) {
            snprintf(out, 8, "\\%c", pair[1]);
            return 1;
        }
    }
    if (c < 0x20 || c == '<' || c == 0x7F) {
        snprintf(out, 8, "\\u%04x", c);
        return 1;
    }
    /* U+2028 and U+2029 end a line in older JavaScript. */
    if (c == 0xE2 && n >= 3 && text[1] == 0x80 && (text[2] == 0xA8 || text[2] == 0xA9)) {
        snprintf(out, 8, "\\u20%02x", text[2] - 0x80);
        return 3;
    }
    return 0;
}

enum status bytes_add_json_string(struct bytes *bytes, const char *text, size_t n) {
    size_t before = bytes->size;
    bool had_failed = bytes->failed;
    bytes->failed = false;
    bytes_add_char(bytes, '"');
    size_t plain = 0;
    for (size_t i = 0; i < n;) {
        char out[8];
        size_t taken = escape((const unsigned char *)text + i, n - i, out);
        if (taken == 0) {
            i++;
            continue;
        }
        bytes_add(bytes, text + plain, i - plain);
        bytes_add_text(bytes, out);
        i += taken;
        plain = i;
    }
    if (n > plain) {
        bytes_add(bytes, text + plain, n - plain);
    }
    bytes_add_char(bytes, '"');
    if (!bytes->failed) {
        bytes->failed = had_failed;
        return STATUS_OK;
    }
    bytes->size = before;
    if (bytes->data) {
        bytes->data[before] = '\0';
    }
    return STATUS_FULL;
}
