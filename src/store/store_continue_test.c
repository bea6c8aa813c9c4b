/* A message as a chain of generations. */
#include "base/bytes.h"
#include "store/store_test_crash.h"
#include "store/store_test_driver.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_PARTS      6
#define N_EVENTS_MAX 40
#define SEED         20261123

/* ---- Helpers ---- */

static enum status append(struct driver *driver, int64_t key, uint64_t seq, int32_t token, const char *text,
                          size_t size) {
    struct driver_answer answer = { 0 };
    struct store_token one = {
        .generation_key = key, .seq = seq, .token = token, .text_size = (uint32_t)size
    };
    struct store_tokens batch = { .tokens = &one, .n_tokens = 1, .text = text, .text_size = size };
    assert_int_equal(store_append_tokens(driver->store, &batch, driver_on_done, &answer), STATUS_OK);
    driver_wait(driver, &answer.is_done);
    return answer.status;
}

/* Ends as "interrupted" and goes on. 0: nothing goes on. */
static int64_t go_on(struct driver *driver, int64_t key, uint64_t seq) {
    char id[ID_HEX_BYTES];
    id_make_hex(id);
    struct store_end end = {
        .generation_key = key, .seq = seq, .reason = "interrupted", .continuation_id = id
    };
    struct driver_ended ended = driver_end_as(driver, end);
    assert_int_equal(ended.status, STATUS_OK);
    return ended.continuation_key;
}

