/* Generations, back-pressure. */
#include "engine/engine_test_driver.h"

#include "base/clock.h"
#include "base/mem.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_HANG_MS 20000
#define TALK       "\"tokens\":[\"a \",\"b \",\"c \"],\"count\":100000,\"token_ms\":1"
#define HELLO      "echo '{\"ev\":\"hello\",\"protocol\":1,\"engine\":\"sh\",\"version\":\"1\"}'\n"
#define READY      "read -r load\necho '{\"ev\":\"ready\",\"model\":{\"context_size\":16},\"slots\":2}'\n"

static void test_generation_runs_to_its_end(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{\"tokens\":[\"Hello\",\" w\\u00f6rld\",\"!\"]}", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    struct driver_run *run = driver_generate(&driver);
    uint64_t given_ms = engine_last_used_ms(driver.engine);
    assert_int_equal(engine_running(driver.engine), 1);
    driver_wait_end(&driver, run);
    assert_string_equal(run->text, "Hello wörld!");
    assert_string_equal(run->reason, "stop");
    assert_string_equal(run->error_code, "");
    assert_int_equal(run->n_pieces, 3);
    assert_int_equal(run->n_completion, 3);
    assert_int_equal(run->n_prompt, 3);
    assert_int_equal(run->n_prompt_done, 3);
    assert_int_equal(engine_running(driver.engine), 0);
    assert_true(engine_last_used_ms(driver.engine) >= given_ms);
    driver_stop(&driver);
}

static void test_more_generations_than_slots_all_end(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{\"tokens\":[\"x\"],\"count\":20,\"slots\":2}", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    for (size_t i = 0; i < DRIVER_RUNS_MAX; i++) {
        driver_generate(&driver);
    }
    for (size_t i = 0; i < DRIVER_RUNS_MAX; i++) {
        driver_wait_end(&driver, &driver.runs[i]);
        assert_int_equal(driver.runs[i].n_pieces, 20);
        assert_int_equal(driver.runs[i].n_ends, 1);
    }
    driver_stop(&driver);
}

static void test_cancel_ends_one(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{" TALK "}", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    struct driver_run *kept = driver_generate(&driver);
    struct driver_run *run = driver_generate(&driver);
    driver_wait_pieces(&driver, run, 3);
    engine_cancel(driver.engine, "unknown");
    engine_cancel(driver.engine, run->id);
    engine_cancel(driver.engine, run->id);
    driver_wait_end(&driver, run);
    assert_string_equal(run->reason, "cancelled");
    unsigned n_pieces = kept->n_pieces;
    driver_wait_pieces(&driver, kept, n_pieces + 5);
    assert_int_equal(kept->n_ends, 0);
    assert_int_equal(run->n_ends, 1);
    driver_stop(&driver);
}

static void test_error_of_a_generation_leaves_the_engine(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{" TALK ",\"at\":[{\"token\":2,\"do\":\"error\"}]}", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    struct driver_run *run = driver_generate(&driver);
    driver_wait_end(&driver, run);
    assert_string_equal(run->reason, "error");
    assert_string_not_equal(run->error_code, "");
    assert_string_not_equal(run->error_text, "");
    assert_int_equal(engine_state(driver.engine), ENGINE_READY);
    driver_stop(&driver);
}

static void test_refused_jobs_change_nothing(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{" TALK "}", NO_HANG_MS);
    assert_int_equal(driver_try_generate(&driver, "00", "early"), STATUS_BUSY);
    driver_wait_state(&driver, ENGINE_READY);
    struct driver_run *run = driver_generate(&driver);
    assert_int_equal(driver_try_generate(&driver, run->id, "again"), STATUS_CONFLICT);
    size_t size = ENGINE_LINE_BYTES_MAX;
    char *text = mem_alloc(size + 1);
    memset(text, 'x', size);
    assert_int_equal(driver_try_generate(&driver, "01", text), STATUS_TOO_LARGE);
    free(text);
    assert_int_equal(engine_running(driver.engine), 1);
    driver_stop(&driver);
}

static void test_engine_that_does_not_read_fills_the_buffer(void **state) {
    (void)state;
    struct driver driver;
    driver_start_program(&driver, driver_write_program("deaf", HELLO READY "kill -STOP $$\n"), "m",
                         NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    size_t size = 3u << 20;
    char *text = mem_alloc(size + 1);
    memset(text, 'x', size);
    enum status status = STATUS_OK;
    while (status == STATUS_OK && driver.n_runs < DRIVER_RUNS_MAX) {
        id_make_hex(driver.runs[driver.n_runs].id);
        status = driver_try_generate(&driver, driver.runs[driver.n_runs].id, text);
        driver.n_runs += status == STATUS_OK;
    }
    free(text);
    assert_int_equal(status, STATUS_FULL);
    assert_int_equal(driver.n_runs, 5);              /* five times 3 MiB are within 15 */
    engine_cancel(driver.engine, driver.runs[0].id); /* the reserve */
    engine_stop(driver.engine);
    for (size_t i = 0; i < driver.n_runs; i++) {
        assert_int_equal(driver.runs[i].n_ends, 1);
    }
    driver_wait_state(&driver, ENGINE_STOPPED);
    driver_stop(&driver);
}

/* `size` bytes in two words. */
static char *make_long_text(size_t size) {
    char *text = mem_alloc(size + 1);
    memset(text, 'x', size);
    text[2] = ' ';
    return text;
}

static void test_long_prompts_pass_in_parts(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{\"tokens\":[\"ok\"]}", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    char *text = make_long_text(2u << 20); /* many times what a socket holds */
    for (size_t i = 0; i < 5; i++) {
        struct driver_run *run = &driver.runs[driver.n_runs++];
        id_make_hex(run->id);
        assert_int_equal(driver_try_generate(&driver, run->id, text), STATUS_OK);
    }
    free(text);
    for (size_t i = 0; i < 5; i++) {
        driver_wait_end(&driver, &driver.runs[i]);
        assert_string_equal(driver.runs[i].text, "ok");
        assert_int_equal(driver.runs[i].n_prompt, 2);
    }
    driver_stop(&driver);
}

static void test_long_lines_come_whole(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{\"echo\":true}", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    size_t size = 3u << 20;
    char *text = make_long_text(size);
    struct driver_run *run = &driver.runs[driver.n_runs++];
    id_make_hex(run->id);
    assert_int_equal(driver_try_generate(&driver, run->id, text), STATUS_OK);
    free(text);
    driver_wait_end(&driver, run);
    assert_string_equal(run->reason, "stop");
    assert_int_equal(run->n_bytes, size);
    driver_stop(&driver);
}

static void pause_in_step(struct driver *driver) {
    engine_pause(driver->engine, true);
}

static bool is_later(void *ctx) {
    return clock_now_ms() >= *(const uint64_t *)ctx;
}

static void test_pause_holds_steps_back_and_loses_none(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{\"tokens\":[\"x\"],\"count\":3000,\"token_ms\":0}", 400);
    driver_wait_state(&driver, ENGINE_READY);
    driver.in_step = pause_in_step;
    struct driver_run *run = driver_generate(&driver);
    driver_wait_pieces(&driver, run, 1);
    driver.in_step = NULL;
    pid_t pid = engine_pid(driver.engine);
    /* Longer than the hang limit, which must not count; the lines read with the first one must wait, too. */
    uint64_t end_ms = clock_now_ms() + 600;
    driver_wait(&driver, is_later, &end_ms);
    assert_int_equal(run->n_pieces, 1);
    assert_int_equal(engine_pid(driver.engine), pid);
    engine_pause(driver.engine, false);
    assert_int_equal(run->n_pieces, 1); /* from the loop, not from inside the call */
    driver_wait_end(&driver, run);
    assert_int_equal(run->n_pieces, 3000);
    assert_string_equal(run->reason, "stop");
    driver_stop(&driver);
}

/* Reads a generate, and sets id. */
#define TAKE_JOB "read -r line\nid=${line#*'\"id\":\"'}\nid=${id%%'\"'*}\n"
#define WAIT     "while read -r line; do :; done\n"

static void test_lines_read_before_a_pause_come_after_it(void **state) {
    (void)state;
    struct driver driver;
    driver_start_program(
        &driver,
        driver_write_program("burst", HELLO READY TAKE_JOB
                             "step=\"{\\\"ev\\\":\\\"step\\\",\\\"t_ns\\\":1,\\\"out\\\":[{\\\"id\\\":\\\"$"
                             "id\\\",\\\"tok\\\":1,\\\"text\\\":\\\"x\\\"}]}\"\n"
                             "printf '%s\\n%s\\n' \"$step\" \"$step\"\n" WAIT),
        "m", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    driver.in_step = pause_in_step;
    struct driver_run *run = driver_generate(&driver);
    driver_wait_pieces(&driver, run, 1);
    assert_int_equal(run->n_pieces, 1);
    engine_pause(driver.engine, false); /* the engine says nothing more that could wake the loop */
    driver_wait_pieces(&driver, run, 2);
    driver_stop(&driver);
}

static void test_failed_of_one_operation_leaves_the_model(void **state) {
    (void)state;
    struct driver driver;
    driver_start_program(
        &driver,
        driver_write_program(
            "refusing", HELLO READY TAKE_JOB
            "echo '{\"ev\":\"failed\",\"error\":{\"code\":\"bad_request\",\"text\":\"no\"}}'\n"
            "echo \"{\\\"ev\\\":\\\"end\\\",\\\"id\\\":\\\"$id\\\",\\\"reason\\\":\\\"stop\\\"}\"\n" WAIT),
        "m", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    struct driver_run *run = driver_generate(&driver);
    driver_wait_end(&driver, run);
    assert_string_equal(run->reason, "stop");
    assert_int_equal(engine_state(driver.engine), ENGINE_READY);
    driver_stop(&driver);
}

static void test_death_while_paused_still_ends_every_generation(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{" TALK "}", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    driver.in_step = pause_in_step;
    struct driver_run *run = driver_generate(&driver);
    driver_wait_pieces(&driver, run, 1);
    kill(engine_pid(driver.engine), SIGKILL);
    driver_wait_end(&driver, run);
    assert_string_equal(run->reason, "interrupted");
    engine_pause(driver.engine, false);
    driver_wait_state(&driver, ENGINE_READY);
    driver_stop(&driver);
}

static void generate_in_end(struct driver *driver, const char *id) {
    (void)id;
    if (driver->n_runs < 4) {
        driver_generate(driver);
    }
}

static void test_an_end_may_begin_the_next(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{\"tokens\":[\"x\"]}", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    driver.in_end = generate_in_end;
    driver_generate(&driver);
    driver_wait_end(&driver, &driver.runs[3]);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(driver.runs[i].n_ends, 1);
        assert_string_equal(driver.runs[i].reason, "stop");
    }
    driver_stop(&driver);
}

static void cancel_in_step(struct driver *driver) {
    engine_cancel(driver->engine, driver->runs[0].id);
}

static void stop_in_step(struct driver *driver) {
    engine_stop(driver->engine);
}

static void free_in_end(struct driver *driver, const char *id) {
    (void)id;
    engine_free(driver->engine);
    driver->engine = NULL;
}

static void test_a_step_may_cancel_stop_and_free(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{" TALK "}", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    driver.in_step = cancel_in_step;
    struct driver_run *run = driver_generate(&driver);
    driver_wait_end(&driver, run);
    assert_string_equal(run->reason, "cancelled");
    driver.in_step = stop_in_step;
    driver.in_end = free_in_end; /* inside engine_stop, inside on_step */
    run = driver_generate(&driver);
    struct driver_run *other = driver_generate(&driver);
    while (run->n_ends == 0) {
        test_loop_turn(driver.test_loop, DRIVER_WAIT_MS);
    }
    assert_string_equal(run->reason, "interrupted");
    assert_int_equal(other->n_ends, 0); /* freed: no upcall any more */
    test_loop_turn(driver.test_loop, 0);
    test_loop_turn(driver.test_loop, 0);
    driver_stop(&driver);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generation_runs_to_its_end),
        cmocka_unit_test(test_more_generations_than_slots_all_end),
        cmocka_unit_test(test_cancel_ends_one),
        cmocka_unit_test(test_error_of_a_generation_leaves_the_engine),
        cmocka_unit_test(test_refused_jobs_change_nothing),
        cmocka_unit_test(test_engine_that_does_not_read_fills_the_buffer),
        cmocka_unit_test(test_long_prompts_pass_in_parts),
        cmocka_unit_test(test_long_lines_come_whole),
        cmocka_unit_test(test_pause_holds_steps_back_and_loses_none),
        cmocka_unit_test(test_lines_read_before_a_pause_come_after_it),
        cmocka_unit_test(test_failed_of_one_operation_leaves_the_model),
        cmocka_unit_test(test_death_while_paused_still_ends_every_generation),
        cmocka_unit_test(test_an_end_may_begin_the_next),
        cmocka_unit_test(test_a_step_may_cancel_stop_and_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
