/* Copies of a database in use, and what a look at one finds. */
#include "store/store_backup.h"
#include "store/store_check.h"
#include "store/store_test_driver.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_BYTES     60000
#define PART_BYTES_MAX 1500000 /* of more than 3 MB */

struct backed_up {
    bool is_done;
    enum status status;
    char path[300];
    uint64_t size_bytes;
};

static void on_backed_up(void *ctx, const struct store_backed_up *backup) {
    struct backed_up *out = ctx;
    assert_false(out->is_done);
    *out = (struct backed_up){ .is_done = true, .status = backup->status, .size_bytes = backup->size_bytes };
    snprintf(out->path, sizeof out->path, "%s", backup->path);
}

static void add_much(struct driver *driver) {
    char *text = malloc(TEXT_BYTES + 1);
    assert_non_null(text);
    memset(text, 'x', TEXT_BYTES);
    text[TEXT_BYTES] = '\0';
    for (int i = 0; i < 60; i++) {
        char name[ID_CONVERSATION_BYTES];
        driver_add_conversation(driver, "much", "a question", text, name);
    }
    free(text);
}

static enum status look(const char *path, struct store_check *check) {
    struct fault fault;
    *check = (struct store_check){ 0 };
    return store_check_file(path, check, &fault);
}

static void remove_backup(const struct backed_up *backup) {
    char folder[300];
    assert_int_equal(unlink(backup->path), 0);
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(backup->path, '/') - backup->path), backup->path);
    assert_int_equal(rmdir(folder), 0); /* nothing half done is left */
}

static void test_tokens_go_on_while_a_backup_is_made(void **state) {
    struct driver *driver = *state;
    add_much(driver);
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    struct backed_up backup = { 0 };
    assert_int_equal(store_backup(driver->store, on_backed_up, &backup), STATUS_OK);
    uint64_t seq = 2;
    while (!backup.is_done) {
        assert_int_equal(driver_append(driver, sent.generation_key, seq++, "x"), STATUS_OK);
    }
    assert_true(seq > 3);
    assert_int_equal(backup.status, STATUS_OK);
    struct store_check check;
    assert_int_equal(look(backup.path, &check), STATUS_OK);
    assert_int_equal(check.n_conversations, 61);
    struct stat info;
    assert_int_equal(stat(backup.path, &info), 0);
    assert_int_equal(info.st_size, backup.size_bytes);
    assert_int_equal(info.st_mode & 0777, 0600);
    remove_backup(&backup);
}

static void test_a_backup_is_a_database_of_another_epoch(void **state) {
    struct driver *driver = *state;
    char epoch[STORE_EPOCH_BYTES], name[ID_CONVERSATION_BYTES];
    driver_add_conversation(driver, "kept", "a question", "an answer", name);
    strcpy(epoch, store_epoch(driver->store));
    struct backed_up backup = { 0 };
    assert_int_equal(store_backup(driver->store, on_backed_up, &backup), STATUS_OK);
    driver_wait(driver, &backup.is_done);
    assert_int_equal(backup.status, STATUS_OK);
    driver_add_conversation(driver, "after", "a question", "an answer", (char[ID_CONVERSATION_BYTES]){ 0 });
    driver_close(driver);
    assert_int_equal(rename(backup.path, driver->path), 0);
    driver_reopen(driver);
    assert_string_not_equal(store_epoch(driver->store), epoch);
    strcpy(epoch, store_epoch(driver->store));
    assert_int_equal(driver_list(driver, (struct store_list){ 0 }).n_rows, 1);
    struct store_conversation *found = driver_load(driver, name, NULL);
    assert_string_equal(found->messages[1].content, "an answer");
    store_conversation_free(found);
    driver_reopen(driver);
    assert_string_equal(store_epoch(driver->store), epoch);
    *strrchr(backup.path, '/') = '\0';
    assert_int_equal(rmdir(backup.path), 0);
}

static void test_closing_leaves_nothing_of_a_backup(void **state) {
    struct driver *driver = *state;
    add_much(driver);
    struct backed_up backup = { 0 };
    assert_int_equal(store_backup(driver->store, on_backed_up, &backup), STATUS_OK);
    driver_close(driver);
    assert_true(backup.is_done);
    char folder[64];
    snprintf(folder, sizeof folder, "%s/backups", driver->directory);
    if (backup.status == STATUS_OK) {
        remove_backup(&backup);
    } else {
        assert_int_equal(backup.status, STATUS_CLOSED);
        assert_true(rmdir(folder) == 0 || access(folder, F_OK) != 0);
    }
}

static int count_entries(const char *folder) {
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    int n = -2; /* "." and ".." */
    while (readdir(directory)) {
        n++;
    }
    closedir(directory);
    return n;
}

/* What is left of it is the store thread's to take away: nobody else may touch the connection, and the loop waits for no disk. */
static void test_a_backup_that_fails_is_gone_before_it_is_answered(void **state) {
    struct driver *driver = *state;
    static struct backed_up backup;
    add_much(driver);
    struct rlimit before;
    struct pollfd wake = { .fd = driver->wake_fd, .events = POLLIN };
    eventfd_t value;
    while (eventfd_read(driver->wake_fd, &value) == 0) {
    }
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ PART_BYTES_MAX, before.rlim_max }), 0);
    assert_int_equal(store_backup(driver->store, on_backed_up, &backup), STATUS_OK);
    int n_woken = poll(&wake, 1, 50000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(n_woken, 1);
    assert_false(backup.is_done);
    char folder[64];
    snprintf(folder, sizeof folder, "%s/backups", driver->directory);
    assert_int_equal(count_entries(folder), 0);
    driver_wait(driver, &backup.is_done);
    assert_int_equal(backup.status, STATUS_IO);
    assert_int_equal(rmdir(folder), 0);
}