static uint32_t next_random(uint32_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* ---- What a chain holds ---- */

static void test_the_next_generation_has_the_settings_of_the_one_it_continues(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    assert_int_equal(append(driver, sent.generation_key, 2, 5, "a", 1), STATUS_OK);
    int64_t key = go_on(driver, sent.generation_key, 3);
    assert_true(key > sent.generation_key);
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    assert_int_equal(found->n_messages, 2);
    const struct store_message *message = &found->messages[1];
    assert_int_equal(message->n_generations, 2);
    const struct store_generation *first = &message->generations[0], *second = &message->generations[1];
    assert_true(first->ended);
    assert_string_equal(first->reason, "interrupted");
    assert_string_equal(first->continues, "");
    assert_string_equal(first->settings, "{\"seed\":1}");
    assert_false(second->ended);
    assert_int_equal(second->key, key);
    assert_int_equal(second->last_seq, 1);
    assert_string_equal(second->continues, sent.generation_id);
    assert_string_not_equal(second->id, sent.generation_id);
    assert_string_equal(second->model, "a model");
    assert_string_equal(second->settings, "{\"seed\":1}");
    assert_string_equal(message->content, "a");
    store_conversation_free(found);
}

struct part {
    uint32_t n_events; /* tokens: seq 2 to n_events + 1 */
    uint32_t ends[N_EVENTS_MAX + 2];
    int32_t tokens[N_EVENTS_MAX + 2];
};

struct chain {
    struct bytes text;
    struct part parts[N_PARTS];
    size_t n_parts;
};

static void expect_part(const struct part *part, const struct store_generation *found, bool has_ended) {
    size_t n = part->n_events + 1 + has_ended;
    assert_int_equal(found->ended, has_ended);
    assert_int_equal(found->last_seq, n);
    assert_int_equal(found->n_text_ends, n);
    assert_int_equal(found->text_size, part->ends[part->n_events]);
    assert_memory_equal(found->text_ends, part->ends, n * sizeof part->ends[0]);
    assert_non_null(found->tokens);
    assert_memory_equal(found->tokens, part->tokens, n * sizeof part->tokens[0]);
}

/* [P2] Every cursor of every generation finds its bytes, however often the text was moved since. */
static void expect_chain(struct driver *driver, const char *name, const struct chain *chain, bool has_ended) {
    struct store_conversation *found = driver_load(driver, name, NULL);
    const struct store_message *message = &found->messages[1];
    assert_int_equal(message->n_generations, chain->n_parts);
    assert_int_equal(message->content_size, chain->text.size);
    assert_memory_equal(message->content, chain->text.size ? chain->text.data : "", chain->text.size);
    assert_int_equal(message->content[message->content_size], '\0');
    for (size_t i = 0; i < chain->n_parts; i++) {
        const struct store_generation *one = &message->generations[i];
        expect_part(&chain->parts[i], one, has_ended || i + 1 < chain->n_parts);
        assert_string_equal(one->continues, i ? message->generations[i - 1].id : "");
    }
    store_conversation_free(found);
}

static void add_random_events(struct driver *driver, struct chain *chain, int64_t key, uint32_t *seed) {
    static const int32_t tokens[] = { -1, 0, 1, 126, 127, 128, 16382, 151643, INT32_MAX };
    struct part *part = &chain->parts[chain->n_parts - 1];
    uint32_t n = 1 + next_random(seed) % N_EVENTS_MAX;
    size_t begin = chain->text.size;
    part->tokens[0] = -1;
    for (uint32_t i = 1; i <= n; i++) {
        size_t before = chain->text.size;
        uint32_t size = next_random(seed) % (i % 5 ? 6 : 300);
        for (uint32_t k = 0; k < size; k++) {
            bytes_add_char(&chain->text, (char)(unsigned char)next_random(seed));
        }
        part->tokens[i] = tokens[next_random(seed) % (sizeof tokens / sizeof tokens[0])];
        part->ends[i] = (uint32_t)(chain->text.size - begin);
        const char *text = size ? chain->text.data + before : "";
        assert_int_equal(append(driver, key, i + 1, part->tokens[i], text, size), STATUS_OK);
    }
    part->n_events = n;
    part->ends[n + 1] = part->ends[n];
    part->tokens[n + 1] = -1;
}

static void test_a_chain_is_the_same_bytes_and_tokens_at_every_moment(void **state) {
    struct driver *driver = *state;
    static struct chain chain;
    uint32_t seed = SEED;
    print_message("seed %u\n", seed);
    chain = (struct chain){ 0 };
    bytes_init(&chain.text, 1000000);
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    int64_t key = sent.generation_key;
    for (;;) {
        chain.n_parts++;
        add_random_events(driver, &chain, key, &seed);
        expect_chain(driver, sent.conversation, &chain, false);
        uint64_t seq = chain.parts[chain.n_parts - 1].n_events + 2;
        if (chain.n_parts == N_PARTS) {
            assert_int_equal(driver_end(driver, key, seq), STATUS_OK);
            break;
        }
        key = go_on(driver, key, seq);
        assert_true(key > 0);
    }
    expect_chain(driver, sent.conversation, &chain, true);
    driver_reopen(driver);
    expect_chain(driver, sent.conversation, &chain, true);
    driver_close(driver);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM event"), 0);
    bytes_deinit(&chain.text);
}

/* [P10] */
static void test_a_repeated_send_gets_the_first_generation_of_its_answer(void **state) {
    struct driver *driver = *state;
    struct store_send send = { .text = "Hi", .client_msg_id = "one" };
    struct store_sent first = driver_send(driver, send);
    assert_true(go_on(driver, first.generation_key, 2) > 0);
    struct store_sent again = driver_send(driver, send);
    assert_int_equal(again.status, STATUS_OK);
    assert_true(again.duplicate);
    assert_string_equal(again.generation_id, first.generation_id);
    assert_string_equal(again.assistant_message_id, first.assistant_message_id);
}

/* ---- The end and what goes on with it are one ---- */

static void test_an_end_that_cannot_be_gone_on_with_is_no_end(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    assert_int_equal(append(driver, sent.generation_key, 2, 5, "a", 1), STATUS_OK);
    struct driver_ended ended =
        driver_end_as(driver, (struct store_end){ .generation_key = sent.generation_key,
                                                  .seq = 3,
                                                  .reason = "interrupted",
                                                  .continuation_id = sent.generation_id });
    assert_int_equal(ended.status, STATUS_CONFLICT); /* the id is taken */
    assert_int_equal(ended.continuation_key, 0);
    assert_int_equal(append(driver, sent.generation_key, 3, 6, "b", 1), STATUS_OK);
    assert_true(go_on(driver, sent.generation_key, 4) > 0);
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    assert_string_equal(found->messages[1].content, "ab");
    assert_int_equal(found->messages[1].n_generations, 2);
    store_conversation_free(found);
}

static void test_what_has_ended_is_not_gone_on_with_twice(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    char id[ID_HEX_BYTES];
    id_make_hex(id);
    assert_true(go_on(driver, sent.generation_key, 2) > 0);
    struct store_end end = {
        .generation_key = sent.generation_key, .seq = 2, .reason = "interrupted", .continuation_id = id
    };
    struct driver_ended ended = driver_end_as(driver, end);
    assert_int_equal(ended.status, STATUS_CONFLICT);
    assert_int_equal(ended.continuation_key, 0);
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    assert_int_equal(found->messages[1].n_generations, 2);
    store_conversation_free(found);
}

/* Whoever was told that the disk had failed asks again. */
static void test_the_same_end_again_finds_what_goes_on_with_it(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    char id[ID_HEX_BYTES];
    id_make_hex(id);
    struct store_end end = {
        .generation_key = sent.generation_key, .seq = 2, .reason = "interrupted", .continuation_id = id
    };
    struct driver_ended first = driver_end_as(driver, end);
    struct driver_ended again = driver_end_as(driver, end);
    assert_int_equal(again.status, STATUS_OK);
    assert_true(again.continuation_key > 0);
    assert_int_equal(again.continuation_key, first.continuation_key);
    end.seq = 3;
    assert_int_equal(driver_end_as(driver, end).status, STATUS_CONFLICT);
    end.seq = 2;
    end.continuation_id = NULL;
    assert_int_equal(driver_end_as(driver, end).status, STATUS_CONFLICT);
}

static void end_and_die(void *ctx) {
    struct driver *driver = ctx;
    driver_reopen(driver);
    int64_t key = driver_send(driver, (struct store_send){ 0 }).generation_key;
    append(driver, key, 2, 5, "a", 1);
    crash_arm();
    go_on(driver, key, 3);
    driver_close(driver);
}

/* [P5] Killed at any write, an answer is one that goes on, or one that has not ended: never ended and forgotten. */
static void test_a_kill_at_any_write_leaves_both_or_none(void **state) {
    struct driver *driver = *state;
    int n_ended = 0, n_unended = 0;
    driver_close(driver);
    for (int n = 1; crash_at_write(n, end_and_die, driver); n++) {
        int64_t n_rows = driver_number(driver, "SELECT count(*) FROM generation WHERE message_key = "
                                               "(SELECT max(key) FROM message)");
        int64_t n_ends = driver_number(driver, "SELECT sum(ended) FROM generation WHERE message_key = "
                                               "(SELECT max(key) FROM message)");
        int64_t n_events = driver_number(driver, "SELECT count(*) FROM event");
        int64_t n_bytes =
            driver_number(driver, "SELECT length(content) FROM message ORDER BY key DESC LIMIT 1");
        assert_int_equal(n_rows, n_ends ? 2 : 1);
        assert_int_equal(n_events, n_ends ? 0 : 1);
        assert_int_equal(n_bytes, n_ends ? 1 : 0);
        n_ends ? n_ended++ : n_unended++;
    }
    print_message("killed before the end %d times, behind it %d times\n", n_unended, n_ended);
    assert_true(n_unended > 2 && n_ended > 2);
}

/* ---- No end without hope ---- */

static void test_nothing_goes_on_after_three_without_a_token(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    int64_t second = go_on(driver, sent.generation_key, 2);
    int64_t third = go_on(driver, second, 2);
    assert_true(third > second);
    assert_int_equal(go_on(driver, third, 2), 0);
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    assert_int_equal(found->messages[1].n_generations, 3);
    assert_true(found->messages[1].generations[2].ended);
    store_conversation_free(found);
}

static void test_a_token_gives_new_hope(void **state) {
    struct driver *driver = *state;
    int64_t key = driver_send(driver, (struct store_send){ 0 }).generation_key;
    key = go_on(driver, key, 2);
    key = go_on(driver, key, 2);
    assert_int_equal(append(driver, key, 2, 5, "a", 1), STATUS_OK);
    key = go_on(driver, key, 3);
    key = go_on(driver, key, 2);
    key = go_on(driver, key, 2);
    assert_true(key > 0);
    assert_int_equal(go_on(driver, key, 2), 0);
}

static void test_a_detached_generation_goes_on_too(void **state) {
    struct driver *driver = *state;
    int64_t key = driver_begin_detached(driver);
    assert_int_equal(append(driver, key, 2, 5, "a", 1), STATUS_OK);
    int64_t next = go_on(driver, key, 3);
    assert_true(next > key);
    assert_int_equal(append(driver, key, 3, 5, "b", 1), STATUS_CONFLICT);
    assert_int_equal(append(driver, next, 2, 5, "b", 1), STATUS_OK);
    next = go_on(driver, next, 3);
    next = go_on(driver, next, 2);
    next = go_on(driver, next, 2);
    assert_true(next > 0);
    assert_int_equal(go_on(driver, next, 2), 0);
    driver_close(driver);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM event"), 0);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM generation"), 0);
}

