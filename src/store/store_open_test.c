/* What happens between two lives of the program. */
#include "store/store_backup.h"
#include "store/store_test_driver.h"

#include "base/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define N_KILLED_AFTER 150
#define N_AT_ONCE      8
#define WORD_BYTES     24
#define SIGN_MS        50
#define NOBODY         "99999999" /* more than the largest process id */

static void test_an_empty_directory_becomes_a_database(void **state) {
    struct driver *driver = *state;
    assert_int_equal(strlen(store_epoch(driver->store)), 16);
    assert_int_equal(strspn(store_epoch(driver->store), "0123456789abcdef"), 16);
    assert_int_equal(driver_list(driver, (struct store_list){ 0 }).n_rows, 0);
    struct stat info;
    assert_int_equal(stat(driver->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    driver_close(driver);
    assert_int_equal(driver_number(driver, "PRAGMA user_version"), 7);
    assert_int_equal(
        driver_number(driver, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
}

/* [P3] */
static void test_the_epoch_is_the_databases_own(void **state) {
    struct driver *driver = *state;
    char epoch[STORE_EPOCH_BYTES];
    strcpy(epoch, store_epoch(driver->store));
    driver_reopen(driver);
    assert_string_equal(store_epoch(driver->store), epoch);
    driver_close(driver);
    assert_int_equal(unlink(driver->path), 0);
    driver_reopen(driver);
    assert_string_not_equal(store_epoch(driver->store), epoch);
}

/* [P13] */
static void test_a_second_owner_is_refused_and_told_of_the_first(void **state) {
    struct driver *driver = *state;
    struct driver second = *driver;
    struct fault fault = { 0 };
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    second.store = NULL;
    assert_int_equal(driver_open(&second, &fault), STATUS_BUSY);
    assert_null(second.store);
    assert_non_null(strstr(fault.text, pid));
    assert_non_null(strstr(fault.text, driver->directory));
    /* The first one goes on. */
    assert_int_equal(driver_send(driver, (struct store_send){ 0 }).status, STATUS_OK);
    driver_reopen(driver);
}

/* The text of the lock file is the last owner's until the new one has written its own. */
static void *sign_late(void *ctx) {
    const int *fd = ctx;
    char pid[32];
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    nanosleep(&(struct timespec){ .tv_nsec = SIGN_MS * 1000000L }, NULL);
    return ftruncate(*fd, 0) == 0 && pwrite(*fd, pid, (size_t)n, 0) == n ? ctx : NULL;
}

/* [P13] */
static void test_of_two_that_start_at_once_the_second_names_the_first(void **state) {
    struct driver *driver = *state;
    char path[80], pid[32];
    driver_close(driver);
    snprintf(path, sizeof path, "%s/lock", driver->directory);
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, NOBODY "\nhttp://127.0.0.1:1\n", 28, 0), 28);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, sign_late, &fd), 0);
    struct fault fault = { 0 };
    enum status status = driver_open(driver, &fault);
    void *is_signed = NULL;
    assert_int_equal(pthread_join(thread, &is_signed), 0);
    close(fd);
    assert_non_null(is_signed);
    assert_int_equal(status, STATUS_BUSY);
    assert_non_null(strstr(fault.text, pid));
}

/* A command that looks who has the directory holds the lock for a moment. */
static void *let_go(void *ctx) {
    const int *fd = ctx;
    nanosleep(&(struct timespec){ .tv_nsec = SIGN_MS * 1000000L }, NULL);
    close(*fd);
    return NULL;
}

static void test_a_lock_that_goes_at_once_is_waited_for(void **state) {
    struct driver *driver = *state;
    char path[80];
    driver_close(driver);
    snprintf(path, sizeof path, "%s/lock", driver->directory);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
    assert_int_equal(pwrite(fd, NOBODY "\n", 9, 0), 9);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, let_go, &fd), 0);
    struct fault fault = { 0 };
    enum status status = driver_open(driver, &fault);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(status, STATUS_OK);
}

