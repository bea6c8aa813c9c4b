#include "chat/title_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *text, const char *title) {
    char *made = title_text_clean(text);
    if (title == NULL) {
        assert_null(made);
    } else {
        assert_non_null(made);
        assert_string_equal(made, title);
    }
    free(made);
}

static void test_n40_a_title_is_one_line_without_what_stands_around_it(void **state) {
    (void)state;
    expect("Rivers of Europe", "Rivers of Europe");
    expect("\n  \"Rivers of Europe.\"\nThis title says what it is about.", "Rivers of Europe");
    expect("**Title: Rivers of Europe**", "Rivers of Europe");
    expect("# „Flüsse Europas“", "Flüsse Europas");
    expect("Here is a title for it:\n\n- Rivers\tof \r Europe", "Rivers of Europe");
    expect("《欧洲的河流》。", "欧洲的河流");
    expect("What is a river?", "What is a river?");
}

static void test_n40_what_is_no_title_is_none(void **state) {
    (void)state;
    expect("", NULL);
    expect(" \n\"\"\n***\n", NULL);
    expect("Title:", NULL);
    expect("The river that we have spoken of is one of the longest in Europe, and so I suggest", NULL);
}

static void test_n40_its_length_is_counted_in_characters(void **state) {
    (void)state;
    char text[4 * TITLE_TEXT_CHARACTERS_MAX] = "";
    for (int i = 0; i < TITLE_TEXT_CHARACTERS_MAX; i++) {
        strcat(text, "河");
    }
    expect(text, text);
    strcat(text, "河");
    expect(text, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_n40_a_title_is_one_line_without_what_stands_around_it),
        cmocka_unit_test(test_n40_what_is_no_title_is_none),
        cmocka_unit_test(test_n40_its_length_is_counted_in_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
