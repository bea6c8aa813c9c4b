#include "api/ws_world.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HELLO      "{\"type\":\"hello\",\"protocol\":1}"
#define WATCH      "{\"type\":\"watch\",\"conversation\":\"" WORLD_NAME "\"}"
#define SEND(rest) "{\"type\":\"send\",\"client_msg_id\":\"m-1\"," rest "}"

static void greet(void) {
    world_connect(ws_native_handle);
    world_say(HELLO);
    world_expect("{\"type\":\"hello\"}");
}

static void watch_with(const char *generation, const char *epoch, int after_seq) {
    char *text = mem_format("{\"type\":\"watch\",\"conversation\":\"%s\",\"cursor\":{\"generation\":\"%s\","
                            "\"epoch\":\"%s\",\"after_seq\":%d}}",
                            WORLD_NAME, generation, epoch, after_seq);
    world_say(text);
    free(text);
}

static void test_hello_is_answered_with_epoch_version_and_model(void **state) {
    (void)state;
    world_connect(ws_native_handle);
    world_say(HELLO);
    world_expect("{\"type\":\"hello\",\"protocol\":1,\"epoch\":\"" WORLD_EPOCH
                 "\",\"version\":\"0.1.0\",\"model\":"
                 "{\"state\":\"" WORLD_MODEL_STATE "\"}}");
}

static void test_a_first_frame_that_is_no_hello_closes_with_4000(void **state) {
    (void)state;
    const char *const frames[] = { "{",
                                   "[]",
                                   "{}",
                                   WATCH,
                                   "{\"type\":\"hello\"}",
                                   "{\"type\":\"hello\",\"protocol\":2}",
                                   "{\"type\":\"hello\",\"protocol\":\"1\"}" };
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        world_connect(ws_native_handle);
        world_say(frames[i]);
        assert_int_equal(world->close_code, NET_CLOSE_BAD_HELLO);
        world_disconnect();
    }
    world_connect(ws_native_handle);
    world_silence();
    assert_int_equal(world->close_code, NET_CLOSE_BAD_HELLO);
}

static void test_a_wrong_or_missing_token_closes_with_4001(void **state) {
    (void)state;
    world->key = "secret";
    const char *const frames[] = { HELLO, "{\"type\":\"hello\",\"protocol\":1,\"token\":\"other\"}" };
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        world_connect(ws_native_handle);
        world_say(frames[i]);
        assert_int_equal(world->close_code, NET_CLOSE_DENIED);
        world_disconnect();
    }
    world_connect(ws_native_handle);
    world_say("{\"type\":\"hello\",\"protocol\":1,\"token\":\"secret\"}");
    world_expect("{\"type\":\"hello\"}");
}

/* [N3] */
static void test_a_snapshot_and_what_follows_it_fit_without_gap_or_repeat(void **state) {
    (void)state;
    greet();
    world_say(WATCH);
    world_token("B"); /* before the snapshot is written: it belongs into it */
    const json_t *snapshot =
        world_expect("{\"type\":\"snapshot\",\"conversation\":\"" WORLD_NAME "\",\"title\":\"Rivers\","
                     "\"epoch\":\"" WORLD_EPOCH "\",\"tokens_used\":6,\"max_tokens\":100}");
    const json_t *answer = json_array_get(json_object_get(snapshot, "messages"), 1);
    assert_string_equal(json_get_text(answer, "content", ""), "AB");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(answer, "generation"), "seq")), 3);
    world_token("C");
    world_token("D");
    world_expect("{\"type\":\"tokens\",\"conversation\":\"" WORLD_NAME "\",\"generation\":\"" WORLD_GENERATION
                 "\",\"seq\":4,\"n\":2,\"text\":\"CD\",\"tokens_used\":8,\"max_tokens\":100}");
    world_end("stop", NULL);
    world_expect("{\"type\":\"end\",\"seq\":6,\"reason\":\"stop\"}");
    world_expect_nothing();
}

/* [N4] */
static void test_a_good_cursor_is_resumed_without_a_snapshot(void **state) {
    (void)state;
    world_token("B");
    greet();
    watch_with(WORLD_GENERATION, WORLD_EPOCH, 2);
    world_expect("{\"type\":\"resumed\",\"conversation\":\"" WORLD_NAME "\"}");
    world_expect("{\"type\":\"tokens\",\"seq\":3,\"n\":1,\"text\":\"B\"}");
    world_expect_nothing();
}

