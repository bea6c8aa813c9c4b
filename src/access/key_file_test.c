#include "access/key_file.h"

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
    snprintf(folder, sizeof folder, "/tmp/runnel-keys-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/" KEY_FILE_NAME, folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void test_what_is_written_is_read(void **state) {
    (void)state;
    struct fault fault;
    struct key_file file;
    struct stat info;
    assert_int_equal(key_file_read(folder, &file, &fault), STATUS_OK);
    assert_false(file.is_there);
    struct key phone = { .name = "phone",
                         .hash = secret_hash_of("p"),
                         .scope = SCOPE_CHAT,
                         .created_s = 1790000000,
                         .expires_s = 1800000000,
                         .rate = { 60, 60 },
                         .concurrent = 4 };
    key_file_add(&file, &phone);
    key_file_add(&file,
                 &(struct key){ .name = "a.B-c_9", .hash = secret_hash_of("b"), .scope = SCOPE_METRICS });
    assert_int_equal(key_file_write(folder, &file, &fault), STATUS_OK);
    key_file_deinit(&file);

    assert_int_equal(key_file_read(folder, &file, &fault), STATUS_OK);
    assert_true(file.is_there);
    assert_int_equal(file.n_keys, 2);
    const struct key *read = key_file_find(&file, "phone");
    assert_true(secret_is_same(&read->hash, &phone.hash));
    assert_int_equal(read->scope, SCOPE_CHAT);
    assert_int_equal(read->created_s, phone.created_s);
    assert_int_equal(read->expires_s, phone.expires_s);
    assert_int_equal(read->rate.n, 60);
    assert_int_equal(read->rate.per_s, 60);
    assert_int_equal(read->concurrent, 4);
    assert_int_equal(key_file_find(&file, "a.B-c_9")->expires_s, 0);
    assert_null(key_file_find(&file, "Phone"));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);

    key_file_remove(&file, key_file_find(&file, "phone"));
    key_file_remove(&file, key_file_find(&file, "a.B-c_9"));
    assert_int_equal(key_file_write(folder, &file, &fault), STATUS_OK);
    key_file_deinit(&file);
    assert_int_equal(key_file_read(folder, &file, &fault), STATUS_OK);
    assert_true(file.is_there); /* and lets nobody in */
    assert_int_equal(file.n_keys, 0);
    key_file_deinit(&file);
}

#define HASH        "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""
#define KEY(fields) "{\"version\":1,\"keys\":[{" fields "}]}"
#define GOOD        "\"name\":\"a\",\"hash\":" HASH ",\"scope\":\"read\""

static void test_what_was_not_written_by_us_is_refused(void **state) {
    (void)state;
    const char *bad[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"version\":2,\"keys\":[]}",
        "{\"version\":1,\"keys\":{}}",
        "{\"version\":1,\"keys\":[1]}",
        KEY("\"name\":\"a b\",\"hash\":" HASH ",\"scope\":\"read\""),
        KEY("\"name\":\"\",\"hash\":" HASH ",\"scope\":\"read\""),
        KEY("\"name\":\"a\",\"hash\":\"ba78\",\"scope\":\"read\""),
        KEY("\"name\":\"a\",\"hash\":" HASH ",\"scope\":\"public\""),
        KEY("\"name\":\"a\",\"hash\":" HASH ",\"scope\":\"all\""),
        KEY("\"name\":\"a\",\"hash\":" HASH),
        KEY(GOOD ",\"rate\":\"fast\""),
        KEY(GOOD ",\"concurrent\":-1"),
        KEY(GOOD ",\"expires\":\"soon\""),
        "{\"version\":1,\"keys\":[{" GOOD "},{" GOOD "}]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct key_file file;
        struct fault fault;
        assert_int_equal(file_replace(path, bad[i], strlen(bad[i]), false, &fault), STATUS_OK);
        assert_int_equal(key_file_read(folder, &file, &fault), STATUS_CORRUPT);
        assert_non_null(strstr(fault.text, path));
        assert_null(file.keys);
    }
}

static void test_a_name_is_of_few_letters(void **state) {
    (void)state;
    char name[KEY_NAME_BYTES + 1];
    memset(name, 'x', sizeof name);
    name[KEY_NAME_BYTES] = '\0';
    assert_false(key_name_is_good(name));
    name[KEY_NAME_BYTES - 1] = '\0';
    assert_true(key_name_is_good(name));
    const char *bad[] = { "", " ", "a b", "a/b", "a\nb", "\xc3\xa4", "a=b" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(key_name_is_good(bad[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_written_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_not_written_by_us_is_refused, set_up, tear_down),
        cmocka_unit_test(test_a_name_is_of_few_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
