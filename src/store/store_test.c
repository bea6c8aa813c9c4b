#include "base/bytes.h"
#include "base/clock.h"
#include "store/store_test_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define N_RANDOM_TOKENS 700
#define N_BIG_TEXTS     320
#define BIG_TEXT_BYTES  100000 /* together twice what the log may hold */

static void test_send_makes_a_conversation_with_two_messages(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ .text = "Hi", .title = "Hi there" });
    assert_int_equal(sent.status, STATUS_OK);
    assert_false(sent.duplicate);
    assert_string_equal(sent.conversation, "chat_2026-11-22-21-05-10-123.txt");
    assert_string_equal(sent.parent_id, "");
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    assert_string_equal(found->name, sent.conversation);
    assert_string_equal(found->title, "Hi there");
    assert_int_equal(found->created_ms, DRIVER_WALL_MS);
    assert_int_equal(found->updated_ms, DRIVER_WALL_MS);
    assert_int_equal(found->n_messages, 2);
    const struct store_message *user = &found->messages[0], *assistant = &found->messages[1];
    assert_string_equal(user->id, sent.user_message_id);
    assert_string_equal(user->parent, "");
    assert_int_equal(user->role, STORE_ROLE_USER);
    assert_string_equal(user->content, "Hi");
    assert_int_equal(user->content_size, 2);
    assert_int_equal(user->n_generations, 0);
    assert_string_equal(assistant->id, sent.assistant_message_id);
    assert_string_equal(assistant->parent, user->id);
    assert_int_equal(assistant->role, STORE_ROLE_ASSISTANT);
    assert_string_equal(assistant->content, "");
    assert_int_equal(assistant->n_generations, 1);
    assert_string_equal(assistant->generations[0].continues, "");
    assert_string_equal(assistant->generations[0].id, sent.generation_id);
    assert_int_equal(assistant->generations[0].key, sent.generation_key);
    assert_int_equal(assistant->generations[0].last_seq, 1);
    assert_false(assistant->generations[0].ended);
    assert_null(assistant->generations[0].reason);
    assert_string_equal(assistant->generations[0].model, "a model");
    assert_int_equal(assistant->generations[0].n_text_ends, 1);
    assert_int_equal(assistant->generations[0].text_ends[0], 0);
    store_conversation_free(found);
}

static void test_a_new_conversation_may_begin_with_a_system_message(void **state) {
    struct driver *driver = *state;
    char id[ID_HEX_BYTES];
    id_make_hex(id);
    struct store_send send = { .system_text = "Be brief", .system_message_id = id, .client_msg_id = "one" };
    struct store_sent sent = driver_send(driver, send);
    assert_int_equal(sent.status, STATUS_OK);
    assert_string_equal(sent.parent_id, id);
    assert_string_equal(driver_send(driver, send).parent_id, id);
    assert_int_equal(driver_end(driver, sent.generation_key, 2), STATUS_OK);
    send.conversation = sent.conversation;
    send.client_msg_id = NULL;
    assert_string_equal(driver_send(driver, send).parent_id, sent.assistant_message_id);
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    assert_int_equal(found->n_messages, 5);
    assert_int_equal(found->messages[0].role, STORE_ROLE_SYSTEM);
    assert_string_equal(found->messages[0].content, "Be brief");
    assert_string_equal(found->messages[0].parent, "");
    assert_string_equal(found->messages[1].parent, id);
    store_conversation_free(found);
}

/* [P10] */
static void test_a_repeated_send_gets_the_ids_of_the_first(void **state) {
    struct driver *driver = *state;
    struct store_send send = { .text = "Hi", .client_msg_id = "one" };
    struct store_sent first = driver_send(driver, send);
    send.conversation = first.conversation;
    struct store_sent again = driver_send(driver, send);
    assert_int_equal(again.status, STATUS_OK);
    assert_true(again.duplicate);
    assert_string_equal(again.conversation, first.conversation);
    assert_string_equal(again.user_message_id, first.user_message_id);
    assert_string_equal(again.assistant_message_id, first.assistant_message_id);
    assert_string_equal(again.generation_id, first.generation_id);
    assert_int_equal(again.generation_key, first.generation_key);
    struct store_conversation *found = driver_load(driver, first.conversation, NULL);
    assert_int_equal(found->n_messages, 2);
    store_conversation_free(found);
}

