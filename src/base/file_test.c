#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static char path[96];

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/runnel-file-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/small", folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder); /* nothing else is left in it */
}

static enum status read_it(char *out, size_t size_max) {
    struct bytes bytes;
    struct fault fault;
    bytes_init(&bytes, size_max);
    enum status status = file_read(path, &bytes, &fault);
    snprintf(out, 64, "%s", bytes.data ? bytes.data : "");
    bytes_deinit(&bytes);
    return status;
}

static void test_what_is_put_there_is_read_and_is_this_users_alone(void **state) {
    (void)state;
    char text[64];
    struct stat info;
    struct fault fault;
    assert_int_equal(read_it(text, 1024), STATUS_NOT_FOUND);
    for (int is_durable = 0; is_durable < 2; is_durable++) {
        assert_int_equal(file_replace(path, "first", 5, is_durable, &fault), STATUS_OK);
        assert_int_equal(file_replace(path, "second", 6, is_durable, &fault), STATUS_OK);
        assert_int_equal(read_it(text, 1024), STATUS_OK);
        assert_string_equal(text, "second");
    }
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void test_a_file_over_the_limit_is_refused(void **state) {
    (void)state;
    char text[64];
    struct fault fault;
    assert_int_equal(file_replace(path, "0123456789", 10, false, &fault), STATUS_OK);
    assert_int_equal(read_it(text, 9), STATUS_TOO_LARGE);
    assert_int_equal(read_it(text, 10), STATUS_OK);
}

static void test_what_cannot_be_written_leaves_what_was(void **state) {
    (void)state;
    struct fault fault;
    char text[64];
    char below[128];
    assert_int_equal(file_replace(path, "kept", 4, true, &fault), STATUS_OK);
    snprintf(below, sizeof below, "%s/no/such", path);
    assert_int_equal(file_replace(below, "x", 1, true, &fault), STATUS_IO);
    assert_non_null(strstr(fault.text, below));
    assert_int_equal(read_it(text, 1024), STATUS_OK);
    assert_string_equal(text, "kept");
}

static void test_a_stamp_changes_with_the_file(void **state) {
    (void)state;
    struct fault fault;
    struct file_stamp none = file_stamp_of(path);
    assert_int_equal(file_replace(path, "a", 1, false, &fault), STATUS_OK);
    struct file_stamp first = file_stamp_of(path);
    struct file_stamp again = file_stamp_of(path);
    assert_false(file_stamp_is_same(&none, &first));
    assert_true(file_stamp_is_same(&first, &again));
    assert_int_equal(file_replace(path, "b", 1, false, &fault), STATUS_OK);
    struct file_stamp second = file_stamp_of(path);
    assert_false(file_stamp_is_same(&first, &second));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_put_there_is_read_and_is_this_users_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_over_the_limit_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_written_leaves_what_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_stamp_changes_with_the_file, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
