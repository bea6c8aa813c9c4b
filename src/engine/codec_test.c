#include "engine/codec.h"
#include "engine/runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum status decode(const char *line, struct codec_event *event) {
    struct fault fault;
    return codec_decode(line, strlen(line), event, &fault);
}

static void test_events_are_decoded(void **state) {
    (void)state;
    struct codec_event event;
    assert_int_equal(decode("{\"ev\":\"hello\",\"protocol\":1,\"engine\":\"llama\"}", &event), STATUS_OK);
    assert_int_equal(event.kind, CODEC_HELLO);
    assert_int_equal(event.hello.protocol, 1);
    assert_string_equal(event.hello.engine, "llama");
    codec_event_deinit(&event);
    assert_int_equal(
        decode("{\"ev\":\"prefill\",\"id\":\"g\",\"done\":5,\"total\":9,\"cached\":2}\r", &event), STATUS_OK);
    assert_string_equal(event.id, "g");
    assert_int_equal(event.prefill.done, 5);
    assert_int_equal(event.prefill.total, 9);
    assert_int_equal(event.prefill.cached, 2);
    codec_event_deinit(&event);
    assert_int_equal(
        decode("{\"ev\":\"end\",\"id\":\"g\",\"reason\":\"error\",\"error\":{\"code\":\"context_full\","
               "\"text\":\"shorten it\"},\"usage\":{\"prompt_tokens\":7}}",
               &event),
        STATUS_OK);
    assert_string_equal(event.end.error_code, "context_full");
    assert_string_equal(event.end.error_text, "shorten it");
    assert_int_equal(json_integer_value(json_object_get(event.end.usage, "prompt_tokens")), 7);
    assert_null(event.end.timings);
    codec_event_deinit(&event);
}

static void test_step_keeps_order_and_bytes(void **state) {
    (void)state;
    struct codec_event event;
    struct codec_pieces pieces = { 0 };
    struct fault fault;
    assert_int_equal(
        decode("{\"ev\":\"step\",\"t_ns\":9007199254740993,\"out\":[{\"id\":\"a\",\"tok\":3,\"text\":"
               "\"\\u00e9\"},"
               "{\"id\":\"b\",\"tok\":-1,\"text\":\"\"},{\"id\":\"a\",\"tok\":4,\"text\":\"x\\u0000y\"}]}",
               &event),
        STATUS_OK);
    assert_true(event.step.t_ns == 9007199254740993u);
    assert_int_equal(codec_read_pieces(&event, &pieces, &fault), STATUS_OK);
    assert_int_equal(pieces.count, 3);
    assert_string_equal(pieces.items[0].text, "é");
    assert_int_equal(pieces.items[1].token, -1);
    assert_string_equal(pieces.items[2].id, "a");
    assert_int_equal(pieces.items[2].text_size, 3);
    codec_event_deinit(&event);
    codec_pieces_deinit(&pieces);
}

static void test_e45_a_step_may_have_thoughts_and_calls(void **state) {
    (void)state;
    struct codec_event event;
    struct codec_pieces pieces = { 0 };
    struct fault fault;
    const char *line = "{\"ev\":\"step\",\"t_ns\":1,\"out\":[{\"id\":\"a\",\"tok\":3,\"reasoning\":\"Hm\","
                       "\"logprob\":-0.5,\"bytes\":\"486d\",\"top\":[]},"
                       "{\"id\":\"a\",\"tok\":-1,\"tool\":{\"index\":0,\"name\":\"f\"}},{\"id\":\"a\","
                       "\"tok\":4,\"text\":\"x\"}]}";
    assert_int_equal(decode(line, &event), STATUS_OK);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(codec_read_pieces(&event, &pieces, &fault), STATUS_OK);
        assert_int_equal(pieces.count, 3);
        assert_int_equal(pieces.items[0].kind, ENGINE_PIECE_REASONING);
        assert_string_equal(pieces.items[0].text, "Hm");
        assert_string_equal(pieces.items[0].probabilities,
                            "{\"logprob\":-0.5,\"bytes\":\"486d\",\"top\":[]}");
        assert_int_equal(pieces.items[1].kind, ENGINE_PIECE_TOOL);
        assert_string_equal(pieces.items[1].text, "{\"index\":0,\"name\":\"f\"}");
        assert_int_equal(pieces.items[2].kind, ENGINE_PIECE_TEXT);
        assert_null(pieces.items[2].probabilities);
    }
    codec_pieces_deinit(&pieces);
    codec_event_deinit(&event);
    static const char *const wrong[] = { "{\"id\":\"a\",\"tok\":1}", "{\"id\":\"a\",\"tok\":1,\"tool\":{}}",
                                         "{\"id\":\"a\",\"tok\":1,\"reasoning\":7}" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"ev\":\"step\",\"t_ns\":1,\"out\":[%s]}", wrong[i]);
        assert_int_equal(decode(text, &event), STATUS_OK);
        assert_int_equal(codec_read_pieces(&event, &pieces, &fault), STATUS_INVALID);
        codec_event_deinit(&event);
    }
    codec_pieces_deinit(&pieces);
}