/* [P10] A client that lost the answer to its first message does not know the conversation's name. */
static void test_a_repeated_send_without_a_conversation_finds_the_one_it_made(void **state) {
    struct driver *driver = *state;
    struct store_send send = { .text = "Hi", .client_msg_id = "one" };
    struct store_sent first = driver_send(driver, send);
    struct store_sent again = driver_send(driver, send);
    assert_true(again.duplicate);
    assert_string_equal(again.conversation, first.conversation);
    assert_string_equal(again.generation_id, first.generation_id);
    send.text = "Something else";
    struct store_sent other = driver_send(driver, send);
    assert_int_equal(other.status, STATUS_OK);
    assert_false(other.duplicate);
    assert_string_not_equal(other.conversation, first.conversation);
}

/* [P10] */
static void test_the_same_client_id_with_another_text_is_a_conflict(void **state) {
    struct driver *driver = *state;
    struct store_send send = { .text = "Hi", .client_msg_id = "one" };
    struct store_sent first = driver_send(driver, send);
    send.conversation = first.conversation;
    send.text = "Ho";
    assert_int_equal(driver_send(driver, send).status, STATUS_CONFLICT);
    /* The id is free in another conversation. */
    struct store_sent other = driver_send(driver, (struct store_send){ .text = "x" });
    assert_int_equal(driver_end(driver, other.generation_key, 2), STATUS_OK);
    send.conversation = other.conversation;
    assert_int_equal(driver_send(driver, send).status, STATUS_OK);
}

static void test_a_conversation_with_a_running_generation_is_busy(void **state) {
    struct driver *driver = *state;
    struct store_sent first = driver_send(driver, (struct store_send){ 0 });
    struct store_send next = { .conversation = first.conversation };
    assert_int_equal(driver_send(driver, next).status, STATUS_BUSY);
    assert_int_equal(driver_end(driver, first.generation_key, 2), STATUS_OK);
    assert_int_equal(driver_send(driver, next).status, STATUS_OK);
}

static void test_a_conversation_or_parent_that_is_not_there_is_not_found(void **state) {
    struct driver *driver = *state;
    struct store_sent one = driver_send(driver, (struct store_send){ 0 });
    struct store_sent two = driver_send(driver, (struct store_send){ 0 });
    assert_int_equal(driver_end(driver, one.generation_key, 2), STATUS_OK);
    struct store_send send = { .conversation = "chat_2020-01-01-00-00-00-000.txt" };
    assert_int_equal(driver_send(driver, send).status, STATUS_NOT_FOUND);
    send =
        (struct store_send){ .conversation = one.conversation, .parent = "00000000000000000000000000000000" };
    assert_int_equal(driver_send(driver, send).status, STATUS_NOT_FOUND);
    send.parent = two.user_message_id;
    assert_int_equal(driver_send(driver, send).status, STATUS_NOT_FOUND);
    send = (struct store_send){ .parent = one.user_message_id };
    assert_int_equal(driver_send(driver, send).status, STATUS_NOT_FOUND);
    assert_int_equal(driver_list(driver, (struct store_list){ 0 }).n_rows, 2);
}

static void test_the_parent_is_the_newest_message_or_the_one_named(void **state) {
    struct driver *driver = *state;
    struct store_sent first = driver_send(driver, (struct store_send){ 0 });
    assert_int_equal(driver_end(driver, first.generation_key, 2), STATUS_OK);
    struct store_sent second = driver_send(driver, (struct store_send){ .conversation = first.conversation });
    assert_string_equal(second.parent_id, first.assistant_message_id);
    assert_int_equal(driver_end(driver, second.generation_key, 2), STATUS_OK);
    struct store_send branch = { .conversation = first.conversation, .parent = first.user_message_id };
    struct store_sent third = driver_send(driver, branch);
    assert_string_equal(third.parent_id, first.user_message_id);
    assert_int_equal(driver_end(driver, third.generation_key, 2), STATUS_OK);
    struct store_sent root =
        driver_send(driver, (struct store_send){ .conversation = first.conversation, .parent = "" });
    assert_int_equal(root.status, STATUS_OK);
    assert_string_equal(root.parent_id, "");
    struct store_conversation *found = driver_load(driver, first.conversation, NULL);
    assert_int_equal(found->n_messages, 8);
    assert_string_equal(found->messages[4].parent, first.user_message_id);
    assert_string_equal(found->messages[5].parent, third.user_message_id);
    assert_string_equal(found->messages[6].parent, "");
    store_conversation_free(found);
}

