/* Where a call begins in what a model says, however it is cut into tokens. */
#include "trigger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct trigger_word words[] = { { "<call>", TRIGGER_CALL },
                                       { "{\"type\":", TRIGGER_CALL },
                                       { "<think>", TRIGGER_THOUGHT },
                                       { "</think>", TRIGGER_THOUGHT_END } };

static struct trigger *make(bool is_thinking) {
    return trigger_new(words, sizeof words / sizeof words[0], is_thinking);
}

/* Says it all at once; "" stands for nothing found. */
static void expect(bool is_thinking, const char *text, const char *found) {
    struct trigger *trigger = make(is_thinking);
    size_t n = 0;
    const char *from = trigger_take(trigger, text, strlen(text), &n);
    assert_int_equal(n, strlen(found));
    assert_true(n == 0 ? from == NULL : memcmp(from, found, n) == 0);
    trigger_free(trigger);
}

static void test_a_word_begins_a_call_but_not_in_a_thought(void **state) {
    (void)state;
    expect(false, "", "");
    expect(false, "no call", "");
    expect(false, "see <call>{", "<call>{");
    expect(false, "a {\"type\":1 <call>", "{\"type\":1 <call>");
    expect(false, "<think>a <call>b", "");
    expect(false, "<think>a <call>b</think>c <call>d", "<call>d");
    expect(true, "a <call>b</think>c", "");
    expect(true, "a <call>b</think><call>c", "<call>c");
    expect(false, "a </think> <call>", "<call>");
}

static void test_what_does_not_fit_was_just_a_word(void **state) {
    (void)state;
    struct trigger *trigger = make(false);
    size_t n;
    assert_non_null(trigger_take(trigger, "the mark <call> is", 18, &n));
    assert_null(trigger_refuse(trigger, &n));
    assert_null(trigger_take(trigger, " <ca", 4, &n));
    const char *from = trigger_take(trigger, "ll>x", 4, &n);
    assert_non_null(from);
    assert_memory_equal(from, "<call>x", n);
    assert_int_equal(n, 7);
    trigger_free(trigger);
}

/* Against a search in the whole text, cut anywhere. */
static void test_the_cuts_do_not_matter(void **state) {
    (void)state;
    const char *given = getenv("RUNNEL_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("RUNNEL_SEED=%u\n", seed);
    srand(seed);
    static const char *const parts[] = { "<",        "<ca",    "ll>",     "a",  "<think>",
                                         "</think>", "<call>", "{\"type", "\":" };
    for (int round = 0; round < 3000; round++) {
        char text[256] = "";
        for (int i = rand() % 12; i > 0; i--) {
            strcat(text, parts[(size_t)rand() % (sizeof parts / sizeof parts[0])]);
        }
        size_t n_whole = 0, n = 0, at = 0, size = strlen(text);
        struct trigger *whole = make(false), *cut = make(false);
        const char *expected = trigger_take(whole, text, size, &n_whole), *found = NULL;
        while (found == NULL && at < size) {
            size_t step = 1 + (size_t)rand() % 5;
            step = step < size - at ? step : size - at;
            found = trigger_take(cut, text + at, step, &n);
            at += step;
        }
        assert_int_equal(found == NULL, expected == NULL);
        if (found) {
            assert_int_equal(at - n, size - n_whole); /* it begins at the same place */
        }
        trigger_free(whole);
        trigger_free(cut);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_word_begins_a_call_but_not_in_a_thought),
        cmocka_unit_test(test_what_does_not_fit_was_just_a_word),
        cmocka_unit_test(test_the_cuts_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