static void test_an_owner_that_is_no_process_is_not_named(void **state) {
    struct driver *driver = *state;
    char path[80];
    driver_close(driver);
    snprintf(path, sizeof path, "%s/lock", driver->directory);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(pwrite(fd, NOBODY "\n", 9, 0), 9);
    struct fault fault = { 0 };
    enum status status = driver_open(driver, &fault);
    close(fd);
    assert_int_equal(status, STATUS_BUSY);
    assert_null(strstr(fault.text, NOBODY));
    assert_non_null(strstr(fault.text, driver->directory));
}

static void run_sql(const char *path, const char *sql) {
    sqlite3 *sqlite = NULL;
    assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sqlite, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
}

static char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *bytes = malloc(4000000);
    assert_non_null(bytes);
    *size = fread(bytes, 1, 4000000, file);
    fclose(file);
    return bytes;
}

static void expect_refused_and_untouched(struct driver *driver, enum status status, const char *words) {
    size_t n_before = 0, n_after = 0;
    char *before = read_file(driver->path, &n_before);
    struct fault fault = { 0 };
    assert_int_equal(driver_open(driver, &fault), status);
    assert_null(driver->store);
    assert_non_null(strstr(fault.text, words));
    assert_non_null(strstr(fault.text, driver->path));
    assert_non_null(strstr(fault.text, "nothing was changed"));
    char *after = read_file(driver->path, &n_after);
    assert_int_equal(n_before, n_after);
    assert_memory_equal(before, after, n_before);
    free(before);
    free(after);
}

static void test_a_newer_schema_is_refused_and_untouched(void **state) {
    struct driver *driver = *state;
    driver_close(driver);
    run_sql(driver->path, "PRAGMA user_version = 99");
    expect_refused_and_untouched(driver, STATUS_CONFLICT, "newer Runnel");
    assert_int_equal(driver_number(driver, "PRAGMA user_version"), 99);
}

static void test_a_database_of_another_program_is_refused_and_untouched(void **state) {
    struct driver *driver = *state;
    driver_close(driver);
    assert_int_equal(unlink(driver->path), 0);
    run_sql(driver->path, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)");
    expect_refused_and_untouched(driver, STATUS_CORRUPT, "another program");
    run_sql(driver->path, "PRAGMA user_version = 1; PRAGMA journal_mode = WAL");
    expect_refused_and_untouched(driver, STATUS_CORRUPT, "another program");
}

static void write_at(const char *path, long offset, size_t n) {
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    for (size_t i = 0; i < n; i++) {
        fputc('?', file);
    }
    assert_int_equal(fclose(file), 0);
}

static void test_a_file_that_is_no_database_is_refused_and_untouched(void **state) {
    struct driver *driver = *state;
    driver_close(driver);
    write_at(driver->path, 0, 4096);
    expect_refused_and_untouched(driver, STATUS_CORRUPT, "damaged");
}

static void test_a_file_cut_short_is_refused_and_untouched(void **state) {
    struct driver *driver = *state;
    driver_close(driver);
    assert_int_equal(truncate(driver->path, 6000), 0);
    expect_refused_and_untouched(driver, STATUS_CORRUPT, "damaged");
}

static void test_a_damaged_schema_is_refused_and_untouched(void **state) {
    struct driver *driver = *state;
    driver_close(driver);
    write_at(driver->path, 100, 3996);
    expect_refused_and_untouched(driver, STATUS_CORRUPT, "damaged");
}

/* A life that ends in the middle: the log stays. */
static void leave_log(struct driver *driver) {
    driver_close(driver);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct fault fault;
        if (driver_open(driver, &fault) == STATUS_OK) {
            driver_send(driver, (struct store_send){ 0 });
        }
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    char log_path[80];
    struct stat info;
    snprintf(log_path, sizeof log_path, "%s-wal", driver->path);
    assert_int_equal(stat(log_path, &info), 0);
    assert_true(info.st_size > 0);
}

static void copy_to(const struct driver *driver, const char *path) {
    sqlite3 *source = NULL;
    uint64_t size_bytes = 0;
    struct fault fault;
    assert_int_equal(sqlite3_open(driver->path, &source), SQLITE_OK);
    assert_int_equal(store_backup_copy(source, path, &size_bytes, &fault), STATUS_OK);
    assert_int_equal(sqlite3_close(source), SQLITE_OK);
}

