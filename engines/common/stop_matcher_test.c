/* [E13] stop strings never leak, against a reference that sees the whole text at once. */
#include "common/stop_matcher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_ROUNDS       50000
#define TEXT_BYTES_MAX 30
#define N_STOP_MAX     4
#define STOP_BYTES_MAX 6

struct scene {
    char text[TEXT_BYTES_MAX + 1];
    char stops[N_STOP_MAX][STOP_BYTES_MAX + 1];
    const char *stop_list[N_STOP_MAX];
    size_t n_stops;
};

/* Two letters only: every kind of overlap is frequent. */
static void random_string(char *out, size_t n) {
    for (size_t i = 0; i < n; i++) {
        out[i] = rand() % 3 ? 'a' : 'b';
    }
    out[n] = '\0';
}

static void random_scene(struct scene *scene) {
    random_string(scene->text, (size_t)rand() % TEXT_BYTES_MAX);
    scene->n_stops = 1 + (size_t)rand() % N_STOP_MAX;
    for (size_t i = 0; i < scene->n_stops; i++) {
        random_string(scene->stops[i], 1 + (size_t)rand() % STOP_BYTES_MAX);
        scene->stop_list[i] = scene->stops[i];
    }
}

/* The size of the text before the stop string that is complete first; *end is where it is complete, 0: nowhere. */
static size_t reference(const struct scene *scene, size_t *end) {
    size_t n = strlen(scene->text);
    for (*end = 1; *end <= n; (*end)++) {
        size_t longest = 0;
        for (size_t i = 0; i < scene->n_stops; i++) {
            size_t size = strlen(scene->stops[i]);
            bool ends_here = size <= *end && memcmp(scene->text + *end - size, scene->stops[i], size) == 0;
            longest = ends_here && size > longest ? size : longest;
        }
        if (longest > 0) {
            return *end - longest;
        }
    }
    *end = 0;
    return n;
}

/* How much of the end of text[0 … n) may be the beginning of a stop string. */
static size_t must_hold(const struct scene *scene, size_t n) {
    size_t longest = 0;
    for (size_t i = 0; i < scene->n_stops; i++) {
        for (size_t k = 1; k < strlen(scene->stops[i]) && k <= n; k++) {
            bool is_beginning = memcmp(scene->text + n - k, scene->stops[i], k) == 0;
            longest = is_beginning && k > longest ? k : longest;
        }
    }
    return longest;
}

static void test_any_split_gives_the_reference(void **state) {
    (void)state;
    srand(11);
    for (int round = 0; round < N_ROUNDS; round++) {
        struct scene scene;
        random_scene(&scene);
        size_t n = strlen(scene.text);
        size_t end;
        size_t n_wanted = reference(&scene, &end);
        struct stop_matcher matcher;
        struct bytes out;
        bytes_init(&out, 1024);
        stop_matcher_init(&matcher, scene.stop_list, scene.n_stops);
        bool stopped = false;
        for (size_t at = 0; at < n && !stopped;) {
            size_t part = 1 + (size_t)rand() % 5;
            part = part < n - at ? part : n - at;
            stopped = stop_matcher_add(&matcher, scene.text + at, part, &out);
            at += part;
            assert_int_equal(stopped, end > 0 && at >= end);
            if (!stopped) {
                assert_int_equal(out.size,
                                 at - must_hold(&scene, at)); /* not less, and not more than needed */
            }
        }
        if (!stopped) {
            stop_matcher_finish(&matcher, &out);
        }
        assert_int_equal(out.size, n_wanted);
        assert_true(n_wanted == 0 || memcmp(out.data, scene.text, n_wanted) == 0);
        stop_matcher_deinit(&matcher);
        bytes_deinit(&out);
    }
}

static void test_nothing_follows_a_stop_string(void **state) {
    (void)state;
    struct stop_matcher matcher;
    struct bytes out;
    bytes_init(&out, 64);
    stop_matcher_init(&matcher, (const char *[]){ "\n\n" }, 1);
    assert_false(stop_matcher_add(&matcher, "one\n", 4, &out));
    assert_string_equal(out.data, "one");
    assert_true(stop_matcher_add(&matcher, "\ntwo", 4, &out));
    assert_true(stop_matcher_add(&matcher, "three", 5, &out));
    stop_matcher_finish(&matcher, &out);
    assert_string_equal(out.data, "one");
    stop_matcher_deinit(&matcher);
    bytes_deinit(&out);
}

static void test_held_text_comes_with_what_decides(void **state) {
    (void)state;
    struct stop_matcher matcher;
    struct bytes out;
    bytes_init(&out, 64);
    stop_matcher_init(&matcher, (const char *[]){ "END", "ENOUGH" }, 2);
    stop_matcher_add(&matcher, "the EN", 6, &out);
    assert_string_equal(out.data, "the ");
    stop_matcher_add(&matcher, "TRY", 3, &out);
    assert_string_equal(out.data, "the ENTRY");
    stop_matcher_deinit(&matcher);
    bytes_deinit(&out);
}

static void test_the_longest_of_those_complete_together_is_cut(void **state) {
    (void)state;
    struct stop_matcher matcher;
    struct bytes out;
    bytes_init(&out, 64);
    stop_matcher_init(&matcher, (const char *[]){ "b", "ab", "xab" }, 3);
    assert_true(stop_matcher_add(&matcher, "cab", 3, &out));
    assert_string_equal(out.data, "c");
    stop_matcher_deinit(&matcher);
    bytes_deinit(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_split_gives_the_reference),
        cmocka_unit_test(test_nothing_follows_a_stop_string),
        cmocka_unit_test(test_held_text_comes_with_what_decides),
        cmocka_unit_test(test_the_longest_of_those_complete_together_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
