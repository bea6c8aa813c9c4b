/* [P4], D2: the wait for the disk, and a disk that fails in it. */
#include "store/store_test_disk.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_SHARING 5

static void test_a_send_is_answered_after_its_sync_and_tokens_do_not_wait_for_it(void **state) {
    struct driver *driver = *state;
    struct store_sent running = driver_send(driver, (struct store_send){ 0 });
    struct store_send send = { .text = "another" };
    struct driver_ids ids;
    struct driver_sent answer = { 0 };
    disk_shut_gate(true);
    int n_before = disk_count_syncs();
    driver_fill_send(&send, &ids);
    assert_int_equal(store_send(driver->store, &send, driver_on_sent, &answer), STATUS_OK);
    disk_wait_for_sync(n_before + 1);
    for (uint64_t seq = 2; seq < 100; seq++) {
        assert_int_equal(driver_append(driver, running.generation_key, seq, "x"), STATUS_OK);
    }
    assert_false(answer.is_done);
    assert_int_equal(store_pending(driver->store), 1);
    disk_shut_gate(false);
    driver_wait(driver, &answer.is_done);
    assert_int_equal(answer.sent.status, STATUS_OK);
}

static void test_jobs_that_wait_for_the_disk_share_one_sync(void **state) {
    struct driver *driver = *state;
    struct driver_answer first = { 0 }, others[N_SHARING] = { 0 };
    disk_shut_gate(true);
    int n_before = disk_count_syncs();
    assert_int_equal(store_put_setting(driver->store, "a", "0", driver_on_done, &first), STATUS_OK);
    disk_wait_for_sync(n_before + 1);
    for (size_t i = 0; i < N_SHARING; i++) {
        assert_int_equal(store_put_setting(driver->store, "a", "1", driver_on_done, &others[i]), STATUS_OK);
    }
    /* Reading comes after them and waits for no disk: when it is answered, they are all with the sync thread. */
    assert_int_equal(driver_list(driver, (struct store_list){ 0 }).status, STATUS_OK);
    disk_shut_gate(false);
    for (size_t i = 0; i < N_SHARING; i++) {
        driver_wait(driver, &others[i].is_done);
        assert_int_equal(others[i].status, STATUS_OK);
    }
    assert_true(first.is_done);
    assert_int_equal(disk_count_syncs(), n_before + 2);
}

static void test_tokens_alone_are_synced_too(void **state) {
    struct driver *driver = *state;
    int n_before = disk_count_syncs();
    int64_t key = driver_begin_detached(driver);
    disk_wait_for_sync(n_before + 1); /* the one that this makes due: from here, nothing is owed */
    n_before = disk_count_syncs();
    assert_int_equal(driver_append(driver, key, 2, "a"), STATUS_OK);
    disk_wait_for_sync(n_before + 1);
}

static void test_the_end_of_a_detached_generation_waits_for_no_disk(void **state) {
    struct driver *driver = *state;
    int64_t key = driver_begin_detached(driver);
    disk_shut_gate(true);
    assert_int_equal(driver_append(driver, key, 2, "a"), STATUS_OK);
    assert_int_equal(driver_end(driver, key, 3), STATUS_OK);
}

static void test_a_sync_that_fails_is_tried_again(void **state) {
    struct driver *driver = *state;
    atomic_store(&disk.n_syncs_to_fail, 2);
    assert_int_equal(driver_put_setting(driver, "a", "1"), STATUS_OK);
    assert_int_equal(atomic_load(&disk.n_syncs_to_fail), 0);
}

static void test_a_sync_that_keeps_failing_is_an_io_error_that_names_what_is_committed(void **state) {
    struct driver *driver = *state;
    driver->retry_ms = 60;
    driver_reopen(driver);
    atomic_store(&disk.n_syncs_to_fail, DISK_FOREVER);
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    assert_int_equal(sent.status, STATUS_IO);
    assert_true(sent.generation_key != 0);
    atomic_store(&disk.n_syncs_to_fail, 0);
    assert_int_equal(driver_end(driver, sent.generation_key, 2), STATUS_OK);
}

