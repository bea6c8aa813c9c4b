/* A disk that refuses to write or to read. */
#include "store/store_test_disk.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TEXT_BYTES 60000

/* ---- Writes that fail ---- */

static void test_a_commit_that_fails_is_tried_again_until_it_lands(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    atomic_store(&disk.n_writes_to_fail, 4);
    assert_int_equal(driver_append(driver, sent.generation_key, 2, "a"), STATUS_OK);
    assert_int_equal(atomic_load(&disk.n_writes_to_fail), 0);
    assert_int_equal(driver_append(driver, sent.generation_key, 3, "b"), STATUS_OK);
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    assert_string_equal(found->messages[1].content, "ab");
    store_conversation_free(found);
}

/* [P2] A failed commit must not become a hole. */
static void test_a_commit_that_keeps_failing_is_an_io_error_and_leaves_no_hole(void **state) {
    struct driver *driver = *state;
    driver->retry_ms = 60;
    driver_reopen(driver);
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    assert_int_equal(driver_append(driver, sent.generation_key, 2, "a"), STATUS_OK);
    atomic_store(&disk.n_writes_to_fail, DISK_FOREVER);
    assert_int_equal(driver_append(driver, sent.generation_key, 3, "b"), STATUS_IO);
    atomic_store(&disk.n_writes_to_fail, 0);
    assert_int_equal(driver_append(driver, sent.generation_key, 4, "c"), STATUS_CONFLICT);
    assert_int_equal(driver_append(driver, sent.generation_key, 3, "b"), STATUS_OK);
    assert_int_equal(driver_end(driver, sent.generation_key, 4), STATUS_OK);
    driver_reopen(driver);
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    assert_string_equal(found->messages[1].content, "ab");
    store_conversation_free(found);
}

static void test_a_send_that_cannot_be_stored_leaves_nothing(void **state) {
    struct driver *driver = *state;
    driver->retry_ms = 60;
    driver_reopen(driver);
    atomic_store(&disk.n_writes_to_fail, DISK_FOREVER);
    struct store_sent sent = driver_send(driver, (struct store_send){ .client_msg_id = "one" });
    assert_int_equal(sent.status, STATUS_IO);
    assert_int_equal(sent.generation_key, 0);
    atomic_store(&disk.n_writes_to_fail, 0);
    assert_int_equal(driver_list(driver, (struct store_list){ 0 }).n_rows, 0);
    sent = driver_send(driver, (struct store_send){ .client_msg_id = "one" });
    assert_int_equal(sent.status, STATUS_OK);
    assert_false(sent.duplicate);
}

static void test_reading_goes_on_while_nothing_can_be_written(void **state) {
    struct driver *driver = *state;
    driver->retry_ms = DISK_FOREVER;
    driver_reopen(driver);
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    atomic_store(&disk.n_writes_to_fail, DISK_FOREVER);
    struct driver_answer first = { 0 }, second = { 0 };
    assert_int_equal(store_put_setting(driver->store, "a", "1", driver_on_done, &first), STATUS_OK);
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    assert_int_equal(found->n_messages, 2);
    store_conversation_free(found);
    assert_int_equal(store_put_setting(driver->store, "a", "2", driver_on_done, &second), STATUS_OK);
    assert_int_equal(driver_list(driver, (struct store_list){ 0 }).n_rows, 1);
    assert_false(first.is_done);
    assert_false(second.is_done);
    atomic_store(&disk.n_writes_to_fail, 0);
    driver_wait(driver, &second.is_done);
    assert_true(first.is_done);
    assert_int_equal(first.status, STATUS_OK);
    assert_int_equal(second.status, STATUS_OK);
    driver_reopen(driver);
    char *value = store_setting(driver->store, "a");
    assert_string_equal(value, "2");
    free(value);
}

/* In their order: one that is too large keeps those back that came after it, not those that came before. */
static void test_on_a_full_disk_what_fits_is_written(void **state) {
    struct driver *driver = *state;
    driver->retry_ms = DISK_FOREVER;
    driver_reopen(driver);
    struct driver_answer small = { 0 }, large = { 0 };
    char *text = malloc(TEXT_BYTES + 1);
    assert_non_null(text);
    memset(text, '1', TEXT_BYTES);
    text[TEXT_BYTES] = '\0';
    atomic_store(&disk.file_bytes_max, 1);
    assert_int_equal(store_put_setting(driver->store, "a", "1", driver_on_done, &small), STATUS_OK);
    assert_int_equal(store_put_setting(driver->store, "b", text, driver_on_done, &large), STATUS_OK);
    assert_int_equal(driver_list(driver, (struct store_list){ 0 }).n_rows, 0);
    assert_false(small.is_done);
    atomic_store(&disk.file_bytes_max, TEXT_BYTES);
    driver_wait(driver, &small.is_done);
    assert_int_equal(small.status, STATUS_OK);
    assert_false(large.is_done);
    atomic_store(&disk.file_bytes_max, 0);
    driver_wait(driver, &large.is_done);
    assert_int_equal(large.status, STATUS_OK);
    free(text);
}