static void test_an_id_that_exists_undoes_its_own_send_only(void **state) {
    struct driver *driver = *state;
    struct store_sent first = driver_send(driver, (struct store_send){ 0 });
    struct store_send sends[3] = { { .text = "a" }, { .text = "b" }, { .text = "c" } };
    sends[1].user_message_id = first.user_message_id;
    struct driver_sent answers[3] = { 0 };
    for (size_t i = 0; i < 3; i++) {
        struct driver_ids ids;
        driver_fill_send(&sends[i], &ids);
        assert_int_equal(store_send(driver->store, &sends[i], driver_on_sent, &answers[i]), STATUS_OK);
    }
    for (size_t i = 0; i < 3; i++) {
        driver_wait(driver, &answers[i].is_done);
    }
    assert_int_equal(answers[0].sent.status, STATUS_OK);
    assert_int_equal(answers[1].sent.status, STATUS_CONFLICT);
    assert_int_equal(answers[1].sent.generation_key, 0);
    assert_int_equal(answers[2].sent.status, STATUS_OK);
    assert_int_equal(driver_list(driver, (struct store_list){ 0 }).n_rows, 3);
}

static void test_a_taken_name_gets_a_suffix(void **state) {
    struct driver *driver = *state;
    const char *const names[] = { "chat_2026-11-22-21-05-10-123.txt", "chat_2026-11-22-21-05-10-123_2.txt",
                                  "chat_2026-11-22-21-05-10-123_3.txt" };
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(driver_send(driver, (struct store_send){ 0 }).conversation, names[i]);
    }
    struct driver_list list = driver_list(driver, (struct store_list){ 0 });
    assert_string_equal(list.rows[0].name, names[2]);
    assert_true(list.rows[0].created_ms > list.rows[1].created_ms);
    assert_true(list.rows[1].created_ms > list.rows[2].created_ms);
}

/* [P2] */
static void test_the_append_guard_refuses_a_gap_a_repeat_and_a_stranger(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    int64_t key = sent.generation_key;
    assert_int_equal(driver_append(driver, key, 1, "x"), STATUS_CONFLICT);
    assert_int_equal(driver_append(driver, key, 3, "x"), STATUS_CONFLICT);
    assert_int_equal(driver_append(driver, key, 2, "a"), STATUS_OK);
    assert_int_equal(driver_append(driver, key, 2, "a"), STATUS_CONFLICT);
    assert_int_equal(driver_append(driver, key, 4, "x"), STATUS_CONFLICT);
    assert_int_equal(driver_append(driver, key + 1, 2, "x"), STATUS_CONFLICT);
    assert_int_equal(driver_append(driver, key, 3, "b"), STATUS_OK);
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    assert_string_equal(found->messages[1].content, "ab");
    assert_int_equal(found->messages[1].generations[0].last_seq, 3);
    store_conversation_free(found);
}

static void test_a_refused_token_takes_its_batch_with_it_and_no_other(void **state) {
    struct driver *driver = *state;
    struct store_sent one = driver_send(driver, (struct store_send){ 0 });
    struct store_sent two = driver_send(driver, (struct store_send){ 0 });
    struct store_token good[] = { { one.generation_key, 2, 1, STORE_EVENT_TOKEN, 0, 1 },
                                  { two.generation_key, 2, 1, STORE_EVENT_TOKEN, 1, 1 } };
    struct store_token bad[] = { { one.generation_key, 3, 1, STORE_EVENT_TOKEN, 0, 1 },
                                 { two.generation_key, 9, 1, STORE_EVENT_TOKEN, 1, 1 } };
    struct store_token next[] = { { one.generation_key, 3, 1, STORE_EVENT_TOKEN, 0, 1 },
                                  { two.generation_key, 3, 1, STORE_EVENT_TOKEN, 1, 1 } };
    const struct store_token *const batches[] = { good, bad, next };
    const char *const texts[] = { "aA", "xX", "bB" };
    struct driver_answer answers[3] = { 0 };
    for (size_t i = 0; i < 3; i++) {
        struct store_tokens batch = { .tokens = batches[i], .n_tokens = 2, .text = texts[i], .text_size = 2 };
        assert_int_equal(store_append_tokens(driver->store, &batch, driver_on_done, &answers[i]), STATUS_OK);
    }
    for (size_t i = 0; i < 3; i++) {
        driver_wait(driver, &answers[i].is_done);
        assert_int_equal(answers[i].status, i == 1 ? STATUS_CONFLICT : STATUS_OK);
    }
    struct store_conversation *found = driver_load(driver, one.conversation, NULL);
    assert_string_equal(found->messages[1].content, "ab");
    store_conversation_free(found);
    found = driver_load(driver, two.conversation, NULL);
    assert_string_equal(found->messages[1].content, "AB");
    store_conversation_free(found);
}

