/* From the schema of the first release to that of this one. */
#include "store/store_schema.h"
#include "store/store_test_crash.h"
#include "store/store_test_driver.h"

#include <dirent.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES_MAX 20000 /* the copy has more */
#define LAST_KEY       90    /* given to a generation that is gone */

/* An answer that has ended (its tokens have 6, 0 and 5 bytes), one that has not, one that only began, and a detached one. */
static const char rows_001[] =
    "INSERT INTO meta VALUES ('epoch', '0123456789abcdef');"
    "INSERT INTO setting VALUES ('top_k', '40');"
    "INSERT INTO conversation VALUES (1, 'chat_2026-01-01-00-00-00-000.txt', 'ended', 1000, 2000, 'one');"
    "INSERT INTO conversation VALUES (2, 'chat_2026-01-02-00-00-00-000.txt', 'open', 3000, 3000, NULL);"
    "INSERT INTO conversation VALUES (3, 'chat_2026-01-03-00-00-00-000.txt', 'begun', 4000, 4000, NULL);"
    "INSERT INTO title_words (rowid, title) SELECT key, title FROM conversation;"
    "INSERT INTO message VALUES (1, '00000000000000000000000000000001', 1, NULL, 1, 'question', 1000, 'one');"
    "INSERT INTO message VALUES (2, '00000000000000000000000000000002', 1, 1, 2, ' riverruns!', 1000, NULL);"
    "INSERT INTO message VALUES (3, '00000000000000000000000000000003', 2, NULL, 1, 'question', 3000, NULL);"
    "INSERT INTO message VALUES (4, '00000000000000000000000000000004', 2, 3, 2, '', 3000, NULL);"
    "INSERT INTO message VALUES (5, '00000000000000000000000000000005', 3, NULL, 1, 'question', 4000, NULL);"
    "INSERT INTO message VALUES (6, '00000000000000000000000000000006', 3, 5, 2, '', 4000, NULL);"
    "INSERT INTO message_words (rowid, content) SELECT key, content FROM message WHERE key NOT IN (4, 6);"
    "INSERT INTO generation VALUES (10, '0000000000000000000000000000000a', 1, 2, 5, 1, 'length', "
    "'{\"e\":1}', "
    "'{\"u\":1}', '{\"t\":1}', 'a model', '{\"seed\":1}', 12, 4096, x'060005');"
    "INSERT INTO generation VALUES (20, '00000000000000000000000000000014', 2, 4, 3, 0, NULL, NULL, NULL, "
    "NULL, "
    "'a model', '{\"seed\":2}', 0, 0, NULL);"
    "INSERT INTO generation VALUES (30, '0000000000000000000000000000001e', 3, 6, 1, 0, NULL, NULL, NULL, "
    "NULL, "
    "'a model', '{\"seed\":3}', 0, 0, NULL);"
    "INSERT INTO generation VALUES (40, '00000000000000000000000000000028', NULL, NULL, 2, 0, NULL, NULL, "
    "NULL, "
    "NULL, NULL, NULL, 0, 0, NULL);"
    "INSERT INTO generation (key, id, last_seq) VALUES (90, '0000000000000000000000000000005a', 1);"
    "DELETE FROM generation WHERE key = 90;"
    "INSERT INTO event VALUES (20, 2, 151643, 'stone');"
    "INSERT INTO event VALUES (20, 3, -1, 's');"
    "INSERT INTO event VALUES (40, 2, 9, 'gone');";

static void make_001(struct driver *driver) {
    driver_close(driver);
    unlink(driver->path);
    driver_exec(driver, "PRAGMA journal_mode = WAL");
    driver_exec(driver, store_migrations[0].sql);
    driver_exec(driver, "PRAGMA application_id = 0x526e6e4c; PRAGMA user_version = 1");
    driver_exec(driver, rows_001);
}

static void expect_ended_conversation(struct driver *driver) {
    struct store_conversation *found = driver_load(driver, "chat_2026-01-01-00-00-00-000.txt", NULL);
    assert_string_equal(found->title, "ended");
    assert_null(found->own.settings);
    assert_int_equal(found->updated_ms, 2000);
    assert_int_equal(found->n_messages, 2);
    const struct store_message *message = &found->messages[1];
    assert_string_equal(message->content, " riverruns!");
    assert_int_equal(message->n_generations, 1);
    const struct store_generation *generation = &message->generations[0];
    const uint32_t ends[] = { 0, 6, 6, 11, 11 };
    assert_int_equal(generation->key, 10);
    assert_string_equal(generation->id, "0000000000000000000000000000000a");
    assert_string_equal(generation->continues, "");
    assert_true(generation->ended);
    assert_string_equal(generation->reason, "length");
    assert_string_equal(generation->error, "{\"e\":1}");
    assert_string_equal(generation->usage, "{\"u\":1}");
    assert_string_equal(generation->timings, "{\"t\":1}");
    assert_string_equal(generation->model, "a model");
    assert_string_equal(generation->settings, "{\"seed\":1}");
    assert_int_equal(generation->n_prompt_tokens, 12);
    assert_int_equal(generation->context_size, 4096);
    assert_int_equal(generation->n_text_ends, 5);
    assert_memory_equal(generation->text_ends, ends, sizeof ends);
    assert_int_equal(generation->text_size, 11);
    assert_null(generation->tokens); /* nobody wrote them down */
    store_conversation_free(found);
}

