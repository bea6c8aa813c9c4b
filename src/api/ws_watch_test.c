#include "api/ws_world.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define PATH      "/ws/conversation/watch/" WORLD_NAME
#define BEGINNING "USER:\\nHi\\n\\nASSISTANT:\\n"

static void watch(const char *path, const char *query) {
    world->path = path;
    world->query = query;
    world_connect(ws_watch_handle);
}

/* The throttle looks at the clock, so the timer of the test rings when the time is really over. */
static void ring(void) {
    assert_true(world->timer_ms >= 0 && world->timer_ms <= 250);
    uint64_t until = clock_now_ms() + (uint64_t)world->timer_ms;
    while (clock_now_ms() < until) {
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
    world->timer_ms = -1;
    world->on_time(world->timer_ctx);
}

/* [W13] */
static void test_the_first_frame_is_the_whole_and_then_come_increments(void **state) {
    (void)state;
    watch(PATH, NULL);
    world_expect("{\"type\":\"update\",\"content\":\"" BEGINNING
                 "A\\n\\n\",\"tokens_used\":5,\"max_tokens\":100,"
                 "\"generation\":\"" WORLD_GENERATION "\",\"epoch\":\"" WORLD_EPOCH "\",\"seq\":2}");
    world_token("B");
    world_expect("{\"type\":\"delta\",\"generation\":\"" WORLD_GENERATION
                 "\",\"seq\":3,\"text\":\"B\",\"tokens_used\":6,\"max_tokens\":100}");
    world_token("");
    world_expect("{\"type\":\"delta\",\"seq\":4,\"text\":\"\"}");
    world_end("stop", NULL);
    world_expect("{\"type\":\"end\",\"generation\":\"" WORLD_GENERATION "\",\"seq\":5,\"reason\":\"stop\"}");
    world_expect("{\"type\":\"update\",\"content\":\"" BEGINNING "AB\\n\\n\",\"seq\":5}");
    world_expect_nothing();
    conversation_add_text(world->conversation, "u2", "a1", STORE_ROLE_USER, "More", 2000);
    world_expect("{\"type\":\"message\",\"id\":\"u2\",\"role\":\"user\",\"content\":\"More\"}");
}

static void test_the_whole_is_sent_at_most_four_times_a_second_while_it_grows(void **state) {
    (void)state;
    watch(PATH, NULL);
    world_expect("{\"type\":\"update\"}");
    for (int i = 0; i < 20; i++) {
        world_token("x");
        world_expect("{\"type\":\"delta\"}");
    }
    world_expect_nothing();
    ring();
    world_expect("{\"type\":\"update\",\"content\":\"" BEGINNING "Axxxxxxxxxxxxxxxxxxxx\\n\\n\",\"seq\":22}");
    world_expect_nothing();
    assert_int_equal(world->timer_ms, -1); /* nothing grew since */
}

static void test_updates_delta_sends_the_whole_only_once(void **state) {
    (void)state;
    watch(PATH, "updates=delta");
    world_expect("{\"type\":\"update\"}");
    world_token("B");
    world_expect("{\"type\":\"delta\",\"text\":\"B\"}");
    world_end("stop", NULL);
    world_expect("{\"type\":\"end\"}");
    world_expect_nothing();
    assert_int_equal(world->timer_ms, -1);
}

static void test_updates_full_sends_the_whole_per_token_exactly(void **state) {
    (void)state;
    watch(PATH, "updates=full");
    world_expect("{\"type\":\"update\",\"seq\":2}");
    world_token("B");
    world_token("C"); /* both are there before either is written */
    world_expect("{\"type\":\"update\",\"content\":\"" BEGINNING "AB\\n\\n\",\"seq\":3,\"tokens_used\":6}");
    world_expect("{\"type\":\"update\",\"content\":\"" BEGINNING "ABC\\n\\n\",\"seq\":4,\"tokens_used\":7}");
    world_end("stop", NULL);
    world_expect("{\"type\":\"update\",\"content\":\"" BEGINNING "ABC\\n\\n\",\"seq\":5}");
    world_expect_nothing();
}

/* A reader that is a message behind is told what was there then, and not what has come since. */
static void test_updates_full_are_exact_for_a_slow_reader(void **state) {
    (void)state;
    watch(PATH, "updates=full");
    world_expect("{\"type\":\"update\",\"seq\":2}");
    world_token("B");
    world_end("stop", NULL);
    conversation_add_text(world->conversation, "u2", "a1", STORE_ROLE_USER, "More", 2000);
    world->stream = stream_new(WORLD_NEXT, 2, "m");
    conversation_add_answer(world->conversation, "a2", "u2", world->stream, 2000);
    world->stream->n_prompt_tokens = 9;
    world->stream->context_size = 200;
    world_token("C"); /* all are there before any is written */
#define FIRST BEGINNING "AB\\n\\n"
    world_expect("{\"content\":\"" FIRST "\",\"generation\":\"" WORLD_GENERATION
                 "\",\"seq\":3,\"tokens_used\":6,\"max_tokens\":100}");
    world_expect("{\"content\":\"" FIRST "\",\"generation\":\"" WORLD_GENERATION
                 "\",\"seq\":4,\"tokens_used\":6,\"max_tokens\":100}");
    world_expect("{\"content\":\"" FIRST "USER:\\nMore\\n\\n\",\"generation\":\"" WORLD_GENERATION
                 "\",\"seq\":4,\"tokens_used\":6,\"max_tokens\":100}");
    world_expect("{\"content\":\"" FIRST
                 "USER:\\nMore\\n\\nASSISTANT:\\nC\\n\\n\",\"generation\":\"" WORLD_NEXT
                 "\",\"seq\":2,\"tokens_used\":10,\"max_tokens\":200}");
    world_expect_nothing();
}

static void test_a_good_cursor_begins_with_what_came_after_it(void **state) {
    (void)state;
    world_token("B");
    watch(PATH, "generation=" WORLD_GENERATION "&epoch=" WORLD_EPOCH "&after=2");
    world_expect("{\"type\":\"delta\",\"seq\":3,\"text\":\"B\"}");
    world_end("stop", NULL);
    world_expect("{\"type\":\"end\"}");
    world_expect_nothing();
}

/* [W31] */
static void test_increments_and_the_whole_go_over_a_seam(void **state) {
    (void)state;
    watch(PATH, NULL);
    world_expect("{\"type\":\"update\"}");
    world_continue(WORLD_NEXT);
    world_token("B");
    world_expect("{\"type\":\"end\",\"generation\":\"" WORLD_GENERATION
                 "\",\"seq\":3,\"reason\":\"interrupted\",\"continued_by\":\"" WORLD_NEXT "\"}");
    world_expect("{\"type\":\"delta\",\"generation\":\"" WORLD_NEXT
                 "\",\"seq\":2,\"text\":\"B\",\"tokens_used\":6}");
    world_expect("{\"type\":\"update\",\"content\":\"" BEGINNING "AB\\n\\n\",\"generation\":\"" WORLD_NEXT
                 "\",\"seq\":2}");
    world_expect_nothing();
}

/* [W31] */
static void test_updates_full_are_exact_over_a_seam(void **state) {
    (void)state;
    watch(PATH, "updates=full");
    world_expect("{\"type\":\"update\",\"seq\":2}");
    world_token("B");
    world_continue(WORLD_NEXT);
    world_token("C");
    world_token("D"); /* all are there before any is written */
    world_expect("{\"content\":\"" BEGINNING "AB\\n\\n\",\"generation\":\"" WORLD_GENERATION "\",\"seq\":3}");
    world_expect("{\"content\":\"" BEGINNING "AB\\n\\n\",\"generation\":\"" WORLD_GENERATION "\",\"seq\":4}");
    world_expect("{\"content\":\"" BEGINNING "ABC\\n\\n\",\"generation\":\"" WORLD_NEXT "\",\"seq\":2}");
    world_expect("{\"content\":\"" BEGINNING "ABCD\\n\\n\",\"generation\":\"" WORLD_NEXT "\",\"seq\":3}");
    world_expect_nothing();
}

/* [W31] */
static void test_a_cursor_before_the_seam_goes_on_over_it(void **state) {
    (void)state;
    world_continue(WORLD_NEXT);
    world_token("B");
    watch(PATH, "generation=" WORLD_GENERATION "&epoch=" WORLD_EPOCH "&after=2");
    world_expect("{\"type\":\"end\",\"seq\":3}");
    world_expect("{\"type\":\"delta\",\"generation\":\"" WORLD_NEXT "\",\"seq\":2,\"text\":\"B\"}");
    world_expect_nothing();
}

/* [P3] */
static void test_a_bad_cursor_gets_a_reset_and_the_whole(void **state) {
    (void)state;
    watch(PATH, "generation=" WORLD_GENERATION "&epoch=" WORLD_EPOCH "&after=99");
    world_expect("{\"type\":\"reset\",\"reason\":\"ahead\"}");
    world_expect("{\"type\":\"update\",\"seq\":2}");
    world_token("B");
    world_expect("{\"type\":\"delta\",\"seq\":3}");
}

static void test_malformed_requests_are_refused_at_the_upgrade(void **state) {
    (void)state;
    static const char *const wrong[][2] = {
        { "/ws/conversation/watch/", NULL },
        { "/ws/conversation/watch/../../etc/passwd", NULL },
        { "/ws/conversation/watch/chat_x.txt", NULL },
        { PATH, "updates=some" },
        { PATH, "generation=" WORLD_GENERATION },
        { PATH, "generation=" WORLD_GENERATION "&epoch=" WORLD_EPOCH "&after=-1" },
        { PATH, "generation=" WORLD_GENERATION "&epoch=" WORLD_EPOCH "&after=1x" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        world->reply_status = 0;
        watch(wrong[i][0], wrong[i][1]);
        assert_int_equal(world->reply_status, 400);
        world_disconnect();
    }
}

static void test_an_unknown_conversation_is_an_error_and_closes(void **state) {
    (void)state;
    watch("/ws/conversation/watch/" WORLD_UNKNOWN, NULL);
    assert_int_equal(world->close_code, 4004);
    assert_non_null(strstr(world_next(), "there is no such conversation"));
}

static void test_a_conversation_that_is_deleted_closes_the_socket(void **state) {
    (void)state;
    watch(PATH, NULL);
    world_expect("{\"type\":\"update\"}");
    world->conversation->is_gone = true;
    conversation_notify(world->conversation);
    world_expect("{\"type\":\"error\",\"error\":\"" REPLY_DELETED_TEXT "\"}");
    assert_int_equal(world->close_code, 4004);
}

static void test_a_socket_that_closes_early_is_forgotten(void **state) {
    (void)state;
    world->defers = true;
    watch(PATH, NULL);
    world_disconnect();
    assert_int_equal(world->n_abandoned, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ws_world_set_up, ws_world_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_the_first_frame_is_the_whole_and_then_come_increments),
        TEST(test_the_whole_is_sent_at_most_four_times_a_second_while_it_grows),
        TEST(test_updates_delta_sends_the_whole_only_once),
        TEST(test_updates_full_sends_the_whole_per_token_exactly),
        TEST(test_updates_full_are_exact_for_a_slow_reader),
        TEST(test_a_good_cursor_begins_with_what_came_after_it),
        TEST(test_increments_and_the_whole_go_over_a_seam),
        TEST(test_updates_full_are_exact_over_a_seam),
        TEST(test_a_cursor_before_the_seam_goes_on_over_it),
        TEST(test_a_bad_cursor_gets_a_reset_and_the_whole),
        TEST(test_malformed_requests_are_refused_at_the_upgrade),
        TEST(test_an_unknown_conversation_is_an_error_and_closes),
        TEST(test_a_conversation_that_is_deleted_closes_the_socket),
        TEST(test_a_socket_that_closes_early_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
