/* What the next life of the program makes of the answers that the last one did not end. */
#include "store/store_test_crash.h"
#include "store/store_test_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reopen(struct driver *driver, bool goes_on) {
    driver->goes_on = goes_on;
    driver_reopen(driver);
}

static struct store_waiting waiting_at(const struct driver *driver, size_t i, size_t n_expected) {
    size_t n = 0;
    const struct store_waiting *waiting = store_waiting(driver->store, &n);
    assert_int_equal(n, n_expected);
    return waiting[i];
}

static size_t count_waiting(const struct driver *driver) {
    size_t n = 0;
    store_waiting(driver->store, &n);
    return n;
}

static struct store_sent send_with_token(struct driver *driver, const char *text) {
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    assert_int_equal(driver_append(driver, sent.generation_key, 2, text), STATUS_OK);
    return sent;
}

/* [P5] [P1] */
static void test_an_answer_with_a_token_is_ended_and_goes_on(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = send_with_token(driver, "a");
    reopen(driver, true);
    struct store_waiting waiting = waiting_at(driver, 0, 1);
    assert_string_equal(waiting.conversation, sent.conversation);
    assert_string_not_equal(waiting.generation_id, sent.generation_id);
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    const struct store_message *message = &found->messages[1];
    assert_int_equal(found->n_messages, 2);
    assert_string_equal(message->content, "a");
    assert_int_equal(message->n_generations, 2);
    assert_true(message->generations[0].ended);
    assert_int_equal(message->generations[0].last_seq, 3);
    assert_string_equal(message->generations[0].reason, "interrupted");
    assert_int_equal(message->generations[0].tokens[1], 7);
    assert_false(message->generations[1].ended);
    assert_int_equal(message->generations[1].last_seq, 1);
    assert_string_equal(message->generations[1].id, waiting.generation_id);
    assert_string_equal(message->generations[1].continues, sent.generation_id);
    assert_string_equal(message->generations[1].settings, "{\"seed\":1}");
    int64_t key = message->generations[1].key;
    store_conversation_free(found);
    assert_int_equal(driver_append(driver, sent.generation_key, 3, "x"), STATUS_CONFLICT);
    assert_int_equal(driver_append(driver, key, 2, "b"), STATUS_OK);
    assert_int_equal(driver_end(driver, key, 3), STATUS_OK);
    reopen(driver, true);
    assert_int_equal(count_waiting(driver), 0);
    found = driver_load(driver, sent.conversation, NULL);
    assert_string_equal(found->messages[1].content, "ab");
    assert_int_equal(found->messages[1].n_generations, 2);
    store_conversation_free(found);
}

static void test_without_going_on_everything_is_ended(void **state) {
    struct driver *driver = *state;
    struct store_sent with = send_with_token(driver, "a");
    struct store_sent without = driver_send(driver, (struct store_send){ 0 });
    struct store_sent waits =
        driver_send(driver, (struct store_send){ .conversation = without.conversation, .queues = true });
    driver_begin_detached(driver);
    reopen(driver, false);
    assert_int_equal(count_waiting(driver), 0);
    const char *const names[] = { with.conversation, without.conversation };
    for (size_t i = 0; i < 2; i++) {
        struct store_conversation *found = driver_load(driver, names[i], NULL);
        for (size_t k = 1; k < found->n_messages; k += 2) {
            assert_int_equal(found->messages[k].n_generations, 1);
            assert_true(found->messages[k].generations[0].ended);
            assert_string_equal(found->messages[k].generations[0].reason, "interrupted");
        }
        store_conversation_free(found);
    }
    assert_int_equal(driver_append(driver, waits.generation_key, 2, "x"), STATUS_CONFLICT);
    driver_close(driver);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM event"), 0);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM generation"), 3);
}

/* No engine wrote a word of it, so nobody was shown one: the same stream begins again. */
static void test_an_answer_that_only_began_stays_three_times(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    for (int i = 0; i < STORE_VAIN_MAX; i++) {
        reopen(driver, true);
        assert_string_equal(waiting_at(driver, 0, 1).generation_id, sent.generation_id);
    }
    reopen(driver, true);
    assert_int_equal(count_waiting(driver), 0);
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    assert_int_equal(found->messages[1].n_generations, 1);
    assert_string_equal(found->messages[1].generations[0].reason, "interrupted");
    assert_int_equal(found->messages[1].generations[0].last_seq, 2);
    store_conversation_free(found);
}

static void test_an_answer_that_stayed_can_be_written(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    reopen(driver, true);
    assert_int_equal(driver_append(driver, sent.generation_key, 2, "a"), STATUS_OK);
    /* It brought a token: there is new hope for what goes on with it. */
    for (int i = 0; i <= STORE_VAIN_MAX; i++) {
        reopen(driver, true);
        assert_int_equal(count_waiting(driver), 1);
    }
    reopen(driver, true);
    assert_int_equal(count_waiting(driver), 0);
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    assert_int_equal(found->messages[1].n_generations, 2);
    store_conversation_free(found);
}

