/* What is done often reads what it needs, and nothing besides: no statement goes through a whole table that grows. */
#include "store/store_db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The start reads all settings; unended answers have an index of their own, and are few; tables of the full-text index say SCAN of
 * what is a search; `above` and `below` are a path and a branch. */
static const char *const fine[] = { "SCAN setting",
                                    "USING INDEX generation_unended",
                                    "VIRTUAL TABLE INDEX",
                                    "SCAN (subquery",
                                    "CONSTANT ROW",
                                    "SCAN b",
                                    "SCAN a" };

static bool is_fine(const char *step) {
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        if (strstr(step, fine[i])) {
            return true;
        }
    }
    return strstr(step, "SCAN") == NULL;
}

static void check_plan(struct store_db *db, const char *sql) {
    char *question = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql);
    sqlite3_stmt *steps = NULL;
    assert_int_equal(sqlite3_prepare_v2(db->sqlite, question, -1, &steps, NULL), SQLITE_OK);
    while (sqlite3_step(steps) == SQLITE_ROW) {
        const char *step = (const char *)sqlite3_column_text(steps, 3);
        if (!is_fine(step)) {
            fail_msg("%s\n%s", sql, step);
        }
    }
    sqlite3_finalize(steps);
    sqlite3_free(question);
}

static void test_no_statement_goes_through_a_whole_table(void **state) {
    (void)state;
    char folder[] = "store_plan_XXXXXX";
    char path[64];
    struct store_db db;
    struct fault fault;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/runnel.db", folder);
    assert_int_equal(store_db_open(&db, path, &fault), STATUS_OK);
    for (size_t i = 0; i < SQL_N; i++) {
        check_plan(&db, sqlite3_sql(db.statements[i]));
    }
    store_db_close(&db, false);
    unlink(path);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_no_statement_goes_through_a_whole_table) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
