#include "base/fault_point.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_a_point_fails_at_its_pass_alone(void **state) {
    (void)state;
    struct fault fault;
    assert_int_equal(fault_point_arm("store.before_commit:2:eio", &fault), STATUS_OK);
    assert_false(FAULT_POINT_FAILS("store.before_commit"));
    assert_false(FAULT_POINT_FAILS("sync.before"));
    assert_true(FAULT_POINT_FAILS("store.before_commit"));
    assert_false(FAULT_POINT_FAILS("store.before_commit"));
}

static void test_with_a_plus_it_fails_from_there_on(void **state) {
    (void)state;
    struct fault fault;
    assert_int_equal(fault_point_arm("migrate.inside:2+:eio", &fault), STATUS_OK);
    assert_false(FAULT_POINT_FAILS("migrate.inside"));
    assert_true(FAULT_POINT_FAILS("migrate.inside"));
    assert_true(FAULT_POINT_FAILS("migrate.inside"));
}

static int signal_of(const char *text, int options) {
    pid_t child = fork();
    if (child == 0) {
        struct fault fault;
        if (fault_point_arm(text, &fault) == STATUS_OK) {
            FAULT_POINT("end.before_frame");
        }
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, options), child);
    if (WIFSTOPPED(status)) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        return WSTOPSIG(status);
    }
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_a_point_kills_aborts_and_stops(void **state) {
    (void)state;
    assert_int_equal(signal_of("end.before_frame:1", 0), SIGKILL);
    assert_int_equal(signal_of("end.before_frame:1:abort", 0), SIGABRT);
    assert_int_equal(signal_of("end.before_frame:1:stop", WUNTRACED), SIGSTOP);
    assert_int_equal(signal_of("end.before_frame:2", 0), 0);
}

static void test_what_is_no_point_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = { "",
                                         "nowhere:1",
                                         "sync.before",
                                         "sync.before:",
                                         "sync.before:0",
                                         "sync.before:-1",
                                         "sync.before:1x",
                                         "sync.before:1:maybe",
                                         "sync.before:1:",
                                         "sync.after:1:eio" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct fault fault;
        assert_int_equal(fault_point_arm(wrong[i], &fault), STATUS_INVALID);
        assert_non_null(fault.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_point_fails_at_its_pass_alone),
        cmocka_unit_test(test_with_a_plus_it_fails_from_there_on),
        cmocka_unit_test(test_a_point_kills_aborts_and_stops),
        cmocka_unit_test(test_what_is_no_point_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