/* [N4] */
static void test_a_bad_cursor_gets_one_reset_and_a_snapshot(void **state) {
    (void)state;
    greet();
    watch_with(WORLD_GENERATION, "00000000000000bb", 1);
    world_expect("{\"type\":\"reset\",\"conversation\":\"" WORLD_NAME "\",\"reason\":\"epoch\"}");
    world_expect("{\"type\":\"snapshot\"}");
    watch_with("ffffffffffffffffffffffffffffffff", WORLD_EPOCH, 1);
    world_expect("{\"type\":\"reset\",\"reason\":\"generation\"}");
    world_expect("{\"type\":\"snapshot\"}");
    watch_with(WORLD_GENERATION, WORLD_EPOCH, 9);
    world_expect("{\"type\":\"reset\",\"reason\":\"ahead\"}");
    world_expect("{\"type\":\"snapshot\"}");
    world_expect_nothing();
}

static void test_a_replayed_start_brings_no_text(void **state) {
    (void)state;
    greet();
    watch_with(WORLD_GENERATION, WORLD_EPOCH, 0);
    world_expect("{\"type\":\"resumed\"}");
    const json_t *start =
        world_expect("{\"type\":\"start\",\"generation\":\"" WORLD_GENERATION "\",\"seq\":1}");
    const json_t *message = json_object_get(start, "message");
    assert_string_equal(json_get_text(message, "content", "?"), "");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(message, "generation"), "seq")), 1);
    world_expect("{\"type\":\"tokens\",\"seq\":2,\"text\":\"A\"}");
}

/* [N12] */
static void test_an_answer_that_goes_on_has_a_seam(void **state) {
    (void)state;
    greet();
    world_say(WATCH);
    world_expect("{\"type\":\"snapshot\"}");
    world_continue(WORLD_NEXT);
    world_token("B");
    world_expect("{\"type\":\"end\",\"generation\":\"" WORLD_GENERATION
                 "\",\"seq\":3,\"reason\":\"interrupted\",\"continued_by\":\"" WORLD_NEXT "\"}");
    const json_t *start = world_expect("{\"type\":\"start\",\"generation\":\"" WORLD_NEXT
                                       "\",\"seq\":1,\"continues\":\"" WORLD_GENERATION "\"}");
    const json_t *message = json_object_get(start, "message");
    assert_string_equal(json_get_text(message, "id", ""), "a1");
    assert_string_equal(json_get_text(message, "content", "?"), "");
    world_expect("{\"type\":\"tokens\",\"generation\":\"" WORLD_NEXT
                 "\",\"seq\":2,\"text\":\"B\",\"tokens_used\":6}");
    world_expect_nothing();
}

/* [N12] */
static void test_a_snapshot_has_the_whole_text_and_the_newest_generation(void **state) {
    (void)state;
    world_continue(WORLD_NEXT);
    world_token("B");
    greet();
    world_say(WATCH);
    const json_t *snapshot = world_expect("{\"type\":\"snapshot\"}");
    const json_t *answer = json_array_get(json_object_get(snapshot, "messages"), 1);
    const json_t *generation = json_object_get(answer, "generation");
    assert_string_equal(json_get_text(answer, "content", ""), "AB");
    assert_string_equal(json_get_text(generation, "id", ""), WORLD_NEXT);
    assert_string_equal(json_get_text(generation, "continues", ""), WORLD_GENERATION);
    assert_int_equal(json_integer_value(json_object_get(generation, "seq")), 2);
    world_token("C");
    world_expect("{\"type\":\"tokens\",\"seq\":3,\"text\":\"C\"}");
}

/* [N12] [N4] */
static void test_a_cursor_before_the_seam_goes_on_over_it(void **state) {
    (void)state;
    world_continue(WORLD_NEXT);
    world_token("B");
    greet();
    watch_with(WORLD_GENERATION, WORLD_EPOCH, 1);
    world_expect("{\"type\":\"resumed\"}");
    world_expect("{\"type\":\"tokens\",\"generation\":\"" WORLD_GENERATION "\",\"seq\":2,\"text\":\"A\"}");
    world_expect("{\"type\":\"end\",\"seq\":3}");
    world_expect("{\"type\":\"start\",\"seq\":1}");
    world_expect("{\"type\":\"tokens\",\"generation\":\"" WORLD_NEXT "\",\"seq\":2,\"text\":\"B\"}");
    world_expect_nothing();
}

