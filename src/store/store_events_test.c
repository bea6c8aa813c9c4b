/* Streams as the database holds them, and what damage of them is answered with. */
#include "store/store_events.h"

#include "store/store_test_driver.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED          20261124
#define N_RANDOM      20000
#define N_ENTRIES_MAX 12
#define N_MUTATIONS   60
#define RETRY_MS      20000
#define N_ENDS        30

static uint32_t next_random(uint32_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static bool unpack_sizes(const char *blob, size_t n_bytes, size_t n_ends, bool has_end, uint32_t *ends) {
    return store_events_unpack_sizes(blob, n_bytes, 1000, ends, n_ends, has_end);
}

static void test_sizes_become_ends(void **state) {
    (void)state;
    uint32_t ends[N_ENTRIES_MAX];
    const uint32_t expected[] = { 0, 3, 3, 303, 303 };
    assert_true(unpack_sizes("\x03\x00\xAC\x02", 4, 5, true, ends));
    assert_memory_equal(ends, expected, sizeof expected);
    assert_true(unpack_sizes("\x03\x00\xAC\x02", 4, 4, false, ends));
    assert_memory_equal(ends, expected, 4 * sizeof ends[0]);
    assert_true(unpack_sizes("", 0, 1, false, ends));
    assert_true(unpack_sizes("", 0, 2, true, ends));
    assert_int_equal(ends[1], 0);
}

static void test_sizes_that_do_not_fit_are_damage(void **state) {
    (void)state;
    uint32_t ends[N_ENTRIES_MAX];
    assert_false(unpack_sizes("\x03\x00", 2, 5, true, ends));             /* too few */
    assert_false(unpack_sizes("\x03\x00\x01\x01", 4, 5, true, ends));     /* too many */
    assert_false(unpack_sizes("\x03\x80", 2, 4, true, ends));             /* cut short */
    assert_false(unpack_sizes("\xE9\x07", 2, 3, true, ends));             /* 1001: longer than the text */
    assert_false(unpack_sizes("\xFF\xFF\xFF\xFF\x1F", 5, 3, true, ends)); /* more than 32 bits */
    assert_false(unpack_sizes("\x80\x80\x80\x80\x80\x80\x01", 7, 3, true, ends)); /* more than 5 bytes */
}

static void test_tokens_are_one_less_than_what_is_written(void **state) {
    (void)state;
    int32_t tokens[N_ENTRIES_MAX];
    const int32_t expected[] = { -1, -1, 0, 127, INT32_MAX, -1 };
    const char blob[] = "\x00\x01\x80\x01\x80\x80\x80\x80\x08";
    assert_true(store_events_unpack_tokens(blob, sizeof blob - 1, tokens, 6, true));
    assert_memory_equal(tokens, expected, sizeof expected);
    assert_false(store_events_unpack_tokens(blob, sizeof blob - 2, tokens, 6, true));
    assert_false(store_events_unpack_tokens(blob, sizeof blob - 1, tokens, 5, true));
    assert_false(store_events_unpack_tokens(blob, sizeof blob - 1, tokens, 7, true));
}

static void test_thoughts_and_calls_are_found_by_their_distance(void **state) {
    (void)state;
    struct store_others others;
    const uint8_t kinds[] = { 0, 0, 1, 1, 0, 2, 0 };
    const uint32_t ends[] = { 0, 0, 2, 3, 3, 5, 5 };
    const char blob[] = "\x02\x01\x02"
                        "ab"
                        "\x01\x01\x01"
                        "c"
                        "\x02\x02\x02"
                        "{}";
    assert_true(store_others_unpack(blob, sizeof blob - 1, 7, true, &others));
    assert_memory_equal(others.kinds, kinds, sizeof kinds);
    assert_memory_equal(others.ends, ends, sizeof ends);
    assert_memory_equal(others.text.data, "abc{}", 5);
    store_others_deinit(&others);
    assert_false(
        store_others_unpack(blob, sizeof blob - 1, 6, true, &others)); /* the last would be the end */
    assert_false(store_others_unpack(blob, sizeof blob - 2, 7, true, &others)); /* cut short */
    assert_false(store_others_unpack("\x00\x01\x00", 3, 7, true, &others));     /* no distance */
    assert_false(store_others_unpack("\x01\x03\x00", 3, 7, true, &others));     /* no kind */
    assert_false(store_others_unpack("\x01\x00\x00", 3, 7, true, &others));     /* a token */
    assert_false(
        store_others_unpack("\x01\x01\xFF\xFF\x03", 5, 7, true, &others)); /* a size beyond the blob */
}

/* Of memory that is exactly as long, so that a sanitizer sees a byte too far. */
static void test_any_bytes_are_answered(void **state) {
    (void)state;
    uint32_t seed = SEED;
    print_message("seed %u\n", seed);
    size_t n_good = 0;
    for (int i = 0; i < N_RANDOM; i++) {
        size_t n_bytes = next_random(&seed) % 16;
        bool has_end = next_random(&seed) % 2;
        size_t n = 1 + has_end + next_random(&seed) % (N_ENTRIES_MAX - 2);
        char *blob = malloc(n_bytes + 1);
        uint32_t *ends = malloc(n * sizeof *ends);
        int32_t *tokens = malloc(n * sizeof *tokens);
        for (size_t k = 0; k < n_bytes; k++) {
            blob[k] = (char)(unsigned char)(next_random(&seed) & (next_random(&seed) % 3 ? 0x7F : 0xFF));
        }
        char *exact = realloc(blob, n_bytes ? n_bytes : 1);
        if (unpack_sizes(exact, n_bytes, n, has_end, ends)) {
            assert_true(ends[n - 1] <= 1000);
            n_good++;
        }
        n_good += store_events_unpack_tokens(exact, n_bytes, tokens, n, has_end);
        struct store_others others;
        if (n >= 2 && store_others_unpack(exact, n_bytes, n, has_end, &others)) {
            store_others_deinit(&others);
        }
        free(exact);
        free(ends);
        free(tokens);
    }
    assert_true(n_good > 0);
}

/* ---- In the database ---- */

/* Three generations, "one two" each. */
static void make_chain(struct driver *driver, char name[ID_CONVERSATION_BYTES]) {
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    int64_t key = sent.generation_key;
    strcpy(name, sent.conversation);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(driver_append(driver, key, 2, "one"), STATUS_OK);
        assert_int_equal(driver_append(driver, key, 3, " two"), STATUS_OK);
        if (i < 2) {
            char id[ID_HEX_BYTES];
            id_make_hex(id);
            struct store_end end = {
                .generation_key = key, .seq = 4, .reason = "interrupted", .continuation_id = id
            };
            key = driver_end_as(driver, end).continuation_key;
        }
    }
    assert_int_equal(driver_end(driver, key, 4), STATUS_OK);
}