static void test_generate_carries_what_only_some_calls_have(void **state) {
    (void)state;
    struct bytes out;
    bytes_init(&out, 10000);
    json_t *sampling = json_pack("{s:f}", "temperature", 0.5);
    json_t *more = json_pack("{s:{s:i}, s:s}", "sampling", "presence_penalty", 1, "tool_choice", "required");
    codec_encode_generate(
        &(struct engine_job){ .id = "g", .sampling = sampling, .more = more, .n_tokens_max = 5 }, &out);
    assert_string_equal(
        out.data,
        "{\"op\":\"generate\",\"id\":\"g\",\"sampling\":{\"temperature\":0.5,\"presence_penalty\":1},"
        "\"tool_choice\":\"required\",\"max_tokens\":5,\"ignore_eos\":false}\n");
    json_decref(sampling);
    json_decref(more);
    bytes_deinit(&out);
}

static void test_unknown_events_and_fields_are_ignored(void **state) {
    (void)state;
    struct codec_event event;
    assert_int_equal(decode("{\"ev\":\"telepathy\",\"id\":5}", &event), STATUS_OK);
    assert_int_equal(event.kind, CODEC_UNKNOWN);
    codec_event_deinit(&event);
    assert_int_equal(decode("{\"ev\":\"pong\",\"n\":7,\"mood\":[]}", &event), STATUS_OK);
    assert_int_equal(event.pong.n, 7);
    codec_event_deinit(&event);
}

static void test_protocol_errors_are_refused_without_quoting(void **state) {
    (void)state;
    static const char *const lines[] = {
        "",
        "secret",
        "[\"secret\"]",
        "{}",
        "{\"ev\":7}",
        "{\"ev\":\"pong\",\"ev\":\"pong\"}",
        "{\"ev\":\"hello\",\"protocol\":\"secret\"}",
        "{\"ev\":\"queued\",\"position\":1}",
        "{\"ev\":\"queued\",\"id\":\"a\",\"position\":-1}",
        "{\"ev\":\"prefill\",\"id\":1,\"done\":1,\"total\":1}",
        "{\"ev\":\"prefill\",\"id\":\"a\",\"done\":4294967296,\"total\":1}",
        "{\"ev\":\"load\",\"progress\":1.5}",
        "{\"ev\":\"load\",\"progress\":\"secret\"}",
        "{\"ev\":\"ready\",\"slots\":1}",
        "{\"ev\":\"ready\",\"model\":\"secret\",\"slots\":1}",
        "{\"ev\":\"ready\",\"model\":{},\"slots\":\"secret\"}",
        "{\"ev\":\"failed\",\"error\":\"secret\"}",
        "{\"ev\":\"step\",\"t_ns\":1}",
        "{\"ev\":\"step\",\"t_ns\":1,\"out\":{}}",
        "{\"ev\":\"step\",\"t_ns\":-1,\"out\":[]}",
        "{\"ev\":\"step\",\"t_ns\":1,\"out\":[7]}",
        "{\"ev\":\"step\",\"t_ns\":1,\"out\":[{\"id\":\"a\",\"tok\":1}]}",
        "{\"ev\":\"step\",\"t_ns\":1,\"out\":[{\"id\":\"a\",\"tok\":\"1\",\"text\":\"secret\"}]}",
        "{\"ev\":\"step\",\"t_ns\":1,\"out\":[{\"id\":\"a\",\"tok\":-2,\"text\":\"secret\"}]}",
        "{\"ev\":\"step\",\"t_ns\":1,\"out\":[{\"id\":\"a\\u0000\",\"tok\":1,\"text\":\"secret\"}]}",
        "{\"ev\":\"step\",\"t_ns\":1,\"out\":[{\"id\":\"a\",\"tok\":1,\"text\":\"secret \xff\"}]}",
        "{\"ev\":\"end\",\"id\":\"a\",\"reason\":\"secret\"}",
        "{\"ev\":\"end\",\"id\":\"a\",\"reason\":\"error\"}",
        "{\"ev\":\"end\",\"id\":\"a\",\"reason\":\"stop\",\"usage\":[]}",
        "{\"ev\":\"inspect\"}",
    };
    struct codec_pieces pieces = { 0 };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct codec_event event;
        struct fault fault = { 0 };
        enum status status = codec_decode(lines[i], strlen(lines[i]), &event, &fault);
        if (status == STATUS_OK && event.kind == CODEC_STEP) {
            status = codec_read_pieces(&event, &pieces, &fault);
            codec_event_deinit(&event);
        }
        if (status != STATUS_INVALID) {
            fail_msg("accepted: %s", lines[i]);
        }
        assert_string_not_equal(fault.text, "");
        assert_null(strstr(fault.text, "secret"));
    }
    codec_pieces_deinit(&pieces);
}