static void queue_message(const char *user, const char *answer, const char *generation, const char *text) {
    conversation_add_text(world->conversation, user, "a1", STORE_ROLE_USER, text, 2000);
    conversation_add_answer(world->conversation, answer, user, stream_new(generation, 3, "m"), 2000);
    world->conversation->queue_version++;
    conversation_notify(world->conversation);
}

/* [N13] */
static void test_a_continue_is_acked_with_the_new_generation(void **state) {
    (void)state;
    greet();
    world->next_sent.message_id = "a1";
    world->next_sent.generation_id = WORLD_NEXT;
    world_say("{\"type\":\"continue\",\"generation\":\"" WORLD_GENERATION "\",\"client_msg_id\":\"m-1\"}");
    assert_string_equal(world->sent_text, WORLD_GENERATION);
    assert_int_equal(world->sent_asker, WORLD_ASKER);
    world_expect("{\"type\":\"ack\",\"client_msg_id\":\"m-1\",\"conversation\":\"" WORLD_NAME
                 "\",\"message\":\"a1\",\"generation\":\"" WORLD_NEXT "\",\"duplicate\":false}");
    world->next_sent = (struct chat_sent){ .status = STATUS_CONFLICT, .fault = "it is whole" };
    world_say("{\"type\":\"continue\",\"generation\":\"" WORLD_GENERATION "\",\"client_msg_id\":\"m-2\"}");
    world_expect(
        "{\"type\":\"error\",\"code\":\"conflict\",\"about\":{\"type\":\"continue\",\"client_msg_id\":"
        "\"m-2\",\"generation\":\"" WORLD_GENERATION "\"}}");
    world_expect_nothing();
}

#define QUEUED "22222222222222222222222222222222"

/* [N14] */
static void test_what_waits_is_told_by_queue_and_walked_in_its_turn(void **state) {
    (void)state;
    greet();
    world_say(WATCH);
    world_expect("{\"type\":\"snapshot\"}");
    world_expect_nothing(); /* nothing waits: no frame */
    queue_message("u2", "a2", QUEUED, "Two");
    world_token("B");
    world_expect("{\"type\":\"tokens\",\"text\":\"B\"}");
    world_expect(
        "{\"type\":\"queue\",\"conversation\":\"" WORLD_NAME
        "\",\"messages\":[{\"id\":\"u2\",\"content\":\"Two\",\"timestamp\":\"1970-01-01T00:00:02.000Z\","
        "\"generation\":\"" QUEUED "\"}]}");
    world_expect_nothing();
    world_end("stop", NULL);
    world->conversation->queue_version++;
    world_expect("{\"type\":\"end\"}");
    world_expect("{\"type\":\"message\"}");
    world_expect("{\"type\":\"start\",\"generation\":\"" QUEUED "\"}");
    world_expect("{\"type\":\"queue\",\"messages\":[]}");
    world_expect_nothing();
}

/* [N14] */
static void test_a_snapshot_ends_with_what_is_written_and_the_queue_follows(void **state) {
    (void)state;
    queue_message("u2", "a2", QUEUED, "Two");
    greet();
    world_say(WATCH);
    const json_t *snapshot = world_expect("{\"type\":\"snapshot\"}");
    assert_int_equal(json_array_size(json_object_get(snapshot, "messages")), 2);
    const json_t *queue = world_expect("{\"type\":\"queue\"}");
    assert_int_equal(json_array_size(json_object_get(queue, "messages")), 1);
    watch_with(WORLD_GENERATION, WORLD_EPOCH, 2);
    world_expect("{\"type\":\"resumed\"}");
    world_expect("{\"type\":\"queue\"}");
    world_expect_nothing();
}