/* What waits keeps its order: a token that came later is not the next one without those before it. */
static void test_what_waited_is_written_in_its_order(void **state) {
    struct driver *driver = *state;
    driver->retry_ms = DISK_FOREVER;
    driver_reopen(driver);
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    struct driver_answer answers[20] = { 0 };
    atomic_store(&disk.n_writes_to_fail, 6);
    for (uint64_t i = 0; i < 20; i++) {
        struct store_token token = {
            .generation_key = sent.generation_key, .seq = i + 2, .token = 7, .text_size = 1
        };
        struct store_tokens batch = { .tokens = &token, .n_tokens = 1, .text = "x", .text_size = 1 };
        assert_int_equal(store_append_tokens(driver->store, &batch, driver_on_done, &answers[i]), STATUS_OK);
        if (i % 5 == 0) {
            assert_int_equal(driver_list(driver, (struct store_list){ 0 }).n_rows, 1);
        }
    }
    driver_wait(driver, &answers[19].is_done);
    for (size_t i = 0; i < 20; i++) {
        assert_true(answers[i].is_done);
        assert_int_equal(answers[i].status, STATUS_OK);
    }
    assert_int_equal(driver_end(driver, sent.generation_key, 22), STATUS_OK);
}

/* ---- A place that cannot be read ---- */

/* A conversation that lies over many pages, of which one is the bad one. */
static void add_wide_conversation(struct driver *driver, char name[ID_CONVERSATION_BYTES]) {
    char *text = malloc(TEXT_BYTES + 1);
    assert_non_null(text);
    memset(text, '~', TEXT_BYTES);
    text[TEXT_BYTES] = '\0';
    driver_add_conversation(driver, "wide", "a question", text, name);
    free(text);
    driver_close(driver);
    char page[DISK_PAGE_BYTES];
    int fd = open(driver->path, O_RDONLY | O_CLOEXEC);
    off_t at = 0;
    while (pread(fd, page, sizeof page, at) == DISK_PAGE_BYTES &&
           (page[4] != '~' || page[DISK_PAGE_BYTES - 1] != '~')) {
        at += DISK_PAGE_BYTES;
    }
    assert_int_equal(page[4], '~');
    close(fd);
    atomic_store(&disk.bad_offset, at);
    driver_reopen(driver); /* with nothing of it in memory */
}

static void test_a_job_that_meets_a_place_that_cannot_be_read_keeps_the_others_a_second(void **state) {
    struct driver *driver = *state;
    char name[ID_CONVERSATION_BYTES];
    driver->retry_ms = DISK_FOREVER;
    add_wide_conversation(driver, name);
    atomic_store(&disk.n_reads_to_fail, DISK_FOREVER);
    struct driver_answer deleted = { 0 }, put = { 0 };
    assert_int_equal(store_delete_conversation(driver->store, name, driver_on_done, &deleted), STATUS_OK);
    assert_int_equal(store_put_setting(driver->store, "a", "1", driver_on_done, &put), STATUS_OK);
    driver_wait(driver, &put.is_done);
    assert_int_equal(put.status, STATUS_OK);
    assert_true(deleted.is_done);
    assert_int_equal(deleted.status, STATUS_IO);
    atomic_store(&disk.read_error, EIO); /* SQLite takes that for damage: nothing to wait for */
    assert_int_equal(driver_delete(driver, name), STATUS_CORRUPT);
    atomic_store(&disk.n_reads_to_fail, 0);
    assert_int_equal(driver_delete(driver, name), STATUS_OK);
}

static void test_a_place_that_can_be_read_again_costs_nothing(void **state) {
    struct driver *driver = *state;
    char name[ID_CONVERSATION_BYTES];
    add_wide_conversation(driver, name);
    atomic_store(&disk.n_reads_to_fail, 4);
    assert_int_equal(driver_delete(driver, name), STATUS_OK);
    assert_int_equal(atomic_load(&disk.n_reads_to_fail), 0);
}

/* Writes go into memory when the disk is away; the syncs say that it is. */
static void test_a_disk_that_is_away_is_waited_for(void **state) {
    struct driver *driver = *state;
    char name[ID_CONVERSATION_BYTES];
    driver->retry_ms = DISK_FOREVER;
    add_wide_conversation(driver, name);
    atomic_store(&disk.n_syncs_to_fail, DISK_FOREVER);
    driver_begin_detached(driver);
    disk_wait_for_trouble(driver, STORE_FAILING);
    atomic_store(&disk.n_reads_to_fail, DISK_FOREVER);
    struct driver_answer deleted = { 0 };
    uint64_t until_ms = clock_now_ms() + 2000;
    assert_int_equal(store_delete_conversation(driver->store, name, driver_on_done, &deleted), STATUS_OK);
    while (clock_now_ms() < until_ms) {
        struct pollfd wake = { .fd = driver->wake_fd, .events = POLLIN };
        poll(&wake, 1, 100);
        store_drain(driver->store);
        assert_false(deleted.is_done);
    }
    atomic_store(&disk.n_syncs_to_fail, 0);
    atomic_store(&disk.n_reads_to_fail, 0);
    driver_wait(driver, &deleted.is_done);
    assert_int_equal(deleted.status, STATUS_OK);
}

