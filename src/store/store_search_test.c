#include "store/store_search.h"

#include "store/store_test_driver.h"

#include <stdio.h>
#include <stdlib.h>
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

static void test_every_word_is_quoted_and_the_last_is_a_beginning_unless_it_is_one_letter(void **state) {
    (void)state;
    expect_query("river", "\"river\"*");
    expect_query("  the river-bank ", "\"the\" \"river\" \"bank\"*");
    expect_query("a OR b", "\"a\" \"OR\" \"b\"");
    expect_query("a OR bc", "\"a\" \"OR\" \"bc\"*");
    expect_query("NEAR(a, 2)", "\"NEAR\" \"a\" \"2\"");
    expect_query("say \"hi\" title:x ^y* {z}", "\"say\" \"hi\" \"title\" \"x\" \"y\" \"z\"");
    expect_query("\xC3\xA9t\xC3\xA9", "\"\xC3\xA9t\xC3\xA9\"*");
    expect_query(
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
        "\"1\" \"2\" \"3\" \"4\" \"5\" \"6\" \"7\" \"8\" \"9\" \"10\" \"11\" \"12\" \"13\" \"14\" \"15\" "
        "\"16\"*");
    expect_query("\"quick  brown\" fox", "\"quick brown\" \"fox\"*");
    expect_query("fox \"quick brown\"", "\"fox\" \"quick brown\"");
    expect_query("fox \"quick bro", "\"fox\" \"quick bro\"*");
    expect_query("\"\" fox\"\"", "\"fox\"");
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

/* [W17] From its first word on, as it is after its end, and once. */
static void test_an_answer_is_found_while_it_is_written(void **state) {
    struct driver *driver = *state;
    char other[ID_CONVERSATION_BYTES];
    driver_add_conversation(driver, "t", "the other question", "another word", other);
    struct store_sent sent = driver_send(driver, (struct store_send){ .text = "a question" });
    assert_int_equal(search(driver, "question").n_rows, 2);
    assert_int_equal(driver_append(driver, sent.generation_key, 2, "A caf\xC3\xA9, a w"), STATUS_OK);
    assert_int_equal(search(driver, "cafe").n_rows, 1);
    assert_int_equal(search(driver, "word").n_rows, 1);
    assert_int_equal(driver_append(driver, sent.generation_key, 3, "ord, and a ri"), STATUS_OK);
    for (int i = 0; i < 2; i++) {
        struct driver_list list = search(driver, "word");
        assert_int_equal(list.n_rows, 2);
        assert_string_equal(list.rows[0].name, sent.conversation);
        assert_string_equal(list.rows[0].snippet, "A caf\xC3\xA9, a word, and a ri");
        assert_string_equal(list.rows[1].name, other);
        assert_int_equal(search(driver, "cafe ri").n_rows, 1);
        assert_int_equal(search(driver, "ri cafe").n_rows, 1);
        assert_int_equal(search(driver, "question").n_rows, 2);
        assert_int_equal(search(driver, "CAFE nothing").n_rows, 0);
        if (i == 0) {
            assert_int_equal(driver_end(driver, sent.generation_key, 4), STATUS_OK);
        }
    }
    assert_int_equal(driver_delete(driver, sent.conversation), STATUS_OK);
    assert_int_equal(search(driver, "cafe").n_rows, 0);
}

/* ---- The words around ---- */

static void expect_snippet(struct driver *driver, const char *answer, const char *query,
                           const char *expected) {
    char name[ID_CONVERSATION_BYTES];
    driver_add_conversation(driver, "title", "question", answer, name);
    struct driver_list list = search(driver, query);
    assert_int_equal(list.n_rows, 1);
    assert_string_equal(list.rows[0].snippet, expected);
    assert_int_equal(driver_delete(driver, name), STATUS_OK);
}

#define TEN(letter)                                                                                          \
    letter "1 " letter "2 " letter "3 " letter "4 " letter "5 " letter "6 " letter "7 " letter "8 " letter   \
           "9 " letter "10"

static void test_a_snippet_is_the_words_around_those_that_were_looked_for(void **state) {
    struct driver *driver = *state;
    static const char text[] = TEN("a") ", " TEN("b") ", " TEN("c") ", " TEN("d") ".";
    expect_snippet(driver, "short: one.", "one", "short: one.");
    expect_snippet(driver, text, "a1", TEN("a") ", " TEN("b") "…");
    expect_snippet(driver, text, "b5", "…" TEN("b") ", " TEN("c") "…");
    expect_snippet(driver, text, "d9", "…d5 d6 d7 d8 d9 d10.");
    /* Where they are together, not where the first of them is. */
    expect_snippet(driver, "c4 " TEN("a") " " TEN("x") " " TEN("b") " " TEN("c") " " TEN("d"), "b10 c4",
                   "…b6 b7 b8 b9 b10 " TEN("c") " d1 d2 d3 d4 d5…");
    expect_snippet(driver, "c4 " TEN("a") " " TEN("x") " " TEN("b") " " TEN("c") " " TEN("d"), "d7 c4",
                   "…b10 " TEN("c") " d1 d2 d3 d4 d5 d6 d7 d8 d9…");
    /* Nowhere together: where the first is. */
    expect_snippet(driver, "x " TEN("a") " " TEN("b") " " TEN("c") " y", "y x",
                   "x " TEN("a") " b1 b2 b3 b4 b5 b6 b7 b8 b9…");
}

static void test_a_snippet_is_found_as_the_word_is(void **state) {
    struct driver *driver = *state;
    static const char text[] = TEN("a") " " TEN("b") " An \xC3\x89T\xC3\x89 there, of \xE5\xA4\x8F";
    expect_snippet(driver, text, "ete", "…b8 b9 b10 An \xC3\x89T\xC3\x89 there, of \xE5\xA4\x8F");
    expect_snippet(driver, text, "\xC3\xA9t", "…b8 b9 b10 An \xC3\x89T\xC3\x89 there, of \xE5\xA4\x8F");
    expect_snippet(driver, text, "\xE5\xA4\x8F", "…An \xC3\x89T\xC3\x89 there, of \xE5\xA4\x8F");
    expect_snippet(driver, text, "titl", "title");
}

/* How long a search takes does not depend on how long the texts are. */
static void test_what_lies_deep_in_a_text_is_found_and_shown_by_its_beginning(void **state) {
    struct driver *driver = *state;
    size_t size = 200000;
    char *text = malloc(size);
    assert_non_null(text);
    for (size_t i = 0; i + 5 < size; i += 4) {
        memcpy(text + i, "\xC3\xA9z ", 5);
    }
    strcpy(text + size - 50, " the needle");
    char expected[200] = "";
    for (int i = 0; i < 20; i++) {
        strcat(expected, i < 19 ? "\xC3\xA9z " : "\xC3\xA9z…");
    }
    expect_snippet(driver, text, "needle", expected);
    /* A text without blanks is cut at a whole character. */
    for (size_t i = 0; i + 4 < size; i += 3) {
        memcpy(text + i, "\xE5\xA4\x8F", 4);
    }
    char name[ID_CONVERSATION_BYTES];
    driver_add_conversation(driver, "title", "question", text, name);
    struct driver_list list = search(driver, "\xE5\xA4\x8F\xE5\xA4\x8F");
    assert_int_equal(list.n_rows, 1);
    assert_int_equal(strlen(list.rows[0].snippet), 299); /* as much as the driver keeps */
    free(text);
}

/* A conversation that was made long ago is gone on with; it is not newer for that. */
static void test_the_newest_conversations_are_found_however_many_match(void **state) {
    struct driver *driver = *state;
    char names[12][ID_CONVERSATION_BYTES];
    for (int i = 0; i < 12; i++) {
        struct store_sent sent = driver_send(
            driver, (struct store_send){ .text = "a river", .wall_ms = DRIVER_WALL_MS + i * 1000 });
        strcpy(names[i], sent.conversation);
        assert_int_equal(driver_append(driver, sent.generation_key, 2, "no match"), STATUS_OK);
        assert_int_equal(driver_end(driver, sent.generation_key, 3), STATUS_OK);
    }
    for (int i = 0; i < 40; i++) {
        struct store_send send = { .conversation = names[i % 3],
                                   .text = "the river again",
                                   .wall_ms = DRIVER_WALL_MS + 20000 + i };
        assert_int_equal(driver_end(driver, driver_send(driver, send).generation_key, 2), STATUS_OK);
    }
    for (uint32_t n_max = 1; n_max <= 12; n_max++) {
        struct driver_list list =
            driver_list(driver, (struct store_list){ .query = "river", .n_max = n_max });
        assert_int_equal(list.n_rows, n_max);
        for (uint32_t i = 0; i < n_max; i++) {
            assert_string_equal(list.rows[i].name, names[11 - i]);
            assert_string_equal(list.rows[i].snippet, 11 - i < 3 ? "the river again" : "a river");
        }
    }
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
        cmocka_unit_test(test_every_word_is_quoted_and_the_last_is_a_beginning_unless_it_is_one_letter),
        TEST(test_messages_and_titles_match),
        TEST(test_an_answer_is_found_while_it_is_written),
        TEST(test_a_snippet_is_the_words_around_those_that_were_looked_for),
        TEST(test_a_snippet_is_found_as_the_word_is),
        TEST(test_what_lies_deep_in_a_text_is_found_and_shown_by_its_beginning),
        TEST(test_the_newest_conversations_are_found_however_many_match),
        TEST(test_operators_of_the_search_engine_are_only_text),
        TEST(test_a_query_of_any_length_is_answered),
        TEST(test_pages_have_each_conversation_once_newest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