/* [P5] The answer must not be thought ended for good while the database holds one that goes on with it. */
static void test_an_end_that_is_not_safe_names_what_goes_on_with_it(void **state) {
    struct driver *driver = *state;
    driver->retry_ms = 60;
    driver_reopen(driver);
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    char id[ID_HEX_BYTES];
    id_make_hex(id);
    struct store_end end = {
        .generation_key = sent.generation_key, .seq = 2, .reason = "interrupted", .continuation_id = id
    };
    atomic_store(&disk.n_writes_to_fail, DISK_FOREVER);
    struct driver_ended ended = driver_end_as(driver, end);
    assert_int_equal(ended.status, STATUS_IO);
    assert_int_equal(ended.continuation_key, 0); /* nothing of it is there */
    atomic_store(&disk.n_writes_to_fail, 0);
    atomic_store(&disk.n_syncs_to_fail, DISK_FOREVER);
    ended = driver_end_as(driver, end);
    assert_int_equal(ended.status, STATUS_IO);
    assert_true(ended.continuation_key != 0);
    atomic_store(&disk.n_syncs_to_fail, 0);
    struct driver_ended again = driver_end_as(driver, end);
    assert_int_equal(again.status, STATUS_OK);
    assert_int_equal(again.continuation_key, ended.continuation_key);
}

static void test_a_sync_that_fails_is_trouble_until_one_does_not(void **state) {
    struct driver *driver = *state;
    atomic_store(&disk.n_syncs_to_fail, DISK_FOREVER);
    struct driver_answer answer = { 0 };
    assert_int_equal(store_put_setting(driver->store, "a", "1", driver_on_done, &answer), STATUS_OK);
    disk_wait_for_trouble(driver, STORE_FAILING);
    atomic_store(&disk.n_syncs_to_fail, 0);
    disk_wait_for_trouble(driver, STORE_FINE);
    driver_wait(driver, &answer.is_done);
    assert_int_equal(answer.status, STATUS_OK);
}

/* No job waits for this one, and after the first failure the pause moves the whole log into the database. */
static void test_a_sync_that_fails_in_a_pause_heals_in_the_pause(void **state) {
    struct driver *driver = *state;
    atomic_store(&disk.n_syncs_to_fail, 2);
    driver_begin_detached(driver);
    disk_wait_for_trouble(driver, STORE_FAILING);
    disk_wait_for_trouble(driver, STORE_FINE);
    assert_int_equal(atomic_load(&disk.n_syncs_to_fail), 0);
}

static void on_backed_up(void *ctx, const struct store_backed_up *backup) {
    struct driver_answer *answer = ctx;
    unlink(backup->path);
    driver_on_done(answer, backup->status);
}

/* A copy of gigabytes takes its time. */
static void test_what_must_be_safe_does_not_wait_for_a_copy(void **state) {
    struct driver *driver = *state;
    struct driver_answer copied = { 0 };
    disk_hold_copies(true);
    assert_int_equal(store_backup(driver->store, on_backed_up, &copied), STATUS_OK);
    disk_wait_for_copy();
    assert_int_equal(driver_put_setting(driver, "a", "1"), STATUS_OK);
    assert_false(copied.is_done);
    disk_hold_copies(false);
    driver_wait(driver, &copied.is_done);
    assert_int_equal(copied.status, STATUS_OK);
    char folder[64];
    snprintf(folder, sizeof folder, "%s/backups", driver->directory);
    assert_int_equal(rmdir(folder), 0);
}

/* ---- A disk that does not answer ---- */

static void test_closing_waits_no_longer_than_it_is_told(void **state) {
    struct driver *driver = *state;
    struct driver_answer answer = { 0 };
    disk_shut_gate(true);
    int n_before = disk_count_syncs();
    assert_int_equal(store_put_setting(driver->store, "a", "1", driver_on_done, &answer), STATUS_OK);
    disk_wait_for_sync(n_before + 1);
    assert_false(store_close(driver->store, 50));
    assert_false(store_close(driver->store, 0));
    assert_false(answer.is_done);
    disk_shut_gate(false);
    driver_close(driver);
    assert_true(answer.is_done);
    assert_int_equal(answer.status, STATUS_OK);
}

/* ---- A disk that loses what it could not write ---- */

