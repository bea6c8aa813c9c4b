/* A disk that refuses, and a disk that is slow. */
#include "store/store_test_driver.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FOREVER    1000000000
#define N_SHARING  5
#define TEXT_BYTES 60000
#define PAGE_BYTES 4096

/* ---- The system calls under test ---- */

static atomic_int n_writes_to_fail;
static atomic_int n_syncs_to_fail;
static atomic_int n_reads_to_fail; /* of what lies at bad_offset */
static atomic_llong bad_offset;
static atomic_int write_error;      /* what the failing ones say */
static atomic_llong file_bytes_max; /* 0: no limit */
static atomic_int read_error;
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static bool gate_is_shut; /* the sync thread waits before its fdatasync */
static int n_syncs_begun; /* by the sync thread */

static bool take(atomic_int *n) {
    int left = atomic_load(n);
    while (left > 0 && !atomic_compare_exchange_weak(n, &left, left - 1)) {
    }
    return left > 0;
}

static ssize_t failing_pwrite(int fd, const void *bytes, size_t n, off_t offset) {
    long long max = atomic_load(&file_bytes_max);
    if (take(&n_writes_to_fail) || (max && offset + (off_t)n > max)) {
        errno = atomic_load(&write_error);
        return -1;
    }
    return pwrite(fd, bytes, n, offset);
}

static ssize_t failing_write(int fd, const void *bytes, size_t n) {
    if (take(&n_writes_to_fail)) {
        errno = atomic_load(&write_error);
        return -1;
    }
    return write(fd, bytes, n);
}

static ssize_t failing_pread(int fd, void *bytes, size_t n, off_t offset) {
    if (offset == atomic_load(&bad_offset) && take(&n_reads_to_fail)) {
        errno = atomic_load(&read_error);
        return -1;
    }
    return pread(fd, bytes, n, offset);
}

/* SQLite calls the system through a table that tests may change. */
static int catch_calls(void **state) {
    (void)state;
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    const char *read = vfs->xGetSystemCall(vfs, "pread64") ? "pread64" : "pread";
    if (vfs->xSetSystemCall(vfs, read, (sqlite3_syscall_ptr)failing_pread) != SQLITE_OK) {
        return -1;
    }
    sqlite3_syscall_ptr positioned = (sqlite3_syscall_ptr)failing_pwrite;
    int result = vfs->xSetSystemCall(vfs, "write", (sqlite3_syscall_ptr)failing_write);
    if (vfs->xGetSystemCall(vfs, "pwrite64")) {
        result |= vfs->xSetSystemCall(vfs, "pwrite64", positioned);
    }
    if (vfs->xGetSystemCall(vfs, "pwrite")) {
        result |= vfs->xSetSystemCall(vfs, "pwrite", positioned);
    }
    return result;
}

/* Takes the place of the C library's. SQLite's own calls go straight through. */
int fdatasync(int fd) {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    if (strcmp(name, "store-sync") == 0) {
        pthread_mutex_lock(&gate_lock);
        n_syncs_begun++;
        pthread_cond_broadcast(&gate_moved);
        while (gate_is_shut) {
            pthread_cond_wait(&gate_moved, &gate_lock);
        }
        pthread_mutex_unlock(&gate_lock);
        if (take(&n_syncs_to_fail)) {
            errno = EIO;
            return -1;
        }
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static void set_gate(bool is_shut) {
    pthread_mutex_lock(&gate_lock);
    gate_is_shut = is_shut;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate_lock);
}

static int count_syncs(void) {
    pthread_mutex_lock(&gate_lock);
    int n = n_syncs_begun;
    pthread_mutex_unlock(&gate_lock);
    return n;
}

static void wait_for_sync(int n) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 50;
    pthread_mutex_lock(&gate_lock);
    int result = 0;
    while (n_syncs_begun < n && result == 0) {
        result = pthread_cond_timedwait(&gate_moved, &gate_lock, &until);
    }
    pthread_mutex_unlock(&gate_lock);
    assert_int_equal(result, 0);
}

static int setup(void **state) {
    atomic_store(&write_error, ENOSPC);
    atomic_store(&n_writes_to_fail, 0);
    atomic_store(&n_syncs_to_fail, 0);
    atomic_store(&n_reads_to_fail, 0);
    atomic_store(&file_bytes_max, 0);
    atomic_store(&read_error, EUCLEAN); /* as file systems say of what fails their checksum */
    return driver_setup(state);
}

