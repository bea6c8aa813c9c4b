#include "api/request.h"
#include "api/ws_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define ASK "{\"message\":\"Hi\"}"

/* [W12] */
static void test_each_token_is_a_frame_and_done_is_the_last(void **state) {
    (void)state;
    world_connect(ws_chat_handle);
    world_say(ASK);
    world_token("");
    world_token("\xf0\x9f\x98\x80");
    world_expect("{\"type\":\"token\",\"token\":\"A\",\"tokens_used\":5,\"max_tokens\":100,\"generation\":"
                 "\"" WORLD_GENERATION "\",\"seq\":2,\"conversation_id\":\"" WORLD_NAME "\"}");
    world_expect("{\"type\":\"token\",\"token\":\"\",\"tokens_used\":6}");
    world_expect("{\"type\":\"token\",\"token\":\"\xf0\x9f\x98\x80\",\"tokens_used\":7}");
    world_end("stop", NULL);
    world_expect("{\"type\":\"done\",\"conversation_id\":\"" WORLD_NAME
                 "\",\"reason\":\"stop\",\"message_id\":\"a1\"}");
    world_expect_nothing();
}

static void test_a_failed_answer_is_an_error_with_its_text(void **state) {
    (void)state;
    world_connect(ws_chat_handle);
    world_say(ASK);
    world_expect("{\"type\":\"token\"}");
    world_end("error", json_pack("{s:s, s:s}", "code", "internal", "text", "it broke"));
    world_expect("{\"type\":\"error\",\"error\":\"it broke\",\"conversation_id\":\"" WORLD_NAME
                 "\",\"reason\":\"error\"}");
    world_expect_nothing();
}

static void test_an_interrupted_answer_is_an_error(void **state) {
    (void)state;
    world_connect(ws_chat_handle);
    world_say(ASK);
    world_expect("{\"type\":\"token\"}");
    world_end("interrupted", NULL);
    world_expect("{\"type\":\"error\",\"reason\":\"interrupted\"}");
    world_expect_nothing();
}

/* [W31] */
static void test_an_answer_that_goes_on_is_one_answer(void **state) {
    (void)state;
    world_connect(ws_chat_handle);
    world_say(ASK);
    world_continue(WORLD_NEXT);
    world_token("B");
    world_expect("{\"type\":\"token\",\"token\":\"A\",\"tokens_used\":5,\"generation\":\"" WORLD_GENERATION
                 "\"}");
    world_expect("{\"type\":\"token\",\"token\":\"B\",\"tokens_used\":6,\"generation\":\"" WORLD_NEXT
                 "\",\"seq\":2}");
    world_expect_nothing();
    world_end("stop", NULL);
    world_expect("{\"type\":\"done\",\"generation\":\"" WORLD_NEXT "\",\"message_id\":\"a1\"}");
    world_expect_nothing();
}

/* [W31] */
static void test_a_server_that_stops_says_the_end_of_what_goes_on_later(void **state) {
    (void)state;
    world_connect(ws_chat_handle);
    world_say(ASK);
    world_expect("{\"type\":\"token\"}");
    world->is_stopping = true;
    world_continue(WORLD_NEXT);
    world_expect("{\"type\":\"error\",\"reason\":\"interrupted\",\"generation\":\"" WORLD_GENERATION "\"}");
    world_expect_nothing();
}

static void test_a_cancelled_answer_is_done(void **state) {
    (void)state;
    world_connect(ws_chat_handle);
    world_say(ASK);
    world_expect("{\"type\":\"token\"}");
    world_end("cancelled", NULL);
    world_expect("{\"type\":\"done\",\"reason\":\"cancelled\"}");
}

static void test_wrong_messages_are_answered_in_their_turn(void **state) {
    (void)state;
    world_connect(ws_chat_handle);
    world_say(ASK);
    world_say("{");
    world_say("{\"message\":7}");
    world_say("{\"conversation_id\":\"" WORLD_NAME "\"}");
    world_say("{\"message\":\"Hi\",\"conversation_id\":\"../x\"}");
    world_expect("{\"type\":\"token\"}");
    world_expect_nothing();
    world_end("stop", NULL);
    world_expect("{\"type\":\"done\"}");
    world_expect("{\"type\":\"error\"}");
    world_expect("{\"type\":\"error\",\"error\":\"\\\"message\\\" must be a string\"}");
    world_expect("{\"type\":\"error\",\"error\":\"\\\"message\\\" is missing: send it\"}");
    world_expect("{\"type\":\"error\",\"error\":\"\\\"conversation_id\\\" " REQUEST_CONVERSATION_FORM "\"}");
    world_expect_nothing();
}

