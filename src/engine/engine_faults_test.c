/* F9, F10: every way to go wrong, in the load, in the prefill and between two tokens. Each generation ends exactly once, the engine is
 * started again, and no process and no descriptor stays behind. */
#include "engine/engine_test_driver.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NO_HANG_MS 20000
#define HANG_MS    400
#define N_RUNS     3

struct misfortune {
    const char *what;  /* for the script */
    const char *cause; /* what the fault must say */
    uint32_t hang_ms;
};

static const struct misfortune misfortunes[] = {
    { "\"do\":\"crash\"", "signal 11, SIGSEGV", NO_HANG_MS },
    { "\"do\":\"crash\",\"signal\":7", "signal 7, SIGBUS", NO_HANG_MS },
    { "\"do\":\"crash\",\"signal\":9", "the memory may have run out", NO_HANG_MS },
    { "\"do\":\"abort\"", "the engine stopped", NO_HANG_MS }, /* a sanitizer turns it into an exit */
    { "\"do\":\"exit\",\"code\":0", "exit code 0", NO_HANG_MS },
    { "\"do\":\"exit\",\"code\":3", "exit code 3", NO_HANG_MS },
    { "\"do\":\"garbage\"", "not a JSON object", NO_HANG_MS },
    { "\"do\":\"longline\"", "more than 8 MiB", NO_HANG_MS },
    { "\"do\":\"hang\"", "did not answer", HANG_MS },
    { "\"do\":\"crash\",\"signal\":19", "did not answer", HANG_MS }, /* SIGSTOP */
};

static size_t count_fds(void) {
    size_t n = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder)) {
        n++;
    }
    closedir(folder);
    return n;
}

static void check_nothing_stays(size_t n_fds) {
    assert_int_equal(count_fds(), n_fds);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child, dead or alive */
    assert_int_equal(errno, ECHILD);
}

static void check_cause(const char *text, const struct misfortune *misfortune) {
    if (strstr(text, misfortune->cause) == NULL) {
        fail_msg("%s: \"%s\" does not say \"%s\"", misfortune->what, text, misfortune->cause);
    }
}

/* `point` is where it happens, the first time only. */
static void start(struct driver *driver, const struct misfortune *misfortune, const char *point) {
    char script[512];
    snprintf(script, sizeof script,
             "{\"tokens\":[\"a\",\"b\",\"c\"],\"token_ms\":1,\"prefill_chunk\":1,"
             "\"at\":[{%s,%s,\"once\":\"%s\"}]}",
             point, misfortune->what, driver_path("went-wrong"));
    driver_start(driver, script, misfortune->hang_ms);
}

static void check_runs(struct driver *driver, const struct misfortune *misfortune, bool has_tokens) {
    for (size_t i = 0; i < N_RUNS; i++) {
        const struct driver_run *run = &driver->runs[i];
        if (run->n_ends != 1) {
            fail_msg("%s: %d ends", misfortune->what, run->n_ends);
        }
        assert_string_equal(run->reason, "interrupted");
        assert_string_equal(run->error_code, "engine_died");
        check_cause(run->error_text, misfortune);
        assert_true(has_tokens || run->n_pieces == 0);
    }
}

static void check_while_answering(const struct misfortune *misfortune, const char *point, bool has_tokens) {
    size_t n_fds = count_fds();
    struct driver driver;
    start(&driver, misfortune, point);
    driver_wait_state(&driver, ENGINE_READY);
    pid_t pid = engine_pid(driver.engine);
    for (size_t i = 0; i < N_RUNS; i++) {
        driver_generate(&driver);
    }
    driver_wait_state(&driver, ENGINE_WAITING);
    check_runs(&driver, misfortune, has_tokens);
    assert_true(!has_tokens || driver.runs[0].n_pieces == 1);
    assert_int_equal(engine_running(driver.engine), 0);
    uint64_t began_ms = clock_now_ms();
    driver_wait_state(&driver, ENGINE_STARTING);
    assert_true(clock_now_ms() - began_ms >= ENGINE_BACKOFF_FIRST_MS - 1);
    driver_wait_state(&driver, ENGINE_READY);
    assert_int_not_equal(engine_pid(driver.engine), pid);
    struct driver_run *again = driver_generate(&driver);
    driver_wait_end(&driver, again);
    assert_string_equal(again->text, "abc");
    assert_string_equal(again->reason, "stop");
    check_runs(&driver, misfortune, has_tokens); /* still one end each */
    driver_stop(&driver);
    check_nothing_stays(n_fds);
}

static void test_between_two_tokens(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof misfortunes / sizeof misfortunes[0]; i++) {
        check_while_answering(&misfortunes[i], "\"token\":2", true);
    }
}

static void test_in_the_prefill(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof misfortunes / sizeof misfortunes[0]; i++) {
        check_while_answering(&misfortunes[i], "\"prefill\":2", false);
    }
}

/* What kills one load would kill the next: it stays FAILED, names the file, and is started again by a person's wish. */
static void check_load(const struct misfortune *misfortune, const char *point) {
    size_t n_fds = count_fds();
    struct driver driver;
    start(&driver, misfortune, point);
    driver_wait_state(&driver, ENGINE_FAILED);
    check_cause(engine_fault_text(driver.engine), misfortune);
    assert_non_null(strstr(engine_fault_text(driver.engine), "fake:{")); /* the model */
    assert_string_equal(engine_fault_code(driver.engine), "engine_died");
    assert_int_equal(driver.n_starts, 0);
    engine_retry(driver.engine);
    driver_wait_state(&driver, ENGINE_READY);
    struct driver_run *run = driver_generate(&driver);
    driver_wait_end(&driver, run);
    assert_string_equal(run->text, "abc");
    driver_stop(&driver);
    check_nothing_stays(n_fds);
}

static void test_in_the_load(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof misfortunes / sizeof misfortunes[0]; i++) {
        check_load(&misfortunes[i], i % 2 ? "\"load\":2" : "\"token\":0");
    }
}

/* One that dies in the same place again and again is started with longer and longer pauses, and leaves nothing behind. */
static void test_one_that_always_dies_is_started_ever_more_seldom(void **state) {
    (void)state;
    size_t n_fds = count_fds();
    struct driver driver;
    driver_start(&driver, "{\"tokens\":[\"a\"],\"at\":[{\"prefill\":1,\"do\":\"crash\"}]}", NO_HANG_MS);
    for (unsigned pause_ms = ENGINE_BACKOFF_FIRST_MS; pause_ms <= 4 * ENGINE_BACKOFF_FIRST_MS;
         pause_ms *= 2) {
        driver_wait_state(&driver, ENGINE_READY);
        struct driver_run *run = driver_generate(&driver);
        driver_wait_state(&driver, ENGINE_WAITING);
        assert_int_equal(run->n_ends, 1);
        uint64_t began_ms = clock_now_ms();
        driver_wait_state(&driver, ENGINE_STARTING);
        assert_true(clock_now_ms() - began_ms >= pause_ms - 1);
    }
    driver_stop(&driver);
    check_nothing_stays(n_fds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_between_two_tokens),
        cmocka_unit_test(test_in_the_prefill),
        cmocka_unit_test(test_in_the_load),
        cmocka_unit_test(test_one_that_always_dies_is_started_ever_more_seldom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
