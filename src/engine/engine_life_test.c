/* Starting, loading, dying, hanging, stopping. */
#include "engine/engine_test_driver.h"

#include "base/clock.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NO_HANG_MS 20000
#define HANG_MS    400
#define TALK       "\"tokens\":[\"a \",\"b \",\"c \"],\"count\":100000,\"token_ms\":1"
#define HELLO      "echo '{\"ev\":\"hello\",\"protocol\":1,\"engine\":\"sh\",\"version\":\"1\"}'\n"
#define READY      "read -r load\necho '{\"ev\":\"ready\",\"model\":{\"context_size\":16},\"slots\":2}'\n"
#define WAIT       "while read -r line; do :; done\n"

static size_t count_fds(void) {
    size_t n = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder)) {
        n++;
    }
    closedir(folder);
    return n;
}

static void test_load_reports_progress_and_the_model(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver,
                 "{\"name\":\"tiny\",\"context_size\":128,\"slots\":3,\"load_ms\":40,\"load_steps\":4}",
                 NO_HANG_MS);
    assert_int_equal(engine_state(driver.engine), ENGINE_STARTING);
    assert_int_equal(driver.n_states, 0);
    driver_wait_state(&driver, ENGINE_LOADING);
    assert_null(engine_model_info(driver.engine));
    assert_int_equal(engine_context_size(driver.engine), 0);
    driver_wait_state(&driver, ENGINE_READY);
    assert_true(driver.n_states >= 3);
    assert_true(driver.has_stage);
    assert_true(driver.progress_max == 1.0);
    assert_string_equal(json_get_text(engine_model_info(driver.engine), "name", ""), "tiny");
    assert_int_equal(engine_context_size(driver.engine), 128);
    assert_int_equal(engine_slot_count(driver.engine), 3);
    assert_true(engine_pid(driver.engine) > 0);
    assert_true(engine_memory_bytes(driver.engine) > 4096);
    assert_string_equal(engine_fault_text(driver.engine), "");
    driver_stop(&driver);
}

static void test_crash_interrupts_every_generation_and_starts_again(void **state) {
    (void)state;
    struct driver driver;
    size_t n_fds = count_fds();
    char script[512];
    snprintf(script, sizeof script,
             "{" TALK ",\"at\":[{\"token\":5,\"do\":\"crash\",\"signal\":11,\"once\":\"%s\"}]}",
             driver_path("crashed"));
    driver_start(&driver, script, NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    pid_t pid = engine_pid(driver.engine);
    struct driver_run *runs[3];
    for (size_t i = 0; i < 3; i++) {
        runs[i] = driver_generate(&driver);
    }
    driver_wait_state(&driver, ENGINE_WAITING);
    assert_int_equal(engine_pid(driver.engine), 0);
    assert_string_equal(engine_fault_code(driver.engine), "engine_died");
    assert_int_equal(driver_try_generate(&driver, "00", "x"), STATUS_BUSY);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(runs[i]->n_ends, 1);
        assert_string_equal(runs[i]->reason, "interrupted");
        assert_string_equal(runs[i]->error_code, "engine_died");
        assert_string_equal(runs[i]->error_text,
                            "the engine stopped (signal 11, SIGSEGV); it is being started again");
    }
    assert_true(runs[0]->n_pieces >= 4); /* all it wrote before its death */
    driver_wait_state(&driver, ENGINE_READY);
    assert_int_not_equal(engine_pid(driver.engine), pid);
    assert_string_equal(engine_fault_text(driver.engine), "");
    struct driver_run *again = driver_generate(&driver);
    driver_wait_pieces(&driver, again, 10);
    driver_stop(&driver);
    assert_int_equal(count_fds(), n_fds);
}

static uint64_t wait_restart_ms(struct driver *driver) {
    uint64_t began_ms = clock_now_ms();
    driver_wait_state(driver, ENGINE_STARTING);
    return clock_now_ms() - began_ms;
}