/* [P1] */
static void test_nothing_follows_the_end(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    assert_int_equal(driver_append(driver, sent.generation_key, 2, "a"), STATUS_OK);
    assert_int_equal(driver_end(driver, sent.generation_key, 4), STATUS_CONFLICT);
    assert_int_equal(driver_end(driver, sent.generation_key, 3), STATUS_OK);
    assert_int_equal(driver_end(driver, sent.generation_key, 3), STATUS_CONFLICT);
    assert_int_equal(driver_end(driver, sent.generation_key, 4), STATUS_CONFLICT);
    assert_int_equal(driver_append(driver, sent.generation_key, 4, "b"), STATUS_CONFLICT);
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    assert_string_equal(found->messages[1].content, "a");
    assert_int_equal(found->messages[1].generations[0].last_seq, 3);
    assert_int_equal(found->updated_ms, DRIVER_WALL_MS + 1000);
    store_conversation_free(found);
}

static void test_the_end_keeps_its_fields(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    struct store_end end = { .generation_key = sent.generation_key,
                             .seq = 2,
                             .reason = "error",
                             .error = "{\"code\":\"internal\"}",
                             .usage = "{\"prompt_tokens\":3}",
                             .timings = "{}",
                             .n_prompt_tokens = 4000000000,
                             .context_size = 8192,
                             .wall_ms = DRIVER_WALL_MS };
    assert_int_equal(driver_end_as(driver, end).status, STATUS_OK);
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    const struct store_generation *generation = &found->messages[1].generations[0];
    assert_true(generation->ended);
    assert_string_equal(generation->reason, "error");
    assert_string_equal(generation->error, end.error);
    assert_string_equal(generation->usage, end.usage);
    assert_string_equal(generation->timings, end.timings);
    assert_int_equal(generation->n_prompt_tokens, 4000000000);
    assert_int_equal(generation->context_size, 8192);
    assert_int_equal(generation->n_text_ends, 2);
    assert_int_equal(generation->text_ends[1], 0);
    store_conversation_free(found);
}