/* ---- Going on because a person wants it ---- */

static struct store_sent ended_as(struct driver *driver, const char *reason) {
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    struct store_end end = { .generation_key = sent.generation_key, .seq = 3, .reason = reason };
    assert_int_equal(append(driver, sent.generation_key, 2, 5, "a", 1), STATUS_OK);
    assert_int_equal(driver_end_as(driver, end).status, STATUS_OK);
    return sent;
}

static void test_an_answer_that_was_cut_short_can_be_gone_on_with(void **state) {
    struct driver *driver = *state;
    static const char *const reasons[] = { "interrupted", "cancelled", "length", "error" };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        struct store_sent sent = ended_as(driver, reasons[i]);
        char id[ID_HEX_BYTES];
        id_make_hex(id);
        struct store_continued made = driver_continue(
            driver, (struct store_continue){ .continues = sent.generation_id, .generation_id = id });
        assert_int_equal(made.status, STATUS_OK);
        assert_false(made.duplicate);
        assert_string_equal(made.conversation, sent.conversation);
        assert_string_equal(made.message_id, sent.assistant_message_id);
        assert_string_equal(made.generation_id, id);
        assert_int_equal(append(driver, made.generation_key, 2, 5, "b", 1), STATUS_OK);
        assert_int_equal(driver_end(driver, made.generation_key, 3), STATUS_OK);
        struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
        assert_int_equal(found->updated_ms, DRIVER_WALL_MS + 2000);
        assert_int_equal(found->n_messages, 2);
        assert_string_equal(found->messages[1].content, "ab");
        assert_string_equal(found->messages[1].generations[1].continues, sent.generation_id);
        assert_string_equal(found->messages[1].generations[1].model, "another model");
        assert_string_equal(found->messages[1].generations[1].settings, "{\"seed\":2}");
        store_conversation_free(found);
    }
}