static enum status load_status(struct driver *driver, const char *name) {
    enum status status;
    store_conversation_free(driver_load(driver, name, &status));
    return status;
}

static void test_damage_is_told_and_stays_with_its_conversation(void **state) {
    static const char *const damages[] = {
        "UPDATE generation SET text_sizes = NULL WHERE key = 2",
        "UPDATE generation SET text_sizes = x'' WHERE key = 2",
        "UPDATE generation SET text_sizes = x'030401' WHERE key = 2",
        "UPDATE generation SET text_sizes = x'0303' WHERE key = 2",   /* the last text is too short */
        "UPDATE generation SET text_sizes = x'0305' WHERE key = 1",   /* and here the last is too long */
        "UPDATE generation SET text_sizes = x'03FF7F' WHERE key = 2", /* beyond the whole content */
        "UPDATE generation SET tokens = x'08' WHERE key = 2",
        "UPDATE generation SET tokens = x'080808' WHERE key = 2",
        "UPDATE generation SET tokens = x'0880' WHERE key = 2",
        "UPDATE generation SET last_seq = 9000000000000000000 WHERE key = 2",
        "UPDATE generation SET last_seq = 1 WHERE key = 2",
        "UPDATE generation SET continues_key = NULL WHERE key = 2",
        "UPDATE generation SET continues_key = 1 WHERE key = 3",
        "UPDATE generation SET continues_key = 3 WHERE key = 1",
        "DELETE FROM generation WHERE key = 1",
        "DELETE FROM generation WHERE key = 3",
        "UPDATE message SET content = 'one two' WHERE key = 2",
        "UPDATE message SET content = content || '!' WHERE key = 2",
        "UPDATE message SET content = '' WHERE key = 2",
    };
    struct driver *driver = *state;
    char bad[ID_CONVERSATION_BYTES], good[ID_CONVERSATION_BYTES];
    make_chain(driver, bad);
    make_chain(driver, good);
    assert_int_equal(load_status(driver, bad), STATUS_OK);
    driver_close(driver);
    driver_exec(driver, "DROP INDEX generation_continues; CREATE TABLE g AS SELECT * FROM generation; "
                        "CREATE TABLE m AS SELECT * FROM message");
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        driver_exec(driver, damages[i]);
        driver_reopen(driver);
        if (load_status(driver, bad) != STATUS_CORRUPT) {
            fail_msg("not found: %s", damages[i]);
        }
        assert_int_equal(load_status(driver, good), STATUS_OK);
        driver_close(driver);
        driver_exec(driver,
                    "DELETE FROM generation; DELETE FROM message; INSERT INTO message SELECT * FROM m; "
                    "INSERT INTO generation SELECT * FROM g");
    }
    driver_reopen(driver);
    assert_int_equal(load_status(driver, bad), STATUS_OK);
}