static void test_backoff_doubles_until_a_generation_completes(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{\"tokens\":[\"a\"]}", NO_HANG_MS);
    for (unsigned expected_ms = ENGINE_BACKOFF_FIRST_MS; expected_ms <= 4 * ENGINE_BACKOFF_FIRST_MS;
         expected_ms *= 2) {
        driver_wait_state(&driver, ENGINE_READY);
        kill(engine_pid(driver.engine), SIGTERM);
        driver_wait_state(&driver, ENGINE_WAITING);
        assert_true(wait_restart_ms(&driver) >= expected_ms - 1);
    }
    driver_wait_state(&driver, ENGINE_READY);
    driver_wait_end(&driver, driver_generate(&driver));
    kill(engine_pid(driver.engine), SIGTERM);
    driver_wait_state(&driver, ENGINE_WAITING);
    assert_true(wait_restart_ms(&driver) < 4 * ENGINE_BACKOFF_FIRST_MS);
    driver_stop(&driver);
}

static void test_retry_does_not_wait_for_the_backoff(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{\"tokens\":[\"a\"]}", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    kill(engine_pid(driver.engine), SIGABRT);
    driver_wait_state(&driver, ENGINE_WAITING);
    assert_non_null(strstr(engine_fault_text(driver.engine), "SIGABRT"));
    engine_retry(driver.engine);
    assert_int_equal(engine_state(driver.engine), ENGINE_STARTING);
    assert_string_equal(engine_fault_text(driver.engine), "");
    driver_wait_state(&driver, ENGINE_READY);
    driver_stop(&driver);
}

static void test_hang_is_killed(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{" TALK ",\"at\":[{\"token\":3,\"do\":\"hang\"}]}", HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    struct driver_run *run = driver_generate(&driver);
    driver_wait_end(&driver, run);
    assert_string_equal(run->reason, "interrupted");
    assert_string_equal(run->error_code, "engine_died");
    assert_non_null(strstr(run->error_text, "did not answer"));
    assert_int_equal(run->n_pieces, 2);
    driver_wait_state(&driver, ENGINE_READY);
    driver_stop(&driver);
}

static void test_stopped_process_without_work_is_killed(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{\"tokens\":[\"a\"]}", HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    pid_t pid = engine_pid(driver.engine);
    kill(pid, SIGSTOP);
    driver_wait_state(&driver, ENGINE_WAITING);
    assert_non_null(strstr(engine_fault_text(driver.engine), "did not answer"));
    assert_int_equal(kill(pid, 0), -1); /* reaped */
    driver_wait_state(&driver, ENGINE_READY);
    driver_stop(&driver);
}

static bool is_later(void *ctx) {
    return clock_now_ms() >= *(const uint64_t *)ctx;
}

static void test_idle_and_slow_engines_live_on(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{\"tokens\":[\"a\",\"b\"],\"count\":2,\"token_ms\":1500}", 500);
    driver_wait_state(&driver, ENGINE_READY);
    pid_t pid = engine_pid(driver.engine);
    uint64_t end_ms = clock_now_ms() + 1500; /* three limits of silence, but for its pongs */
    driver_wait(&driver, is_later, &end_ms);
    struct driver_run *run = driver_generate(&driver);
    driver_wait_end(&driver, run);
    assert_string_equal(run->text, "ab");
    assert_int_equal(engine_pid(driver.engine), pid);
    driver_stop(&driver);
}

static void check_broken(const char *fault, const char *text) {
    struct driver driver;
    char script[256];
    snprintf(script, sizeof script, "{" TALK ",\"at\":[{\"token\":3,\"do\":\"%s\"}]}", fault);
    driver_start(&driver, script, NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    struct driver_run *run = driver_generate(&driver);
    driver_wait_end(&driver, run);
    assert_string_equal(run->reason, "interrupted");
    assert_int_equal(run->n_pieces, 2);
    assert_non_null(strstr(run->error_text, text));
    driver_wait_state(&driver, ENGINE_READY);
    driver_stop(&driver);
}

static void test_garbage_and_long_lines_kill(void **state) {
    (void)state;
    check_broken("garbage", "not a JSON object");
    check_broken("longline", "more than 8 MiB");
}

static void test_failed_load_stays_failed_until_retried(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{\"load_error\":{\"code\":\"no_memory\",\"text\":\"take a smaller model\"}}",
                 NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_FAILED);
    assert_string_equal(engine_fault_code(driver.engine), "no_memory");
    assert_string_equal(engine_fault_text(driver.engine), "take a smaller model");
    assert_int_equal(engine_pid(driver.engine), 0);
    assert_int_equal(driver.n_starts, 0);
    engine_retry(driver.engine);
    assert_int_equal(driver.n_starts, 1);
    driver_wait_state(&driver, ENGINE_FAILED);
    assert_string_equal(engine_fault_code(driver.engine), "no_memory");
    driver_stop(&driver);
}

/* Starts a program that never gets READY and returns what engine_fault_text says. */
static const char *fail_with(struct driver *driver, const char *program) {
    driver_start_program(driver, program, "/models/some.gguf", HANG_MS);
    driver_wait_state(driver, ENGINE_FAILED);
    assert_int_equal(engine_pid(driver->engine), 0);
    return engine_fault_text(driver->engine);
}

static void check_failure(const char *lines, const char *text) {
    struct driver driver;
    const char *fault = fail_with(&driver, driver_write_program("failing", lines));
    assert_non_null(strstr(fault, "/models/some.gguf"));
    if (strstr(fault, text) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", text, fault);
    }
    assert_string_equal(engine_fault_code(driver.engine), "engine_died");
    driver_stop(&driver);
}

static void test_death_before_ready_is_a_failure_with_a_cause(void **state) {
    (void)state;
    check_failure("exit 3\n", "exit code 3");
    check_failure(HELLO "read -r load\nkill -SEGV $$\n", "signal 11, SIGSEGV");
    check_failure(HELLO "read -r load\nkill -KILL $$\n", "SIGKILL: the memory may have run out");
    check_failure(WAIT, "did not answer");
    check_failure(HELLO "kill -STOP $$\n", "did not answer");
    check_failure(HELLO WAIT, "did not answer");
    check_failure("echo '{\"ev\":\"ready\",\"model\":{},\"slots\":1}'\n" WAIT, "not a hello");
    check_failure("echo '{\"ev\":\"hello\",\"protocol\":2}'\n" WAIT, "another version");
    check_failure(HELLO HELLO WAIT, "hello twice");
    check_failure(HELLO "echo '{\"ev\":\"ready\",\"model\":7}'\n" WAIT, "\"model\" must be an object");
    check_failure(HELLO "exec 0</dev/null 1>/dev/null\nwhile :; do sleep 0.05; done\n", "closed its output");
}

static void test_program_that_cannot_run_is_a_failure_with_its_path(void **state) {
    (void)state;
    struct driver driver;
    const char *fault = fail_with(&driver, "/nowhere/runnel-engine-none");
    assert_non_null(strstr(fault, "/nowhere/runnel-engine-none"));
    assert_non_null(strstr(fault, "No such file"));
    driver_stop(&driver);
    /* It may be executed, says its mode, but is no program. */
    fault = fail_with(&driver, "/");
    assert_non_null(strstr(fault, "the program / cannot be run"));
    driver_stop(&driver);
}

static void test_stop_interrupts_and_ends_the_process(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{" TALK "}", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    pid_t pid = engine_pid(driver.engine);
    struct driver_run *run = driver_generate(&driver);
    driver_wait_pieces(&driver, run, 3);
    engine_stop(driver.engine);
    assert_int_equal(run->n_ends, 1);
    assert_string_equal(run->reason, "interrupted");
    assert_string_equal(run->error_code, "engine_stopped");
    assert_int_equal(driver_try_generate(&driver, "00", "x"), STATUS_BUSY);
    driver_wait_state(&driver, ENGINE_STOPPED);
    assert_int_equal(engine_pid(driver.engine), 0);
    assert_int_equal(kill(pid, 0), -1);
    engine_stop(driver.engine);
    engine_retry(driver.engine);
    assert_int_equal(engine_state(driver.engine), ENGINE_STOPPED);
    assert_int_equal(run->n_ends, 1);
    driver_stop(&driver);
}

static void test_stop_of_a_stopped_process_kills_it(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{" TALK "}", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    kill(engine_pid(driver.engine), SIGSTOP);
    engine_stop(driver.engine);
    driver_wait_state(&driver, ENGINE_STOPPED);
    driver_stop(&driver);
}

static void test_stop_works_in_every_state(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{}", NO_HANG_MS);
    engine_stop(driver.engine); /* not spawned yet */
    assert_int_equal(engine_state(driver.engine), ENGINE_STOPPED);
    assert_int_equal(driver.n_states, 1);
    driver_stop(&driver);

    driver_start(&driver, "{\"load_ms\":600000,\"load_steps\":1}", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_LOADING);
    engine_stop(driver.engine);
    driver_wait_state(&driver, ENGINE_STOPPED);
    driver_stop(&driver);

    driver_start_program(&driver, "/nowhere", "m", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_FAILED);
    engine_stop(driver.engine);
    assert_int_equal(engine_state(driver.engine), ENGINE_STOPPED);
    assert_string_equal(engine_fault_text(driver.engine), "");
    driver_stop(&driver);

    driver_start(&driver, "{}", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    kill(engine_pid(driver.engine), SIGKILL);
    driver_wait_state(&driver, ENGINE_WAITING);
    engine_stop(driver.engine);
    assert_int_equal(engine_state(driver.engine), ENGINE_STOPPED);
    driver_stop(&driver);
}

static void test_free_kills_without_a_word(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{" TALK "}", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    struct driver_run *run = driver_generate(&driver);
    driver_wait_pieces(&driver, run, 1);
    pid_t pid = engine_pid(driver.engine);
    engine_free(driver.engine);
    assert_int_equal(run->n_ends, 0);
    assert_int_equal(kill(pid, 0), -1);
    test_loop_free(driver.test_loop);
    engine_free(NULL);
}

/* The failure text of a program can say anything: here, what the program sees of its process. */
static void test_child_inherits_no_descriptor_and_no_signal(void **state) {
    (void)state;
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    signal(SIGPIPE, SIG_IGN);
    int fd = dup(STDOUT_FILENO); /* without close-on-exec */
    struct driver driver;
    const char *fault = fail_with(
        &driver, driver_write_program(
                     "telling",
                     HELLO "for fd in /proc/$$/fd/*; do [ -e $fd ] && fds=\"$fds ${fd##*/}\"; done\n"
                           "masks=$(grep -E 'Sig(Blk|Ign)' /proc/$$/status | tr -s '\\t\\n' ' ')\n"
                           "printf '{\"ev\":\"failed\",\"error\":{\"code\":\"x\",\"text\":\"%s%s %s\"}}\\n' "
                           "\"$1 $2\" \"$fds\" \"$masks\"\n"));
    /* 10 or 255 is the shell's own view of its script. */
    const char *masks = "SigBlk: 0000000000000000 SigIgn: 0000000000000000";
    bool is_clean =
        strstr(fault, "--log info 0 1 10 2 SigBlk") || strstr(fault, "--log info 0 1 2 255 SigBlk");
    if (!is_clean || strstr(fault, masks) == NULL) {
        fail_msg("the child sees: %s", fault);
    }
    driver_stop(&driver);
    close(fd);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static void stop_in_state(struct driver *driver) {
    if (engine_state(driver->engine) == ENGINE_READY) {
        engine_stop(driver->engine);
    }
}

static void retry_in_state(struct driver *driver) {
    if (engine_state(driver->engine) == ENGINE_WAITING) {
        engine_retry(driver->engine);
    }
}

static void free_in_state(struct driver *driver) {
    engine_free(driver->engine);
    driver->engine = NULL;
}

static bool is_freed(void *ctx) {
    return ((const struct driver *)ctx)->engine == NULL;
}

static void test_upcalls_may_stop_retry_and_free(void **state) {
    (void)state;
    struct driver driver;
    driver_start(&driver, "{}", NO_HANG_MS);
    driver.in_state = stop_in_state;
    driver_wait_state(&driver, ENGINE_STOPPED);
    driver_stop(&driver);

    driver_start(&driver, "{}", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    driver.in_state = retry_in_state;
    kill(engine_pid(driver.engine), SIGKILL);
    driver_wait_state(&driver, ENGINE_STARTING);
    driver_wait_state(&driver, ENGINE_READY);
    driver_stop(&driver);

    driver_start(&driver, "{}", NO_HANG_MS);
    driver.in_state = free_in_state;
    assert_true(test_loop_run(driver.test_loop, is_freed, &driver, DRIVER_WAIT_MS));
    test_loop_turn(driver.test_loop, 0);
    test_loop_turn(driver.test_loop, 0);
    driver_stop(&driver);
}

static void test_output_before_death_is_not_lost(void **state) {
    (void)state;
    struct driver driver;
    /* The end is written and the process is gone before anybody reads. */
    driver_start_program(
        &driver,
        driver_write_program(
            "brief", HELLO READY
            "read -r line\nid=${line#*'\"id\":\"'}\nid=${id%%'\"'*}\n"
            "printf 'bad \\033 log' >&2\n"
            "echo '{\"ev\":\"end\",\"id\":\"nobody\",\"reason\":\"stop\"}'\n"
            "echo '{\"ev\":\"later\"}'\n"
            "echo \"{\\\"ev\\\":\\\"end\\\",\\\"id\\\":\\\"$id\\\",\\\"reason\\\":\\\"stop\\\"}\"\n"),
        "m", NO_HANG_MS);
    driver_wait_state(&driver, ENGINE_READY);
    pid_t pid = engine_pid(driver.engine);
    struct driver_run *run = driver_generate(&driver);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(run->n_ends, 0);
    driver_wait_end(&driver, run);
    assert_string_equal(run->reason, "stop");
    driver_wait_state(&driver, ENGINE_WAITING);
    assert_int_equal(run->n_ends, 1);
    driver_stop(&driver);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_reports_progress_and_the_model),
        cmocka_unit_test(test_crash_interrupts_every_generation_and_starts_again),
        cmocka_unit_test(test_backoff_doubles_until_a_generation_completes),
        cmocka_unit_test(test_retry_does_not_wait_for_the_backoff),
        cmocka_unit_test(test_hang_is_killed),
        cmocka_unit_test(test_stopped_process_without_work_is_killed),
        cmocka_unit_test(test_idle_and_slow_engines_live_on),
        cmocka_unit_test(test_garbage_and_long_lines_kill),
        cmocka_unit_test(test_failed_load_stays_failed_until_retried),
        cmocka_unit_test(test_death_before_ready_is_a_failure_with_a_cause),
        cmocka_unit_test(test_program_that_cannot_run_is_a_failure_with_its_path),
        cmocka_unit_test(test_stop_interrupts_and_ends_the_process),
        cmocka_unit_test(test_stop_of_a_stopped_process_kills_it),
        cmocka_unit_test(test_stop_works_in_every_state),
        cmocka_unit_test(test_free_kills_without_a_word),
        cmocka_unit_test(test_child_inherits_no_descriptor_and_no_signal),
        cmocka_unit_test(test_upcalls_may_stop_retry_and_free),
        cmocka_unit_test(test_output_before_death_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
