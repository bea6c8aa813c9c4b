#include "api/openai.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HI "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"

static struct openai_request parse(const char *text) {
    struct settings defaults;
    settings_init(&defaults);
    defaults.sampler_type = SAMPLER_GREEDY;
    defaults.overflow = OVERFLOW_DROP_OLDEST;
    json_t *body = json_loads(text, JSON_ALLOW_NUL, NULL);
    assert_non_null(body);
    struct openai_request request;
    struct openai_error error = { 0 };
    bool is_good = openai_request_parse(&request, body, &defaults, &error);
    assert_string_equal(error.text, "");
    assert_true(is_good);
    /* The model's name is the body's: the tests that look at it bring none that is freed here. */
    request.model = request.model ? "given" : NULL;
    json_decref(body);
    settings_deinit(&defaults);
    return request;
}

static void expect_error(const char *text, const char *param) {
    struct settings defaults;
    settings_init(&defaults);
    json_t *body = json_loads(text, JSON_ALLOW_NUL, NULL);
    assert_non_null(body);
    struct openai_request request;
    struct openai_error error = { 0 };
    assert_false(openai_request_parse(&request, body, &defaults, &error));
    assert_int_equal(error.status, 400);
    assert_string_equal(error.param, param);
    assert_true(strlen(error.text) > 10);
    assert_null(request.messages);
    json_decref(body);
    settings_deinit(&defaults);
}

static void expect_messages(const char *text, const char *expected) {
    struct openai_request request = parse(text);
    json_t *wanted = json_loads(expected, 0, NULL);
    assert_non_null(wanted);
    assert_true(json_equal(request.messages, wanted));
    json_decref(wanted);
    openai_request_deinit(&request);
}

static void test_what_is_absent_or_null_is_the_default(void **state) {
    (void)state;
    const char *bodies[] = {
        "{" HI "}",
        "{" HI ",\"model\":null,\"stream\":null,\"stream_options\":null,\"temperature\":null,\"top_p\":null,"
        "\"top_k\":null,"
        "\"min_p\":null,\"seed\":null,\"stop\":null,\"max_tokens\":null,\"max_completion_tokens\":null,\"n\":"
        "null,"
        "\"ignore_eos\":null,\"tools\":null,\"unknown\":1}",
    };
    for (size_t i = 0; i < 2; i++) {
        struct openai_request request = parse(bodies[i]);
        assert_null(request.model);
        assert_false(request.stream || request.include_usage || request.settings.ignore_eos);
        assert_int_equal(request.settings.sampler_type, SAMPLER_GREEDY);
        assert_int_equal(request.settings.n_tokens_max, -1);
        assert_int_equal(request.settings.overflow, OVERFLOW_STOP); /* [O6] */
        assert_int_equal(request.settings.seed, -1);
        assert_int_equal(request.settings.n_stops, 0);
        openai_request_deinit(&request);
    }
}

static void test_what_is_given_is_taken(void **state) {
    (void)state;
    struct openai_request request = parse(
        "{" HI
        ",\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"temperature\":0,"
        "\"top_p\":0.5,\"top_k\":-1,\"min_p\":1,\"seed\":-2,\"stop\":[\"a\",\"b\"],\"max_tokens\":5,"
        "\"max_completion_tokens\":7,\"n\":1,\"ignore_eos\":true}");
    assert_string_equal(request.model, "given");
    assert_true(request.stream && request.include_usage && request.settings.ignore_eos);
    assert_int_equal(request.settings.sampler_type, SAMPLER_CHAIN_FULL);
    assert_true(request.settings.temperature == 0 && request.settings.top_p == 0.5 &&
                request.settings.min_p == 1);
    assert_int_equal(request.settings.top_k, 0);
    assert_int_equal(request.settings.seed, 0xFFFFFFFE);
    assert_int_equal(request.settings.n_tokens_max, 7);
    assert_int_equal(request.settings.n_stops, 2);
    assert_string_equal(request.settings.stops[1], "b");
    openai_request_deinit(&request);
    request = parse("{" HI ",\"stop\":\"END\",\"max_tokens\":2000000}");
    assert_int_equal(request.settings.n_stops, 1);
    assert_string_equal(request.settings.stops[0], "END");
    assert_int_equal(request.settings.n_tokens_max, 1000000);
    openai_request_deinit(&request);
}