static void test_going_on_twice_finds_the_first_time(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = ended_as(driver, "interrupted");
    struct store_continue wanted = { .continues = sent.generation_id };
    struct store_continued first = driver_continue(driver, wanted);
    struct store_continued again = driver_continue(driver, wanted);
    assert_int_equal(again.status, STATUS_OK);
    assert_true(again.duplicate);
    assert_string_equal(again.conversation, sent.conversation);
    assert_string_equal(again.message_id, sent.assistant_message_id);
    assert_string_equal(again.generation_id, first.generation_id);
    assert_int_equal(again.generation_key, first.generation_key);
    /* Also when that one has ended, and when the program went on by itself. */
    int64_t third = go_on(driver, first.generation_key, 2);
    assert_true(third > 0);
    again = driver_continue(driver, wanted);
    assert_string_equal(again.generation_id, first.generation_id);
    again = driver_continue(driver, (struct store_continue){ .continues = first.generation_id });
    assert_true(again.duplicate);
    assert_int_equal(again.generation_key, third);
}

static void test_what_cannot_be_gone_on_with_is_refused(void **state) {
    struct driver *driver = *state;
    struct store_continue wanted = { .continues = "00000000000000000000000000000000" };
    assert_int_equal(driver_continue(driver, wanted).status, STATUS_NOT_FOUND);
    struct store_sent stopped = ended_as(driver, "stop");
    wanted.continues = stopped.generation_id;
    assert_int_equal(driver_continue(driver, wanted).status, STATUS_CONFLICT);
    struct store_sent parent = ended_as(driver, "interrupted");
    struct store_sent child = driver_send(driver, (struct store_send){ .conversation = parent.conversation });
    wanted.continues = parent.generation_id;
    assert_int_equal(driver_continue(driver, wanted).status, STATUS_BUSY);
    wanted.continues = child.generation_id;
    assert_int_equal(driver_continue(driver, wanted).status, STATUS_BUSY);
    assert_int_equal(driver_end(driver, child.generation_key, 2), STATUS_OK);
    wanted.continues = parent.generation_id;
    assert_int_equal(driver_continue(driver, wanted).status, STATUS_CONFLICT);
    struct store_sent taken = ended_as(driver, "interrupted");
    struct store_continued made =
        driver_continue(driver, (struct store_continue){ .continues = taken.generation_id,
                                                         .generation_id = parent.generation_id });
    assert_int_equal(made.status, STATUS_CONFLICT);
    assert_int_equal(made.generation_key, 0);
    wanted.continues = taken.generation_id;
    assert_int_equal(driver_continue(driver, wanted).status, STATUS_OK);
}

