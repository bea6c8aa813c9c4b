#include "base/mem.h"
#include "chat/conversation.h"
#include "chat/hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GENERATION "0123456789abcdef0123456789abcdef"
#define EPOCH      "00000000000000aa"

struct fixture {
    struct hub hub;
    struct conversation *conversation;
    struct stream *stream;
    int n_changes;
};

static void on_change(void *ctx) {
    ((struct fixture *)ctx)->n_changes++;
}

static int set_up(void **state) {
    struct fixture *f = mem_alloc(sizeof *f);
    hub_init(&f->hub);
    f->conversation = conversation_new(&f->hub, "chat_2026-11-23-00-00-00-000.txt", "Rivers", 1000);
    conversation_add_text(f->conversation, "u1", NULL, STORE_ROLE_USER, "Hi", 1000);
    f->stream = stream_new(GENERATION, 1, "m");
    f->stream->n_prompt_tokens = 4;
    f->stream->context_size = 100;
    conversation_add_answer(f->conversation, "a1", "u1", f->stream, 1000);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    conversation_unref(f->conversation);
    assert_true(list_is_empty(&f->hub.conversations));
    free(f);
    return 0;
}

#define GENERATION_2 "22222222222222222222222222222222"
#define GENERATION_3 "33333333333333333333333333333333"

/* The newest generation was interrupted; another one goes on with it. */
static void go_on(struct fixture *f, const char *id) {
    if (!f->stream->is_ended) {
        stream_end(f->stream, "interrupted", NULL, NULL, NULL);
    }
    f->stream = stream_new(id, 2, "m");
    message_continue(f->conversation->messages[1], f->stream);
    conversation_notify(f->conversation);
}

static void say(struct fixture *f, const char *text) {
    assert_int_equal(stream_append(f->stream, f->stream->last_seq + 1, 5, text, strlen(text)), STATUS_OK);
    conversation_notify(f->conversation);
}

/* Everything there is to read, as one line: M a message, S start, T seq+n:text, E end. */
static char *walk(struct watcher *watcher, uint32_t n_tokens_max, size_t bytes_max) {
    static char line[512];
    line[0] = '\0';
    struct watch_item item;
    while (watcher_next(watcher, n_tokens_max, bytes_max, &item) != WATCH_NONE) {
        size_t at = strlen(line);
        if (item.kind == WATCH_TOKENS) {
            snprintf(line + at, sizeof line - at, "T%d+%d:%.*s|", (int)item.seq, (int)item.n,
                     (int)item.text_size, item.text);
        } else {
            snprintf(line + at, sizeof line - at, "%c%d|", " MSPTEG"[item.kind], (int)item.seq);
        }
    }
    return line;
}

static void test_a_walk_from_the_beginning_sees_everything_once(void **state) {
    struct fixture *f = *state;
    struct watcher watcher;
    watcher_init(&watcher, f->conversation, on_change, f);
    watcher_seek_message(&watcher, 0);
    say(f, "a");
    say(f, "b");
    assert_string_equal(walk(&watcher, 99, 99), "M0|S1|T2+2:ab|");
    assert_string_equal(walk(&watcher, 99, 99), "");
    say(f, "c");
    stream_end(f->stream, "stop", NULL, NULL, NULL);
    assert_string_equal(walk(&watcher, 99, 99), "T4+1:c|E5|");
    assert_string_equal(walk(&watcher, 99, 99), "");
    watcher_deinit(&watcher);
}

/* P2: no window between replay and live */
static void test_a_watcher_that_joins_gets_only_what_is_new(void **state) {
    struct fixture *f = *state;
    say(f, "a");
    struct watcher watcher;
    watcher_init(&watcher, f->conversation, on_change, f);
    assert_string_equal(walk(&watcher, 99, 99), "");
    say(f, "b");
    assert_int_equal(f->n_changes, 1);
    assert_string_equal(walk(&watcher, 99, 99), "T3+1:b|");
    watcher_deinit(&watcher);
}

/* [W12] */
static void test_one_token_at_a_time_keeps_empty_ones(void **state) {
    struct fixture *f = *state;
    struct watcher watcher;
    watcher_init(&watcher, f->conversation, on_change, f);
    say(f, "a");
    say(f, "");
    say(f, "b");
    assert_string_equal(walk(&watcher, 1, 99), "T2+1:a|T3+1:|T4+1:b|");
    watcher_deinit(&watcher);
}

/* P7: a slow watcher gets more in a frame, within the frame's size */
static void test_an_item_keeps_to_its_size_and_holds_at_least_one_token(void **state) {
    struct fixture *f = *state;
    struct watcher watcher;
    watcher_init(&watcher, f->conversation, on_change, f);
    say(f, "aaaa");
    say(f, "bb");
    say(f, "ccccccccc");
    assert_string_equal(walk(&watcher, 99, 6), "T2+2:aaaabb|T4+1:ccccccccc|");
    watcher_deinit(&watcher);
}

