/* What comes to the chat while something else is under way: it waits or succeeds, and is never lost. */
#include "base/mem.h"
#include "chat/chat_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOT_CALLED ((enum status) - 1)

/* What the callback of one call was given. */
struct seen {
    enum status status;
    struct conversation *conversation; /* held */
    char generation_id[ID_HEX_BYTES];
};

static struct seen *seen_new(void) {
    struct seen *seen = mem_alloc(sizeof *seen);
    seen->status = NOT_CALLED;
    return seen;
}

static void seen_free(struct seen *seen) {
    conversation_unref(seen->conversation);
    free(seen);
}

static void note(struct seen *seen, enum status status, struct conversation *conversation) {
    assert_int_equal(seen->status, NOT_CALLED);
    seen->status = status;
    seen->conversation = conversation ? conversation_ref(conversation) : NULL;
}

static void on_sent(void *ctx, const struct chat_sent *sent) {
    struct seen *seen = ctx;
    note(seen, sent->status, sent->conversation);
    id_copy(seen->generation_id, sizeof seen->generation_id, sent->generation_id ? sent->generation_id : "");
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    note(ctx, status, conversation);
}

static void on_done(void *ctx, enum status status) {
    note(ctx, status, NULL);
}

static void on_changed(void *ctx, enum status status, const struct conversation *conversation) {
    (void)conversation;
    note(ctx, status, NULL);
}

static void on_opened_cancel(void *ctx, enum status status, struct conversation *conversation) {
    note(ctx, status, conversation);
    assert_true(chat_cancel(world->chat, conversation));
}

static void send_to(const char *conversation, struct seen *seen) {
    chat_send(world->chat, &(struct chat_send){ .conversation = conversation, .text = "Hi" }, on_sent, seen);
}

static const char *reason_of(const struct seen *seen) {
    return conversation_last(seen->conversation)->stream->reason;
}

static void check_cancelled(const struct seen *sent) {
    assert_int_equal(sent->status, STATUS_OK);
    assert_string_equal(reason_of(sent), "cancelled");
    assert_int_equal(world->n_loads, 0);
}

/* ---- A message, and what comes while it is on its way ---- */

static void test_a_delete_waits_for_a_new_conversation_that_only_the_store_knows(void **state) {
    (void)state;
    struct seen *sent = seen_new();
    struct seen *deleted = seen_new();
    send_to(NULL, sent);
    chat_delete(world->chat, WORLD_NEW, true, on_done, deleted);
    world_deleted(STATUS_BUSY); /* it is committed, and its reply has not ended */
    assert_int_equal(deleted->status, NOT_CALLED);
    world_loaded(world_asked(JOB_SEND), NULL, NULL);
    assert_int_equal(deleted->status, NOT_CALLED);
    world_sent(STATUS_OK);
    world_ended();
    world_deleted(STATUS_OK);
    assert_int_equal(deleted->status, STATUS_OK);
    assert_true(sent->conversation->is_gone);
    seen_free(sent);
    seen_free(deleted);
}

static void test_a_delete_that_nothing_explains_is_busy(void **state) {
    (void)state;
    struct seen *deleted = seen_new();
    chat_delete(world->chat, WORLD_NAME, true, on_done, deleted);
    world_deleted(STATUS_BUSY);
    world_loaded(WORLD_GENERATION, NULL, NULL);
    assert_int_equal(deleted->status, STATUS_BUSY);
    seen_free(deleted);
}

static void test_a_delete_waits_for_a_message_whose_conversation_is_being_read(void **state) {
    (void)state;
    struct seen *sent = seen_new();
    struct seen *deleted = seen_new();
    send_to(WORLD_NAME, sent);
    chat_delete(world->chat, WORLD_NAME, true, on_done, deleted);
    assert_int_equal(world_waits(JOB_DELETE), 0);
    world_loaded(WORLD_GENERATION, "stop", NULL);
    assert_int_equal(world_waits(JOB_DELETE), 0);
    world_sent(STATUS_OK);
    world_ended();
    world_deleted(STATUS_OK);
    assert_int_equal(deleted->status, STATUS_OK);
    assert_true(sent->conversation->is_gone);
    seen_free(sent);
    seen_free(deleted);
}

/* [N8] in the order in which they were asked for. */
static void test_a_stop_reaches_a_message_whose_conversation_is_being_read(void **state) {
    (void)state;
    struct seen *sent = seen_new();
    struct seen *stopped = seen_new();
    send_to(WORLD_NAME, sent);
    chat_open_conversation(world->chat, WORLD_NAME, on_opened_cancel, stopped);
    world_loaded(WORLD_GENERATION, "stop", NULL);
    assert_int_equal(stopped->status, STATUS_OK);
    world_sent(STATUS_OK);
    world_ended();
    check_cancelled(sent);
    seen_free(sent);
    seen_free(stopped);
}