static json_t *encoded(struct bytes *line) {
    assert_false(line->failed);
    assert_int_equal(line->data[line->size - 1], '\n');
    assert_ptr_equal(memchr(line->data, '\n', line->size), line->data + line->size - 1);
    json_t *json = json_loadb(line->data, line->size, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    bytes_deinit(line);
    return json;
}

static void test_generate_carries_the_whole_job(void **state) {
    (void)state;
    struct bytes line;
    bytes_init(&line, ENGINE_LINE_BYTES_MAX);
    json_t *messages =
        json_pack("[{s:s, s:s}]", "role", "user", "content", "a\nb \"quoted\" \xe2\x80\xa8 \xf0\x9f\x98\x80");
    json_t *sampling = json_pack("{s:s, s:f}", "sampler_type", "TopP", "top_p", 0.95);
    json_t *stop = json_pack("[s]", "\n\n");
    codec_encode_generate(&(struct engine_job){ .id = "g1",
                                                .cache_key = "chat_1",
                                                .messages = messages,
                                                .sampling = sampling,
                                                .n_tokens_max = 7,
                                                .stop = stop,
                                                .ignore_eos = true,
                                                .overflow = "drop_oldest" },
                          &line);
    json_t *json = encoded(&line);
    json_t *expected = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:i, s:b}", "op", "generate", "id",
                                 "g1", "overflow", "drop_oldest", "cache_key", "chat_1", "messages", messages,
                                 "sampling", sampling, "stop", stop, "max_tokens", 7, "ignore_eos", 1);
    assert_true(json_equal(json, expected));
    json_decref(json);
    json_decref(expected);
}

/* The "prefix" of the line that this job makes; NULL: none. The caller releases it. */
static json_t *encoded_prefix(const struct engine_job *job) {
    struct bytes line;
    bytes_init(&line, ENGINE_LINE_BYTES_MAX);
    codec_encode_generate(job, &line);
    json_t *json = encoded(&line);
    json_t *prefix = json_incref(json_object_get(json, "prefix"));
    json_decref(json);
    return prefix;
}

/* [E21] */
static void test_generate_carries_the_prefix(void **state) {
    (void)state;
    static const int32_t tokens[] = { 0, 7, INT32_MAX };
    json_t *messages = json_pack("[{s:s, s:s}]", "role", "user", "content", "a");
    struct engine_job job = { .id = "g1", .messages = messages };
    assert_null(encoded_prefix(&job));
    job.prefix_text = "";
    assert_null(encoded_prefix(&job));
    job.prefix_text = "said \"so\" \xe2\x82\xac\n";
    json_t *prefix = encoded_prefix(&job);
    assert_string_equal(json_get_text(prefix, "text", ""), job.prefix_text);
    json_decref(prefix);
    job.prefix_tokens = tokens;
    job.n_prefix_tokens = 3;
    prefix = encoded_prefix(&job);
    json_t *expected = json_pack("{s:[i, i, i]}", "tokens", 0, 7, INT32_MAX);
    assert_true(json_equal(prefix, expected));
    json_decref(expected);
    json_decref(prefix);
    json_decref(messages);
}

