/* Bytes of tokens to text (P6, [E12] [E13]): stop strings up to an empty line, then tokens, each led by its length. Every piece is valid
 * UTF-8; together they are the whole text, mended, up to the first stop string, and no stop string is in them. */
#include "common/piece.h"

#include "base/utf8.h"
#include "fuzz.h"

#define STOPS_MAX 3

/* The stop strings: up to three bytes each, from `a` to `d` so that they happen. */
static size_t take_stops(const uint8_t **data, size_t *n_bytes, char stops[STOPS_MAX][4]) {
    size_t n = 0;
    for (; n < STOPS_MAX && *n_bytes >= 4 && (*data)[0] % 4 != 0; n++) {
        size_t size = (*data)[0] % 4;
        memset(stops[n], 0, 4);
        for (size_t i = 0; i < size; i++) {
            stops[n][i] = (char)('a' + (*data)[1 + i] % 4);
        }
        *data += 4;
        *n_bytes -= 4;
    }
    return n;
}

/* What the joiner makes of all bytes at once, up to the first stop string. */
static void add_expected(const uint8_t *raw, size_t n_raw, char stops[STOPS_MAX][4], size_t n_stops,
                         struct bytes *out) {
    struct utf8_joiner joiner = { 0 };
    utf8_joiner_add(&joiner, (const char *)raw, n_raw, out);
    utf8_joiner_finish(&joiner, out);
    HOLDS(utf8_is_valid(out->data ? out->data : "", out->size));
    size_t end_least = out->size + 1;
    size_t start_of = 0;
    for (size_t i = 0; i < n_stops && out->data; i++) {
        char *at = memmem(out->data, out->size, stops[i], strlen(stops[i]));
        size_t start = at ? (size_t)(at - out->data) : 0;
        size_t end = at ? start + strlen(stops[i]) : end_least;
        /* The first that is complete wins; of two that end together the longer. */
        if (at && (end < end_least || (end == end_least && start < start_of))) {
            end_least = end;
            start_of = start;
        }
    }
    if (end_least <= out->size) {
        out->size = start_of;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    char stops[STOPS_MAX][4];
    size_t n_stops = take_stops(&data, &n_bytes, stops);
    const char *pointers[STOPS_MAX] = { stops[0], stops[1], stops[2] };
    struct piece piece;
    piece_init(&piece, pointers, n_stops);
    struct bytes raw;
    struct bytes all;
    struct bytes expected;
    bytes_init(&raw, n_bytes + 1);
    bytes_init(&all, n_bytes * 3 + 8);
    bytes_init(&expected, n_bytes * 3 + 8);
    bool stopped = false;
    while (n_bytes > 0) {
        size_t size = data[0] % 8 < n_bytes - 1 ? data[0] % 8 : n_bytes - 1;
        bytes_add(&raw, data + 1, size);
        if (!stopped) {
            stopped = piece_add(&piece, (const char *)data + 1, size);
            HOLDS(utf8_is_valid(piece.text.data ? piece.text.data : "", piece.text.size));
            bytes_add(&all, piece.text.data ? piece.text.data : "", piece.text.size);
        }
        data += 1 + size;
        n_bytes -= 1 + size;
    }
    if (!stopped) {
        piece_clear_text(&piece);
        piece_finish(&piece);
        bytes_add(&all, piece.text.data ? piece.text.data : "", piece.text.size);
    }
    add_expected((const uint8_t *)(raw.data ? raw.data : ""), raw.size, stops, n_stops, &expected);
    HOLDS(!all.failed && all.size == expected.size);
    HOLDS(all.size == 0 || memcmp(all.data, expected.data, all.size) == 0);
    bytes_deinit(&raw);
    bytes_deinit(&all);
    bytes_deinit(&expected);
    piece_deinit(&piece);
    return 0;
}