static int teardown(void **state) {
    atomic_store(&n_writes_to_fail, 0);
    atomic_store(&n_syncs_to_fail, 0);
    atomic_store(&n_reads_to_fail, 0);
    atomic_store(&file_bytes_max, 0);
    set_gate(false);
    return driver_teardown(state);
}

/* ---- Writes that fail ---- */

static void test_a_commit_that_fails_is_tried_again_until_it_lands(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    atomic_store(&n_writes_to_fail, 4);
    assert_int_equal(driver_append(driver, sent.generation_key, 2, "a"), STATUS_OK);
    assert_int_equal(atomic_load(&n_writes_to_fail), 0);
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
    atomic_store(&n_writes_to_fail, FOREVER);
    assert_int_equal(driver_append(driver, sent.generation_key, 3, "b"), STATUS_IO);
    atomic_store(&n_writes_to_fail, 0);
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
    atomic_store(&n_writes_to_fail, FOREVER);
    struct store_sent sent = driver_send(driver, (struct store_send){ .client_msg_id = "one" });
    assert_int_equal(sent.status, STATUS_IO);
    assert_int_equal(sent.generation_key, 0);
    atomic_store(&n_writes_to_fail, 0);
    assert_int_equal(driver_list(driver, (struct store_list){ 0 }).n_rows, 0);
    sent = driver_send(driver, (struct store_send){ .client_msg_id = "one" });
    assert_int_equal(sent.status, STATUS_OK);
    assert_false(sent.duplicate);
}

static void test_reading_goes_on_while_nothing_can_be_written(void **state) {
    struct driver *driver = *state;
    driver->retry_ms = FOREVER;
    driver_reopen(driver);
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    atomic_store(&n_writes_to_fail, FOREVER);
    struct driver_answer first = { 0 }, second = { 0 };
    assert_int_equal(store_put_setting(driver->store, "a", "1", driver_on_done, &first), STATUS_OK);
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    assert_int_equal(found->n_messages, 2);
    store_conversation_free(found);
    assert_int_equal(store_put_setting(driver->store, "a", "2", driver_on_done, &second), STATUS_OK);
    assert_int_equal(driver_list(driver, (struct store_list){ 0 }).n_rows, 1);
    assert_false(first.is_done);
    assert_false(second.is_done);
    atomic_store(&n_writes_to_fail, 0);
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
    driver->retry_ms = FOREVER;
    driver_reopen(driver);
    struct driver_answer small = { 0 }, large = { 0 };
    char *text = malloc(TEXT_BYTES + 1);
    assert_non_null(text);
    memset(text, '1', TEXT_BYTES);
    text[TEXT_BYTES] = '\0';
    atomic_store(&file_bytes_max, 1);
    assert_int_equal(store_put_setting(driver->store, "a", "1", driver_on_done, &small), STATUS_OK);
    assert_int_equal(store_put_setting(driver->store, "b", text, driver_on_done, &large), STATUS_OK);
    assert_int_equal(driver_list(driver, (struct store_list){ 0 }).n_rows, 0);
    assert_false(small.is_done);
    atomic_store(&file_bytes_max, TEXT_BYTES);
    driver_wait(driver, &small.is_done);
    assert_int_equal(small.status, STATUS_OK);
    assert_false(large.is_done);
    atomic_store(&file_bytes_max, 0);
    driver_wait(driver, &large.is_done);
    assert_int_equal(large.status, STATUS_OK);
    free(text);
}

/* What waits keeps its order: a token that came later is not the next one without those before it. */
static void test_what_waited_is_written_in_its_order(void **state) {
    struct driver *driver = *state;
    driver->retry_ms = FOREVER;
    driver_reopen(driver);
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    struct driver_answer answers[20] = { 0 };
    atomic_store(&n_writes_to_fail, 6);
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
    char page[PAGE_BYTES];
    int fd = open(driver->path, O_RDONLY | O_CLOEXEC);
    off_t at = 0;
    while (pread(fd, page, sizeof page, at) == PAGE_BYTES &&
           (page[4] != '~' || page[PAGE_BYTES - 1] != '~')) {
        at += PAGE_BYTES;
    }
    assert_int_equal(page[4], '~');
    close(fd);
    atomic_store(&bad_offset, at);
    driver_reopen(driver); /* with nothing of it in memory */
}