static void on_count(void *ctx, enum status status, int64_t continuation_key) {
    assert_int_equal(continuation_key, 0);
    ((int *)ctx)[status == STATUS_OK ? 0 : status == STATUS_CORRUPT ? 1 : 2]++;
}

/* The index of words is damaged: every end meets it. It is no disk that may take it the next time. */
static void test_damage_of_the_words_is_told_and_keeps_no_other_job_back(void **state) {
    struct driver *driver = *state;
    int64_t keys[N_ENDS];
    int n_ended[3] = { 0 };
    for (int i = 0; i < N_ENDS; i++) {
        keys[i] = driver_send(driver, (struct store_send){ .text = "some words" }).generation_key;
    }
    driver_close(driver);
    driver_exec(driver, "UPDATE message_words_data SET block = x'ffff' WHERE id > 10");
    driver->retry_ms = RETRY_MS;
    driver->goes_on = true;
    driver_reopen(driver);
    uint64_t began_ms = clock_now_ms();
    for (int i = 0; i < N_ENDS; i++) {
        struct driver_answer put = { 0 };
        struct store_end end = { .generation_key = keys[i], .seq = 3, .reason = "stop" };
        assert_int_equal(driver_append(driver, keys[i], 2, "more words"), STATUS_OK);
        assert_int_equal(store_end_generation(driver->store, &end, on_count, n_ended), STATUS_OK);
        assert_int_equal(store_put_setting(driver->store, "a", "1", driver_on_done, &put), STATUS_OK);
        driver_wait(driver, &put.is_done);
        assert_int_equal(put.status, STATUS_OK);
    }
    print_message("ended %d, damaged %d, other %d\n", n_ended[0], n_ended[1], n_ended[2]);
    assert_true(n_ended[1] > 0);
    assert_int_equal(n_ended[2], 0);
    assert_true(clock_now_ms() - began_ms < RETRY_MS);
    assert_int_equal(store_trouble(driver->store), STORE_FINE);
}

/* Whatever stands in the blobs, a load is answered. */
static void test_any_blob_is_answered(void **state) {
    struct driver *driver = *state;
    char name[ID_CONVERSATION_BYTES];
    make_chain(driver, name);
    uint32_t seed = SEED;
    print_message("seed %u\n", seed);
    size_t n_corrupt = 0;
    for (int i = 0; i < N_MUTATIONS; i++) {
        char blob[20] = "", sql[160];
        for (uint32_t n = next_random(&seed) % 5; n > 0; n--) {
            snprintf(blob + strlen(blob), 3, "%02x", next_random(&seed) % (n % 2 ? 9 : 256));
        }
        snprintf(sql, sizeof sql, "UPDATE generation SET %s = x'%s', last_seq = %u WHERE key = %u",
                 next_random(&seed) % 2 ? "text_sizes" : "tokens", blob, 1 + next_random(&seed) % 5,
                 1 + next_random(&seed) % 3);
        driver_close(driver);
        driver_exec(driver, "UPDATE generation SET text_sizes = x'0304', tokens = x'0808', last_seq = 4");
        driver_exec(driver, sql);
        driver_reopen(driver);
        enum status status = load_status(driver, name);
        assert_true(status == STATUS_OK || status == STATUS_CORRUPT);
        n_corrupt += status == STATUS_CORRUPT;
    }
    assert_true(n_corrupt > N_MUTATIONS / 2);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, driver_setup, driver_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_become_ends),
        cmocka_unit_test(test_sizes_that_do_not_fit_are_damage),
        cmocka_unit_test(test_tokens_are_one_less_than_what_is_written),
        cmocka_unit_test(test_thoughts_and_calls_are_found_by_their_distance),
        cmocka_unit_test(test_any_bytes_are_answered),
        TEST(test_damage_is_told_and_stays_with_its_conversation),
        TEST(test_damage_of_the_words_is_told_and_keeps_no_other_job_back),
        TEST(test_any_blob_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