static void expect_open_conversation(struct driver *driver) {
    struct store_conversation *found = driver_load(driver, "chat_2026-01-02-00-00-00-000.txt", NULL);
    const struct store_message *message = &found->messages[1];
    const int32_t tokens[] = { -1, 151643, -1, -1 };
    assert_string_equal(message->content, "stones");
    assert_int_equal(message->n_generations, 2);
    assert_int_equal(message->generations[0].key, 20);
    assert_string_equal(message->generations[0].reason, "interrupted");
    assert_int_equal(message->generations[0].n_text_ends, 4);
    assert_memory_equal(message->generations[0].tokens, tokens, sizeof tokens);
    assert_true(message->generations[1].key > LAST_KEY);
    assert_string_equal(message->generations[1].settings, "{\"seed\":2}");
    store_conversation_free(found);
}

static void expect_migrated(struct driver *driver) {
    driver->goes_on = true;
    driver_reopen(driver);
    assert_string_equal(store_epoch(driver->store), "0123456789abcdef");
    expect_ended_conversation(driver);
    expect_open_conversation(driver);
    size_t n = 0;
    const struct store_waiting *waiting = store_waiting(driver->store, &n);
    assert_int_equal(n, 2);
    assert_string_equal(waiting[0].conversation, "chat_2026-01-02-00-00-00-000.txt");
    assert_string_equal(waiting[1].generation_id, "0000000000000000000000000000001e");
    assert_int_equal(driver_list(driver, (struct store_list){ .query = "riverruns" }).n_rows, 1);
    assert_int_equal(driver_list(driver, (struct store_list){ .query = "stones" }).n_rows, 1);
    assert_int_equal(driver_list(driver, (struct store_list){ .query = "question" }).n_rows, 3);
    /* An old answer can be gone on with. */
    struct store_continued made =
        driver_continue(driver, (struct store_continue){ .continues = "0000000000000000000000000000000a" });
    assert_int_equal(made.status, STATUS_OK);
    assert_int_equal(driver_append(driver, made.generation_key, 2, " on"), STATUS_OK);
    assert_int_equal(driver_end(driver, made.generation_key, 3), STATUS_OK);
    driver_close(driver);
    assert_int_equal(driver_number(driver, "PRAGMA user_version"), 7);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%001%'"), 0);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    assert_int_equal(
        driver_number(driver, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM message_words('\"riverruns on\"')"), 1);
}

static void test_a_database_of_the_first_release_is_migrated(void **state) {
    struct driver *driver = *state;
    make_001(driver);
    expect_migrated(driver);
}

/* ---- What was before ---- */

/* How many there are; *path is one of them. */
static int find_copies(const struct driver *driver, char path[200]) {
    static const char prefix[] = "runnel.db.before-002-";
    int n = 0;
    DIR *directory = opendir(driver->directory);
    assert_non_null(directory);
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        bool is_whole = strstr(entry->d_name, ".part") == NULL;
        if (is_whole && strncmp(entry->d_name, prefix, sizeof prefix - 1) == 0) {
            n++;
            snprintf(path, 200, "%s/%.100s", driver->directory, entry->d_name);
        }
    }
    closedir(directory);
    return n;
}

/* [F13] */
static void test_what_was_before_a_migration_is_kept(void **state) {
    struct driver *driver = *state;
    char path[200];
    assert_int_equal(find_copies(driver, path), 0); /* there was nothing to be kept */
    make_001(driver);
    driver_reopen(driver);
    assert_int_equal(find_copies(driver, path), 1);
    driver_reopen(driver);
    assert_int_equal(find_copies(driver, path), 1);
    driver_close(driver);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    /* It takes the place of the new one. */
    assert_int_equal(rename(path, driver->path), 0);
    assert_int_equal(driver_number(driver, "PRAGMA user_version"), 1);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM event"), 3);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM generation"), 4);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM meta"),
                     0); /* whoever opens it draws a new epoch */
    driver_reopen(driver);
    assert_int_equal(find_copies(driver, path), 1);
}