static void test_a_job_that_meets_a_place_that_cannot_be_read_keeps_the_others_a_second(void **state) {
    struct driver *driver = *state;
    char name[ID_CONVERSATION_BYTES];
    driver->retry_ms = FOREVER;
    add_wide_conversation(driver, name);
    atomic_store(&n_reads_to_fail, FOREVER);
    struct driver_answer deleted = { 0 }, put = { 0 };
    assert_int_equal(store_delete_conversation(driver->store, name, driver_on_done, &deleted), STATUS_OK);
    assert_int_equal(store_put_setting(driver->store, "a", "1", driver_on_done, &put), STATUS_OK);
    driver_wait(driver, &put.is_done);
    assert_int_equal(put.status, STATUS_OK);
    assert_true(deleted.is_done);
    assert_int_equal(deleted.status, STATUS_IO);
    atomic_store(&read_error, EIO); /* SQLite takes that for damage: nothing to wait for */
    assert_int_equal(driver_delete(driver, name), STATUS_CORRUPT);
    atomic_store(&n_reads_to_fail, 0);
    assert_int_equal(driver_delete(driver, name), STATUS_OK);
}

static void test_a_place_that_can_be_read_again_costs_nothing(void **state) {
    struct driver *driver = *state;
    char name[ID_CONVERSATION_BYTES];
    add_wide_conversation(driver, name);
    atomic_store(&n_reads_to_fail, 4);
    assert_int_equal(driver_delete(driver, name), STATUS_OK);
    assert_int_equal(atomic_load(&n_reads_to_fail), 0);
}

/* Writes go into memory when the disk is away; the syncs say that it is. */
static void test_a_disk_that_is_away_is_waited_for(void **state) {
    struct driver *driver = *state;
    char name[ID_CONVERSATION_BYTES];
    driver->retry_ms = FOREVER;
    add_wide_conversation(driver, name);
    atomic_store(&n_syncs_to_fail, FOREVER);
    driver_begin_detached(driver);
    while (store_trouble(driver->store) != STORE_FAILING) {
        struct pollfd wake = { .fd = driver->wake_fd, .events = POLLIN };
        assert_int_equal(poll(&wake, 1, 50000), 1);
        eventfd_t value;
        eventfd_read(driver->wake_fd, &value);
        store_drain(driver->store);
    }
    atomic_store(&n_reads_to_fail, FOREVER);
    struct driver_answer deleted = { 0 };
    uint64_t until_ms = clock_now_ms() + 2000;
    assert_int_equal(store_delete_conversation(driver->store, name, driver_on_done, &deleted), STATUS_OK);
    while (clock_now_ms() < until_ms) {
        struct pollfd wake = { .fd = driver->wake_fd, .events = POLLIN };
        poll(&wake, 1, 100);
        store_drain(driver->store);
        assert_false(deleted.is_done);
    }
    atomic_store(&n_syncs_to_fail, 0);
    atomic_store(&n_reads_to_fail, 0);
    driver_wait(driver, &deleted.is_done);
    assert_int_equal(deleted.status, STATUS_OK);
}

/* ---- What is wrong is told, and heals by itself ---- */

static void wait_for_trouble(struct driver *driver, enum store_trouble trouble) {
    uint64_t give_up_ms = clock_now_ms() + 50000;
    while (store_trouble(driver->store) != trouble) {
        struct pollfd wake = { .fd = driver->wake_fd, .events = POLLIN };
        assert_true(clock_now_ms() < give_up_ms && poll(&wake, 1, 50000) == 1);
        eventfd_t value;
        eventfd_read(driver->wake_fd, &value);
        store_drain(driver->store);
    }
}

