#include "base/id.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define DATE_BYTES 23 /* YYYY-MM-DD-HH-MM-SS-mmm */

static void random_fill(void *out, size_t n) {
    /* Up to 256 bytes are never short and never interrupted (getrandom(2)). */
    if (getrandom(out, n, 0) != (ssize_t)n) {
        abort();
    }
}

void id_make_hex(char out[ID_HEX_BYTES]) {
    unsigned char random[16];
    random_fill(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(out + 2 * i, 3, "%02x", random[i]);
    }
}

uint64_t id_make_u64(void) {
    uint64_t value;
    random_fill(&value, sizeof value);
    return value;
}

bool id_is_hex(const char *text) {
    return strspn(text, "0123456789abcdef") == ID_HEX_BYTES - 1 && text[ID_HEX_BYTES - 1] == '\0';
}

void id_make_conversation(int64_t wall_ms, unsigned suffix, char out[ID_CONVERSATION_BYTES]) {
    char date[CLOCK_ISO_BYTES];
    clock_format_dashes(wall_ms, date);
    if (suffix < 2) {
        snprintf(out, ID_CONVERSATION_BYTES, "chat_%.*s.txt", DATE_BYTES, date);
    } else {
        snprintf(out, ID_CONVERSATION_BYTES, "chat_%.*s_%u.txt", DATE_BYTES, date, suffix);
    }
}

/* Matches `pattern` ('d' a digit, else itself) and returns what follows; NULL: no match. */
static const char *match(const char *text, const char *pattern) {
    for (; *pattern; pattern++, text++) {
        bool fits = *pattern == 'd' ? *text >= '0' && *text <= '9' : *text == *pattern;
        if (!fits) {
            return NULL;
        }
    }
    return text;
}

bool id_parse_conversation(const char *text, char out[ID_CONVERSATION_BYTES]) {
    const char *rest = strncmp(text, "chat_", 5) == 0 ? match(text + 5, "dddd-dd-dd-dd-dd-dd-ddd") : NULL;
    if (rest == NULL) {
        return false;
    }
    if (*rest == '_') {
        size_t n_digits = strspn(rest + 1, "0123456789");
        if (n_digits < 1 || n_digits > 6 || rest[1] == '0') {
            return false;
        }
        rest += 1 + n_digits;
    }
    if (strcmp(rest, "") != 0 && strcmp(rest, ".txt") != 0) {
        return false;
    }
    snprintf(out, ID_CONVERSATION_BYTES, "%.*s.txt", (int)(rest - text), text);
    return true;
}

void id_copy(char *out, size_t out_bytes, const char *id) {
    size_t size = strnlen(id, out_bytes - 1);
    memcpy(out, id, size);
    out[size] = '\0';
}

bool id_is_client(const char *text) {
    size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    return n >= 1 && n <= ID_CLIENT_BYTES_MAX && text[n] == '\0';
}
