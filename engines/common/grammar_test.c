/* [E41] grammars: what fits, what does not, and what is too much. */
#include "common/grammar_match.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct grammar *parse(const char *text) {
    struct grammar *grammar;
    struct fault fault = { .text = "" };
    if (grammar_new(text, strlen(text), &grammar, &fault)) {
        fail_msg("%s: %s", text, fault.text);
    }
    return grammar;
}

enum reading { WHOLE, BEGINNING, WRONG };

/* Byte by byte and at once must agree. */
static enum reading read_text(const struct grammar *grammar, const char *text) {
    struct grammar_match *match;
    assert_int_equal(grammar_match_new(grammar, &match), STATUS_OK);
    bool is_word = strlen(text) <= GRAMMAR_WORD_BYTES_MAX;
    bool fits = is_word && grammar_match_fits(match, text, strlen(text));
    enum reading reading = BEGINNING;
    for (size_t i = 0; text[i] && reading != WRONG; i++) {
        reading = grammar_match_take(match, text + i, 1) == STATUS_OK ? BEGINNING : WRONG;
    }
    assert_true(!is_word || fits == (reading != WRONG));
    if (reading == BEGINNING && grammar_match_may_end(match)) {
        reading = WHOLE;
    }
    assert_false(grammar_match_has_failed(match));
    grammar_match_free(match);
    return reading;
}

#define JSON                                                                                                 \
    "root ::= value\n"                                                                                       \
    "value ::= object | array | string | number | \"true\" | \"false\" | \"null\"\n"                         \
    "object ::= \"{\" ws (string \":\" ws value (\",\" ws string \":\" ws value)*)? \"}\" ws # one "         \
    "comment\n"                                                                                              \
    "array ::= \"[\" ws (value (\",\" ws value)*)? \"]\" ws\n"                                               \
    "string ::= \"\\\"\" ([^\"\\\\\\x00-\\x1F] | \"\\\\\" ([\"\\\\/bfnrt] | \"u\" [0-9a-fA-F]{4}))* "        \
    "\"\\\"\" ws\n"                                                                                          \
    "number ::= \"-\"? ([0-9] | [1-9] [0-9]{0,15}) (\".\" [0-9]+)? ws\n"                                     \
    "ws ::= [ \\n]{0,4}\n"

static void test_texts_fit_or_do_not(void **state) {
    (void)state;
    static const struct {
        const char *grammar;
        const char *text;
        enum reading reading;
    } rows[] = {
        { "root ::= \"yes\" | \"no\"", "yes", WHOLE },
        { "root ::= \"yes\" | \"no\"", "ye", BEGINNING },
        { "root ::= \"yes\" | \"no\"", "yess", WRONG },
        { "root ::= [a-c]+ [^a-z]*", "abc", WHOLE },
        { "root ::= [a-c]+ [^a-z]*", "abcd", WRONG },
        { "root ::= [a-c]+ [^a-z]*", "aÄ🌊", WHOLE },
        { "root ::= [ä-ü]{2,3}", "ä", BEGINNING },
        { "root ::= [ä-ü]{2,3}", "äöü", WHOLE },
        { "root ::= [ä-ü]{2,3}", "äöüä", WRONG },
        { "root ::= \"a\"{2} \"b\"{0,1} \"c\"{1,}", "aabcc", WHOLE },
        { "root ::= . . \"\\u00e9\"", "🌊xé", WHOLE },
        { "root ::= \"(\" root \")\" | \"\"", "((()))", WHOLE },
        { "root ::= \"(\" root \")\" | \"\"", "((())", BEGINNING },
        { "root ::= \"(\" root \")\" | \"\"", "(()))", WRONG },
        { "root ::= root \"+\" \"x\" | \"x\"", "x+x+x", WHOLE }, /* calls itself first */
        { "root ::= root \"+\" \"x\" | \"x\"", "x++", WRONG },
        { "root ::= a \"!\"\na ::= b\nb ::= a \"x\" | \"\"", "xxx!", WHOLE },
        { "root ::= e e e \"z\"\ne ::= \"\" | e", "z", WHOLE }, /* nothing, in endless ways */
        { "root ::= (\n  \"a\" |\n  \"b\"\n)+\n# end\n", "abba", WHOLE },
        { JSON, "{\"a\": [1, -2.5, {\"b\": \"\\u00e9\\n ü\"}], \"c\": null}", WHOLE },
        { JSON, "{\"a\": [1, -2.5", BEGINNING },
        { JSON, "{\"a\" 1", WRONG },
        { JSON, "{a", WRONG },
        { JSON, "[01]", WRONG },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct grammar *grammar = parse(rows[i].grammar);
        if (read_text(grammar, rows[i].text) != rows[i].reading) {
            fail_msg("%s of %s", rows[i].text, rows[i].grammar);
        }
        grammar_free(grammar);
    }
}