static void test_a_backup_writes_over_nothing(void **state) {
    struct driver *driver = *state;
    char path[80], part[90];
    driver_close(driver);
    snprintf(path, sizeof path, "%s/there", driver->directory);
    snprintf(part, sizeof part, "%s.part", path);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    sqlite3 *source = NULL;
    assert_int_equal(sqlite3_open(driver->path, &source), SQLITE_OK);
    uint64_t size_bytes = 0;
    struct fault fault;
    assert_int_equal(store_backup_copy(source, path, &size_bytes, &fault), STATUS_CONFLICT);
    assert_non_null(strstr(fault.text, path));
    assert_int_equal(access(part, F_OK), -1);
    unlink(path);
    assert_int_equal(store_backup_copy(source, path, &size_bytes, &fault), STATUS_OK);
    assert_int_equal(sqlite3_close(source), SQLITE_OK);
}

/* ---- What a look finds ---- */

static void test_a_good_database_is_good_with_and_without_its_log(void **state) {
    struct driver *driver = *state;
    struct store_check check;
    char name[ID_CONVERSATION_BYTES];
    driver_add_conversation(driver, "one", "a question", "an answer", name);
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    assert_int_equal(driver_append(driver, sent.generation_key, 2, "x"), STATUS_OK);
    driver_close(driver);
    assert_int_equal(look(driver->path, &check), STATUS_OK);
    assert_int_equal(check.n_conversations, 2);
    assert_int_equal(check.n_messages, 4);
    assert_int_equal(check.n_generations, 2);
}

/* Each of these is damage that SQLite itself calls good. */
static void test_what_does_not_fit_together_is_found(void **state) {
    struct driver *driver = *state;
    static const char *const wrong[] = {
        "UPDATE message SET content = content || 'x' WHERE role = 2",
        "UPDATE message SET content = CAST(x'ff' AS TEXT) WHERE role = 1",
        "UPDATE generation SET last_seq = last_seq + 1 WHERE ended = 1",
        "UPDATE generation SET last_seq = last_seq + 1 WHERE ended = 0",
        "UPDATE generation SET text_sizes = x'ff' WHERE ended = 1",
        "UPDATE generation SET text_sizes = NULL WHERE ended = 1",
        "UPDATE generation SET reason = 'stop' WHERE ended = 0",
        "DELETE FROM event WHERE seq = 2",
        "UPDATE event SET generation_key = 99",
        "UPDATE meta SET value = 'none'",
        "PRAGMA foreign_keys = OFF; DELETE FROM conversation WHERE key = 1",
    };
    char name[ID_CONVERSATION_BYTES];
    driver_add_conversation(driver, "one", "a question", "an answer", name);
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    assert_int_equal(driver_append(driver, sent.generation_key, 2, "x"), STATUS_OK);
    assert_int_equal(driver_append(driver, sent.generation_key, 3, "x"), STATUS_OK);
    driver_close(driver);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        sqlite3 *source = NULL;
        uint64_t size_bytes = 0;
        struct fault fault;
        struct store_check check;
        char path[80];
        snprintf(path, sizeof path, "%s/wrong", driver->directory);
        assert_int_equal(sqlite3_open(driver->path, &source), SQLITE_OK);
        assert_int_equal(store_backup_copy(source, path, &size_bytes, &fault), STATUS_OK);
        assert_int_equal(sqlite3_close(source), SQLITE_OK);
        assert_int_equal(look(path, &check), STATUS_OK);
        assert_int_equal(sqlite3_open(path, &source), SQLITE_OK);
        assert_int_equal(
            sqlite3_exec(source, "INSERT INTO meta VALUES ('epoch', '0123456789abcdef')", NULL, NULL, NULL),
            SQLITE_OK);
        assert_int_equal(sqlite3_exec(source, wrong[i], NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(source), SQLITE_OK);
        if (look(path, &check) != STATUS_CORRUPT) {
            fail_msg("not found: %s", wrong[i]);
        }
        unlink(path);
    }
}

static void test_what_is_no_database_of_ours_is_said(void **state) {
    struct driver *driver = *state;
    struct store_check check;
    char path[80];
    snprintf(path, sizeof path, "%s/other", driver->directory);
    assert_int_equal(look(path, &check), STATUS_NOT_FOUND);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(look(path, &check), STATUS_NOT_FOUND); /* empty */
    assert_int_equal(
        write(fd, "this is no database, it is text that someone put here by mistake, and it is long", 80),
        80);
    close(fd);
    assert_int_equal(look(path, &check), STATUS_CORRUPT);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, driver_setup, driver_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_tokens_go_on_while_a_backup_is_made),
        TEST(test_a_backup_is_a_database_of_another_epoch),
        TEST(test_closing_leaves_nothing_of_a_backup),
        TEST(test_a_backup_that_fails_is_gone_before_it_is_answered),
        TEST(test_a_backup_writes_over_nothing),
        TEST(test_a_good_database_is_good_with_and_without_its_log),
        TEST(test_what_does_not_fit_together_is_found),
        TEST(test_what_is_no_database_of_ours_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