static uint32_t next_random(uint32_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void expect_stream(struct driver *driver, const char *name, const struct bytes *text,
                          const uint32_t *ends, size_t n_ends) {
    struct store_conversation *found = driver_load(driver, name, NULL);
    const struct store_message *message = &found->messages[1];
    assert_int_equal(message->content_size, text->size);
    assert_memory_equal(message->content, text->data, text->size);
    assert_int_equal(message->generations[0].last_seq, n_ends);
    assert_int_equal(message->generations[0].n_text_ends, n_ends);
    assert_memory_equal(message->generations[0].text_ends, ends, n_ends * sizeof ends[0]);
    store_conversation_free(found);
}

/* [P6] Any bytes: empty, NUL, longer than one, two and three bytes of varint can count. */
static void test_texts_are_the_same_bytes_before_and_after_the_end_and_a_restart(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    uint32_t seed = 20261122;
    struct bytes text;
    bytes_init(&text, 10000000);
    static uint32_t ends[N_RANDOM_TOKENS + 2];
    struct driver_answer answers[N_RANDOM_TOKENS] = { 0 };
    for (size_t i = 0; i < N_RANDOM_TOKENS; i++) {
        static const uint32_t sizes[] = { 1, 1, 3, 10, 129, 17000 };
        uint32_t size = next_random(&seed) % sizes[next_random(&seed) % 6];
        size_t before = text.size;
        for (uint32_t k = 0; k < size; k++) {
            bytes_add_char(&text, (char)(unsigned char)next_random(&seed));
        }
        ends[i + 1] = (uint32_t)text.size;
        struct store_token token = {
            .generation_key = sent.generation_key, .seq = i + 2, .token = -1, .text_size = size
        };
        struct store_tokens batch = { &token, 1, text.size == before ? NULL : text.data + before, size };
        assert_int_equal(store_append_tokens(driver->store, &batch, driver_on_done, &answers[i]), STATUS_OK);
    }
    for (size_t i = 0; i < N_RANDOM_TOKENS; i++) {
        driver_wait(driver, &answers[i].is_done);
        assert_int_equal(answers[i].status, STATUS_OK);
    }
    expect_stream(driver, sent.conversation, &text, ends, N_RANDOM_TOKENS + 1);
    assert_int_equal(driver_end(driver, sent.generation_key, N_RANDOM_TOKENS + 2), STATUS_OK);
    ends[N_RANDOM_TOKENS + 1] = (uint32_t)text.size;
    expect_stream(driver, sent.conversation, &text, ends, N_RANDOM_TOKENS + 2);
    driver_reopen(driver);
    expect_stream(driver, sent.conversation, &text, ends, N_RANDOM_TOKENS + 2);
    driver_close(driver);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM event"), 0);
    bytes_deinit(&text);
}

static void test_a_detached_generation_leaves_nothing(void **state) {
    struct driver *driver = *state;
    int64_t one = driver_begin_detached(driver);
    int64_t two = driver_begin_detached(driver);
    assert_int_equal(driver_append(driver, one, 2, "a"), STATUS_OK);
    assert_int_equal(driver_append(driver, two, 2, "b"), STATUS_OK);
    assert_int_equal(driver_append(driver, two, 4, "b"), STATUS_CONFLICT);
    assert_int_equal(driver_end(driver, one, 3), STATUS_OK);
    assert_int_equal(driver_end(driver, one, 3), STATUS_CONFLICT);
    assert_int_equal(driver_list(driver, (struct store_list){ 0 }).n_rows, 0);
    /* The key of an ended one is not given to another. */
    assert_int_equal(driver_end(driver, two, 3), STATUS_OK);
    assert_true(driver_begin_detached(driver) > two);
    driver_close(driver);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM event"), 0);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM generation"), 1);
}

struct found {
    bool is_done;
    enum status status;
    char conversation[ID_CONVERSATION_BYTES];
};

static void on_found(void *ctx, enum status status, const char *conversation) {
    struct found *found = ctx;
    found->is_done = true;
    found->status = status;
    strcpy(found->conversation, conversation ? conversation : "");
}

static void test_a_generation_is_found_by_its_id(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    struct found found = { 0 };
    assert_int_equal(store_find_generation(driver->store, sent.generation_id, on_found, &found), STATUS_OK);
    driver_wait(driver, &found.is_done);
    assert_int_equal(found.status, STATUS_OK);
    assert_string_equal(found.conversation, sent.conversation);
    found.is_done = false;
    assert_int_equal(store_find_generation(driver->store, sent.user_message_id, on_found, &found), STATUS_OK);
    driver_wait(driver, &found.is_done);
    assert_int_equal(found.status, STATUS_NOT_FOUND);
    assert_string_equal(found.conversation, "");
}

static void test_delete_removes_every_row_and_word(void **state) {
    struct driver *driver = *state;
    char keep[ID_CONVERSATION_BYTES], gone[ID_CONVERSATION_BYTES];
    driver_add_conversation(driver, "kept title", "kept question", "kept answer", keep);
    driver_add_conversation(driver, "gone title", "gone question", "gone answer", gone);
    struct store_sent more = driver_send(driver, (struct store_send){ .conversation = gone });
    assert_int_equal(driver_delete(driver, gone), STATUS_BUSY);
    assert_int_equal(driver_end(driver, more.generation_key, 2), STATUS_OK);
    assert_int_equal(driver_delete(driver, gone), STATUS_OK);
    assert_int_equal(driver_delete(driver, gone), STATUS_NOT_FOUND);
    enum status status;
    assert_null(driver_load(driver, gone, &status));
    assert_int_equal(status, STATUS_NOT_FOUND);
    assert_int_equal(driver_list(driver, (struct store_list){ .query = "gone" }).n_rows, 0);
    assert_int_equal(driver_list(driver, (struct store_list){ .query = "kept" }).n_rows, 1);
    assert_int_equal(driver_append(driver, more.generation_key, 3, "x"), STATUS_CONFLICT);
    driver_close(driver);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM conversation"), 1);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM message"), 2);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM generation"), 1);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM message_words('gone')"), 0);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM title_words('gone')"), 0);
}

