/* The log that SQLite wrote is the one that is written again. */
#include "store/store_wal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE_BYTES  4096
#define FRAME_BYTES (24 + PAGE_BYTES)
#define N_ROWS      30

struct log {
    char folder[32];
    char path[64];
    sqlite3 *sqlite;
    int fd;
    uint32_t n_frames;
    char *bytes;
    size_t size;
};

static int on_commit(void *ctx, sqlite3 *sqlite, const char *name, int n_frames) {
    (void)sqlite;
    (void)name;
    ((struct log *)ctx)->n_frames = (uint32_t)n_frames;
    return SQLITE_OK;
}

static void run(struct log *log, const char *sql) {
    assert_int_equal(sqlite3_exec(log->sqlite, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void add_rows(struct log *log) {
    for (int i = 0; i < N_ROWS; i++) {
        run(log, "INSERT INTO t VALUES (randomblob(3000))");
    }
}

static void remember(struct log *log) {
    struct stat info;
    assert_int_equal(fstat(log->fd, &info), 0);
    log->size = (size_t)info.st_size;
    log->bytes = realloc(log->bytes, log->size);
    assert_int_equal(pread(log->fd, log->bytes, log->size, 0), (ssize_t)log->size);
}

static int setup(void **state) {
    struct log *log = calloc(1, sizeof *log);
    *state = log;
    strcpy(log->folder, "store_wal_XXXXXX");
    assert_non_null(mkdtemp(log->folder));
    snprintf(log->path, sizeof log->path, "%s/db", log->folder);
    assert_int_equal(sqlite3_open(log->path, &log->sqlite), SQLITE_OK);
    run(log, "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x)");
    sqlite3_wal_hook(log->sqlite, on_commit, log);
    add_rows(log);
    char path[80];
    snprintf(path, sizeof path, "%s-wal", log->path);
    log->fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(log->fd >= 0);
    remember(log);
    return 0;
}

static int teardown(void **state) {
    struct log *log = *state;
    close(log->fd);
    sqlite3_close(log->sqlite);
    unlink(log->path);
    rmdir(log->folder);
    free(log->bytes);
    free(log);
    return 0;
}

static void check_unchanged(const struct log *log) {
    char *now = malloc(log->size + 1);
    assert_int_equal(pread(log->fd, now, log->size + 1, 0), (ssize_t)log->size);
    assert_memory_equal(now, log->bytes, log->size);
    free(now);
}

static void spoil(const struct log *log, uint32_t frame) {
    char byte = (char)~log->bytes[32 + frame * FRAME_BYTES + 1000];
    assert_int_equal(pwrite(log->fd, &byte, 1, 32 + (off_t)frame * FRAME_BYTES + 1000), 1);
}

static void test_a_good_log_is_written_whole_and_stays_what_it_is(void **state) {
    struct log *log = *state;
    uint32_t n = 0;
    assert_true(log->n_frames > N_ROWS);
    assert_int_equal(store_wal_rewrite(log->fd, log->n_frames, &n), STATUS_OK);
    assert_int_equal(n, log->n_frames);
    check_unchanged(log);
    assert_int_equal(store_wal_rewrite(log->fd, 0, &n), STATUS_OK);
    assert_int_equal(n, log->n_frames);
    check_unchanged(log);
}

static void test_a_frame_that_is_not_what_was_written_is_not_written_again(void **state) {
    struct log *log = *state;
    uint32_t n = 0;
    spoil(log, 20);
    assert_int_equal(store_wal_rewrite(log->fd, log->n_frames, &n), STATUS_CORRUPT);
    assert_int_equal(n, 20);
    assert_int_equal(store_wal_rewrite(log->fd, 20, &n), STATUS_OK);
    assert_int_equal(store_wal_rewrite(log->fd, 0, &n), STATUS_OK);
    assert_int_equal(n, 20);
}

static void test_a_log_that_is_shorter_or_empty_lacks_what_was_committed(void **state) {
    struct log *log = *state;
    uint32_t n = 0;
    assert_int_equal(ftruncate(log->fd, 32 + 5 * FRAME_BYTES + 100), 0);
    assert_int_equal(store_wal_rewrite(log->fd, log->n_frames, &n), STATUS_CORRUPT);
    assert_int_equal(n, 5);
    assert_int_equal(ftruncate(log->fd, 0), 0);
    assert_int_equal(store_wal_rewrite(log->fd, 1, &n), STATUS_CORRUPT);
    assert_int_equal(store_wal_rewrite(log->fd, 0, &n), STATUS_OK);
    assert_int_equal(n, 0);
    assert_int_equal(pwrite(log->fd, "this is not the head of a log at all", 36, 0), 36);
    assert_int_equal(store_wal_rewrite(log->fd, 0, &n), STATUS_OK);
    assert_int_equal(n, 0);
}

/* What lies behind the last frame then is of an older log. */
static void test_a_log_that_began_anew_ends_where_it_is_written(void **state) {
    struct log *log = *state;
    uint32_t n = 0, n_before = log->n_frames;
    run(log, "PRAGMA wal_checkpoint(PASSIVE)");
    run(log, "INSERT INTO t VALUES (1)");
    assert_true(log->n_frames < n_before);
    remember(log);
    assert_int_equal(log->size, 32 + n_before * FRAME_BYTES);
    assert_int_equal(store_wal_rewrite(log->fd, 0, &n), STATUS_OK);
    assert_int_equal(n, log->n_frames);
    assert_int_equal(store_wal_rewrite(log->fd, n_before, &n), STATUS_CORRUPT);
    check_unchanged(log);
}

static void test_what_cannot_be_read_or_written_may_be_tried_again(void **state) {
    struct log *log = *state;
    uint32_t n = 0;
    char path[80];
    snprintf(path, sizeof path, "%s-wal", log->path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(store_wal_rewrite(fd, log->n_frames, &n), STATUS_IO);
    close(fd);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(store_wal_rewrite(fd, log->n_frames, &n), STATUS_IO);
    close(fd);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_good_log_is_written_whole_and_stays_what_it_is),
        TEST(test_a_frame_that_is_not_what_was_written_is_not_written_again),
        TEST(test_a_log_that_is_shorter_or_empty_lacks_what_was_committed),
        TEST(test_a_log_that_began_anew_ends_where_it_is_written),
        TEST(test_what_cannot_be_read_or_written_may_be_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
