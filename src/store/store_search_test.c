#include "store/store_search.h"

#include "store/store_test_driver.h"

#include <stdio.h>
#include <string.h>

static void expect_query(const char *text, const char *expected) {
    struct bytes query;
    bytes_init(&query, 4096);
    assert_int_equal(store_search_build(text, &query), expected != NULL);
    if (expected) {
        assert_string_equal(query.data, expected);
    }
    bytes_deinit(&query);
}

static void test_every_word_is_quoted_and_the_last_is_a_beginning(void **state) {
    (void)state;
    expect_query("river", "\"river\"*");
    expect_query("  the river-bank ", "\"the\" \"river\" \"bank\"*");
    expect_query("a OR b", "\"a\" \"OR\" \"b\"*");
    expect_query("NEAR(a, 2)", "\"NEAR\" \"a\" \"2\"*");
    expect_query("say \"hi\" title:x ^y* {z}", "\"say\" \"hi\" \"title\" \"x\" \"y\" \"z\"*");
    expect_query("\xC3\xA9t\xC3\xA9", "\"\xC3\xA9t\xC3\xA9\"*");
    expect_query(
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
        "\"1\" \"2\" \"3\" \"4\" \"5\" \"6\" \"7\" \"8\" \"9\" \"10\" \"11\" \"12\" \"13\" \"14\" \"15\" "
        "\"16\"*");
    expect_query("\"*-()", NULL);
    expect_query("   ", NULL);
}

static struct driver_list search(struct driver *driver, const char *text) {
    struct driver_list list = driver_list(driver, (struct store_list){ .query = text });
    assert_int_equal(list.status, STATUS_OK);
    return list;
}

static void test_messages_and_titles_match(void **state) {
    struct driver *driver = *state;
    char river[ID_CONVERSATION_BYTES], stone[ID_CONVERSATION_BYTES];
    driver_add_conversation(driver, "About water", "Where does the Loire end?", "The river ends in the sea.",
                            river);
    driver_add_conversation(driver, "Geology", "What is a stone?", "A caf\xC3\xA9 of minerals.", stone);
    struct driver_list list = search(driver, "river");
    assert_int_equal(list.n_rows, 1);
    assert_string_equal(list.rows[0].name, river);
    assert_string_equal(list.rows[0].title, "About water");
    assert_string_equal(list.rows[0].snippet, "The river ends in the sea.");
    list = search(driver, "loi");
    assert_int_equal(list.n_rows, 1);
    assert_string_equal(list.rows[0].snippet, "Where does the Loire end?");
    list = search(driver, "geol");
    assert_int_equal(list.n_rows, 1);
    assert_string_equal(list.rows[0].name, stone);
    assert_string_equal(list.rows[0].snippet, "Geology");
    assert_int_equal(search(driver, "CAFE").n_rows, 1);
    assert_int_equal(search(driver, "sea the").n_rows, 1);
    assert_int_equal(search(driver, "sea stone").n_rows, 0);
    assert_int_equal(search(driver, "riv the").n_rows, 0); /* only the last word is a beginning */
    assert_int_equal(search(driver, "desert").n_rows, 0);
    list = driver_list(driver, (struct store_list){ 0 });
    assert_int_equal(list.n_rows, 2);
    assert_false(list.rows[0].has_snippet);
}

static void test_a_running_answer_is_found_after_its_end(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ .text = "question" });
    assert_int_equal(driver_append(driver, sent.generation_key, 2, "word"), STATUS_OK);
    assert_int_equal(search(driver, "question").n_rows, 1);
    assert_int_equal(search(driver, "word").n_rows, 0);
    assert_int_equal(driver_end(driver, sent.generation_key, 3), STATUS_OK);
    assert_int_equal(search(driver, "word").n_rows, 1);
}

/* What a person types is never an operator, and never an error. */
static void test_operators_of_the_search_engine_are_only_text(void **state) {
    struct driver *driver = *state;
    char name[ID_CONVERSATION_BYTES];
    driver_add_conversation(driver, "t", "near and not or title content", "one-two \"three\" fo*ur", name);
    const char *const hits[] = {
        "\"three\"", "\"three",       "NEAR(",         "NEAR(content title)",
        "AND",       "NOT",           "near AND",      "fo*",
        "one-two",   "-two",          "^one",          "+two",
        "{near",     "title:content", "t\xE2\x80\xA6", "\xE2\x80\xA6 near",
        "fo*ur;--",  "'near'",
    };
    for (size_t i = 0; i < sizeof hits / sizeof hits[0]; i++) {
        if (search(driver, hits[i]).n_rows != 1) {
            fail_msg("%s", hits[i]);
        }
    }
    const char *const misses[] = {
        "\"", "*", "-", "(", "\xE2\x80\xA6", "^*", "message_words : near x", "three NOT near", "rank"
    };
    for (size_t i = 0; i < sizeof misses / sizeof misses[0]; i++) {
        if (search(driver, misses[i]).n_rows != 0) {
            fail_msg("%s", misses[i]);
        }
    }
    assert_int_equal(search(driver, "").n_rows, 1);
}

static void test_a_query_of_any_length_is_answered(void **state) {
    struct driver *driver = *state;
    static char text[100001];
    memset(text, 'a', sizeof text - 1);
    assert_int_equal(search(driver, text).n_rows, 0);
    for (size_t i = 0; i < sizeof text - 1; i += 2) {
        text[i] = ' ';
    }
    assert_int_equal(search(driver, text).n_rows, 0);
}

static void add_many(struct driver *driver, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char title[32];
        snprintf(title, sizeof title, "river %zu", i);
        struct store_sent sent = driver_send(
            driver, (struct store_send){ .title = title, .wall_ms = DRIVER_WALL_MS + (int64_t)i / 3 });
        assert_int_equal(driver_end(driver, sent.generation_key, 2), STATUS_OK);
    }
}

/* Pages of 4 through 14 conversations made three in a millisecond. */
static void expect_pages(struct driver *driver, const char *query) {
    int64_t before_ms = 0;
    int next = 13;
    for (int page = 0; page < 4; page++) {
        struct driver_list list =
            driver_list(driver, (struct store_list){ .query = query, .before_ms = before_ms, .n_max = 4 });
        assert_int_equal(list.n_rows, page < 3 ? 4 : 2);
        for (size_t i = 0; i < list.n_rows; i++) {
            char title[32];
            snprintf(title, sizeof title, "river %d", next--);
            assert_string_equal(list.rows[i].title, title);
        }
        before_ms = list.rows[list.n_rows - 1].created_ms;
    }
    assert_int_equal(
        driver_list(driver, (struct store_list){ .query = query, .before_ms = before_ms }).n_rows, 0);
}

static void test_pages_have_each_conversation_once_newest_first(void **state) {
    struct driver *driver = *state;
    add_many(driver, 14);
    expect_pages(driver, NULL);
    expect_pages(driver, "river");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, driver_setup, driver_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_word_is_quoted_and_the_last_is_a_beginning),
        TEST(test_messages_and_titles_match),
        TEST(test_a_running_answer_is_found_after_its_end),
        TEST(test_operators_of_the_search_engine_are_only_text),
        TEST(test_a_query_of_any_length_is_answered),
        TEST(test_pages_have_each_conversation_once_newest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