static void test_contents_are_strings_parts_or_nothing(void **state) {
    (void)state;
    expect_messages(
        "{\"messages\":[{\"role\":\"developer\",\"content\":\"d\"},{\"role\":\"user\",\"content\":"
        "[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]},"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]},{\"role\":\"tool\",\"content\":\"t\"},"
        "{\"role\":\"assistant\"},{\"role\":\"user\",\"content\":[]}]}",
        "[{\"role\":\"system\",\"content\":\"d\"},{\"role\":\"user\",\"content\":\"ab\"},"
        "{\"role\":\"assistant\",\"content\":\"\"},{\"role\":\"tool\",\"content\":\"t\"},"
        "{\"role\":\"assistant\",\"content\":\"\"},{\"role\":\"user\",\"content\":\"\"}]");
}

static void test_errors_name_the_field(void **state) {
    (void)state;
    expect_error("{}", "messages");
    expect_error("{\"messages\":[]}", "messages");
    expect_error("{\"messages\":\"Hi\"}", "messages");
    expect_error("{\"messages\":[1]}", "messages[0].role");
    expect_error(
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"robot\",\"content\":\"x\"}]}",
        "messages[1].role");
    expect_error("{\"messages\":[{\"role\":\"user\",\"content\":1}]}", "messages[0].content");
    expect_error("{\"messages\":[{\"role\":\"user\",\"content\":[\"x\"]}]}", "messages[0].content");
    expect_error("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}",
                 "messages[0].content");
    expect_error("{\"messages\":[{\"role\":\"user\",\"content\":\"a\\u0000b\"}]}", "messages[0].content");
    expect_error("{" HI ",\"model\":1}", "model");
    expect_error("{" HI ",\"stream\":\"yes\"}", "stream");
    expect_error("{" HI ",\"stream_options\":true}", "stream_options");
    expect_error("{" HI ",\"stream_options\":{\"include_usage\":1}}", "include_usage");
    expect_error("{" HI ",\"temperature\":2.1}", "temperature");
    expect_error("{" HI ",\"temperature\":\"hot\"}", "temperature");
    expect_error("{" HI ",\"top_p\":-0.1}", "top_p");
    expect_error("{" HI ",\"top_k\":0.5}", "top_k");
    expect_error("{" HI ",\"seed\":\"x\"}", "seed");
    expect_error("{" HI ",\"max_tokens\":0}", "max_tokens");
    expect_error("{" HI ",\"max_tokens\":5,\"max_completion_tokens\":1.5}", "max_completion_tokens");
    expect_error("{" HI ",\"stop\":\"\"}", "stop");
    expect_error("{" HI ",\"stop\":[1]}", "stop");
    expect_error("{" HI ",\"stop\":{\"a\":1}}", "stop");
    expect_error(
        "{" HI ",\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\","
        "\"14\",\"15\",\"16\",\"17\"]}",
        "stop");
}

static void test_an_error_has_the_form_that_clients_read(void **state) {
    (void)state;
    struct openai_error error;
    assert_false(openai_error_set(&error, 404, "model_not_found", "model", "there is no %s", "x"));
    json_t *object = openai_error_json(&error);
    json_t *wanted =
        json_loads("{\"error\":{\"message\":\"there is no x\",\"type\":\"invalid_request_error\","
                   "\"param\":\"model\",\"code\":\"model_not_found\"}}",
                   0, NULL);
    assert_true(json_equal(object, wanted));
    json_decref(object);
    json_decref(wanted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_absent_or_null_is_the_default),
        cmocka_unit_test(test_what_is_given_is_taken),
        cmocka_unit_test(test_contents_are_strings_parts_or_nothing),
        cmocka_unit_test(test_errors_name_the_field),
        cmocka_unit_test(test_an_error_has_the_form_that_clients_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
