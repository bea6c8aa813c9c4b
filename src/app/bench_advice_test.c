/* What runnel bench says about figures. */
#include "app/bench_advice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A fast machine with a tiny model of 4.5 bits. */
static struct bench_figures usual(void) {
    return (struct bench_figures){ .one = 30,
                                   .several = 60,
                                   .prompt = 500,
                                   .n_prompt = 600,
                                   .memory_bytes = 2500000000,
                                   .available_bytes = 4000000000,
                                   .size_bytes = 2000000000,
                                   .n_parameters = 3500000000 };
}

static bool says(const struct bench_figures *figures, const char *words) {
    json_t *list = bench_advice(figures);
    bool is_said = false;
    assert_true(json_array_size(list) > 0);
    for (size_t i = 0; i < json_array_size(list); i++) {
        is_said = is_said || strstr(json_string_value(json_array_get(list, i)), words);
    }
    json_decref(list);
    return is_said;
}

static void test_the_speed_has_a_word(void **state) {
    (void)state;
    struct bench_figures figures = usual();
    assert_true(says(&figures, "Fast: 30"));
    figures.one = 10;
    assert_true(says(&figures, "Good enough: 10"));
    figures.one = 3;
    assert_true(says(&figures, "Slow: 3.0"));
}

static void test_a_slow_model_gets_a_smaller_quantisation_first(void **state) {
    (void)state;
    struct bench_figures figures = usual();
    figures.one = 3.5;
    assert_true(says(&figures, "a file of about 1.0 GB"));
    assert_false(says(&figures, "Q4_K_M"));
    figures.n_parameters = 2000000000; /* 8 bits */
    assert_true(says(&figures, "8.0 bits") && says(&figures, "Q4_K_M"));
    figures.size_bytes = figures.n_parameters = 0; /* nobody knows */
    assert_false(says(&figures, "GB"));
}

static void test_a_larger_model_is_named_where_there_is_speed_and_memory(void **state) {
    (void)state;
    struct bench_figures figures = usual();
    assert_false(says(&figures, "better model")); /* as large as fits */
    figures.available_bytes = 64000000000;
    figures.one = 60;
    assert_true(says(&figures, "up to about 8.0 GB")); /* by the speed */
    figures.available_bytes = 9000000000;
    assert_true(says(&figures, "up to about 6.7 GB")); /* by the memory */
    figures.available_bytes = UINT64_MAX;
    assert_true(says(&figures, "up to about 8.0 GB"));
}

static void test_several_people(void **state) {
    (void)state;
    struct bench_figures figures = usual();
    assert_true(says(&figures, "Four people at once still get 15"));
    figures.several = 20;
    assert_true(says(&figures, "For one person at a time") && says(&figures, "5.0 tokens a second"));
    figures.one = 3;
    assert_false(says(&figures, "one person"));
}

static void test_prompts_memory_and_other_programs(void **state) {
    (void)state;
    struct bench_figures figures = usual();
    assert_false(says(&figures, "patience") || says(&figures, "close other programs"));
    figures.prompt = 50;
    assert_true(says(&figures, "in 20 s"));
    figures.memory_bytes = 3500000000;
    assert_true(says(&figures, "3.5 GB of the 4.0 GB"));
    assert_false(says(&figures, "measure again"));
    figures.busy = 0.9;
    assert_true(says(&figures, "busy (90 %): measure again"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_speed_has_a_word),
        cmocka_unit_test(test_a_slow_model_gets_a_smaller_quantisation_first),
        cmocka_unit_test(test_a_larger_model_is_named_where_there_is_speed_and_memory),
        cmocka_unit_test(test_several_people),
        cmocka_unit_test(test_prompts_memory_and_other_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