/* ---- What is wrong is told, and heals by itself ---- */

static void check_told(struct driver *driver, int error, enum store_trouble trouble) {
    struct driver_answer answer = { 0 };
    atomic_store(&disk.write_error, error);
    atomic_store(&disk.n_writes_to_fail, DISK_FOREVER);
    assert_int_equal(store_put_setting(driver->store, "a", "1", driver_on_done, &answer), STATUS_OK);
    disk_wait_for_trouble(driver, trouble);
    driver_wait(driver, &answer.is_done);
    assert_int_equal(answer.status, STATUS_IO);
    assert_int_equal(store_trouble(driver->store), trouble);
    /* Nothing waits to be written any more: the store finds out by itself that it can write again. */
    atomic_store(&disk.n_writes_to_fail, 0);
    disk_wait_for_trouble(driver, STORE_FINE);
    assert_int_equal(driver_put_setting(driver, "a", "2"), STATUS_OK);
}

static void test_what_is_wrong_with_the_disk_is_told_and_heals(void **state) {
    struct driver *driver = *state;
    driver->retry_ms = 60;
    driver_reopen(driver);
    assert_int_equal(store_trouble(driver->store), STORE_FINE);
    check_told(driver, ENOSPC, STORE_FULL);
    check_told(driver, EFBIG, STORE_FULL);
    check_told(driver, EROFS, STORE_READ_ONLY);
    check_told(driver, EIO, STORE_FAILING);
}

static void test_closing_does_not_wait_for_a_disk_that_refuses(void **state) {
    struct driver *driver = *state;
    driver->retry_ms = DISK_FOREVER;
    driver_reopen(driver);
    struct driver_answer answer = { 0 };
    atomic_store(&disk.n_writes_to_fail, DISK_FOREVER);
    assert_int_equal(store_put_setting(driver->store, "a", "1", driver_on_done, &answer), STATUS_OK);
    driver_close(driver);
    assert_true(answer.is_done);
    assert_int_equal(answer.status, STATUS_IO);
    atomic_store(&disk.n_writes_to_fail, 0);
    driver_reopen(driver);
    assert_null(store_setting(driver->store, "a"));
}

/* ---- Full ---- */

static void on_counted(void *ctx, enum status status) {
    *(size_t *)ctx += status == STATUS_OK;
}

static void test_the_store_takes_no_more_than_its_maximum(void **state) {
    struct driver *driver = *state;
    size_t n_done = 0;
    struct driver_answer last = { 0 };
    disk_shut_gate(true);
    for (size_t i = 0; i < STORE_JOBS_MAX - 1; i++) {
        assert_int_equal(store_put_setting(driver->store, "a", "1", on_counted, &n_done), STATUS_OK);
    }
    assert_int_equal(store_put_setting(driver->store, "a", "2", driver_on_done, &last), STATUS_OK);
    assert_int_equal(store_put_setting(driver->store, "a", "3", on_counted, &n_done), STATUS_FULL);
    assert_int_equal(store_pending(driver->store), STORE_JOBS_MAX);
    disk_shut_gate(false);
    driver_wait(driver, &last.is_done);
    assert_int_equal(n_done, STORE_JOBS_MAX - 1);
    assert_int_equal(store_pending(driver->store), 0);
    driver_reopen(driver);
    char *value = store_setting(driver->store, "a");
    assert_string_equal(value, "2");
    free(value);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, disk_setup, disk_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_commit_that_fails_is_tried_again_until_it_lands),
        TEST(test_a_commit_that_keeps_failing_is_an_io_error_and_leaves_no_hole),
        TEST(test_a_send_that_cannot_be_stored_leaves_nothing),
        TEST(test_reading_goes_on_while_nothing_can_be_written),
        TEST(test_on_a_full_disk_what_fits_is_written),
        TEST(test_what_waited_is_written_in_its_order),
        TEST(test_a_job_that_meets_a_place_that_cannot_be_read_keeps_the_others_a_second),
        TEST(test_a_place_that_can_be_read_again_costs_nothing),
        TEST(test_a_disk_that_is_away_is_waited_for),
        TEST(test_what_is_wrong_with_the_disk_is_told_and_heals),
        TEST(test_closing_does_not_wait_for_a_disk_that_refuses),
        TEST(test_the_store_takes_no_more_than_its_maximum),
    };
    return cmocka_run_group_tests(tests, disk_install, NULL);
}