/* Restarts that it spent in a queue say nothing about it. */
static void test_what_waits_behind_another_answer_stays(void **state) {
    struct driver *driver = *state;
    struct store_sent first = send_with_token(driver, "a");
    struct store_send next = { .conversation = first.conversation, .queues = true };
    struct store_sent second = driver_send(driver, next);
    struct store_sent third = driver_send(driver, next);
    struct store_sent other = driver_send(driver, (struct store_send){ 0 });
    for (int i = 0; i <= STORE_VAIN_MAX; i++) {
        reopen(driver, true);
        size_t n = i < STORE_VAIN_MAX ? 4 : 3; /* `other` has had its three */
        /* The oldest message first: what goes on with the first answer is younger than those that wait for it. */
        assert_string_equal(waiting_at(driver, 0, n).conversation, first.conversation);
        assert_string_not_equal(waiting_at(driver, 0, n).generation_id, first.generation_id);
        assert_string_equal(waiting_at(driver, 1, n).generation_id, second.generation_id);
        assert_string_equal(waiting_at(driver, 2, n).generation_id, third.generation_id);
        if (n == 4) {
            assert_string_equal(waiting_at(driver, 3, n).generation_id, other.generation_id);
        }
    }
}

static void test_of_a_detached_generation_nothing_is_left(void **state) {
    struct driver *driver = *state;
    int64_t one = driver_begin_detached(driver);
    driver_begin_detached(driver);
    assert_int_equal(driver_append(driver, one, 2, "a"), STATUS_OK);
    reopen(driver, true);
    assert_int_equal(count_waiting(driver), 0);
    driver_close(driver);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM generation"), 0);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM event"), 0);
}

/* What the engine did to it and what restarts did to it count together. */
static void test_attempts_count_over_the_end_of_a_generation(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    char id[ID_HEX_BYTES];
    id_make_hex(id);
    struct driver_ended ended =
        driver_end_as(driver, (struct store_end){ .generation_key = sent.generation_key,
                                                  .seq = 2,
                                                  .reason = "interrupted",
                                                  .continuation_id = id });
    assert_true(ended.continuation_key > 0);
    reopen(driver, true);
    reopen(driver, true);
    assert_string_equal(waiting_at(driver, 0, 1).generation_id, id);
    reopen(driver, true);
    assert_int_equal(count_waiting(driver), 0);
}

/* ---- Damage ---- */

static void test_a_hole_in_a_stream_is_damage_and_changes_nothing(void **state) {
    struct driver *driver = *state;
    struct store_sent good = send_with_token(driver, "good");
    struct store_sent bad = send_with_token(driver, "bad");
    assert_int_equal(driver_append(driver, bad.generation_key, 3, "x"), STATUS_OK);
    driver_close(driver);
    driver_exec(driver, "DELETE FROM event WHERE text = 'bad'");
    struct fault fault = { 0 };
    driver->goes_on = true;
    assert_int_equal(driver_open(driver, &fault), STATUS_CORRUPT);
    assert_non_null(strstr(fault.text, driver->path));
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM generation WHERE ended = 0"), 2);
    driver_exec(driver, "UPDATE event SET seq = 2 WHERE text = 'x'");
    driver_exec(driver, "UPDATE generation SET last_seq = 2");
    driver_reopen(driver);
    struct store_conversation *found = driver_load(driver, good.conversation, NULL);
    assert_string_equal(found->messages[1].content, "good");
    store_conversation_free(found);
}

/* ---- Death while recovering ---- */

static void recover_and_die(void *ctx) {
    struct driver *driver = ctx;
    crash_arm();
    driver_reopen(driver);
    driver_close(driver);
}

static void expect_one_continuation(struct driver *driver, const struct store_sent *sent) {
    struct store_conversation *found = driver_load(driver, sent->conversation, NULL);
    const struct store_message *message = &found->messages[1];
    assert_string_equal(message->content, "stone");
    assert_int_equal(message->n_generations, 2);
    assert_true(message->generations[0].ended);
    assert_false(message->generations[1].ended);
    assert_int_equal(message->generations[1].last_seq, 1);
    store_conversation_free(found);
}

/* [P5] One answer goes on once, however often the program dies before it is up. */
static void test_a_kill_at_any_write_of_recovery_makes_no_second_continuation(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = { 0 };
    int n_killed = 0;
    bool is_killed = true;
    for (int n = 1; is_killed; n++) {
        reopen(driver, false);
        sent = send_with_token(driver, "stone");
        driver_close(driver);
        driver->goes_on = true;
        is_killed = crash_at_write(n, recover_and_die, driver);
        n_killed += is_killed;
        reopen(driver, true);
        expect_one_continuation(driver, &sent);
        driver_close(driver);
    }
    print_message("killed %d times\n", n_killed);
    assert_true(n_killed > 5);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM message_words('stone')"), n_killed + 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, driver_setup, driver_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_an_answer_with_a_token_is_ended_and_goes_on),
        TEST(test_without_going_on_everything_is_ended),
        TEST(test_an_answer_that_only_began_stays_three_times),
        TEST(test_an_answer_that_stayed_can_be_written),
        TEST(test_what_waits_behind_another_answer_stays),
        TEST(test_of_a_detached_generation_nothing_is_left),
        TEST(test_attempts_count_over_the_end_of_a_generation),
        TEST(test_a_hole_in_a_stream_is_damage_and_changes_nothing),
        TEST(test_a_kill_at_any_write_of_recovery_makes_no_second_continuation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