/* Who puts a copy in place and forgets the log would get a mixture of two databases. */
static void test_the_log_of_another_database_is_refused(void **state) {
    struct driver *driver = *state;
    char name[ID_CONVERSATION_BYTES], copy[80], log_path[80];
    snprintf(copy, sizeof copy, "%s/copy", driver->directory);
    snprintf(log_path, sizeof log_path, "%s-wal", driver->path);
    driver_add_conversation(driver, "kept", "a question", "an answer", name);
    driver_close(driver);
    copy_to(driver, copy);
    leave_log(driver);
    assert_int_equal(rename(copy, driver->path), 0);
    expect_refused_and_untouched(driver, STATUS_CONFLICT, log_path);
    assert_int_equal(unlink(log_path), 0);
    /* From its first start on the copy is a database of its own, with a log of its own. */
    leave_log(driver);
    driver_reopen(driver);
    assert_int_equal(driver_list(driver, (struct store_list){ 0 }).n_rows, 2);
}

static void test_a_log_without_its_database_is_refused(void **state) {
    struct driver *driver = *state;
    struct fault fault = { 0 };
    leave_log(driver);
    char kept[80];
    snprintf(kept, sizeof kept, "%s/kept", driver->directory);
    assert_int_equal(rename(driver->path, kept), 0);
    assert_int_equal(driver_open(driver, &fault), STATUS_CONFLICT);
    assert_non_null(strstr(fault.text, "Put the database back"));
    assert_int_equal(access(driver->path, F_OK), -1);
    assert_int_equal(rename(kept, driver->path), 0);
    driver_reopen(driver);
    assert_int_equal(driver_list(driver, (struct store_list){ 0 }).n_rows, 1);
}

static void test_a_directory_that_is_not_there_is_an_io_error(void **state) {
    struct driver *driver = *state;
    struct driver other = { .directory = "store_test_nowhere", .wake_fd = driver->wake_fd };
    struct fault fault = { 0 };
    assert_int_equal(driver_open(&other, &fault), STATUS_IO);
    assert_non_null(strstr(fault.text, "store_test_nowhere"));
}

static void test_a_close_leaves_one_file_and_the_lock(void **state) {
    struct driver *driver = *state;
    char path[80];
    assert_int_equal(driver_put_setting(driver, "a", "1"), STATUS_OK);
    snprintf(path, sizeof path, "%s-wal", driver->path);
    assert_int_equal(access(path, F_OK), 0);
    driver_close(driver);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof path, "%s/lock", driver->directory);
    assert_int_equal(access(path, F_OK), 0);
}

/* ---- Death by SIGKILL ---- */

static void text_of(uint64_t seq, char out[WORD_BYTES]) {
    snprintf(out, WORD_BYTES, " w%llu", (unsigned long long)seq);
}

struct streamer {
    struct driver *driver;
    int64_t key;
    uint64_t posted;
    uint64_t acknowledged;
    uint64_t die_after; /* 0: somebody else does it */
    int pipe;
};

static void on_stored(void *ctx, enum status status) {
    struct streamer *streamer = ctx;
    if (status != STATUS_OK) {
        _exit(3);
    }
    streamer->acknowledged++;
    if (write(streamer->pipe, &streamer->acknowledged, sizeof streamer->acknowledged) < 0) {
        _exit(4);
    }
    if (streamer->acknowledged == streamer->die_after) {
        raise(SIGKILL);
    }
}

/* Appends tokens, N_AT_ONCE in flight, until it is killed. */
static void stream_until_killed(struct streamer *streamer) {
    for (;;) {
        while (streamer->posted - streamer->acknowledged < N_AT_ONCE) {
            char text[WORD_BYTES];
            struct store_token token = { .generation_key = streamer->key, .seq = ++streamer->posted };
            text_of(token.seq, text);
            token.text_size = (uint32_t)strlen(text);
            struct store_tokens batch = { &token, 1, text, strlen(text) };
            if (store_append_tokens(streamer->driver->store, &batch, on_stored, streamer) != STATUS_OK) {
                _exit(5);
            }
        }
        uint64_t before = streamer->acknowledged;
        while (streamer->acknowledged == before) {
            bool is_done = true;
            driver_wait(streamer->driver, &is_done);
        }
    }
}

struct first_news {
    char conversation[ID_CONVERSATION_BYTES];
    int64_t detached_key;
};