/* A tree deeper than SQLite's limit for triggers (1,000). */
static void test_a_deep_conversation_is_deleted(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    char name[ID_CONVERSATION_BYTES];
    strcpy(name, sent.conversation);
    for (int i = 0; i < 510; i++) {
        struct driver_ended answer = { 0 };
        struct store_end end = { .generation_key = sent.generation_key, .seq = 2, .reason = "stop" };
        assert_int_equal(store_end_generation(driver->store, &end, driver_on_ended, &answer), STATUS_OK);
        sent = driver_send(driver, (struct store_send){ .conversation = name });
        assert_int_equal(sent.status, STATUS_OK);
        assert_true(answer.is_done);
    }
    assert_int_equal(driver_end(driver, sent.generation_key, 2), STATUS_OK);
    assert_int_equal(driver_delete(driver, name), STATUS_OK);
    driver_close(driver);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM message"), 0);
}

static void test_settings_are_read_at_open(void **state) {
    struct driver *driver = *state;
    assert_int_equal(driver_put_setting(driver, "top_k", "20"), STATUS_OK);
    assert_int_equal(driver_put_setting(driver, "top_k", "40"), STATUS_OK);
    assert_null(store_setting(driver->store, "top_k"));
    driver_reopen(driver);
    char *value = store_setting(driver->store, "top_k");
    assert_string_equal(value, "40");
    free(value);
    assert_null(store_setting(driver->store, "top_p"));
}

/* Without a checkpoint during the work the log would hold everything twice. */
static void test_the_log_stays_small_while_there_is_work(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    static char text[BIG_TEXT_BYTES + 1];
    memset(text, 'x', BIG_TEXT_BYTES);
    for (uint64_t seq = 2; seq < 2 + N_BIG_TEXTS; seq++) {
        assert_int_equal(driver_append(driver, sent.generation_key, seq, text), STATUS_OK);
    }
    char path[80];
    struct stat info;
    snprintf(path, sizeof path, "%s-wal", driver->path);
    assert_int_equal(stat(path, &info), 0);
    assert_true(info.st_size > 0);
    assert_true(info.st_size < 20 << 20);
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    assert_int_equal(found->messages[1].content_size, N_BIG_TEXTS * BIG_TEXT_BYTES);
    store_conversation_free(found);
}

static void on_counted(void *ctx, enum status status) {
    *(size_t *)ctx += status == STATUS_OK;
}

static void test_close_runs_every_callback(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ 0 });
    size_t n_done = 0;
    for (uint64_t seq = 2; seq < 102; seq++) {
        struct store_token token = { .generation_key = sent.generation_key, .seq = seq, .text_size = 1 };
        struct store_tokens batch = { &token, 1, "x", 1 };
        assert_int_equal(store_append_tokens(driver->store, &batch, on_counted, &n_done), STATUS_OK);
    }
    assert_int_equal(store_put_setting(driver->store, "a", "1", on_counted, &n_done), STATUS_OK);
    assert_true(store_pending(driver->store) >= 1);
    driver_close(driver);
    assert_int_equal(n_done, 101);
    driver_reopen(driver);
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    assert_int_equal(found->messages[1].content_size, 100);
    store_conversation_free(found);
}

/* ---- What is too large to be taken into memory ---- */

static char *make_text(size_t size) {
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, 'x', size);
    text[size] = '\0';
    return text;
}

static void test_a_conversation_that_is_too_large_is_not_loaded(void **state) {
    struct driver *driver = *state;
    char name[ID_CONVERSATION_BYTES];
    enum status status;
    char *text = make_text(100000);
    driver->load_bytes_max = 100200;
    driver_reopen(driver);
    driver_add_conversation(driver, "large", "a question", text, name);
    store_conversation_free(driver_load(driver, name, &status));
    assert_int_equal(status, STATUS_OK);
    struct store_sent sent = driver_send(driver, (struct store_send){ .conversation = name, .text = text });
    assert_int_equal(sent.status, STATUS_OK);
    assert_int_equal(driver_end(driver, sent.generation_key, 2), STATUS_OK);
    free(text);
    assert_null(driver_load(driver, name, &status));
    assert_int_equal(status, STATUS_TOO_LARGE);
    assert_int_equal(driver_delete(driver, name), STATUS_OK);
}

