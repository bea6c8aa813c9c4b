#include "access/access.h"

#include "access/guesses.h"
#include "access/key_file.h"
#include "access/sessions.h"
#include "base/clock.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The wall clock is the test's. */
static int64_t wall_s;

int64_t __wrap_clock_wall_ms(void);
int64_t __wrap_clock_wall_ms(void) {
    return wall_s * 1000;
}

static char folder[64];

static int set_up(void **state) {
    (void)state;
    wall_s = 1790000000;
    snprintf(folder, sizeof folder, "/tmp/runnel-access-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    static const char *const names[] = { KEY_FILE_NAME, SESSIONS_FILE_NAME };
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static struct access *open_with(const char *token, bool is_exposed) {
    struct access *access;
    struct fault fault;
    struct access_options options = { .directory = folder, .token = token, .is_exposed = is_exposed };
    assert_int_equal(access_open(&options, &access, &fault), STATUS_OK);
    return access;
}

static void put(const char *name, const char *text, enum scope scope, int64_t expires_s) {
    struct fault fault;
    struct key_file file;
    assert_int_equal(key_file_read(folder, &file, &fault), STATUS_OK);
    struct key *old = key_file_find(&file, name);
    if (old) {
        key_file_remove(&file, old);
    }
    if (text) {
        struct key key = { .hash = secret_hash_of(text), .scope = scope, .expires_s = expires_s };
        snprintf(key.name, sizeof key.name, "%s", name);
        key_file_add(&file, &key);
    }
    assert_int_equal(key_file_write(folder, &file, &fault), STATUS_OK);
    key_file_deinit(&file);
}

static const uint8_t here[GUESSES_ADDRESS_BYTES] = { 0x20, 1 };

static uint64_t by_key(struct access *access, const char *text) {
    uint32_t wait_s;
    uint64_t number = access_by_key(access, text, here, &wait_s);
    assert_int_equal(wait_s, 0);
    return number;
}

static uint64_t sign_in(struct access *access, const char *text, char session[SECRET_HEX_BYTES]) {
    uint32_t wait_s;
    uint64_t number = access_sign_in(access, text, here, session, &wait_s);
    assert_int_equal(wait_s, 0);
    return number;
}

static bool is_known(struct access *access, uint64_t number) {
    struct access_caller caller;
    return access_find(access, number, &caller);
}

static void test_everybody_may_do_everything_until_there_is_a_key(void **state) {
    (void)state;
    struct access *access = open_with(NULL, false);
    struct access_caller caller;
    assert_false(access_is_guarded(access));
    assert_true(access_find(access, ACCESS_ANYBODY, &caller));
    assert_int_equal(caller.scope, SCOPE_ADMIN);
    assert_false(access_refresh(access));
    put("first", "secret", SCOPE_READ, 0);
    assert_true(access_refresh(access));
    assert_true(access_is_guarded(access));
    assert_false(is_known(access, ACCESS_ANYBODY));
    uint64_t number = by_key(access, "secret");
    assert_true(access_find(access, number, &caller));
    assert_string_equal(caller.name, "first");
    assert_int_equal(caller.scope, SCOPE_READ);
    /* The last key is gone: nobody comes in, rather than everybody. */
    put("first", NULL, SCOPE_READ, 0);
    assert_true(access_refresh(access));
    assert_false(is_known(access, number));
    assert_int_equal(by_key(access, "secret"), ACCESS_NOBODY);
    assert_false(is_known(access, ACCESS_ANYBODY));
    assert_true(is_known(access, ACCESS_OWNER));
    access_close(access);
    access = open_with(NULL, false);
    assert_true(access_is_guarded(access));
    access_close(access);
}

static void test_a_number_stays_and_never_comes_back(void **state) {
    (void)state;
    put("a", "one", SCOPE_CHAT, 0);
    struct access *access = open_with("token", false);
    uint64_t number = by_key(access, "one");
    put("b", "two", SCOPE_CHAT, 0);
    assert_true(access_refresh(access));
    assert_int_equal(by_key(access, "one"), number);
    put("a", "another", SCOPE_CHAT, 0); /* the same name, and another key */
    assert_true(access_refresh(access));
    assert_int_equal(by_key(access, "one"), ACCESS_NOBODY);
    assert_false(is_known(access, number));
    put("a", "one", SCOPE_CHAT, 0);
    assert_true(access_refresh(access));
    assert_int_not_equal(by_key(access, "one"), number);
    assert_false(is_known(access, ACCESS_NOBODY));
    assert_false(is_known(access, 999));
    access_close(access);
}

static void test_a_key_ends_when_it_was_said_to(void **state) {
    (void)state;
    put("short", "secret", SCOPE_CHAT, wall_s + 10);
    struct access *access = open_with(NULL, false);
    uint64_t number = by_key(access, "secret");
    wall_s += 9;
    assert_false(access_refresh(access));
    assert_true(is_known(access, number));
    wall_s += 1;
    assert_false(is_known(access, number));
    assert_true(access_refresh(access)); /* once */
    assert_false(access_refresh(access));
    assert_int_equal(by_key(access, "secret"), ACCESS_NOBODY);
    access_close(access);
}

static void test_a_file_that_is_damaged_changes_nothing_while_it_runs(void **state) {
    (void)state;
    put("a", "secret", SCOPE_CHAT, 0);
    struct access *access = open_with(NULL, false);
    char path[128];
    struct fault fault;
    snprintf(path, sizeof path, "%s/" KEY_FILE_NAME, folder);
    assert_int_equal(file_replace(path, "{", 1, false, &fault), STATUS_OK);
    access_refresh(access);
    assert_int_not_equal(by_key(access, "secret"), ACCESS_NOBODY);
    access_close(access);
    struct access_options options = { .directory = folder };
    assert_int_equal(access_open(&options, &access, &fault), STATUS_CORRUPT);
    assert_null(access);
    unlink(path);
    access = open_with(NULL, false);
    assert_false(access_is_guarded(access));
    access_close(access);
}

static void test_who_can_be_reached_from_elsewhere_needs_a_key(void **state) {
    (void)state;
    struct access *access;
    struct fault fault;
    struct access_options options = { .directory = folder, .is_exposed = true };
    assert_int_equal(access_open(&options, &access, &fault), STATUS_DENIED);
    assert_non_null(strstr(fault.text, "runnel key add"));
    put("a", "secret", SCOPE_CHAT, 0);
    access = open_with(NULL, true);
    assert_true(access_is_guarded(access));
    access_close(access);
    put("a", NULL, SCOPE_CHAT, 0);
    assert_int_equal(access_open(&options, &access, &fault), STATUS_DENIED);
    access = open_with("token", true);
    assert_int_not_equal(by_key(access, "token"), ACCESS_NOBODY);
    access_close(access);
}

static void test_a_session_is_as_good_as_its_key_and_lives_as_long(void **state) {
    (void)state;
    put("phone", "secret", SCOPE_CHAT, 0);
    struct access *access = open_with(NULL, false);
    char session[SECRET_HEX_BYTES];
    struct access_caller caller;
    assert_int_equal(sign_in(access, "wrong", session), ACCESS_NOBODY);
    assert_int_equal(sign_in(access, "", session), ACCESS_NOBODY);
    uint64_t number = sign_in(access, "secret", session);
    assert_int_equal(access_by_session(access, session), number);
    assert_int_equal(by_key(access, session), ACCESS_NOBODY); /* it is no key, and a key no session */
    assert_int_equal(access_by_session(access, "secret"), ACCESS_NOBODY);
    assert_true(access_find(access, number, &caller));
    assert_true(caller.is_session && caller.scope == SCOPE_CHAT);
    assert_int_equal(caller.holder, by_key(access, "secret"));
    /* A restart ends none. */
    access_close(access);
    access = open_with(NULL, false);
    number = access_by_session(access, session);
    assert_int_not_equal(number, ACCESS_NOBODY);
    /* The end of its key does. */
    put("phone", NULL, SCOPE_CHAT, 0);
    assert_true(access_refresh(access));
    assert_false(is_known(access, number));
    put("phone", "secret", SCOPE_CHAT, 0);
    assert_true(access_refresh(access));
    assert_int_equal(access_by_session(access, session), ACCESS_NOBODY);
    access_close(access);
}

static void test_a_session_ends_by_its_time_or_by_its_owner(void **state) {
    (void)state;
    struct access *access = open_with("token", false);
    char one[SECRET_HEX_BYTES];
    char other[SECRET_HEX_BYTES];
    uint64_t number = sign_in(access, "token", one);
    uint64_t other_number = sign_in(access, "token", other);
    access_sign_out(access, number);
    assert_false(is_known(access, number));
    assert_int_equal(access_by_session(access, one), ACCESS_NOBODY);
    assert_int_equal(access_by_session(access, other), other_number);
    wall_s += ACCESS_SESSION_S;
    assert_true(access_refresh(access));
    assert_int_equal(access_by_session(access, other), ACCESS_NOBODY);
    access_close(access);
    /* Another token ends the sessions of the old one. */
    access = open_with("token", false);
    sign_in(access, "token", one);
    access_close(access);
    access = open_with("another", false);
    assert_int_equal(access_by_session(access, one), ACCESS_NOBODY);
    access_close(access);
}

static void test_there_are_no_more_sessions_than_that(void **state) {
    (void)state;
    struct access *access = open_with("token", false);
    char first[SECRET_HEX_BYTES];
    char last[SECRET_HEX_BYTES];
    sign_in(access, "token", first);
    for (int i = 0; i < ACCESS_SESSIONS_MAX; i++) {
        sign_in(access, "token", last);
    }
    assert_int_equal(access_by_session(access, first), ACCESS_NOBODY);
    assert_int_not_equal(access_by_session(access, last), ACCESS_NOBODY);
    access_close(access);
}

static void test_a_key_that_signs_in_again_and_again_signs_nobody_else_out(void **state) {
    (void)state;
    put("phone", "secret", SCOPE_METRICS, 0);
    struct access *access = open_with("token", false);
    char other[SECRET_HEX_BYTES];
    char first[SECRET_HEX_BYTES];
    char last[SECRET_HEX_BYTES];
    sign_in(access, "token", other);
    sign_in(access, "secret", first);
    for (int i = 0; i < 2 * ACCESS_SESSIONS_MAX; i++) {
        sign_in(access, "secret", last);
    }
    assert_int_equal(access_by_session(access, first), ACCESS_NOBODY);
    assert_int_not_equal(access_by_session(access, other), ACCESS_NOBODY);
    assert_int_not_equal(access_by_session(access, last), ACCESS_NOBODY);
    access_close(access);
}

static void test_what_signs_in_once_does_so_once(void **state) {
    (void)state;
    struct access *access = open_with("token", false);
    char once[SECRET_HEX_BYTES];
    char session[SECRET_HEX_BYTES];
    struct access_caller caller;
    access_make_once(access, once);
    assert_int_equal(by_key(access, once), ACCESS_NOBODY);
    uint64_t number = sign_in(access, once, session);
    assert_true(access_find(access, number, &caller));
    assert_int_equal(caller.holder, ACCESS_OWNER);
    assert_int_equal(sign_in(access, once, session), ACCESS_NOBODY);
    access_make_once(access, once);
    wall_s += ACCESS_ONCE_S;
    assert_int_equal(sign_in(access, once, session), ACCESS_NOBODY);
    access_close(access);
}

static void test_a_key_has_its_own_rate_and_its_sessions_share_it(void **state) {
    (void)state;
    struct fault fault;
    struct key_file file = { 0 };
    key_file_add(&file, &(struct key){ .name = "slow",
                                       .hash = secret_hash_of("secret"),
                                       .scope = SCOPE_CHAT,
                                       .rate = { 2, 86400 },
                                       .concurrent = 1 });
    key_file_add(&file, &(struct key){ .name = "any", .hash = secret_hash_of("x"), .scope = SCOPE_CHAT });
    assert_int_equal(key_file_write(folder, &file, &fault), STATUS_OK);
    key_file_deinit(&file);
    struct access *access;
    struct access_options options = { .directory = folder, .rate = { 3, 86400 }, .concurrent = 7 };
    assert_int_equal(access_open(&options, &access, &fault), STATUS_OK);
    uint64_t slow = by_key(access, "secret");
    uint64_t any = by_key(access, "x");
    char session[SECRET_HEX_BYTES];
    uint64_t signed_in = sign_in(access, "secret", session);
    assert_int_equal(access_take(access, slow), 0);
    assert_int_equal(access_take(access, signed_in), 0);
    assert_int_not_equal(access_take(access, slow), 0);
    assert_int_not_equal(access_take(access, signed_in), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(access_take(access, any), 0);
    }
    assert_int_not_equal(access_take(access, any), 0);
    struct access_caller caller;
    assert_true(access_find(access, slow, &caller));
    assert_int_equal(caller.concurrent, 1);
    assert_true(access_find(access, any, &caller));
    assert_int_equal(caller.concurrent, 7);
    put("third", "y", SCOPE_READ, 0); /* what was used up stays used up */
    assert_true(access_refresh(access));
    assert_int_not_equal(access_take(access, slow), 0);
    access_close(access);
}

static void test_an_address_that_guesses_must_wait_for_the_token_and_for_nothing_else(void **state) {
    (void)state;
    static const uint8_t elsewhere[GUESSES_ADDRESS_BYTES] = { 0x20, 2 };
    uint32_t wait_s = 0;
    char session[SECRET_HEX_BYTES];
    put("phone", "secret", SCOPE_CHAT, 0);
    struct access *access = open_with("token", false);
    uint64_t token = by_key(access, "token");
    for (int i = 0; i < GUESSES_N; i++) {
        assert_int_equal(by_key(access, "wrong"), ACCESS_NOBODY);
    }
    assert_int_equal(access_by_key(access, "wrong", here, &wait_s), ACCESS_NOBODY);
    assert_int_equal(wait_s, 1);
    assert_int_equal(access_by_key(access, "token", here, &wait_s), ACCESS_NOBODY);
    assert_int_equal(wait_s, 1);
    assert_int_equal(access_sign_in(access, "token", here, session, &wait_s), ACCESS_NOBODY);
    assert_int_equal(wait_s, 1);
    assert_int_not_equal(by_key(access, "secret"), ACCESS_NOBODY);
    assert_int_not_equal(sign_in(access, "secret", session), ACCESS_NOBODY);
    assert_int_equal(access_by_key(access, "token", elsewhere, &wait_s), token);
    assert_int_equal(wait_s, 0);
    access_close(access);
}

/* Nothing of theirs can be guessed. */
static void test_where_there_is_no_token_nobody_waits(void **state) {
    (void)state;
    put("phone", "secret", SCOPE_CHAT, 0);
    struct access *access = open_with(NULL, false);
    for (int i = 0; i < 2 * GUESSES_N; i++) {
        assert_int_equal(by_key(access, "wrong"), ACCESS_NOBODY);
    }
    access_close(access);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_everybody_may_do_everything_until_there_is_a_key, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_number_stays_and_never_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_key_ends_when_it_was_said_to, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_damaged_changes_nothing_while_it_runs, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_who_can_be_reached_from_elsewhere_needs_a_key, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_session_is_as_good_as_its_key_and_lives_as_long, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_session_ends_by_its_time_or_by_its_owner, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_there_are_no_more_sessions_than_that, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_key_that_signs_in_again_and_again_signs_nobody_else_out,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_signs_in_once_does_so_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_key_has_its_own_rate_and_its_sessions_share_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            test_an_address_that_guesses_must_wait_for_the_token_and_for_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_where_there_is_no_token_nobody_waits, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
