/* Names are taken without writing over anything, also where the file system can do little; and a database takes its place. */
#include "store/store_name.h"
#include "store/store_place.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define UTC "2026-11-22-21-05-10-123"

static bool is_simple;    /* renameat2 knows no flags */
static bool is_elsewhere; /* rename says EXDEV */

/* These take the place of the C library's. */
int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    if (is_simple && flags) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}

int rename(const char *from, const char *to) {
    if (is_elsewhere) {
        errno = EXDEV;
        return -1;
    }
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

static int setup(void **state) {
    static char folder[32];
    strcpy(folder, "store_name_XXXXXX");
    *state = folder;
    is_simple = is_elsewhere = false;
    return mkdtemp(folder) ? 0 : -1;
}

static void remove_one(void *ctx, const char *path) {
    (void)ctx;
    unlink(path);
}

static int teardown(void **state) {
    store_name_each(*state, "*", remove_one, NULL);
    return rmdir(*state);
}

static const char *in(const char *folder, const char *name) {
    static char paths[4][100];
    static int i;
    char *path = paths[i++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void put(const char *folder, const char *name, const char *text) {
    int fd = open(in(folder, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* `text` NULL: there is no such file. */
static void check(const char *folder, const char *name, const char *text) {
    char found[100] = "";
    int fd = open(in(folder, name), O_RDONLY | O_CLOEXEC);
    assert_true((fd >= 0) == (text != NULL));
    if (text) {
        assert_true(read(fd, found, sizeof found - 1) >= 0);
        assert_string_equal(found, text);
        close(fd);
    }
}

static void test_a_name_is_taken_once(void **state) {
    const char *folder = *state;
    for (int i = 0; i < 2; i++) {
        is_simple = i == 1;
        put(folder, "a", "first");
        put(folder, "b", "second");
        assert_int_equal(store_name_take(in(folder, "a"), in(folder, "c")), 0);
        check(folder, "a", NULL);
        assert_int_equal(store_name_take(in(folder, "b"), in(folder, "c")), -1);
        assert_int_equal(errno, EEXIST);
        check(folder, "b", "second");
        check(folder, "c", "first");
        unlink(in(folder, "c"));
    }
}

static void test_a_name_that_could_not_be_taken_is_free(void **state) {
    const char *folder = *state;
    is_simple = is_elsewhere = true;
    put(folder, "a", "first");
    assert_int_equal(store_name_take(in(folder, "a"), in(folder, "c")), -1);
    assert_int_equal(errno, EXDEV);
    check(folder, "a", "first");
    check(folder, "c", NULL);
    assert_int_equal(store_name_take(in(folder, "nothing"), in(folder, "c")), -1);
    check(folder, "c", NULL);
}

static void finish(const char *folder, bool is_expected) {
    char *damaged = NULL;
    struct fault fault;
    enum status status = store_place_finish(folder, &damaged, &fault);
    assert_int_equal(status, STATUS_OK);
    assert_true((damaged != NULL) == is_expected);
    if (is_expected) {
        assert_string_equal(damaged, in(folder, "runnel.db.damaged-" UTC));
        check(folder, "runnel.db", "new");
        check(folder, "runnel.db-wal", NULL);
        check(folder, "runnel.db.damaged-" UTC, "old");
        check(folder, "runnel.db.damaged-" UTC "-wal", "log");
        check(folder, "runnel.db.salvaged-" UTC, NULL);
    }
    free(damaged);
}

static void test_a_salvaged_database_takes_its_place_from_wherever_it_was_cut_off(void **state) {
    const char *folder = *state;
    for (int step = 0; step < 4; step++) {
        is_simple = step % 2;
        put(folder, step > 1 ? "runnel.db.damaged-" UTC "-wal" : "runnel.db-wal", "log");
        put(folder, step > 2 ? "runnel.db.damaged-" UTC : "runnel.db", "old");
        put(folder, "runnel.db.salvaged-" UTC, "new");
        assert_true(store_place_is_waiting(in(folder, "runnel.db")));
        assert_false(store_place_is_waiting(in(folder, "runnel.db.damaged-" UTC)));
        finish(folder, true);
        finish(folder, false);
        assert_false(store_place_is_waiting(in(folder, "runnel.db")));
        store_name_each(folder, "*", remove_one, NULL);
    }
}

/* Where a name is taken in two steps, a crash leaves the empty file that holds it. */
static void test_an_empty_file_holds_up_no_database(void **state) {
    const char *folder = *state;
    is_simple = true;
    put(folder, "runnel.db-wal", "log");
    put(folder, "runnel.db", "old");
    put(folder, "runnel.db.salvaged-" UTC, "");
    finish(folder, false);
    check(folder, "runnel.db", "old");
    check(folder, "runnel.db-wal", "log");
    put(folder, "runnel.db.salvaged-" UTC, "new");
    put(folder, "runnel.db.damaged-" UTC "-wal", "");
    put(folder, "runnel.db.damaged-" UTC, "");
    finish(folder, true);
    put(folder, "runnel.db.salvaged-" UTC, "new");
    put(folder, "runnel.db", "");
    finish(folder, true);
}

/* Of the one that is kept nothing is written over. */
static void test_a_name_that_somebody_has_stops_it(void **state) {
    const char *folder = *state;
    char *damaged = NULL;
    struct fault fault;
    put(folder, "runnel.db", "old");
    put(folder, "runnel.db.salvaged-" UTC, "new");
    put(folder, "runnel.db.damaged-" UTC, "older");
    assert_int_equal(store_place_finish(folder, &damaged, &fault), STATUS_IO);
    assert_null(damaged);
    check(folder, "runnel.db", "old");
    check(folder, "runnel.db.damaged-" UTC, "older");
    check(folder, "runnel.db.salvaged-" UTC, "new");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_name_is_taken_once),
        TEST(test_a_name_that_could_not_be_taken_is_free),
        TEST(test_a_salvaged_database_takes_its_place_from_wherever_it_was_cut_off),
        TEST(test_an_empty_file_holds_up_no_database),
        TEST(test_a_name_that_somebody_has_stops_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
