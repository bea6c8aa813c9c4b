/* A grammar from outside ([E41]), up to the first NUL, and a text behind it: whatever both are, the answer is a sentence or a match, bytes
 * together fit where bytes one by one do, and a filter finds the same words. */
#include "common/grammar_match.h"

#include "fuzz.h"

#define TEXT_BYTES_MAX 200

static void check_filter(struct grammar_match *match, const char *text, size_t n) {
    struct grammar_word words[3] = {
        { .bytes = text, .size = (uint32_t)n, .token = 0 },
        { .bytes = text, .size = (uint32_t)(n / 2), .token = 1 },
        { .bytes = text + n / 2, .size = (uint32_t)(n - n / 2), .token = 2 },
    };
    bool fits[3] = { false };
    bool wanted[3];
    for (size_t i = 0; i < 3; i++) {
        wanted[i] = words[i].size > 0 && grammar_match_fits(match, words[i].bytes, words[i].size);
    }
    grammar_words_sort(words, 3);
    grammar_match_filter(match, words, 3, fits);
    HOLDS(grammar_match_has_failed(match) || memcmp(fits, wanted, sizeof fits) == 0);
}

static void check_match(const struct grammar *grammar, const char *text, size_t n) {
    struct grammar_match *match;
    enum status status = grammar_match_new(grammar, &match);
    bool fits = status == STATUS_OK && grammar_match_fits(match, text, n);
    if (status == STATUS_OK) {
        check_filter(match, text, n);
    }
    for (size_t i = 0; i < n && status == STATUS_OK; i++) {
        status = grammar_match_take(match, text + i, 1);
    }
    HOLDS(grammar_match_has_failed(match) || fits == (status == STATUS_OK));
    grammar_match_free(match);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    char *text = fuzz_string(data, n_bytes);
    size_t n_grammar = strlen(text);
    size_t n_left = n_bytes - n_grammar - (n_bytes > n_grammar);
    size_t n = n_left < TEXT_BYTES_MAX ? n_left : TEXT_BYTES_MAX;
    struct grammar *grammar;
    struct fault fault = { .text = "" };
    if (grammar_new(text, n_grammar, &grammar, &fault) == STATUS_OK) {
        char *copy = fuzz_copy(data + n_bytes - n_left, n);
        check_match(grammar, copy, n);
        free(copy);
        grammar_free(grammar);
    } else {
        HOLDS(grammar == NULL && fault.text[0]);
    }
    free(text);
    return 0;
}