/* [N14] A reader that always has something to read is told, too. */
static void test_the_queue_is_told_within_a_few_frames(void **state) {
    (void)state;
    greet();
    world_say(WATCH);
    world_expect("{\"type\":\"snapshot\"}");
    queue_message("u2", "a2", QUEUED, "Two");
    bool is_told = false;
    for (int i = 0; i < 6 && !is_told; i++) {
        world_token("x");
        world_pump_once();
        size_t last = json_array_size(world->frames) - 1;
        is_told = strcmp(json_get_text(json_array_get(world->frames, last), "type", ""), "queue") == 0;
    }
    assert_true(is_told);
}

/* [P7] */
static void test_a_slow_socket_gets_its_text_in_frames_of_a_bounded_size(void **state) {
    (void)state;
    greet();
    world_say(WATCH);
    world_expect("{\"type\":\"snapshot\"}");
    static char piece[1025];
    memset(piece, 'x', sizeof piece - 1);
    for (int i = 0; i < 80; i++) {
        world_token(piece);
    }
    uint64_t seq = 3;
    for (int i = 0; i < 3; i++) {
        const json_t *frame = world_expect("{\"type\":\"tokens\"}");
        assert_int_equal(json_integer_value(json_object_get(frame, "seq")), seq);
        seq += (uint64_t)json_integer_value(json_object_get(frame, "n"));
        assert_true(json_string_length(json_object_get(frame, "text")) <= API_FRAME_TEXT_BYTES);
    }
    assert_int_equal(seq, 83);
    world_expect_nothing();
}

/* [N6] */
static void test_a_send_that_begins_a_conversation_is_acked_and_then_watched(void **state) {
    (void)state;
    greet();
    world_say(SEND("\"text\":\"Hi\",\"settings\":{\"temperature\":0}"));
    assert_string_equal(world->sent_text, "Hi");
    assert_int_equal(world->sent_asker, WORLD_ASKER);
    assert_string_equal(world->sent_conversation, "");
    assert_true(world->sent_temperature == 0);
    world_expect("{\"type\":\"ack\",\"client_msg_id\":\"m-1\",\"conversation\":\"" WORLD_NAME
                 "\",\"message\":\"u1\",\"generation\":\"" WORLD_GENERATION "\",\"duplicate\":false}");
    world_expect("{\"type\":\"message\",\"conversation\":\"" WORLD_NAME "\"}");
    world_expect("{\"type\":\"start\",\"seq\":1}");
    world_expect("{\"type\":\"tokens\",\"seq\":2,\"text\":\"A\"}");
    world_expect_nothing();
}

static void test_a_send_into_a_watched_conversation_is_acked_before_its_events(void **state) {
    (void)state;
    greet();
    world_say(WATCH);
    world_expect("{\"type\":\"snapshot\"}");
    world->defers = true;
    world->next_sent.duplicate = true;
    world_say(SEND("\"text\":\"Hi\",\"conversation\":\"" WORLD_NAME "\""));
    assert_string_equal(world->sent_conversation, WORLD_NAME);
    world_token("B");
    world_answer();
    world_expect("{\"type\":\"ack\",\"duplicate\":true}");
    world_expect("{\"type\":\"tokens\",\"seq\":3,\"text\":\"B\"}");
    world_expect_nothing();
}

/* [W45] */
static void test_a_key_that_may_only_read_watches_and_sends_nothing(void **state) {
    (void)state;
    world->may_only_read = true;
    greet();
    world_say(WATCH);
    world_expect("{\"type\":\"snapshot\"}");
    world_say(SEND("\"text\":\"Hi\""));
    world_expect(
        "{\"type\":\"error\",\"code\":\"denied\",\"about\":{\"type\":\"send\",\"client_msg_id\":\"m-1\"}}");
    world_say("{\"type\":\"stop\",\"conversation\":\"" WORLD_NAME "\"}");
    world_expect("{\"type\":\"error\",\"code\":\"denied\"}");
    assert_string_equal(world->sent_text, "");
    assert_int_equal(world->n_cancelled, 0);
    world_say("{\"type\":\"ping\"}");
    world_expect("{\"type\":\"ping\"}");
}

/* [W47] */
static void test_a_key_that_has_begun_enough_is_told_so(void **state) {
    (void)state;
    world->may_begin_none = true;
    greet();
    world_say(SEND("\"text\":\"Hi\""));
    world_expect("{\"type\":\"error\",\"code\":\"queue_full\",\"about\":{\"type\":\"send\",\"client_msg_id\":"
                 "\"m-1\"}}");
    assert_string_equal(world->sent_text, "");
}

