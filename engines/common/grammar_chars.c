/* grammar_chars.c - characters as the bytes of their UTF-8.
 *
 * A range of characters is cut where the length of the encoding changes, and then so that each piece is a row of byte ranges:
 * U+0800 … U+FFFF is E0 A0–BF 80–BF, E1–EF 80–BF 80–BF. */
#include "common/grammar.h"

#include <stdlib.h>

#define CHAR_MAX_VALUE 0x10FFFFu
#define UTF8_BYTES_MAX 4

static int compare(const void *a, const void *b) {
    uint32_t left = ((const struct char_range *)a)->lowest;
    uint32_t right = ((const struct char_range *)b)->lowest;
    return (left > right) - (left < right);
}

/* Sorted and without overlaps; returns how many are left. */
static size_t merge(struct char_range *ranges, size_t n) {
    size_t n_merged = 0;
    qsort(ranges, n, sizeof *ranges, compare);
    for (size_t i = 0; i < n; i++) {
        if (n_merged > 0 && ranges[i].lowest <= ranges[n_merged - 1].highest + 1) {
            struct char_range *last = &ranges[n_merged - 1];
            last->highest = ranges[i].highest > last->highest ? ranges[i].highest : last->highest;
        } else {
            ranges[n_merged++] = ranges[i];
        }
    }
    return n_merged;
}

static int encode(uint32_t code, uint8_t out[UTF8_BYTES_MAX]) {
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    int n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--) {
        out[i] = (uint8_t)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (uint8_t)((0xF0u << (4 - n)) | code);
    return n;
}

/* A row of byte ranges: every byte behind the first that differs may be any continuation. */
static bool add_row(struct grammar *grammar, uint32_t from, uint32_t to, const uint8_t *lowest,
                    const uint8_t *highest, int n) {
    for (int i = 0; i < n; i++) {
        uint32_t target = i == n - 1 ? to : grammar_add_state(grammar);
        struct grammar_edge edge = {
            .target = target, .kind = GRAMMAR_BYTES, .lowest = lowest[i], .highest = highest[i]
        };
        if (target == GRAMMAR_NO_STATE || !grammar_add_edge(grammar, from, edge)) {
            return false;
        }
        from = target;
    }
    return true;
}

/* Cuts a range whose characters have encodings of one length until each piece is a row: at the last place where the tails of the
 * two ends are not all lowest and all highest. */
static bool add_pieces(struct grammar *grammar, uint32_t from, uint32_t to, struct char_range range) {
    uint8_t lowest[UTF8_BYTES_MAX];
    uint8_t highest[UTF8_BYTES_MAX];
    while (range.lowest <= range.highest) {
        uint32_t end = range.highest;
        int n = encode(range.lowest, lowest);
        for (int i = 1; i < n; i++) { /* tails of i bytes */
            uint32_t mask = (1u << (6 * i)) - 1;
            if ((range.lowest & ~mask) == (end & ~mask)) {
                break; /* the first bytes are the same: the tail may be any part */
            }
            if ((range.lowest & mask) != 0) {
                end = range.lowest | mask;
                break;
            }
            if ((end & mask) != mask) {
                end = (end & ~mask) - 1;
            }
        }
        encode(end, highest);
        if (!add_row(grammar, from, to, lowest, highest, n)) {
            return false;
        }
        range.lowest = end + 1;
    }
    return true;
}

/* No surrogates: they have no UTF-8. */
static bool add_range(struct grammar *grammar, uint32_t from, uint32_t to, struct char_range range) {
    static const struct char_range lengths[] = {
        { 0, 0x7F }, { 0x80, 0x7FF }, { 0x800, 0xD7FF }, { 0xE000, 0xFFFF }, { 0x10000, CHAR_MAX_VALUE }
    };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct char_range part = {
            .lowest = range.lowest > lengths[i].lowest ? range.lowest : lengths[i].lowest,
            .highest = range.highest < lengths[i].highest ? range.highest : lengths[i].highest,
        };
        if (part.lowest <= part.highest && !add_pieces(grammar, from, to, part)) {
            return false;
        }
    }
    return true;
}

bool grammar_add_chars(struct grammar *grammar, uint32_t from, uint32_t to, struct char_range *ranges,
                       size_t n, bool is_negated) {
    bool is_good = true;
    uint32_t next = 0; /* the first character behind the ranges so far */
    n = merge(ranges, n);
    for (size_t i = 0; i < n && is_good; i++) {
        if (!is_negated) {
            is_good = add_range(grammar, from, to, ranges[i]);
        } else if (ranges[i].lowest > next) {
            is_good = add_range(grammar, from, to,
                                (struct char_range){ .lowest = next, .highest = ranges[i].lowest - 1 });
        }
        next = ranges[i].highest + 1;
    }
    if (is_good && is_negated && next <= CHAR_MAX_VALUE) {
        is_good =
            add_range(grammar, from, to, (struct char_range){ .lowest = next, .highest = CHAR_MAX_VALUE });
    }
    return is_good;
}
