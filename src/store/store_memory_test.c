/* SQLite's memory (F35): of small pieces there is one or the program ends; of large ones there may be none. */
#include "store/store.h"

#include "base/fault_point.h"

#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SMALL_BYTES 4096
#define LARGE_BYTES (2 << 20)

static int signal_of(void (*take)(void)) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct fault fault;
        store_use_mem();
        sqlite3_initialize();
        if (fault_point_arm("mem.alloc:1+:eio", &fault) == STATUS_OK) {
            take();
        }
        _exit(0);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    return WIFSIGNALED(how) ? WTERMSIG(how) : WEXITSTATUS(how);
}

static void take_small(void) {
    sqlite3_free(sqlite3_malloc(SMALL_BYTES));
}

static void grow_small(void) {
    sqlite3_free(sqlite3_realloc(NULL, SMALL_BYTES));
}

static void take_large(void) {
    sqlite3_free(sqlite3_malloc(LARGE_BYTES));
}

static void test_a_small_piece_that_is_not_there_ends_the_program(void **state) {
    (void)state;
    assert_int_equal(signal_of(take_small), SIGABRT);
    assert_int_equal(signal_of(grow_small), SIGABRT);
    assert_int_equal(signal_of(take_large), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(
        test_a_small_piece_that_is_not_there_ends_the_program) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