/* [N7] [N11] */
static void test_a_refused_send_says_what_it_is_about(void **state) {
    (void)state;
    greet();
    world->next_sent = (struct chat_sent){ .status = STATUS_BUSY, .fault = "one runs" };
    world_say(SEND("\"text\":\"Hi\",\"conversation\":\"" WORLD_NAME "\""));
    world_expect("{\"type\":\"error\",\"code\":\"busy\",\"text\":\"one runs\",\"about\":{\"type\":\"send\","
                 "\"client_msg_id\":\"m-1\",\"conversation\":\"" WORLD_NAME "\"}}");
    world->next_sent.status = STATUS_CONFLICT;
    world_say(SEND("\"text\":\"Ho\",\"conversation\":\"" WORLD_NAME "\""));
    world_expect("{\"type\":\"error\",\"code\":\"conflict\"}");
    world_expect_nothing();
}

static void test_wrong_requests_are_errors_and_the_socket_stays_open(void **state) {
    (void)state;
    greet();
    static const char *const wrong[][2] = {
        { "{\"type\":", "bad_json" },
        { "[1]", "bad_json" },
        { "{}", "bad_request" },
        { "{\"type\":7}", "bad_request" },
        { HELLO, "bad_request" },
        { "{\"type\":\"watch\"}", "bad_request" },
        { "{\"type\":\"watch\",\"conversation\":\"../../etc/passwd\"}", "bad_request" },
        { "{\"type\":\"watch\",\"conversation\":[]}", "bad_request" },
        { "{\"type\":\"watch\",\"conversation\":\"" WORLD_NAME "\",\"cursor\":{\"epoch\":\"x\"}}",
          "bad_request" },
        { "{\"type\":\"watch\",\"conversation\":\"" WORLD_UNKNOWN "\"}", "not_found" },
        { "{\"type\":\"unwatch\"}", "bad_request" },
        { "{\"type\":\"send\",\"text\":\"Hi\"}", "bad_request" },
        { "{\"type\":\"send\",\"client_msg_id\":\"a b\",\"text\":\"Hi\"}", "bad_request" },
        { SEND("\"text\":7"), "bad_request" },
        { SEND("\"conversation\":null"), "bad_request" },
        { SEND("\"text\":\"Hi\",\"parent\":\"u1\""), "bad_request" },
        { SEND("\"text\":\"Hi\",\"settings\":{\"temperature\":9}"), "bad_request" },
        { SEND("\"text\":\"Hi\",\"settings\":{\"system_prompt\":\"x\"}"), "bad_request" },
        { SEND("\"text\":\"Hi\",\"settings\":[]"), "bad_request" },
        { "{\"type\":\"stop\"}", "bad_request" },
        { "{\"type\":\"stop\",\"generation\":\"nothing\"}", "bad_request" },
        { "{\"type\":\"continue\",\"client_msg_id\":\"m\"}", "bad_request" },
        { "{\"type\":\"continue\",\"client_msg_id\":\"m\",\"generation\":\"x\"}", "bad_request" },
        { "{\"type\":\"continue\",\"generation\":\"" WORLD_GENERATION "\"}", "bad_request" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        world_say(wrong[i][0]);
        char *fields = mem_format("{\"type\":\"error\",\"code\":\"%s\"}", wrong[i][1]);
        world_expect(fields);
        free(fields);
    }
    world_say("{\"type\":\"dance\"}"); /* [N1] */
    world_expect_nothing();
    world_say("{\"type\":\"ping\"}");
    world_expect("{\"type\":\"ping\"}");
    assert_int_equal(world->close_code, 0);
}

/* [N8] */
static void test_stop_cancels_what_runs_and_is_silent_otherwise(void **state) {
    (void)state;
    greet();
    world_say("{\"type\":\"stop\",\"generation\":\"" WORLD_GENERATION "\"}");
    assert_int_equal(world->n_cancelled, 1);
    world_say("{\"type\":\"stop\",\"conversation\":\"" WORLD_NAME "\"}");
    assert_int_equal(world->n_cancelled, 2);
    world_say("{\"type\":\"stop\",\"conversation\":\"" WORLD_UNKNOWN "\"}");
    world_say("{\"type\":\"stop\",\"generation\":\"" WORLD_NEXT "\"}");
    assert_int_equal(world->n_cancelled, 2);
    world_continue(WORLD_NEXT);
    world_say("{\"type\":\"stop\",\"generation\":\"" WORLD_GENERATION "\"}"); /* what goes on with it */
    assert_int_equal(world->n_cancelled, 3);
    world_expect_nothing();
}

/* [N8] An answer that goes on after a start is not known before its conversation has been read. */
static void test_stop_of_a_generation_opens_its_conversation(void **state) {
    (void)state;
    greet();
    world->is_unread = true;
    world->defers = true;
    world_say("{\"type\":\"stop\",\"generation\":\"" WORLD_GENERATION "\"}");
    assert_int_equal(world->n_cancelled, 0);
    world_answer();
    assert_int_equal(world->n_cancelled, 1);
    world->is_unread = true;
    world_say("{\"type\":\"stop\",\"generation\":\"" WORLD_GENERATION "\"}");
    world_disconnect();
    assert_int_equal(world->n_abandoned, 1);
}

/* [N16] */
static void test_what_is_typed_is_a_draft_until_it_is_sent(void **state) {
    (void)state;
    greet();
    world_say("{\"type\":\"draft\",\"conversation\":\"" WORLD_NAME "\",\"text\":\"Hel\"}");
    assert_string_equal(world->draft, WORLD_NAME "|Hel");
    world_say("{\"type\":\"draft\",\"text\":\"Hello\"}");
    assert_string_equal(world->draft, "|Hello");
    world_say("{\"type\":\"draft\"}");
    world_expect("{\"type\":\"error\",\"code\":\"bad_request\"}");
    world_say("{\"type\":\"draft\",\"conversation\":\"x\",\"text\":\"a\"}");
    world_expect("{\"type\":\"error\",\"code\":\"bad_request\"}");
    assert_string_equal(world->draft, "|Hello");
    world->next_sent = (struct chat_sent){ .status = STATUS_BUSY, .fault = "busy" };
    world_say(SEND("\"text\":\"Hello\""));
    assert_string_equal(world->draft, "|");
    assert_int_equal(world->n_drafts, 1);
    world_disconnect();
    assert_int_equal(world->n_drafts, 0);
}

/* [N41] */
static void test_what_somebody_saw_is_said_of_one_conversation(void **state) {
    (void)state;
    greet();
    world_say("{\"type\":\"seen\",\"conversation\":\"" WORLD_NAME "\"}");
    assert_int_equal(world->n_seen, 1);
    world_say("{\"type\":\"seen\",\"conversation\":\"chat_2000-01-01-00-00-00-000.txt\"}");
    world_expect("{\"type\":\"error\",\"code\":\"not_found\"}");
    world_say("{\"type\":\"seen\"}");
    world_expect("{\"type\":\"error\",\"code\":\"bad_request\"}");
    assert_int_equal(world->n_seen, 1);
}

static void test_watches_are_read_in_turn(void **state) {
    (void)state;
    struct conversation *other = conversation_new(&world->hub, WORLD_OTHER, "Lakes", 2000);
    greet();
    world_say(WATCH);
    world_say("{\"type\":\"watch\",\"conversation\":\"" WORLD_OTHER "\"}");
    world_expect("{\"type\":\"snapshot\",\"conversation\":\"" WORLD_NAME "\"}");
    world_expect("{\"type\":\"snapshot\",\"conversation\":\"" WORLD_OTHER "\"}");
    conversation_add_text(other, "x1", NULL, STORE_ROLE_USER, "1", 3000);
    conversation_add_text(other, "x2", "x1", STORE_ROLE_USER, "2", 3000);
    conversation_add_text(other, "x3", "x2", STORE_ROLE_USER, "3", 3000);
    world_token("B");
    world_expect("{\"type\":\"tokens\",\"text\":\"B\"}");
    world_expect("{\"type\":\"message\",\"conversation\":\"" WORLD_OTHER "\"}");
    world_token("C"); /* comes before the rest of the other one */
    world_expect("{\"type\":\"message\",\"conversation\":\"" WORLD_OTHER "\"}");
    world_disconnect();
    conversation_unref(other);
}

static void test_one_frame_leaves_per_upcall(void **state) {
    (void)state;
    greet();
    world_say(WATCH);
    world_pump_once();
    assert_int_equal(json_array_size(world->frames), world->n_read + 1);
    world_expect("{\"type\":\"snapshot\"}");
}

static void test_unwatch_ends_the_frames(void **state) {
    (void)state;
    greet();
    world_say(WATCH);
    world_expect("{\"type\":\"snapshot\"}");
    world_say("{\"type\":\"unwatch\",\"conversation\":\"" WORLD_NAME "\"}");
    world_token("B");
    world_expect_nothing();
}

static void test_more_than_64_watches_are_refused(void **state) {
    (void)state;
    world->defers = true;
    greet();
    struct chat_call *waiting[64];
    for (int i = 0; i < 64; i++) {
        char *text =
            mem_format("{\"type\":\"watch\",\"conversation\":\"chat_2026-11-23-00-00-00-%03d\"}", i + 100);
        world_say(text);
        free(text);
        waiting[i] = world->waiting;
        world->waiting = NULL;
    }
    world_say(WATCH);
    world_expect("{\"type\":\"error\",\"code\":\"queue_full\",\"about\":{\"type\":\"watch\",\"conversation\":"
                 "\"" WORLD_NAME "\"}}");
    world_disconnect();
    assert_int_equal(world->n_abandoned, 64);
    for (int i = 0; i < 64; i++) {
        world->waiting = waiting[i];
        world_answer();
    }
}

static void test_a_deleted_conversation_is_let_go_without_a_frame(void **state) {
    (void)state;
    greet();
    world_say(WATCH);
    world_expect("{\"type\":\"snapshot\"}");
    world->conversation->is_gone = true;
    conversation_notify(world->conversation);
    world_expect_nothing();
    assert_true(list_is_empty(&world->conversation->watchers));
}

static void test_a_socket_that_closes_abandons_what_it_asked(void **state) {
    (void)state;
    world->defers = true;
    greet();
    world_say(SEND("\"text\":\"Hi\""));
    world_disconnect();
    assert_int_equal(world->n_abandoned, 1);
}

/* [N10] */
static void test_silence_is_broken_with_a_ping(void **state) {
    (void)state;
    greet();
    world_silence();
    world_expect("{\"type\":\"ping\"}");
    world_expect_nothing();
}

static void test_what_changes_is_told_to_all_who_said_hello(void **state) {
    (void)state;
    ws_native_broadcast_conversation(&world->api, world->conversation, CONVERSATION_CREATED);
    ws_native_broadcast_model(&world->api);
    world_connect(ws_native_handle);
    ws_native_broadcast_conversation(&world->api, world->conversation, CONVERSATION_CREATED);
    world_expect_nothing();
    world_say(HELLO);
    world_expect("{\"type\":\"hello\"}");
    ws_native_broadcast_conversation(&world->api, world->conversation, CONVERSATION_DELETED);
    world_expect("{\"type\":\"conversation\",\"event\":\"deleted\",\"conversation\":\"" WORLD_NAME
                 "\",\"title\":\"Rivers\",\"timestamp\":\"1970-01-01T00:00:01.000Z\",\"running\":false}");
    ws_native_broadcast_model(&world->api);
    ws_native_broadcast_model(&world->api);
    world_expect("{\"type\":\"model\",\"state\":\"" WORLD_MODEL_STATE
                 "\"}"); /* once: only the newest matters */
    world_expect_nothing();
}

/* [N15] */
static void test_trouble_of_the_disk_is_told_after_hello_and_at_each_change(void **state) {
    (void)state;
    greet();
    world_expect_nothing(); /* it is fine */
    world->trouble = STORE_FULL;
    ws_native_broadcast_storage(&world->api);
    world_expect("{\"type\":\"storage\",\"state\":\"full\"}");
    world_disconnect();
    greet();
    world_expect("{\"type\":\"storage\",\"state\":\"full\"}");
    world->trouble = STORE_FINE;
    ws_native_broadcast_storage(&world->api);
    world_expect("{\"type\":\"storage\",\"state\":\"fine\"}");
    world_expect_nothing();
}

static void test_phases_are_told_until_the_first_token(void **state) {
    (void)state;
    struct stream *stream = stream_new("11111111111111111111111111111111", 2, "m");
    world_end("stop", NULL);
    greet();
    world_say(WATCH);
    world_expect("{\"type\":\"snapshot\"}");
    conversation_add_answer(world->conversation, "a2", "u1", stream, 2000);
    world_expect("{\"type\":\"start\",\"seq\":1}");
    conversation_set_phase(world->conversation, &(struct phase){ .kind = PHASE_QUEUED, .position = 2 });
    world_expect("{\"type\":\"phase\",\"generation\":\"11111111111111111111111111111111\",\"phase\":"
                 "\"queued\",\"position\":2}");
    conversation_set_phase(world->conversation,
                           &(struct phase){ .kind = PHASE_LOADING, .progress = 0.5, .stage = "weights" });
    world_expect("{\"type\":\"phase\",\"phase\":\"loading\",\"stage\":\"weights\",\"progress\":0.5}");
    conversation_set_phase(world->conversation,
                           &(struct phase){ .kind = PHASE_PREFILL, .done = 1, .total = 3 });
    world_expect("{\"type\":\"phase\",\"phase\":\"prefill\",\"done\":1,\"total\":3,\"cached\":0}");
    json_t *error = json_pack("{s:s, s:s}", "code", "internal", "text", "it broke");
    stream_end(stream, "error", error, NULL, NULL);
    conversation_notify(world->conversation);
    world_expect("{\"type\":\"end\",\"seq\":2,\"reason\":\"error\",\"error\":{\"code\":\"internal\",\"text\":"
                 "\"it broke\"}}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ws_world_set_up, ws_world_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_hello_is_answered_with_epoch_version_and_model),
        TEST(test_a_first_frame_that_is_no_hello_closes_with_4000),
        TEST(test_a_wrong_or_missing_token_closes_with_4001),
        TEST(test_a_snapshot_and_what_follows_it_fit_without_gap_or_repeat),
        TEST(test_a_good_cursor_is_resumed_without_a_snapshot),
        TEST(test_a_bad_cursor_gets_one_reset_and_a_snapshot),
        TEST(test_a_replayed_start_brings_no_text),
        TEST(test_an_answer_that_goes_on_has_a_seam),
        TEST(test_a_snapshot_has_the_whole_text_and_the_newest_generation),
        TEST(test_a_cursor_before_the_seam_goes_on_over_it),
        TEST(test_a_continue_is_acked_with_the_new_generation),
        TEST(test_what_waits_is_told_by_queue_and_walked_in_its_turn),
        TEST(test_a_snapshot_ends_with_what_is_written_and_the_queue_follows),
        TEST(test_the_queue_is_told_within_a_few_frames),
        TEST(test_a_slow_socket_gets_its_text_in_frames_of_a_bounded_size),
        TEST(test_a_send_that_begins_a_conversation_is_acked_and_then_watched),
        TEST(test_a_send_into_a_watched_conversation_is_acked_before_its_events),
        TEST(test_a_key_that_may_only_read_watches_and_sends_nothing),
        TEST(test_a_key_that_has_begun_enough_is_told_so),
        TEST(test_a_refused_send_says_what_it_is_about),
        TEST(test_wrong_requests_are_errors_and_the_socket_stays_open),
        TEST(test_stop_cancels_what_runs_and_is_silent_otherwise),
        TEST(test_stop_of_a_generation_opens_its_conversation),
        TEST(test_what_is_typed_is_a_draft_until_it_is_sent),
        TEST(test_what_somebody_saw_is_said_of_one_conversation),
        TEST(test_watches_are_read_in_turn),
        TEST(test_one_frame_leaves_per_upcall),
        TEST(test_unwatch_ends_the_frames),
        TEST(test_more_than_64_watches_are_refused),
        TEST(test_a_deleted_conversation_is_let_go_without_a_frame),
        TEST(test_a_socket_that_closes_abandons_what_it_asked),
        TEST(test_silence_is_broken_with_a_ping),
        TEST(test_what_changes_is_told_to_all_who_said_hello),
        TEST(test_trouble_of_the_disk_is_told_after_hello_and_at_each_change),
        TEST(test_phases_are_told_until_the_first_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
