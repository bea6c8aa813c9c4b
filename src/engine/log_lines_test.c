#include "engine/log_lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The log goes to standard error: here, into a file while `pieces` are added. */
static void log_of(const char *const *pieces, char *out, size_t n_bytes) {
    fflush(stderr);
    int before = dup(STDERR_FILENO);
    FILE *file = tmpfile();
    assert_non_null(file);
    dup2(fileno(file), STDERR_FILENO);
    struct log_lines lines = { .pid = 42 };
    for (; *pieces; pieces++) {
        log_lines_add(&lines, *pieces, strlen(*pieces));
    }
    log_lines_flush(&lines);
    dup2(before, STDERR_FILENO);
    close(before);
    rewind(file);
    size_t n = fread(out, 1, n_bytes - 1, file);
    out[n] = '\0';
    fclose(file);
}

static void test_lines_are_logged_one_by_one(void **state) {
    (void)state;
    char log[4096];
    log_of((const char *const[]){ "one\ntw", "o\n\n", "three", NULL }, log, sizeof log);
    assert_non_null(strstr(log, "info  engine[42] one\n"));
    assert_non_null(strstr(log, "info  engine[42] two\n"));
    assert_non_null(strstr(log, "info  engine[42] three\n"));
    size_t n_lines = 0;
    for (const char *at = strchr(log, '\n'); at; at = strchr(at + 1, '\n')) {
        n_lines++;
    }
    assert_int_equal(n_lines, 3);
}

static void test_lines_cannot_steer_a_terminal(void **state) {
    (void)state;
    char log[4096];
    log_of((const char *const[]){ "a\x1b[31mb\tc\rd\x7f\xff\xc2\x9b"
                                  "e wörld \xe2\x82\n",
                                  NULL },
           log, sizeof log);
    assert_non_null(strstr(log, "engine[42] a?[31mb c?d?"
                                "?"
                                "?"
                                "?e wörld \n"));
}

static void test_long_lines_are_cut_at_a_whole_character(void **state) {
    (void)state;
    char log[4096];
    char text[3 * LOG_LINES_BYTES_MAX];
    memset(text, 'x', sizeof text);
    memcpy(text + LOG_LINES_BYTES_MAX - 1, "ö", strlen("ö"));
    memcpy(text + sizeof text - 8, "\nnext\n", 7);
    log_of((const char *const[]){ text, NULL }, log, sizeof log);
    const char *line = strstr(log, "xxx");
    assert_int_equal(strspn(line, "x"), LOG_LINES_BYTES_MAX - 1);
    assert_int_equal(line[LOG_LINES_BYTES_MAX - 1], '\n');
    assert_non_null(strstr(log, "engine[42] next\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_logged_one_by_one),
        cmocka_unit_test(test_lines_cannot_steer_a_terminal),
        cmocka_unit_test(test_long_lines_are_cut_at_a_whole_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