static void check_told(struct driver *driver, int error, enum store_trouble trouble) {
    struct driver_answer answer = { 0 };
    atomic_store(&write_error, error);
    atomic_store(&n_writes_to_fail, FOREVER);
    assert_int_equal(store_put_setting(driver->store, "a", "1", driver_on_done, &answer), STATUS_OK);
    wait_for_trouble(driver, trouble);
    driver_wait(driver, &answer.is_done);
    assert_int_equal(answer.status, STATUS_IO);
    assert_int_equal(store_trouble(driver->store), trouble);
    /* Nothing waits to be written any more: the store finds out by itself that it can write again. */
    atomic_store(&n_writes_to_fail, 0);
    wait_for_trouble(driver, STORE_FINE);
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

static void test_a_sync_that_fails_is_trouble_until_one_does_not(void **state) {
    struct driver *driver = *state;
    atomic_store(&n_syncs_to_fail, FOREVER);
    struct driver_answer answer = { 0 };
    assert_int_equal(store_put_setting(driver->store, "a", "1", driver_on_done, &answer), STATUS_OK);
    wait_for_trouble(driver, STORE_FAILING);
    atomic_store(&n_syncs_to_fail, 0);
    wait_for_trouble(driver, STORE_FINE);
    driver_wait(driver, &answer.is_done);
    assert_int_equal(answer.status, STATUS_OK);
}

/* No job waits for this one, and after the first failure the pause moves the whole log into the database. */
static void test_a_sync_that_fails_in_a_pause_heals_in_the_pause(void **state) {
    struct driver *driver = *state;
    atomic_store(&n_syncs_to_fail, 2);
    driver_begin_detached(driver);
    wait_for_trouble(driver, STORE_FAILING);
    wait_for_trouble(driver, STORE_FINE);
    assert_int_equal(atomic_load(&n_syncs_to_fail), 0);
}

static void test_closing_does_not_wait_for_a_disk_that_refuses(void **state) {
    struct driver *driver = *state;
    driver->retry_ms = FOREVER;
    driver_reopen(driver);
    struct driver_answer answer = { 0 };
    atomic_store(&n_writes_to_fail, FOREVER);
    assert_int_equal(store_put_setting(driver->store, "a", "1", driver_on_done, &answer), STATUS_OK);
    driver_close(driver);
    assert_true(answer.is_done);
    assert_int_equal(answer.status, STATUS_IO);
    atomic_store(&n_writes_to_fail, 0);
    driver_reopen(driver);
    assert_null(store_setting(driver->store, "a"));
}

/* ---- Syncs: [P4], D2 ---- */

static void test_a_send_is_answered_after_its_sync_and_tokens_do_not_wait_for_it(void **state) {
    struct driver *driver = *state;
    struct store_sent running = driver_send(driver, (struct store_send){ 0 });
    struct store_send send = { .text = "another" };
    struct driver_ids ids;
    struct driver_sent answer = { 0 };
    set_gate(true);
    int n_before = count_syncs();
    driver_fill_send(&send, &ids);
    assert_int_equal(store_send(driver->store, &send, driver_on_sent, &answer), STATUS_OK);
    wait_for_sync(n_before + 1);
    for (uint64_t seq = 2; seq < 100; seq++) {
        assert_int_equal(driver_append(driver, running.generation_key, seq, "x"), STATUS_OK);
    }
    assert_false(answer.is_done);
    assert_int_equal(store_pending(driver->store), 1);
    set_gate(false);
    driver_wait(driver, &answer.is_done);
    assert_int_equal(answer.sent.status, STATUS_OK);
}

static void test_jobs_that_wait_for_the_disk_share_one_sync(void **state) {
    struct driver *driver = *state;
    struct driver_answer first = { 0 }, others[N_SHARING] = { 0 };
    set_gate(true);
    int n_before = count_syncs();
    assert_int_equal(store_put_setting(driver->store, "a", "0", driver_on_done, &first), STATUS_OK);
    wait_for_sync(n_before + 1);
    for (size_t i = 0; i < N_SHARING; i++) {
        assert_int_equal(store_put_setting(driver->store, "a", "1", driver_on_done, &others[i]), STATUS_OK);
    }
    /* Reading comes after them and waits for no disk: when it is answered, they are all with the sync thread. */
    assert_int_equal(driver_list(driver, (struct store_list){ 0 }).status, STATUS_OK);
    set_gate(false);
    for (size_t i = 0; i < N_SHARING; i++) {
        driver_wait(driver, &others[i].is_done);
        assert_int_equal(others[i].status, STATUS_OK);
    }
    assert_true(first.is_done);
    assert_int_equal(count_syncs(), n_before + 2);
}

static void test_tokens_alone_are_synced_too(void **state) {
    struct driver *driver = *state;
    int n_before = count_syncs();
    int64_t key = driver_begin_detached(driver);
    wait_for_sync(n_before + 1); /* the one that this makes due: from here, nothing is owed */
    n_before = count_syncs();
    assert_int_equal(driver_append(driver, key, 2, "a"), STATUS_OK);
    wait_for_sync(n_before + 1);
}

static void test_the_end_of_a_detached_generation_waits_for_no_disk(void **state) {
    struct driver *driver = *state;
    int64_t key = driver_begin_detached(driver);
    set_gate(true);
    assert_int_equal(driver_append(driver, key, 2, "a"), STATUS_OK);
    assert_int_equal(driver_end(driver, key, 3), STATUS_OK);
}

static void test_a_sync_that_fails_is_tried_again(void **state) {
    struct driver *driver = *state;
    atomic_store(&n_syncs_to_fail, 2);
    assert_int_equal(driver_put_setting(driver, "a", "1"), STATUS_OK);
    assert_int_equal(atomic_load(&n_syncs_to_fail), 0);
}

static void test_a_sync_that_keeps_failing_is_an_io_error_that_names_what_is_committed(void **state) {
    struct driver *driver = *state;
    driver->retry_ms = 60;
    driver_reopen(driver);
    atomic_store(&n_syncs_to_fail, FOREVER);
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    assert_int_equal(sent.status, STATUS_IO);
    assert_true(sent.generation_key != 0);
    atomic_store(&n_syncs_to_fail, 0);
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
    atomic_store(&n_writes_to_fail, FOREVER);
    struct driver_ended ended = driver_end_as(driver, end);
    assert_int_equal(ended.status, STATUS_IO);
    assert_int_equal(ended.continuation_key, 0); /* nothing of it is there */
    atomic_store(&n_writes_to_fail, 0);
    atomic_store(&n_syncs_to_fail, FOREVER);
    ended = driver_end_as(driver, end);
    assert_int_equal(ended.status, STATUS_IO);
    assert_true(ended.continuation_key != 0);
    atomic_store(&n_syncs_to_fail, 0);
    struct driver_ended again = driver_end_as(driver, end);
    assert_int_equal(again.status, STATUS_OK);
    assert_int_equal(again.continuation_key, ended.continuation_key);
}

/* ---- Full ---- */

static void on_counted(void *ctx, enum status status) {
    *(size_t *)ctx += status == STATUS_OK;
}

static void test_the_store_takes_no_more_than_its_maximum(void **state) {
    struct driver *driver = *state;
    size_t n_done = 0;
    struct driver_answer last = { 0 };
    set_gate(true);
    for (size_t i = 0; i < STORE_JOBS_MAX - 1; i++) {
        assert_int_equal(store_put_setting(driver->store, "a", "1", on_counted, &n_done), STATUS_OK);
    }
    assert_int_equal(store_put_setting(driver->store, "a", "2", driver_on_done, &last), STATUS_OK);
    assert_int_equal(store_put_setting(driver->store, "a", "3", on_counted, &n_done), STATUS_FULL);
    assert_int_equal(store_pending(driver->store), STORE_JOBS_MAX);
    set_gate(false);
    driver_wait(driver, &last.is_done);
    assert_int_equal(n_done, STORE_JOBS_MAX - 1);
    assert_int_equal(store_pending(driver->store), 0);
    driver_reopen(driver);
    char *value = store_setting(driver->store, "a");
    assert_string_equal(value, "2");
    free(value);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

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
        TEST(test_a_sync_that_fails_is_trouble_until_one_does_not),
        TEST(test_a_sync_that_fails_in_a_pause_heals_in_the_pause),
        TEST(test_closing_does_not_wait_for_a_disk_that_refuses),
        TEST(test_a_send_is_answered_after_its_sync_and_tokens_do_not_wait_for_it),
        TEST(test_jobs_that_wait_for_the_disk_share_one_sync),
        TEST(test_tokens_alone_are_synced_too),
        TEST(test_the_end_of_a_detached_generation_waits_for_no_disk),
        TEST(test_a_sync_that_fails_is_tried_again),
        TEST(test_a_sync_that_keeps_failing_is_an_io_error_that_names_what_is_committed),
        TEST(test_an_end_that_is_not_safe_names_what_goes_on_with_it),
        TEST(test_the_store_takes_no_more_than_its_maximum),
    };
    return cmocka_run_group_tests(tests, catch_calls, NULL);
}