static void live_and_die(struct driver *driver, uint64_t die_after, int fd) {
    driver_reopen(driver);
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    struct first_news news = { .detached_key = driver_begin_detached(driver) };
    driver_append(driver, news.detached_key, 2, "gone");
    strcpy(news.conversation, sent.conversation);
    if (write(fd, &news, sizeof news) != sizeof news) {
        _exit(2);
    }
    struct streamer streamer = { .driver = driver,
                                 .key = sent.generation_key,
                                 .posted = 1,
                                 .acknowledged = 1,
                                 .die_after = die_after,
                                 .pipe = fd };
    stream_until_killed(&streamer);
}

/* [P4] [P1] */
static void expect_all_acknowledged(struct driver *driver, const char *name, uint64_t acknowledged) {
    driver_reopen(driver);
    struct store_conversation *found = driver_load(driver, name, NULL);
    const struct store_message *message = &found->messages[1];
    const struct store_generation *generation = &message->generations[0];
    assert_true(generation->ended);
    assert_string_equal(generation->reason, "interrupted");
    assert_true(generation->last_seq > acknowledged);
    assert_int_equal(generation->n_text_ends, generation->last_seq);
    for (uint64_t seq = 2; seq < generation->last_seq; seq++) {
        char text[WORD_BYTES];
        uint32_t begin = generation->text_ends[seq - 2], end = generation->text_ends[seq - 1];
        text_of(seq, text);
        assert_int_equal(end - begin, strlen(text));
        assert_memory_equal(message->content + begin, text, strlen(text));
    }
    assert_int_equal(generation->text_ends[generation->last_seq - 1], message->content_size);
    /* The conversation takes the next message. */
    struct store_sent sent = driver_send(driver, (struct store_send){ .conversation = name });
    assert_int_equal(sent.status, STATUS_OK);
    assert_int_equal(driver_end(driver, sent.generation_key, 2), STATUS_OK);
    store_conversation_free(found);
    driver_close(driver);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM event"), 0);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM generation"), 2);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM message_words('w2')"), 1);
    assert_int_equal(
        driver_number(driver, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
}

static void kill_and_check(struct driver *driver, bool by_itself) {
    int fds[2];
    driver_close(driver);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(fds[0]);
        live_and_die(driver, by_itself ? N_KILLED_AFTER : 0, fds[1]);
        _exit(1);
    }
    close(fds[1]);
    struct first_news news;
    uint64_t acknowledged = 0;
    assert_int_equal(read(fds[0], &news, sizeof news), sizeof news);
    while (read(fds[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
        if (!by_itself && acknowledged == N_KILLED_AFTER) {
            kill(child, SIGKILL);
        }
    }
    close(fds[0]);
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    assert_true(acknowledged >= N_KILLED_AFTER);
    expect_all_acknowledged(driver, news.conversation, acknowledged);
}

static void test_a_kill_loses_no_acknowledged_token(void **state) {
    kill_and_check(*state, true);
}

static void test_a_kill_at_any_moment_loses_no_acknowledged_token(void **state) {
    kill_and_check(*state, false);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, driver_setup, driver_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_an_empty_directory_becomes_a_database),
        TEST(test_the_epoch_is_the_databases_own),
        TEST(test_a_second_owner_is_refused_and_told_of_the_first),
        TEST(test_of_two_that_start_at_once_the_second_names_the_first),
        TEST(test_a_lock_that_goes_at_once_is_waited_for),
        TEST(test_an_owner_that_is_no_process_is_not_named),
        TEST(test_a_newer_schema_is_refused_and_untouched),
        TEST(test_a_database_of_another_program_is_refused_and_untouched),
        TEST(test_a_file_that_is_no_database_is_refused_and_untouched),
        TEST(test_a_file_cut_short_is_refused_and_untouched),
        TEST(test_a_damaged_schema_is_refused_and_untouched),
        TEST(test_the_log_of_another_database_is_refused),
        TEST(test_a_log_without_its_database_is_refused),
        TEST(test_a_directory_that_is_not_there_is_an_io_error),
        TEST(test_a_close_leaves_one_file_and_the_lock),
        TEST(test_a_kill_loses_no_acknowledged_token),
        TEST(test_a_kill_at_any_moment_loses_no_acknowledged_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