/* ---- Sends that wait ---- */

static void test_sends_wait_behind_an_answer_up_to_their_maximum(void **state) {
    struct driver *driver = *state;
    struct store_sent all[STORE_QUEUE_MAX];
    all[0] = driver_send(driver, (struct store_send){ .client_msg_id = "first" });
    struct store_send next = { .conversation = all[0].conversation };
    assert_int_equal(driver_send(driver, next).status, STATUS_BUSY);
    next.queues = true;
    for (size_t i = 1; i < STORE_QUEUE_MAX; i++) {
        all[i] = driver_send(driver, next);
        assert_int_equal(all[i].status, STATUS_OK);
        assert_string_equal(all[i].parent_id, all[i - 1].assistant_message_id);
    }
    assert_int_equal(driver_send(driver, next).status, STATUS_FULL);
    next.client_msg_id = "first";
    assert_true(driver_send(driver, next).duplicate);
    next.client_msg_id = NULL;
    assert_int_equal(driver_delete(driver, next.conversation), STATUS_BUSY);
    /* One in the middle may end; then one more may wait. */
    assert_int_equal(driver_end(driver, all[7].generation_key, 2), STATUS_OK);
    struct store_sent more = driver_send(driver, next);
    assert_int_equal(more.status, STATUS_OK);
    assert_int_equal(driver_send(driver, next).status, STATUS_FULL);
    all[7] = more;
    for (size_t i = 0; i < STORE_QUEUE_MAX; i++) {
        assert_int_equal(driver_end(driver, all[i].generation_key, 2), STATUS_OK);
    }
    assert_int_equal(driver_delete(driver, next.conversation), STATUS_OK);
}