static void test_short_operations(void **state) {
    (void)state;
    struct bytes line;
    bytes_init(&line, ENGINE_LINE_BYTES_MAX);
    codec_encode_load(&(struct engine_options){ .model_path = "/m/\"a\".gguf",
                                                .context_size = 64,
                                                .n_slots = 2,
                                                .step_ms = 90,
                                                .speculation = "off",
                                                .n_gpu_layers = -1 },
                      &line);
    json_t *json = encoded(&line);
    assert_string_equal(json_get_text(json, "model", ""), "/m/\"a\".gguf");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "options"), "slots")), 2);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "options"), "step_ms")), 90);
    assert_string_equal(json_get_text(json_object_get(json, "options"), "speculation", ""), "off");
    json_decref(json);
    codec_encode_load(&(struct engine_options){ .model_path = "m",
                                                .kv_type = "q8_0",
                                                .flash_attention = "on",
                                                .cache_dir = "/kv",
                                                .cache_bytes = -1 },
                      &line);
    json = encoded(&line);
    json_t *options = json_pack("{s:i, s:i, s:i, s:i, s:i, s:s, s:s, s:s, s:i}", "context_size", 0, "slots",
                                0, "threads", 0, "step_ms", 0, "gpu_layers", 0, "kv_type", "q8_0",
                                "flash_attention", "on", "cache_dir", "/kv", "cache_bytes", -1);
    assert_true(json_equal(json_object_get(json, "options"), options));
    json_decref(json);
    json_decref(options);
    codec_encode_ping(5, &line);
    codec_encode_cancel("g1", &line);
    codec_encode_unload(&line);
    codec_encode_inspect("m", &line);
    assert_string_equal(line.data,
                        "{\"op\":\"ping\",\"n\":5}\n{\"op\":\"cancel\",\"id\":\"g1\"}\n{\"op\":\"unload\"}\n"
                        "{\"op\":\"inspect\",\"model\":\"m\"}\n");
    bytes_deinit(&line);
}

static void test_job_beyond_the_limit_is_marked(void **state) {
    (void)state;
    struct bytes line;
    bytes_init(&line, 256);
    char text[512] = { 0 };
    memset(text, 'x', sizeof text - 1);
    json_t *messages = json_pack("[s]", text);
    codec_encode_generate(&(struct engine_job){ .id = "g1", .messages = messages }, &line);
    assert_true(line.failed);
    json_decref(messages);
    bytes_deinit(&line);
}

/* [E32] [E33] */
static void test_a_draft_and_a_wish_to_forget_are_encoded(void **state) {
    (void)state;
    struct bytes line;
    bytes_init(&line, ENGINE_LINE_BYTES_MAX);
    json_t *messages = json_pack("[{s:s, s:s}]", "role", "user", "content", "a");
    codec_encode_draft(
        &(struct engine_job){ .id = "d1", .cache_key = "c", .messages = messages, .overflow = "stop" },
        &line);
    codec_encode_forget("c", NULL, &line);
    codec_encode_forget("c", "/kv", &line);
    assert_string_equal(
        line.data, "{\"op\":\"prefill\",\"id\":\"d1\",\"cache_key\":\"c\",\"messages\":[{\"role\":\"user\","
                   "\"content\":\"a\"}],\"overflow\":\"stop\"}\n"
                   "{\"op\":\"forget\",\"cache_key\":\"c\"}\n"
                   "{\"op\":\"forget\",\"cache_key\":\"c\",\"cache_dir\":\"/kv\"}\n");
    json_decref(messages);
    bytes_deinit(&line);
}

static void test_runs_are_found_and_kept_in_order(void **state) {
    (void)state;
    struct runs runs;
    runs_init(&runs);
    char id[16];
    for (unsigned i = 0; i < 2 * RUNS_BUCKETS; i++) {
        snprintf(id, sizeof id, "g%u", i);
        runs_add(&runs, id);
    }
    assert_null(runs_find(&runs, "g"));
    for (unsigned i = 1; i < 2 * RUNS_BUCKETS; i += 2) {
        snprintf(id, sizeof id, "g%u", i);
        struct run *run = runs_find(&runs, id);
        assert_string_equal(run->id, id);
        runs_take(&runs, run);
        free(run);
        assert_null(runs_find(&runs, id));
    }
    assert_int_equal(runs.count, RUNS_BUCKETS);
    for (unsigned i = 0; i < 2 * RUNS_BUCKETS; i += 4) {
        struct run *run = runs_first(&runs);
        snprintf(id, sizeof id, "g%u", i / 2);
        assert_string_equal(run->id, id);
        runs_take(&runs, run);
        free(run);
    }
    runs_deinit(&runs);
    assert_int_equal(runs.count, 0);
    assert_null(runs_first(&runs));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_are_decoded),
        cmocka_unit_test(test_step_keeps_order_and_bytes),
        cmocka_unit_test(test_e45_a_step_may_have_thoughts_and_calls),
        cmocka_unit_test(test_generate_carries_what_only_some_calls_have),
        cmocka_unit_test(test_unknown_events_and_fields_are_ignored),
        cmocka_unit_test(test_protocol_errors_are_refused_without_quoting),
        cmocka_unit_test(test_generate_carries_the_whole_job),
        cmocka_unit_test(test_generate_carries_the_prefix),
        cmocka_unit_test(test_short_operations),
        cmocka_unit_test(test_job_beyond_the_limit_is_marked),
        cmocka_unit_test(test_a_draft_and_a_wish_to_forget_are_encoded),
        cmocka_unit_test(test_runs_are_found_and_kept_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
