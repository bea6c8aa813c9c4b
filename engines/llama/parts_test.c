/* The names of a model in several files. */
#include "parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_only_the_first_of_several_names_the_others(void **state) {
    (void)state;
    static const struct {
        const char *path;
        int n;
    } cases[] = {
        { "/m/a-00001-of-00003.gguf", 3 },
        { "-00001-of-00012.gguf", 12 },
        { "/m/a.gguf", 1 },
        { "/m/a-00002-of-00003.gguf", 1 },
        { "/m/a-00001-of-00000.gguf", 1 },
        { "/m/a-00001-of-99999.gguf", 1 },
        { "/m/a-00001-of-0003.gguf", 1 },
        { "/m/a-00001-of-000x3.gguf", 1 },
        { "/m/a-00001-of-00003.gguf.tmp", 1 },
        { "", 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(parts_count(cases[i].path), cases[i].n);
    }
}

static void test_the_path_of_each_part(void **state) {
    (void)state;
    char path[64];
    parts_path("/m/a-00001-of-00003.gguf", 2, path, sizeof path);
    assert_string_equal(path, "/m/a-00003-of-00003.gguf");
    parts_path("/m/a.gguf", 0, path, sizeof path);
    assert_string_equal(path, "/m/a.gguf");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_first_of_several_names_the_others),
        cmocka_unit_test(test_the_path_of_each_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
