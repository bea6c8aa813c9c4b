#include "chat/stream.h"

#include "base/mem.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID "0123456789abcdef0123456789abcdef"

static struct stream *river(void) {
    struct stream *stream = stream_new(ID, 7, "fake.json");
    stream->n_prompt_tokens = 10;
    assert_int_equal(stream_append(stream, 2, 100, "a", 1), STATUS_OK);
    assert_int_equal(stream_append(stream, 3, 101, "", 0), STATUS_OK);
    assert_int_equal(stream_append(stream, 4, 102, " river", 6), STATUS_OK);
    return stream;
}

static void test_a_new_stream_has_the_event_start(void **state) {
    (void)state;
    struct stream *stream = stream_new(ID, 7, NULL);
    assert_int_equal(stream->last_seq, 1);
    assert_int_equal(stream_last_token_seq(stream), 1);
    stream_free(stream);
}

static void test_text_is_read_by_seq(void **state) {
    (void)state;
    struct stream *stream = river();
    size_t size;
    assert_memory_equal(stream_read(stream, 2, 4, &size), "a river", 7);
    assert_int_equal(size, 7);
    assert_memory_equal(stream_read(stream, 4, 4, &size), " river", 6);
    stream_read(stream, 3, 3, &size);
    assert_int_equal(size, 0);
    stream_free(stream);
}

/* [W11] */
static void test_tokens_used_rises_by_one_per_token(void **state) {
    (void)state;
    struct stream *stream = river();
    for (uint64_t seq = 1; seq <= 4; seq++) {
        assert_int_equal(stream_tokens_used(stream, seq), 10 + seq - 1);
    }
    stream_free(stream);
}

/* [E14] */
static void test_a_flushed_tail_is_an_event_and_no_token(void **state) {
    (void)state;
    struct stream *stream = river();
    assert_int_equal(stream_append(stream, 5, -1, "!", 1), STATUS_OK);
    assert_int_equal(stream->n_tokens, 3);
    assert_int_equal(stream_tokens_used(stream, 5), 13);
    stream_free(stream);
}

static void test_the_ids_of_the_tokens_stand_by_seq(void **state) {
    (void)state;
    struct stream *stream = river();
    for (int i = 0; i < 100; i++) {
        assert_int_equal(stream_append(stream, (uint64_t)i + 5, 200 + i, "x", 1), STATUS_OK);
    }
    stream_end(stream, "stop", NULL, NULL, NULL);
    assert_int_equal(stream->tokens[0], -1);
    assert_int_equal(stream->tokens[3], 102);
    assert_int_equal(stream->tokens[103], 299);
    assert_int_equal(stream->tokens[104], -1);
    stream_free(stream);
}

static void test_n18_thoughts_and_calls_are_events_beside_the_text(void **state) {
    (void)state;
    struct stream *stream = stream_new("g", 1, "m");
    size_t size;
    assert_int_equal(stream_append(stream, 2, 5, "one", 3), STATUS_OK);
    assert_int_equal(stream_append_other(stream, 3, 6, STORE_EVENT_REASONING, "hm", 2), STATUS_OK);
    assert_int_equal(stream_append_other(stream, 4, -1, STORE_EVENT_TOOL, "{}", 2), STATUS_OK);
    for (uint64_t seq = 5; seq < 60; seq++) {
        assert_int_equal(stream_append(stream, seq, 7, "x", 1), STATUS_OK);
    }
    assert_int_equal(stream_kind(stream, 2), STORE_EVENT_TOKEN);
    assert_int_equal(stream_kind(stream, 3), STORE_EVENT_REASONING);
    assert_int_equal(stream_kind(stream, 4), STORE_EVENT_TOOL);
    assert_int_equal(stream_kind(stream, 59), STORE_EVENT_TOKEN);
    assert_memory_equal(stream_read(stream, 2, 5, &size), "onex", 4);
    assert_int_equal(size, 4);
    assert_memory_equal(stream_read_other(stream, 2, 5, &size), "hm{}", 4);
    assert_int_equal(size, 4);
    stream_read_other(stream, 5, 59, &size);
    assert_int_equal(size, 0);
    assert_int_equal(stream->n_tokens, 57);
    stream_free(stream);
}

static void test_the_end_is_the_last_event(void **state) {
    (void)state;
    struct stream *stream = river();
    stream_end(stream, "stop", NULL, NULL, NULL);
    assert_int_equal(stream->last_seq, 5);
    assert_int_equal(stream_last_token_seq(stream), 4);
    assert_string_equal(stream->reason, "stop");
    stream_free(stream);
}

static void test_a_stored_generation_answers_the_same_reads(void **state) {
    (void)state;
    uint32_t ends[] = { 0, 1, 1, 7, 7 };
    char reason[] = "stop";
    struct store_generation stored = { .id = ID,
                                       .ended = true,
                                       .last_seq = 5,
                                       .reason = reason,
                                       .text_ends = ends,
                                       .n_text_ends = 5,
                                       .n_prompt_tokens = 10 };
    struct stream *stream = stream_restore(&stored, "a river", 7);
    size_t size;
    assert_memory_equal(stream_read(stream, 4, 4, &size), " river", 6);
    assert_int_equal(stream_last_token_seq(stream), 4);
    assert_int_equal(stream_tokens_used(stream, 5), 13);
    stream_free(stream);
}

static void test_more_text_than_the_limit_is_refused_whole(void **state) {
    (void)state;
    struct stream *stream = river();
    stream->text.size_max = 8;
    assert_int_equal(stream_append(stream, 5, 1, "xx", 2), STATUS_FULL);
    assert_int_equal(stream->last_seq, 4);
    assert_int_equal(stream_append(stream, 5, 1, "x", 1), STATUS_OK);
    stream_free(stream);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_stream_has_the_event_start),
        cmocka_unit_test(test_text_is_read_by_seq),
        cmocka_unit_test(test_tokens_used_rises_by_one_per_token),
        cmocka_unit_test(test_a_flushed_tail_is_an_event_and_no_token),
        cmocka_unit_test(test_the_ids_of_the_tokens_stand_by_seq),
        cmocka_unit_test(test_n18_thoughts_and_calls_are_events_beside_the_text),
        cmocka_unit_test(test_the_end_is_the_last_event),
        cmocka_unit_test(test_a_stored_generation_answers_the_same_reads),
        cmocka_unit_test(test_more_text_than_the_limit_is_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