static void test_an_answer_goes_on_before_those_that_wait(void **state) {
    struct driver *driver = *state;
    struct store_sent first = driver_send(driver, (struct store_send){ 0 });
    struct store_sent second =
        driver_send(driver, (struct store_send){ .conversation = first.conversation, .queues = true });
    assert_int_equal(append(driver, first.generation_key, 2, 5, "a", 1), STATUS_OK);
    int64_t key = go_on(driver, first.generation_key, 3);
    assert_true(key > second.generation_key);
    assert_int_equal(append(driver, key, 2, 5, "b", 1), STATUS_OK);
    assert_int_equal(driver_end(driver, key, 3), STATUS_OK);
    assert_int_equal(append(driver, second.generation_key, 2, 5, "c", 1), STATUS_OK);
    assert_int_equal(driver_end(driver, second.generation_key, 3), STATUS_OK);
    struct store_conversation *found = driver_load(driver, first.conversation, NULL);
    assert_int_equal(found->n_messages, 4);
    assert_string_equal(found->messages[1].content, "ab");
    assert_string_equal(found->messages[3].content, "c");
    store_conversation_free(found);
}

/* ---- Words ---- */

static size_t count_found(struct driver *driver, const char *query) {
    struct driver_list list = driver_list(driver, (struct store_list){ .query = query });
    assert_int_equal(list.status, STATUS_OK);
    return list.n_rows;
}

static void test_the_words_are_those_of_the_whole_text(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ .text = "x", .title = "y" });
    assert_int_equal(append(driver, sent.generation_key, 2, 5, "The stone of a black", 20), STATUS_OK);
    int64_t key = go_on(driver, sent.generation_key, 3);
    assert_int_equal(count_found(driver, "stone"), 1);
    assert_int_equal(count_found(driver, "black stone"), 1);
    assert_int_equal(append(driver, key, 2, 5, "bird, in the river", 18), STATUS_OK);
    assert_int_equal(count_found(driver, "blackbird"), 1); /* over the seam, while it is written */
    assert_int_equal(count_found(driver, "river"), 1);
    key = go_on(driver, key, 3);
    assert_int_equal(count_found(driver, "stone river"), 1);
    assert_int_equal(count_found(driver, "blackbird"), 1);
    assert_int_equal(count_found(driver, "bird"), 0);
    assert_int_equal(count_found(driver, "black stone"), 0); /* no such word is left */
    assert_int_equal(driver_end(driver, key, 2), STATUS_OK);
    assert_int_equal(count_found(driver, "stone river"), 1);
    driver_close(driver);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM message_words('\"a blackbird in\"')"), 1);
    driver_reopen(driver);
    assert_int_equal(driver_delete(driver, sent.conversation), STATUS_OK);
    driver_close(driver);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM message_words('stone')"), 0);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM message_words('blackbird')"), 0);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM generation"), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, driver_setup, driver_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_the_next_generation_has_the_settings_of_the_one_it_continues),
        TEST(test_a_chain_is_the_same_bytes_and_tokens_at_every_moment),
        TEST(test_a_repeated_send_gets_the_first_generation_of_its_answer),
        TEST(test_an_end_that_cannot_be_gone_on_with_is_no_end),
        TEST(test_what_has_ended_is_not_gone_on_with_twice),
        TEST(test_the_same_end_again_finds_what_goes_on_with_it),
        TEST(test_a_kill_at_any_write_leaves_both_or_none),
        TEST(test_nothing_goes_on_after_three_without_a_token),
        TEST(test_a_token_gives_new_hope),
        TEST(test_a_detached_generation_goes_on_too),
        TEST(test_an_answer_that_was_cut_short_can_be_gone_on_with),
        TEST(test_going_on_twice_finds_the_first_time),
        TEST(test_what_cannot_be_gone_on_with_is_refused),
        TEST(test_sends_wait_behind_an_answer_up_to_their_maximum),
        TEST(test_an_answer_goes_on_before_those_that_wait),
        TEST(test_the_words_are_those_of_the_whole_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