/* Whoever saw it in the list can open it before its sender has the ack. */
static void open_new(struct seen *sent, struct seen *opened) {
    send_to(NULL, sent);
    chat_open_conversation(world->chat, WORLD_NEW, on_opened, opened);
    world_loaded(world_asked(JOB_SEND), NULL, NULL);
    assert_int_equal(opened->status, STATUS_OK);
}

static void test_a_stop_reaches_a_new_conversation_before_its_ack(void **state) {
    (void)state;
    struct seen *sent = seen_new();
    struct seen *opened = seen_new();
    open_new(sent, opened);
    assert_true(chat_cancel(world->chat, opened->conversation));
    world_sent(STATUS_OK);
    world_ended();
    check_cancelled(sent);
    seen_free(sent);
    seen_free(opened);
}

static void test_a_stop_of_a_generation_reaches_it_before_its_ack(void **state) {
    (void)state;
    struct seen *sent = seen_new();
    struct seen *opened = seen_new();
    open_new(sent, opened);
    assert_true(chat_cancel_generation(world->chat, world_asked(JOB_SEND)));
    world_sent(STATUS_OK);
    world_ended();
    check_cancelled(sent);
    seen_free(sent);
    seen_free(opened);
}

/* ---- Going on ---- */

static void test_a_stop_reaches_a_wish_to_go_on_by_the_generation_before(void **state) {
    (void)state;
    struct seen *continued = seen_new();
    chat_continue(world->chat, WORLD_GENERATION, &(struct chat_asker){ 0 }, on_sent, continued);
    world_found();
    world_loaded(WORLD_GENERATION, "length", NULL);
    assert_true(chat_cancel_generation(world->chat, WORLD_GENERATION));
    world_continued(STATUS_OK);
    world_ended();
    check_cancelled(continued);
    seen_free(continued);
}

/* [N8] Of one that ended: silence, also when another message of its conversation is on its way. */
static void test_a_stop_of_an_ended_generation_reaches_nothing(void **state) {
    (void)state;
    struct seen *sent = seen_new();
    send_to(WORLD_NAME, sent);
    world_loaded(WORLD_GENERATION, "stop", NULL);
    assert_false(chat_cancel_generation(world->chat, WORLD_GENERATION));
    world_sent(STATUS_OK);
    world_engine_ready();
    assert_string_equal(world->given, sent->generation_id);
    assert_false(world->is_cancelled);
    world_engine_ends("stop");
    world_ended();
    assert_string_equal(reason_of(sent), "stop");
    seen_free(sent);
}

/* ---- After a start ---- */

static void start_with_one_left(void) {
    world->n_waiting = 1;
    id_copy(world->waiting[0].conversation, ID_CONVERSATION_BYTES, WORLD_NAME);
    id_copy(world->waiting[0].generation_id, ID_HEX_BYTES, WORLD_GENERATION);
    assert_int_equal(chat_start(world->chat, NULL), STATUS_OK);
    assert_int_equal(world_waits(JOB_LOAD), 1);
}

static void test_a_delete_waits_for_an_answer_that_is_about_to_go_on(void **state) {
    (void)state;
    struct seen *deleted = seen_new();
    start_with_one_left();
    chat_delete(world->chat, WORLD_NAME, true, on_done, deleted);
    assert_int_equal(world_waits(JOB_DELETE), 0);
    world_loaded(WORLD_GENERATION, NULL, NULL);
    world_ended();
    world_deleted(STATUS_OK);
    assert_int_equal(deleted->status, STATUS_OK);
    seen_free(deleted);
}

/* ---- What a conversation has of its own ---- */

static struct chat_call *change_detach(struct seen *seen, const char *settings) {
    struct store_change change = { .name = WORLD_NAME, .what = STORE_CHANGE_SETTINGS, .settings = settings };
    return chat_change(world->chat, &change, on_changed, seen);
}