static void test_what_is_wrong_is_said(void **state) {
    (void)state;
    static const struct {
        const char *grammar;
        const char *says;
    } rows[] = {
        { "", "no rule \"root\"" },
        { "root = \"a\"", "::= is missing" },
        { "root ::= \"a", "ends inside a literal" },
        { "root ::= [a", "ends inside a literal" },
        { "root ::= (\"a\"", ") is missing" },
        { "root ::= other", "no rule \"other\"" },
        { "root ::= \"a\"\nroot ::= \"b\"", "line 2: a rule is defined twice" },
        { "root ::= [z-a]", "ends before it begins" },
        { "root ::= \"\\q\"", "an escape" },
        { "root ::= \"\\x4\"", "too few" },
        { "root ::= \"a\"{2,1}", "larger number first" },
        { "root ::= \"a\"{x}", "a number is missing" },
        { "root ::= <think> \"a\"", "tokens" },
        { "root ::= \"a\" )", "no part of a rule" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct grammar *grammar;
        struct fault fault;
        assert_int_equal(grammar_new(rows[i].grammar, strlen(rows[i].grammar), &grammar, &fault),
                         STATUS_INVALID);
        assert_null(grammar);
        if (strstr(fault.text, rows[i].says) == NULL) {
            fail_msg("%s: %s", rows[i].grammar, fault.text);
        }
    }
}

/* n times `open`, then `middle`, then n times `close`. */
static char *nest(const char *begin, const char *open, size_t n, const char *close) {
    char *text = mem_alloc(strlen(begin) + n * (strlen(open) + strlen(close)) + 16);
    strcpy(text, begin);
    char *at = text + strlen(text);
    for (size_t i = 0; i < n; i++, at += strlen(open)) {
        memcpy(at, open, strlen(open));
    }
    strcpy(at, " \"a\" ");
    at += strlen(at);
    for (size_t i = 0; i < n; i++, at += strlen(close)) {
        memcpy(at, close, strlen(close));
    }
    return text;
}

static void expect_too_large(char *text) {
    struct grammar *grammar;
    struct fault fault;
    assert_int_equal(grammar_new(text, strlen(text), &grammar, &fault), STATUS_TOO_LARGE);
    assert_non_null(strstr(fault.text, "too large"));
    free(text);
}

static void test_grammars_that_are_bombs_are_refused(void **state) {
    (void)state;
    expect_too_large(nest("root ::= ", "(", 100000, ")"));
    expect_too_large(nest("root ::= ", "(", 10, "){2000}"));
    expect_too_large(nest("root ::= ", "(", 30, "){0,9}"));
    expect_too_large(mem_copy_string("root ::= \"a\"{2001}"));
    expect_too_large(mem_copy_string("root ::= ([a-z0-9_]{2000}){2000}"));
}

/* 2 ways for each letter: kept apart they would be 2^1000. */
static void test_an_ambiguous_text_is_not_read_in_each_way_apart(void **state) {
    (void)state;
    struct grammar *grammar = parse("root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"a\" root | \"\"");
    char text[1001];
    memset(text, 'a', 1000);
    text[1000] = '\0';
    assert_int_equal(read_text(grammar, text), WHOLE);
    text[999] = 'x';
    assert_int_equal(read_text(grammar, text), WRONG);
    grammar_free(grammar);
}

static void test_too_many_ways_at_one_place_are_a_failure_and_no_crash(void **state) {
    (void)state;
    struct grammar *grammar = parse("root ::= ((\"a\"? \"a\"? \"a\"? \"a\"? \"a\"?){200}){8}");
    struct grammar_match *match;
    enum status status = grammar_match_new(grammar, &match);
    for (int i = 0; i < 100 && status == STATUS_OK; i++) {
        status = grammar_match_take(match, "a", 1);
    }
    assert_int_equal(status, STATUS_TOO_LARGE);
    assert_true(grammar_match_has_failed(match));
    assert_false(grammar_match_fits(match, "a", 1));
    grammar_match_free(match);
    grammar_free(grammar);
}

/* Half a million bytes of lists and of depth that is closed again. */
static void test_memory_does_not_grow_with_the_text(void **state) {
    (void)state;
    struct grammar *grammar = parse(JSON);
    struct grammar_match *match;
    assert_int_equal(grammar_match_new(grammar, &match), STATUS_OK);
    assert_int_equal(grammar_match_take(match, "[", 1), STATUS_OK);
    const char *item = "{\"key\": [[[\"some text\"]]]}, ";
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(grammar_match_take(match, item, strlen(item)), STATUS_OK);
    }
    assert_int_equal(grammar_match_take(match, "1]", 2), STATUS_OK);
    assert_true(grammar_match_may_end(match));
    grammar_match_free(match);
    grammar_free(grammar);
}