static void test_the_next_message_is_sent_after_the_end(void **state) {
    (void)state;
    world_connect(ws_chat_handle);
    world_say(ASK);
    world->sent_text[0] = '\0';
    world_say("{\"message\":\"again\",\"conversation_id\":\"chat_2026-11-23-00-00-00-000\"}");
    world_expect("{\"type\":\"token\"}");
    assert_string_equal(world->sent_text, "");
    world->next_sent = (struct chat_sent){ .status = STATUS_INVALID, .fault = "the message is empty" };
    world_end("stop", NULL);
    world_expect("{\"type\":\"done\"}");
    assert_string_equal(world->sent_text, "again");
    assert_string_equal(world->sent_conversation, WORLD_NAME);
    world_expect("{\"type\":\"error\",\"error\":\"the message is empty\"}");
    world_expect_nothing();
}

static void test_a_refusal_that_comes_later_makes_way_for_the_next_message(void **state) {
    (void)state;
    world->defers = true;
    world_connect(ws_chat_handle);
    world_say(ASK);
    world_say("{\"message\":\"next\"}");
    struct chat_sent good = world->next_sent;
    world->next_sent = (struct chat_sent){ .status = STATUS_BUSY, .fault = "one runs" };
    world_answer();
    world_expect("{\"type\":\"error\",\"error\":\"one runs\"}");
    assert_string_equal(world->sent_text, "next");
    assert_int_equal(world->sent_asker, WORLD_ASKER);
    world->next_sent = good;
    world_answer();
    world_expect("{\"type\":\"token\",\"seq\":2}");
}

static void test_a_full_queue_is_said_at_once(void **state) {
    (void)state;
    world_connect(ws_chat_handle);
    world_say(ASK);
    world_expect("{\"type\":\"token\"}");
    for (int i = 0; i < 16; i++) {
        world_say("{");
    }
    world_expect_nothing();
    world_say(ASK);
    const char *frame = world_next();
    assert_non_null(strstr(frame, "16 messages wait"));
    world_end("stop", NULL);
    world_expect("{\"type\":\"done\"}");
    for (int i = 0; i < 16; i++) {
        world_expect("{\"type\":\"error\"}");
    }
    world_expect_nothing();
}

/* [P8] */
static void test_the_socket_can_close_at_any_time_without_stopping_the_answer(void **state) {
    (void)state;
    world_connect(ws_chat_handle);
    world_say(ASK);
    world_expect("{\"type\":\"token\"}");
    world_say(ASK);
    world_disconnect();
    assert_int_equal(world->n_cancelled, 0);
    world->defers = true;
    world_connect(ws_chat_handle);
    world_say(ASK);
    world_disconnect();
    assert_int_equal(world->n_abandoned, 1);
}

static void test_a_deleted_conversation_is_an_error(void **state) {
    (void)state;
    world_connect(ws_chat_handle);
    world_say(ASK);
    world_expect("{\"type\":\"token\"}");
    world->conversation->is_gone = true;
    conversation_notify(world->conversation);
    world_expect("{\"type\":\"error\",\"error\":\"" REPLY_DELETED_TEXT "\"}");
    world_expect_nothing();
}

/* [P11] */
static void test_silence_is_broken_with_a_ping(void **state) {
    (void)state;
    world_connect(ws_chat_handle);
    world_silence();
    world_expect("{\"type\":\"ping\"}");
}

/* [W47] */
static void test_a_key_that_has_begun_enough_is_told_so_in_its_turn(void **state) {
    (void)state;
    world_connect(ws_chat_handle);
    world->may_begin_none = true;
    world_say("{\"message\":\"Hi\"}");
    world_expect("{\"type\":\"error\",\"error\":\"no more\"}");
    assert_string_equal(world->sent_text, "");
    world->may_begin_none = false;
    world_say("{\"message\":\"Again\"}");
    assert_string_equal(world->sent_text, "Again");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ws_world_set_up, ws_world_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_each_token_is_a_frame_and_done_is_the_last),
        TEST(test_a_failed_answer_is_an_error_with_its_text),
        TEST(test_an_interrupted_answer_is_an_error),
        TEST(test_an_answer_that_goes_on_is_one_answer),
        TEST(test_a_server_that_stops_says_the_end_of_what_goes_on_later),
        TEST(test_a_cancelled_answer_is_done),
        TEST(test_wrong_messages_are_answered_in_their_turn),
        TEST(test_the_next_message_is_sent_after_the_end),
        TEST(test_a_refusal_that_comes_later_makes_way_for_the_next_message),
        TEST(test_a_full_queue_is_said_at_once),
        TEST(test_a_key_that_has_begun_enough_is_told_so_in_its_turn),
        TEST(test_the_socket_can_close_at_any_time_without_stopping_the_answer),
        TEST(test_a_deleted_conversation_is_an_error),
        TEST(test_silence_is_broken_with_a_ping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