/* P2, P3, [N4] */
static void test_a_cursor_goes_on_after_its_seq_for_every_seq(void **state) {
    struct fixture *f = *state;
    say(f, "a");
    say(f, "b");
    stream_end(f->stream, "stop", NULL, NULL, NULL);
    conversation_add_text(f->conversation, "u2", "a1", STORE_ROLE_USER, "More", 2000);
    const char *expected[] = { "S1|T2+2:ab|E4|M0|", "T2+2:ab|E4|M0|", "T3+1:b|E4|M0|", "E4|M0|", "M0|" };
    for (uint64_t seq = 0; seq <= 4; seq++) {
        struct watcher watcher;
        watcher_init(&watcher, f->conversation, on_change, f);
        struct cursor cursor = { .generation = GENERATION, .epoch = EPOCH, .after_seq = seq };
        assert_null(watcher_seek(&watcher, &cursor, EPOCH));
        assert_string_equal(walk(&watcher, 99, 99), expected[seq]);
        watcher_deinit(&watcher);
    }
}

/* P3 */
static void test_a_wrong_cursor_names_the_reason_and_moves_nothing(void **state) {
    struct fixture *f = *state;
    struct watcher watcher;
    watcher_init(&watcher, f->conversation, on_change, f);
    struct cursor cursor = { .generation = GENERATION, .epoch = "00000000000000bb", .after_seq = 1 };
    assert_string_equal(watcher_seek(&watcher, &cursor, EPOCH), "epoch");
    memcpy(cursor.epoch, EPOCH, sizeof EPOCH);
    cursor.after_seq = 2;
    assert_string_equal(watcher_seek(&watcher, &cursor, EPOCH), "ahead");
    cursor.generation[0] = 'f';
    assert_string_equal(watcher_seek(&watcher, &cursor, EPOCH), "generation");
    say(f, "a");
    assert_string_equal(walk(&watcher, 99, 99), "T2+1:a|");
    watcher_deinit(&watcher);
}

/* P5: the walk goes over the seam, live and behind */
static void test_an_answer_that_goes_on_is_read_over_the_seam(void **state) {
    struct fixture *f = *state;
    struct watcher live, late;
    watcher_init(&live, f->conversation, on_change, f);
    watcher_init(&late, f->conversation, on_change, f);
    say(f, "a");
    assert_string_equal(walk(&live, 99, 99), "T2+1:a|");
    go_on(f, GENERATION_2);
    assert_string_equal(walk(&live, 99, 99), "E3|S1|");
    say(f, "b");
    go_on(f, GENERATION_3);
    say(f, "c");
    stream_end(f->stream, "stop", NULL, NULL, NULL);
    conversation_add_text(f->conversation, "u2", "a1", STORE_ROLE_USER, "More", 2000);
    assert_string_equal(walk(&live, 99, 99), "T2+1:b|E3|S1|T2+1:c|E3|M0|");
    assert_string_equal(walk(&late, 99, 99), "T2+1:a|E3|S1|T2+1:b|E3|S1|T2+1:c|E3|M0|");
    watcher_deinit(&live);
    watcher_deinit(&late);
}

/* P5: one that has read the end of the last answer has not passed it: somebody may still ask to go on */
static void test_an_answer_that_goes_on_later_is_read_by_who_waits_behind_its_end(void **state) {
    struct fixture *f = *state;
    struct watcher reader, joined;
    watcher_init(&reader, f->conversation, on_change, f);
    stream_end(f->stream, "length", NULL, NULL, NULL);
    assert_string_equal(walk(&reader, 99, 99), "E2|");
    watcher_init(&joined, f->conversation, on_change, f);
    assert_string_equal(walk(&joined, 99, 99), "");
    go_on(f, GENERATION_2);
    say(f, "a");
    assert_string_equal(walk(&reader, 99, 99), "S1|T2+1:a|");
    assert_string_equal(walk(&joined, 99, 99), "S1|T2+1:a|");
    watcher_deinit(&reader);
    watcher_deinit(&joined);
}

/* P2, P5, [N4]: a cursor of any generation of the chain */
static void test_a_cursor_before_the_seam_goes_on_over_it(void **state) {
    static const struct {
        const char *generation;
        uint64_t after_seq;
        const char *expected;
    } rows[] = {
        { GENERATION, 0, "S1|T2+1:a|E3|S1|T2+1:b|" },
        { GENERATION, 1, "T2+1:a|E3|S1|T2+1:b|" },
        { GENERATION, 2, "E3|S1|T2+1:b|" },
        { GENERATION, 3, "S1|T2+1:b|" },
        { GENERATION_2, 0, "S1|T2+1:b|" },
        { GENERATION_2, 1, "T2+1:b|" },
        { GENERATION_2, 2, "" },
    };
    struct fixture *f = *state;
    say(f, "a");
    go_on(f, GENERATION_2);
    say(f, "b");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct watcher watcher;
        watcher_init(&watcher, f->conversation, on_change, f);
        struct cursor cursor = { .epoch = EPOCH, .after_seq = rows[i].after_seq };
        snprintf(cursor.generation, sizeof cursor.generation, "%s", rows[i].generation);
        assert_null(watcher_seek(&watcher, &cursor, EPOCH));
        assert_string_equal(walk(&watcher, 99, 99), rows[i].expected);
        watcher_deinit(&watcher);
    }
}

