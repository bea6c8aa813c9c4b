#include "common/stop_matcher.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HELD_BYTES_MAX (64u << 20)

static void prepare(struct stop_string *string, const char *text) {
    string->size = strlen(text);
    assert(string->size > 0 && string->size <= STOP_STRING_BYTES_MAX);
    string->text = mem_copy_string(text);
    string->fallback = mem_alloc((string->size + 1) * sizeof *string->fallback);
    string->n_matched = 0;
    size_t border = 0;
    for (size_t k = 1; k < string->size; k++) {
        while (border > 0 && text[k] != text[border]) {
            border = string->fallback[border];
        }
        border += text[k] == text[border];
        string->fallback[k + 1] = (uint16_t)border;
    }
}

/* Takes one byte; true when the string is complete with it. */
static bool advance(struct stop_string *string, char byte) {
    while (string->n_matched > 0 && string->text[string->n_matched] != byte) {
        string->n_matched = string->fallback[string->n_matched];
    }
    string->n_matched += string->text[string->n_matched] == byte;
    return string->n_matched == string->size;
}

void stop_matcher_init(struct stop_matcher *matcher, const char *const *strings, size_t n_strings) {
    assert(n_strings <= STOP_STRINGS_MAX);
    *matcher = (struct stop_matcher){ .n_strings = n_strings };
    bytes_init(&matcher->held, HELD_BYTES_MAX);
    for (size_t i = 0; i < n_strings; i++) {
        prepare(&matcher->strings[i], strings[i]);
    }
}

void stop_matcher_deinit(struct stop_matcher *matcher) {
    for (size_t i = 0; i < matcher->n_strings; i++) {
        free(matcher->strings[i].text);
        free(matcher->strings[i].fallback);
    }
    bytes_deinit(&matcher->held);
    *matcher = (struct stop_matcher){ 0 };
}

/* Feeds one byte to all strings; returns the size of the longest that is complete with it, else 0. */
static size_t feed(struct stop_matcher *matcher, char byte) {
    size_t complete = 0;
    for (size_t i = 0; i < matcher->n_strings; i++) {
        struct stop_string *string = &matcher->strings[i];
        if (advance(string, byte) && string->size > complete) {
            complete = string->size;
        }
    }
    return complete;
}

static size_t longest_match(const struct stop_matcher *matcher) {
    size_t longest = 0;
    for (size_t i = 0; i < matcher->n_strings; i++) {
        longest = matcher->strings[i].n_matched > longest ? matcher->strings[i].n_matched : longest;
    }
    return longest;
}

bool stop_matcher_add(struct stop_matcher *matcher, const char *text, size_t n_bytes, struct bytes *out) {
    if (matcher->stopped) {
        return true;
    }
    if (matcher->n_strings == 0) {
        bytes_add(out, text, n_bytes);
        return false;
    }
    struct bytes *held = &matcher->held;
    for (size_t i = 0; i < n_bytes; i++) {
        size_t complete = feed(matcher, text[i]);
        if (complete > 0) {
            bytes_add(held, text, i + 1);
            bytes_add(out, held->data, held->size - complete);
            bytes_clear(held);
            matcher->stopped = true;
            return true;
        }
    }
    bytes_add(held, text, n_bytes);
    size_t n_ready = held->size - longest_match(matcher);
    bytes_add(out, held->data, n_ready);
    bytes_drop(held, n_ready);
    return false;
}

const char *stop_matcher_found(const struct stop_matcher *matcher, size_t n) {
    const struct stop_string *found = NULL;
    for (size_t i = 0; matcher->stopped && i < n && i < matcher->n_strings; i++) {
        const struct stop_string *string = &matcher->strings[i];
        if (string->n_matched == string->size && (found == NULL || string->size > found->size)) {
            found = string;
        }
    }
    return found ? found->text : NULL;
}

void stop_matcher_finish(struct stop_matcher *matcher, struct bytes *out) {
    bytes_add(out, matcher->held.data, matcher->held.size);
    bytes_clear(&matcher->held);
    for (size_t i = 0; i < matcher->n_strings; i++) {
        matcher->strings[i].n_matched = 0;
    }
}