/* How a process ends that does this. */
static int live_apart(struct driver *driver, void (*live)(struct driver *driver)) {
    driver_close(driver);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct fault fault;
        if (driver_open(driver, &fault) == STATUS_OK) {
            live(driver);
        }
        _exit(0);
    }
    int how = 0;
    while (waitpid(child, &how, 0) < 0 && errno == EINTR) {
    }
    driver_reopen(driver);
    return how;
}

static void commit_what_gets_lost(struct driver *driver) {
    if (driver_put_setting(driver, "a", "1") == STATUS_OK) {
        atomic_store(&disk.loses, true);
        atomic_store(&disk.n_syncs_to_fail, 1);
        (void)driver_put_setting(driver, "a", "2");
    }
}

/* To say that it is safe would be a lie, and to go on reading it as well. */
static void test_what_was_lost_by_a_sync_that_failed_is_a_crash(void **state) {
    struct driver *driver = *state;
    int how = live_apart(driver, commit_what_gets_lost);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
    char *value = store_setting(driver->store, "a");
    assert_string_equal(value, "1");
    free(value);
}

static void commit_what_is_not_synced(struct driver *driver) {
    atomic_store(&disk.n_syncs_to_fail, DISK_FOREVER);
    if (driver_begin_detached(driver) == 0) {
        _exit(1);
    }
}

/* The first sync of the next life would succeed, as to this descriptor nothing has happened. */
static void test_the_log_of_an_older_life_is_written_again_at_the_start(void **state) {
    struct driver *driver = *state;
    atomic_store(&disk.n_bytes_rewritten, 0);
    int how = live_apart(driver, commit_what_is_not_synced);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    assert_true(atomic_load(&disk.n_bytes_rewritten) > DISK_PAGE_BYTES);
}

/* What the log holds must be on the disk before the database gets any of it. */
static void test_a_log_that_cannot_be_synced_stays_when_the_store_closes(void **state) {
    struct driver *driver = *state;
    char log_path[80];
    snprintf(log_path, sizeof log_path, "%s-wal", driver->path);
    static const int n_failing[] = { 1, DISK_FOREVER };
    for (int i = 0; i < 2; i++) {
        struct stat info;
        atomic_store(&disk.n_syncs_to_fail, DISK_FOREVER);
        driver_begin_detached(driver);
        atomic_store(&disk.n_store_syncs_to_fail, n_failing[i]);
        driver_close(driver);
        atomic_store(&disk.n_store_syncs_to_fail, 0);
        assert_int_equal(stat(log_path, &info), 0);
        assert_true(info.st_size > DISK_PAGE_BYTES);
        atomic_store(&disk.n_syncs_to_fail, 0);
        driver_reopen(driver);
        driver_reopen(driver);
    }
    /* The disk has what the sync thread has synced, and fails only then. */
    assert_int_equal(driver_put_setting(driver, "a", "1"), STATUS_OK);
    atomic_store(&disk.n_store_syncs_to_fail, 1);
    driver_close(driver);
    atomic_store(&disk.n_store_syncs_to_fail, 0);
    assert_int_equal(access(log_path, F_OK), 0);
    driver_reopen(driver);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, disk_setup, disk_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_send_is_answered_after_its_sync_and_tokens_do_not_wait_for_it),
        TEST(test_jobs_that_wait_for_the_disk_share_one_sync),
        TEST(test_tokens_alone_are_synced_too),
        TEST(test_the_end_of_a_detached_generation_waits_for_no_disk),
        TEST(test_a_sync_that_fails_is_tried_again),
        TEST(test_a_sync_that_keeps_failing_is_an_io_error_that_names_what_is_committed),
        TEST(test_an_end_that_is_not_safe_names_what_goes_on_with_it),
        TEST(test_a_sync_that_fails_is_trouble_until_one_does_not),
        TEST(test_a_sync_that_fails_in_a_pause_heals_in_the_pause),
        TEST(test_what_must_be_safe_does_not_wait_for_a_copy),
        TEST(test_closing_waits_no_longer_than_it_is_told),
        TEST(test_what_was_lost_by_a_sync_that_failed_is_a_crash),
        TEST(test_the_log_of_an_older_life_is_written_again_at_the_start),
        TEST(test_a_log_that_cannot_be_synced_stays_when_the_store_closes),
    };
    return cmocka_run_group_tests(tests, disk_install, NULL);
}