static void test_a_change_is_what_whoever_has_it_in_memory_sees(void **state) {
    (void)state;
    struct seen *opened = seen_new();
    struct seen *changed = seen_new();
    chat_open_conversation(world->chat, WORLD_NAME, on_opened, opened);
    change_detach(changed, "{\"detach_seconds\":7}");
    world_loaded(WORLD_GENERATION, "stop", "{\"detach_seconds\":3}");
    assert_int_equal(opened->conversation->detach_seconds, 3);
    world_changed(STATUS_OK);
    assert_int_equal(changed->status, STATUS_OK);
    assert_int_equal(opened->conversation->detach_seconds, 7);
    struct chat_call *call = change_detach(changed, NULL);
    chat_abandon(call); /* it is stored all the same */
    world_changed(STATUS_OK);
    assert_false(opened->conversation->has_detach);
    seen_free(opened);
    seen_free(changed);
}

static void test_a_change_of_what_is_not_there_is_not_found(void **state) {
    (void)state;
    struct seen *changed = seen_new();
    change_detach(changed, NULL);
    world_changed(STATUS_NOT_FOUND);
    assert_int_equal(changed->status, STATUS_NOT_FOUND);
    seen_free(changed);
}

/* ---- Unloading ---- */

static void test_a_model_that_is_unloaded_is_not_loaded_for_what_was_asked_before(void **state) {
    (void)state;
    struct seen *first = seen_new();
    struct seen *second = seen_new();
    struct seen *call = seen_new();
    json_t *messages = json_array();
    send_to(NULL, first);
    world_sent(STATUS_OK);
    world_engine_ready();
    assert_string_equal(world->given, first->generation_id);
    send_to(NULL, second);
    chat_complete(world->chat,
                  &(struct chat_complete){ .messages = messages,
                                           .model_path = WORLD_MODEL,
                                           .settings = chat_settings(world->chat) },
                  on_sent, call);
    assert_true(chat_unload_model(world->chat, NULL));
    world_sent(STATUS_OK);
    world_begun(STATUS_OK);
    for (int i = 0; i < 3; i++) {
        world_ended();
    }
    assert_string_equal(reason_of(first), "interrupted");
    assert_string_equal(reason_of(second), "interrupted");
    assert_string_equal(reason_of(call), "interrupted");
    assert_int_equal(world->n_loads, 1);
    json_decref(messages);
    seen_free(first);
    seen_free(second);
    seen_free(call);
}

/* ---- How many of one asker ---- */

static void send_as(uint64_t number, uint32_t n_max, struct seen *seen) {
    chat_send(world->chat, &(struct chat_send){ .asker = { .number = number, .n_max = n_max }, .text = "Hi" },
              on_sent, seen);
}

/* [W47] What the store is asked for counts like what is made. */
static void test_an_asker_has_no_more_answers_under_way_than_he_may(void **state) {
    (void)state;
    struct seen *seen[5];
    for (int i = 0; i < 5; i++) {
        seen[i] = seen_new();
    }
    send_as(3, 1, seen[0]);
    send_as(3, 1, seen[1]);
    assert_int_equal(seen[1]->status, STATUS_FULL);
    world_sent(STATUS_OK);
    assert_int_equal(seen[0]->status, STATUS_OK);
    send_as(3, 1, seen[2]);
    assert_int_equal(seen[2]->status, STATUS_FULL);
    send_as(4, 1, seen[3]); /* another's are not his */
    world_sent(STATUS_OK);
    assert_int_equal(seen[3]->status, STATUS_OK);
    assert_true(chat_cancel_generation(world->chat, seen[0]->generation_id));
    world_ended();
    send_as(3, 1, seen[4]);
    world_sent(STATUS_OK);
    assert_int_equal(seen[4]->status, STATUS_OK);
    for (int i = 0; i < 5; i++) {
        seen_free(seen[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, chat_world_set_up, chat_world_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_delete_waits_for_a_new_conversation_that_only_the_store_knows),
        TEST(test_a_delete_that_nothing_explains_is_busy),
        TEST(test_a_delete_waits_for_a_message_whose_conversation_is_being_read),
        TEST(test_a_stop_reaches_a_message_whose_conversation_is_being_read),
        TEST(test_a_stop_reaches_a_new_conversation_before_its_ack),
        TEST(test_a_stop_of_a_generation_reaches_it_before_its_ack),
        TEST(test_a_stop_reaches_a_wish_to_go_on_by_the_generation_before),
        TEST(test_a_stop_of_an_ended_generation_reaches_nothing),
        TEST(test_a_delete_waits_for_an_answer_that_is_about_to_go_on),
        TEST(test_a_change_is_what_whoever_has_it_in_memory_sees),
        TEST(test_a_change_of_what_is_not_there_is_not_found),
        TEST(test_a_model_that_is_unloaded_is_not_loaded_for_what_was_asked_before),
        TEST(test_an_asker_has_no_more_answers_under_way_than_he_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