/* What waits behind an answer is not shown before its end: not live, not in a snapshot, not to a cursor. */
static void test_what_waits_behind_an_answer_is_read_after_its_end(void **state) {
    struct fixture *f = *state;
    struct watcher watcher;
    watcher_init(&watcher, f->conversation, on_change, f);
    conversation_add_text(f->conversation, "u2", "a1", STORE_ROLE_USER, "More", 2000);
    struct stream *waiting = stream_new(GENERATION_2, 2, "m");
    conversation_add_answer(f->conversation, "a2", "u2", waiting, 2000);
    assert_int_equal(conversation_shown(f->conversation), 2);
    say(f, "a");
    assert_string_equal(walk(&watcher, 99, 99), "T2+1:a|");
    struct watcher joined;
    watcher_init(&joined, f->conversation, on_change, f);
    assert_string_equal(walk(&joined, 99, 99), "");
    struct cursor cursor = { .generation = GENERATION_2, .epoch = EPOCH, .after_seq = 1 };
    assert_string_equal(watcher_seek(&joined, &cursor, EPOCH), "ahead");
    stream_end(f->stream, "stop", NULL, NULL, NULL);
    assert_int_equal(conversation_shown(f->conversation), 4);
    assert_string_equal(walk(&watcher, 99, 99), "E3|M0|S1|");
    assert_string_equal(walk(&joined, 99, 99), "E3|M0|S1|");
    watcher_deinit(&watcher);
    watcher_deinit(&joined);
}

static void test_how_much_of_the_context_is_used_does_not_fall_at_the_seam(void **state) {
    struct fixture *f = *state;
    say(f, "a");
    say(f, "b");
    go_on(f, GENERATION_2);
    uint32_t used, size;
    conversation_usage(f->conversation, &used, &size);
    assert_int_equal(used, 6);
    assert_int_equal(size, 100);
    say(f, "c");
    conversation_usage(f->conversation, &used, &size);
    assert_int_equal(used, 7);
}

/* [N5] */
static void test_the_last_phase_is_told_to_a_new_watcher_once_and_ends_with_the_first_token(void **state) {
    struct fixture *f = *state;
    conversation_set_phase(f->conversation, &(struct phase){ .kind = PHASE_QUEUED });
    conversation_set_phase(f->conversation, &(struct phase){ .kind = PHASE_LOADING, .progress = 0.5 });
    struct watcher watcher;
    watcher_init(&watcher, f->conversation, on_change, f);
    assert_string_equal(walk(&watcher, 99, 99), "P0|");
    say(f, "a");
    conversation_set_phase(f->conversation, &(struct phase){ .kind = PHASE_PREFILL });
    assert_string_equal(walk(&watcher, 99, 99), "T2+1:a|");
    watcher_deinit(&watcher);
}

static void test_a_deleted_conversation_says_so_once(void **state) {
    struct fixture *f = *state;
    struct watcher watcher;
    watcher_init(&watcher, f->conversation, on_change, f);
    f->conversation->is_gone = true;
    assert_true(watcher_has_more(&watcher));
    assert_string_equal(walk(&watcher, 99, 99), "G0|");
    assert_false(watcher_has_more(&watcher));
    watcher_deinit(&watcher);
}

/* [W18] */
static void test_the_transcript_names_the_roles(void **state) {
    struct fixture *f = *state;
    say(f, "a ri");
    go_on(f, GENERATION_2);
    say(f, "ver");
    struct bytes out;
    bytes_init(&out, 1000);
    assert_int_equal(conversation_transcript(f->conversation, &out), STATUS_OK);
    assert_string_equal(out.data, "USER:\nHi\n\nASSISTANT:\na river\n\n");
    bytes_deinit(&out);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_walk_from_the_beginning_sees_everything_once),
        TEST(test_a_watcher_that_joins_gets_only_what_is_new),
        TEST(test_one_token_at_a_time_keeps_empty_ones),
        TEST(test_an_item_keeps_to_its_size_and_holds_at_least_one_token),
        TEST(test_a_cursor_goes_on_after_its_seq_for_every_seq),
        TEST(test_a_wrong_cursor_names_the_reason_and_moves_nothing),
        TEST(test_an_answer_that_goes_on_is_read_over_the_seam),
        TEST(test_an_answer_that_goes_on_later_is_read_by_who_waits_behind_its_end),
        TEST(test_a_cursor_before_the_seam_goes_on_over_it),
        TEST(test_what_waits_behind_an_answer_is_read_after_its_end),
        TEST(test_how_much_of_the_context_is_used_does_not_fall_at_the_seam),
        TEST(test_the_last_phase_is_told_to_a_new_watcher_once_and_ends_with_the_first_token),
        TEST(test_a_deleted_conversation_says_so_once),
        TEST(test_the_transcript_names_the_roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
