#include "chat/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum status merge(struct settings *settings, const char *text, enum settings_scope scope,
                         struct fault *fault) {
    json_t *object;
    assert_int_equal(json_parse_object(text, strlen(text), &object, fault), STATUS_OK);
    enum status status = settings_merge(settings, object, scope, fault);
    json_decref(object);
    return status;
}

/* [W20] */
static void test_a_partial_change_leaves_the_rest(void **state) {
    (void)state;
    struct settings settings;
    struct fault fault;
    settings_init(&settings);
    assert_int_equal(merge(&settings, "{\"temperature\":1,\"stop_tokens\":[\"END\"]}", SETTINGS_ALL, &fault),
                     STATUS_OK);
    assert_true(settings.temperature == 1.0 && settings.top_k == 20 && settings.n_stops == 1);
    assert_int_equal(merge(&settings, "{\"system_prompt\":\"Be terse.\"}", SETTINGS_ALL, &fault), STATUS_OK);
    assert_string_equal(settings.stops[0], "END");
    assert_string_equal(settings.system_prompt, "Be terse.");
    assert_int_equal(merge(&settings, "{\"system_prompt\":\"\"}", SETTINGS_ALL, &fault), STATUS_OK);
    assert_null(settings.system_prompt);
    settings_deinit(&settings);
}

/* [W20]: the field is named, and nothing changes */
static void test_a_bad_value_changes_nothing_and_is_named(void **state) {
    (void)state;
    static const char *const bad[][2] = {
        { "{\"top_k\":5,\"temperature\":2.5}", "temperature" },
        { "{\"top_k\":5,\"temperature\":\"hot\"}", "temperature" },
        { "{\"top_k\":5,\"top_p\":-0.1}", "top_p" },
        { "{\"top_k\":1.5}", "top_k" },
        { "{\"top_k\":1001}", "top_k" },
        { "{\"top_k\":5,\"seed\":4294967296}", "seed" },
        { "{\"top_k\":5,\"sampler_type\":\"Magic\"}", "sampler_type" },
        { "{\"top_k\":5,\"max_tokens\":0}", "max_tokens" },
        { "{\"top_k\":5,\"stop_tokens\":[\"\"]}", "stop_tokens" },
        { "{\"top_k\":5,\"stop_tokens\":\"END\"}", "stop_tokens" },
        { "{\"top_k\":5,\"stop_tokens\":[1]}", "stop_tokens" },
        { "{\"top_k\":5,\"context_size\":16}", "context_size" },
        { "{\"top_k\":5,\"after_crash\":\"pray\"}", "after_crash" },
        { "{\"top_k\":5,\"when_busy\":1}", "when_busy" },
        { "{\"top_k\":5,\"overflow\":\"shift\"}", "overflow" },
        { "{\"top_k\":5,\"kv_type\":\"q4_0\"}", "kv_type" },
        { "{\"top_k\":5,\"flash_attention\":true}", "flash_attention" },
        { "{\"top_k\":5,\"kv_disk_mb\":-2}", "kv_disk_mb" },
        { "{\"top_k\":5,\"draft_prefill\":\"maybe\"}", "draft_prefill" },
        { "{\"top_k\":5,\"auto_title\":1}", "auto_title" },
        { "{\"top_k\":5,\"detach_seconds\":-2}", "detach_seconds" },
        { "{\"top_k\":5,\"colour\":1}", "colour" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct settings settings;
        struct fault fault;
        settings_init(&settings);
        assert_int_equal(merge(&settings, bad[i][0], SETTINGS_ALL, &fault), STATUS_INVALID);
        assert_non_null(strstr(fault.text, bad[i][1]));
        assert_int_equal(settings.top_k, 20);
        settings_deinit(&settings);
    }
}

static void test_a_message_may_set_sampling_only(void **state) {
    (void)state;
    struct settings settings;
    struct fault fault;
    settings_init(&settings);
    assert_int_equal(merge(&settings, "{\"temperature\":0}", SETTINGS_SAMPLING, &fault), STATUS_OK);
    assert_int_equal(merge(&settings, "{\"model_path\":\"/x\"}", SETTINGS_SAMPLING, &fault), STATUS_INVALID);
    settings_deinit(&settings);
}

static void test_what_is_written_can_be_read_again(void **state) {
    (void)state;
    struct settings settings, again;
    struct fault fault;
    settings_init(&settings);
    settings_init(&again);
    assert_int_equal(merge(&settings,
                           "{\"sampler_type\":\"Greedy\",\"seed\":7,\"after_crash\":\"ask\",\"when_busy\":"
                           "\"queue\",\"detach_seconds\":9,\"stop_tokens\":[\"a\",\"b\"]}",
                           SETTINGS_ALL, &fault),
                     STATUS_OK);
    json_t *written = settings_json(&settings);
    assert_int_equal(settings_merge(&again, written, SETTINGS_ALL, &fault), STATUS_OK);
    json_t *second = settings_json(&again);
    assert_true(json_equal(written, second));
    json_decref(written);
    json_decref(second);
    settings_deinit(&settings);
    settings_deinit(&again);
}

/* P5: what is stored with an answer is enough to go on with it in the same way */
static void test_an_answer_goes_on_with_its_own_settings(void **state) {
    (void)state;
    struct settings settings, again;
    struct fault fault;
    settings_init(&settings);
    settings_init(&again);
    assert_int_equal(
        merge(&settings,
              "{\"sampler_type\":\"TopK\",\"top_k\":7,\"max_tokens\":99,\"stop_tokens\":[\"a\",\"b\"]}",
              SETTINGS_ALL, &fault),
        STATUS_OK);
    settings.ignore_eos = true;
    char *text = settings_turn_text(&settings);
    settings_read_turn(&again, text);
    char *second = settings_turn_text(&again);
    assert_string_equal(second, text);
    assert_true(again.ignore_eos && again.top_k == 7 && again.n_tokens_max == 99 && again.n_stops == 2);
    assert_non_null(strstr(text, "\"sampler_type\":\"TopK\""));
    assert_null(strstr(text, "stop_tokens"));
    free(text);
    free(second);
    settings_deinit(&settings);
    settings_deinit(&again);
}

static void test_a_damaged_or_missing_text_leaves_the_settings(void **state) {
    (void)state;
    struct settings settings;
    settings_init(&settings);
    settings_read_turn(&settings, NULL);
    settings_read_turn(&settings, "{");
    settings_read_turn(&settings, "{\"top_k\":-5,\"min_p\":0.5,\"stop\":[1]}");
    assert_true(settings.top_k == 20 && settings.min_p == 0.5 && settings.n_stops == 0);
    settings_deinit(&settings);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_partial_change_leaves_the_rest),
        cmocka_unit_test(test_a_bad_value_changes_nothing_and_is_named),
        cmocka_unit_test(test_a_message_may_set_sampling_only),
        cmocka_unit_test(test_an_answer_goes_on_with_its_own_settings),
        cmocka_unit_test(test_a_damaged_or_missing_text_leaves_the_settings),
        cmocka_unit_test(test_what_is_written_can_be_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
