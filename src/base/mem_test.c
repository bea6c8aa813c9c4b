/* Memory that cannot be had (F35). */
#include "base/mem.h"

#include "base/bytes.h"
#include "base/fault_point.h"
#include "base/json.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define N_WAYS 8

static void take(int way) {
    size_t capacity = 0;
    struct bytes bytes;
    switch (way) {
    case 0:
        free(mem_alloc(1));
        return;
    case 1:
        free(mem_resize(NULL, 1));
        return;
    case 2:
        free(mem_grow_array(NULL, 0, &capacity, 1, 10));
        return;
    case 3:
        free(mem_copy_string("text"));
        return;
    case 4:
        free(mem_copy_bytes("text", 4));
        return;
    case 5:
        free(mem_format("%d", 1));
        return;
    case 6:
        bytes_init(&bytes, 10);
        (void)bytes_add_text(&bytes, "text");
        bytes_deinit(&bytes);
        return;
    default:
        json_decref(json_string("text"));
        return;
    }
}

/* The signal that ended it; 0: it went on to its end. */
static int signal_of(int way, const char *point) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct fault fault;
        json_use_mem();
        if (fault_point_arm(point, &fault) == STATUS_OK) {
            take(way);
        }
        _exit(0);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    return WIFSIGNALED(how) ? WTERMSIG(how) : WEXITSTATUS(how);
}

static void test_whoever_gets_no_memory_aborts(void **state) {
    (void)state;
    for (int way = 0; way < N_WAYS; way++) {
        assert_int_equal(signal_of(way, "mem.alloc:1:eio"), SIGABRT);
        assert_int_equal(signal_of(way, "mem.alloc:9:eio"), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_whoever_gets_no_memory_aborts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