/* ---- Space ---- */

#define TEXT_BYTES (1 << 20)
#define N_TEXTS    24

static off_t size_of(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_size;
}

/* Until the file has fewer bytes; with little writes between, that are far apart. */
static void wait_until_smaller(struct driver *driver, const char *path, off_t size_bytes) {
    uint64_t give_up_ms = clock_now_ms() + 50000;
    while (size_of(path) >= size_bytes) {
        assert_true(clock_now_ms() < give_up_ms);
        assert_int_equal(driver_put_setting(driver, "a", "1"), STATUS_OK);
        nanosleep(&(struct timespec){ .tv_sec = 1, .tv_nsec = 500000000 }, NULL);
    }
}

static void test_a_log_that_one_transaction_made_large_is_cut(void **state) {
    struct driver *driver = *state;
    char log_path[80];
    char *text = make_text(20 << 20);
    assert_int_equal(driver_put_setting(driver, "large", text), STATUS_OK);
    free(text);
    snprintf(log_path, sizeof log_path, "%s-wal", driver->path);
    assert_true(size_of(log_path) > 20 << 20);
    wait_until_smaller(driver, log_path, 17 << 20);
}

static void test_space_that_is_free_is_given_back(void **state) {
    struct driver *driver = *state;
    char names[N_TEXTS][ID_CONVERSATION_BYTES];
    char *text = make_text(TEXT_BYTES);
    for (int i = 0; i < N_TEXTS; i++) {
        driver_add_conversation(driver, "large", "a question", text, names[i]);
    }
    free(text);
    driver_reopen(driver);
    assert_true(size_of(driver->path) > N_TEXTS * TEXT_BYTES);
    for (int i = 1; i < N_TEXTS; i++) {
        assert_int_equal(driver_delete(driver, names[i]), STATUS_OK);
    }
    wait_until_smaller(driver, driver->path, 6 << 20);
    struct store_conversation *found = driver_load(driver, names[0], NULL);
    assert_int_equal(found->messages[1].content_size, TEXT_BYTES);
    store_conversation_free(found);
    driver_close(driver);
    assert_int_equal(
        driver_number(driver, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, driver_setup, driver_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_send_makes_a_conversation_with_two_messages),
        TEST(test_a_new_conversation_may_begin_with_a_system_message),
        TEST(test_a_repeated_send_gets_the_ids_of_the_first),
        TEST(test_a_repeated_send_without_a_conversation_finds_the_one_it_made),
        TEST(test_the_same_client_id_with_another_text_is_a_conflict),
        TEST(test_a_conversation_with_a_running_generation_is_busy),
        TEST(test_a_conversation_or_parent_that_is_not_there_is_not_found),
        TEST(test_the_parent_is_the_newest_message_or_the_one_named),
        TEST(test_an_id_that_exists_undoes_its_own_send_only),
        TEST(test_a_taken_name_gets_a_suffix),
        TEST(test_the_append_guard_refuses_a_gap_a_repeat_and_a_stranger),
        TEST(test_a_refused_token_takes_its_batch_with_it_and_no_other),
        TEST(test_nothing_follows_the_end),
        TEST(test_the_end_keeps_its_fields),
        TEST(test_texts_are_the_same_bytes_before_and_after_the_end_and_a_restart),
        TEST(test_a_detached_generation_leaves_nothing),
        TEST(test_a_generation_is_found_by_its_id),
        TEST(test_delete_removes_every_row_and_word),
        TEST(test_a_deep_conversation_is_deleted),
        TEST(test_settings_are_read_at_open),
        TEST(test_the_log_stays_small_while_there_is_work),
        TEST(test_close_runs_every_callback),
        TEST(test_a_conversation_that_is_too_large_is_not_loaded),
        TEST(test_a_log_that_one_transaction_made_large_is_cut),
        TEST(test_space_that_is_free_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