static void test_a_filter_is_the_same_as_asking_for_each_word(void **state) {
    (void)state;
    static const char *const texts[] = { "",       "\"",       "a",  "{",    "{\"",  "{\"a",
                                         "{\"a\"", "{\"a\": ", "}",  "\xC3", "\xA4", "\xC3\xA4",
                                         "[1",     "1",        "12", "-",    "tr",   "true",
                                         "truex",  " ",        ", ", "]",    "\":",  "null" };
    enum { N = sizeof texts / sizeof texts[0] };
    struct grammar_word words[N];
    for (size_t i = 0; i < N; i++) {
        words[i] = (struct grammar_word){ .bytes = texts[i],
                                          .size = (uint32_t)strlen(texts[i]),
                                          .token = (int32_t)i };
    }
    grammar_words_sort(words, N);
    static const char *const places[] = { "", "{", "{\"", "{\"\xC3", "{\"a\":", "[1", "[t", "[true" };
    struct grammar *grammar = parse(JSON);
    for (size_t place = 0; place < sizeof places / sizeof places[0]; place++) {
        struct grammar_match *match;
        bool fits[N] = { false };
        assert_int_equal(grammar_match_new(grammar, &match), STATUS_OK);
        assert_int_equal(grammar_match_take(match, places[place], strlen(places[place])), STATUS_OK);
        grammar_match_filter(match, words, N, fits);
        for (size_t i = 0; i < N; i++) {
            bool fits_alone = texts[i][0] && grammar_match_fits(match, texts[i], strlen(texts[i]));
            if (fits[i] != fits_alone) {
                fail_msg("\"%s\" behind \"%s\"", texts[i], places[place]);
            }
        }
        grammar_match_free(match);
    }
    grammar_free(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_fit_or_do_not),
        cmocka_unit_test(test_what_is_wrong_is_said),
        cmocka_unit_test(test_grammars_that_are_bombs_are_refused),
        cmocka_unit_test(test_an_ambiguous_text_is_not_read_in_each_way_apart),
        cmocka_unit_test(test_too_many_ways_at_one_place_are_a_failure_and_no_crash),
        cmocka_unit_test(test_memory_does_not_grow_with_the_text),
        cmocka_unit_test(test_a_filter_is_the_same_as_asking_for_each_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
