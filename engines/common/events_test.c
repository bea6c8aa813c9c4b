/* The lines of docs/engine-protocol.md, to the letter. */
#include "common/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct scene {
    FILE *file;
    struct channel channel;
    struct events events;
};

static void open_scene(struct scene *scene) {
    scene->file = tmpfile();
    channel_init(&scene->channel, -1, fileno(scene->file));
    events_init(&scene->events, &scene->channel);
}

/* Everything that was written since the last call. */
static void expect(struct scene *scene, const char *wanted) {
    char text[2048];
    rewind(scene->file);
    size_t n = fread(text, 1, sizeof text - 1, scene->file);
    text[n] = '\0';
    assert_string_equal(text, wanted);
    assert_int_equal(ftruncate(fileno(scene->file), 0), 0);
    rewind(scene->file);
}

static void close_scene(struct scene *scene) {
    events_deinit(&scene->events);
    channel_deinit(&scene->channel);
    fclose(scene->file);
}

static void test_a_step_carries_all_its_items_in_one_line(void **state) {
    (void)state;
    struct scene scene;
    open_scene(&scene);
    events_step_begin(&scene.events, 123456789);
    events_step_add(&scene.events,
                    &(struct step_item){ .id = "g1", .token = 1234, .text = " river \"\n", .size = 9 });
    events_step_add(&scene.events, &(struct step_item){ .id = "g2", .token = 9, .text = "" });
    events_step_send(&scene.events);
    expect(&scene, "{\"ev\":\"step\",\"t_ns\":123456789,\"out\":[{\"id\":\"g1\",\"tok\":1234,\"text\":\" "
                   "river \\\"\\n\"},"
                   "{\"id\":\"g2\",\"tok\":9,\"text\":\"\"}]}\n");
    close_scene(&scene);
}

static void test_e45_an_item_may_be_a_thought_or_a_piece_of_a_call(void **state) {
    (void)state;
    struct scene scene;
    open_scene(&scene);
    events_step_begin(&scene.events, 5);
    events_step_add(
        &scene.events,
        &(struct step_item){ .id = "g", .token = 1, .kind = ITEM_REASONING, .text = "Hm", .size = 2 });
    events_step_add(
        &scene.events,
        &(struct step_item){ .id = "g", .token = 2, .kind = ITEM_TOOL, .call_id = "c1", .name = "f" });
    events_step_add(&scene.events,
                    &(struct step_item){
                        .id = "g", .token = -1, .kind = ITEM_TOOL, .index = 1, .text = "{\"", .size = 2 });
    events_step_send(&scene.events);
    expect(&scene, "{\"ev\":\"step\",\"t_ns\":5,\"out\":[{\"id\":\"g\",\"tok\":1,\"reasoning\":\"Hm\"},"
                   "{\"id\":\"g\",\"tok\":2,\"tool\":{\"index\":0,\"id\":\"c1\",\"name\":\"f\"}},"
                   "{\"id\":\"g\",\"tok\":-1,\"tool\":{\"index\":1,\"arguments\":\"{\\\"\"}}]}\n");
    close_scene(&scene);
}

static void test_a_step_without_items_is_not_sent(void **state) {
    (void)state;
    struct scene scene;
    open_scene(&scene);
    events_step_begin(&scene.events, 1);
    events_step_send(&scene.events);
    expect(&scene, "");
    close_scene(&scene);
}

static void test_the_small_events_are_as_documented(void **state) {
    (void)state;
    struct scene scene;
    open_scene(&scene);
    events_hello(&scene.events, "llama", "0.1.0");
    expect(&scene, "{\"ev\":\"hello\",\"protocol\":1,\"engine\":\"llama\",\"version\":\"0.1.0\"}\n");
    events_pong(&scene.events, 7);
    expect(&scene, "{\"ev\":\"pong\",\"n\":7}\n");
    events_load(&scene.events, "weights", 0.42);
    expect(&scene, "{\"ev\":\"load\",\"stage\":\"weights\",\"progress\":0.420}\n");
    events_queued(&scene.events, "g1", 2);
    expect(&scene, "{\"ev\":\"queued\",\"id\":\"g1\",\"position\":2}\n");
    events_dropped(&scene.events, "g1", 12);
    expect(&scene, "{\"ev\":\"dropped\",\"id\":\"g1\",\"messages\":12}\n");
    events_prefill(&scene.events, "g1", 512, 3100, 0);
    expect(&scene, "{\"ev\":\"prefill\",\"id\":\"g1\",\"done\":512,\"total\":3100,\"cached\":0}\n");
    events_tokens(&scene.events, "t1", (const int32_t[]){ 1, 22, 333 }, 3, NULL);
    expect(&scene, "{\"ev\":\"tokens\",\"id\":\"t1\",\"tokens\":[1,22,333]}\n");
    close_scene(&scene);
}

static void test_an_end_has_usage_and_timings(void **state) {
    (void)state;
    struct scene scene;
    open_scene(&scene);
    events_end(&scene.events, "g1",
               &(struct end_report){ .reason = "stop",
                                     .n_prompt = 110,
                                     .n_cached = 10,
                                     .n_completion = 11,
                                     .queued_ms = 0.1,
                                     .prefill_ms = 50,
                                     .decode_ms = 100 });
    expect(&scene, "{\"ev\":\"end\",\"id\":\"g1\",\"reason\":\"stop\",\"usage\":{\"prompt_tokens\":110,"
                   "\"cached_tokens\":10,"
                   "\"completion_tokens\":11},\"timings\":{\"queued_ms\":0.100,\"prefill_ms\":50.000,"
                   "\"decode_ms\":100.000,"
                   "\"prefill_per_second\":2000.0,\"decode_per_second\":100.0}}\n");
    close_scene(&scene);
}

/* [E35] */
static void test_messages_that_were_left_out_are_in_the_usage(void **state) {
    (void)state;
    struct scene scene;
    open_scene(&scene);
    events_end(&scene.events, "g1", &(struct end_report){ .reason = "stop", .n_dropped = 6 });
    expect(
        &scene,
        "{\"ev\":\"end\",\"id\":\"g1\",\"reason\":\"stop\",\"usage\":{\"prompt_tokens\":0,\"cached_tokens\":"
        "0,"
        "\"completion_tokens\":0,\"dropped_messages\":6},\"timings\":{\"queued_ms\":0.000,"
        "\"prefill_ms\":0.000,\"decode_ms\":0.000,\"prefill_per_second\":0.0,\"decode_per_second\":0.0}}\n");
    close_scene(&scene);
}

static void test_an_error_has_a_code_and_a_text(void **state) {
    (void)state;
    struct scene scene;
    struct engine_error error;
    open_scene(&scene);
    engine_error_set(&error, ERROR_MODEL_CORRUPT, "%s is broken", "a.gguf");
    events_failed(&scene.events, "load", &error);
    expect(&scene, "{\"ev\":\"failed\",\"op\":\"load\",\"error\":{\"code\":\"model_corrupt\",\"text\":\"a."
                   "gguf is broken\"}}\n");
    close_scene(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_step_carries_all_its_items_in_one_line),
        cmocka_unit_test(test_e45_an_item_may_be_a_thought_or_a_piece_of_a_call),
        cmocka_unit_test(test_a_step_without_items_is_not_sent),
        cmocka_unit_test(test_the_small_events_are_as_documented),
        cmocka_unit_test(test_an_end_has_usage_and_timings),
        cmocka_unit_test(test_messages_that_were_left_out_are_in_the_usage),
        cmocka_unit_test(test_an_error_has_a_code_and_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