static void test_a_migration_that_fails_leaves_the_old_one_alone(void **state) {
    struct driver *driver = *state;
    char path[200];
    make_001(driver);
    driver_exec(driver, "CREATE INDEX generation_continues ON message (id)");
    struct fault fault;
    assert_int_equal(driver_open(driver, &fault), STATUS_IO);
    assert_non_null(strstr(fault.text, driver->path));
    assert_int_equal(driver_number(driver, "PRAGMA user_version"), 1);
    assert_int_equal(find_copies(driver, path), 0);
    driver_exec(driver, "DROP INDEX generation_continues");
    expect_migrated(driver);
}

/* Without a copy nothing is changed. */
static void test_a_copy_that_cannot_be_made_is_said(void **state) {
    struct driver *driver = *state;
    char path[200];
    struct rlimit before;
    make_001(driver);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ COPY_BYTES_MAX, before.rlim_max }), 0);
    struct fault fault;
    enum status status = driver_open(driver, &fault);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, STATUS_IO);
    assert_non_null(strstr(fault.text, "before-002"));
    assert_int_equal(driver_number(driver, "PRAGMA user_version"), 1);
    assert_int_equal(find_copies(driver, path), 0);
    expect_migrated(driver);
}

static void test_keys_of_rows_that_are_gone_are_not_used_again(void **state) {
    struct driver *driver = *state;
    make_001(driver);
    driver_exec(driver, "DELETE FROM generation; DELETE FROM event; INSERT INTO message_words "
                        "(message_words) VALUES ('delete-all'); "
                        "DELETE FROM message; DELETE FROM conversation");
    driver_reopen(driver);
    assert_int_equal(driver_begin_detached(driver), LAST_KEY + 1);
}

static void test_an_empty_database_of_the_first_release_is_migrated(void **state) {
    struct driver *driver = *state;
    driver_close(driver);
    unlink(driver->path);
    driver_exec(driver, store_migrations[0].sql);
    driver_exec(driver, "PRAGMA application_id = 0x526e6e4c; PRAGMA user_version = 1");
    driver_reopen(driver);
    assert_int_equal(driver_begin_detached(driver), 1);
}

static void migrate_and_die(void *ctx) {
    struct driver *driver = ctx;
    crash_arm();
    driver_reopen(driver);
    driver_close(driver);
}

/* [F13] Killed at any write, the database is of the one schema or of the other, with everything that was in it. */
static void test_a_kill_at_any_write_leaves_the_old_schema_or_the_new(void **state) {
    struct driver *driver = *state;
    int n_old = 0, n_new = 0, n_copies = 0;
    char path[200];
    bool is_killed = true;
    for (int n = 1; is_killed; n++) {
        make_001(driver);
        driver->goes_on = true;
        is_killed = crash_at_write(n, migrate_and_die, driver);
        int64_t version = driver_number(driver, "PRAGMA user_version");
        int64_t has_tokens = driver_number(
            driver, "SELECT count(*) FROM pragma_table_info('generation') WHERE name = 'tokens'");
        int64_t n_sql = driver_number(driver, "SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%_001%'");
        int64_t has_prefix = driver_number(
            driver,
            "SELECT count(*) FROM sqlite_schema WHERE name = 'message_words' AND sql LIKE '%prefix%'");
        int64_t has_kinds =
            driver_number(driver, "SELECT count(*) FROM pragma_table_info('event') WHERE name = 'kind'");
        int64_t has_tree = driver_number(
            driver, "SELECT count(*) FROM pragma_table_info('conversation') WHERE name = 'current_key'");
        int64_t has_attachments =
            driver_number(driver, "SELECT count(*) FROM sqlite_schema WHERE name = 'attachment'");
        assert_in_range(version, 1, 7);
        assert_int_equal(has_tokens, version > 1);
        assert_int_equal(has_prefix, version > 2);
        assert_int_equal(has_kinds, version > 3);
        assert_int_equal(has_tree, version > 4);
        assert_int_equal(has_attachments, version > 5);
        assert_int_equal(n_sql, 0);
        assert_true(driver_number(driver, "SELECT count(*) FROM generation") >= 3);
        assert_true(version == 1 || find_copies(driver, path) > n_copies);
        version == 1 ? n_old++ : n_new++;
        expect_migrated(driver);
        n_copies = find_copies(driver, path);
    }
    print_message("the old schema %d times, the new one %d times\n", n_old, n_new);
    assert_true(n_old > 5 && n_new > 5);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, driver_setup, driver_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_database_of_the_first_release_is_migrated),
        TEST(test_what_was_before_a_migration_is_kept),
        TEST(test_a_migration_that_fails_leaves_the_old_one_alone),
        TEST(test_a_copy_that_cannot_be_made_is_said),
        TEST(test_keys_of_rows_that_are_gone_are_not_used_again),
        TEST(test_an_empty_database_of_the_first_release_is_migrated),
        TEST(test_a_kill_at_any_write_leaves_the_old_schema_or_the_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
