#include "store/store_salvage_copy.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define STEP_MAX      (INT64_C(1) << 40)
#define GAP_AT_END    4096   /* how far behind the last readable key others may be */
#define TRIES_MAX     200000 /* seeks per table: bounds the time that a badly damaged one takes */
#define SQL_BYTES_MAX 4096
#define COLUMNS_MAX   40

struct copy {
    sqlite3 *to;
    struct store_salvage_table *table;
    sqlite3_stmt *up;   /* key BETWEEN ?1 AND ?2, the key as the last column */
    sqlite3_stmt *down; /* the same, from above */
    sqlite3_stmt *insert;
    int n_columns;
    size_t n_tries;
    int result; /* of writing */
};

/* ---- The columns that both have ---- */

static int list_columns(sqlite3 *from, sqlite3 *to, const char *table, struct bytes *out) {
    sqlite3_stmt *columns = NULL;
    int n = 0;
    if (sqlite3_prepare_v2(to, "SELECT name FROM pragma_table_info(?1)", -1, &columns, NULL) == SQLITE_OK) {
        sqlite3_bind_text(columns, 1, table, -1, SQLITE_STATIC);
    }
    while (columns && sqlite3_step(columns) == SQLITE_ROW && n < COLUMNS_MAX) {
        const char *name = (const char *)sqlite3_column_text(columns, 0);
        char *sql = mem_format("SELECT %s FROM %s", name, table);
        sqlite3_stmt *probe = NULL;
        if (sqlite3_prepare_v2(from, sql, -1, &probe, NULL) == SQLITE_OK) {
            bytes_add_format(out, "%s%s", n++ ? ", " : "", name);
        }
        sqlite3_finalize(probe);
        free(sql);
    }
    sqlite3_finalize(columns);
    return n;
}

static int prepare(sqlite3 *sqlite, sqlite3_stmt **out, const struct bytes *sql) {
    return sqlite3_prepare_v2(sqlite, sql->data, (int)sql->size, out, NULL);
}

/* False: the table cannot be read at all. */
static bool prepare_all(struct copy *copy, sqlite3 *from) {
    const struct store_salvage_table *table = copy->table;
    struct bytes columns, sql;
    bytes_init(&columns, SQL_BYTES_MAX);
    bytes_init(&sql, SQL_BYTES_MAX);
    copy->n_columns = list_columns(from, copy->to, table->name, &columns);
    bool is_there = copy->n_columns > 0;
    for (int down = 0; down < 2 && is_there; down++) {
        bytes_clear(&sql);
        bytes_add_format(&sql, "SELECT %s, %s FROM %s ", columns.data, table->key, table->name);
        if (table->has_rowid) {
            bytes_add_format(&sql, "WHERE %s BETWEEN ?1 AND ?2 ", table->key);
        }
        bytes_add_format(&sql, "ORDER BY %s %s", table->key, down ? "DESC" : "ASC");
        is_there = prepare(from, down ? &copy->down : &copy->up, &sql) == SQLITE_OK;
    }
    bytes_clear(&sql);
    bytes_add_format(&sql, "INSERT OR IGNORE INTO %s (%s) VALUES (", table->name,
                     is_there ? columns.data : "");
    for (int i = 0; i < copy->n_columns; i++) {
        bytes_add_text(&sql, i ? ", ?" : "?");
    }
    bytes_add_char(&sql, ')');
    if (is_there) {
        copy->result = prepare(copy->to, &copy->insert, &sql);
    }
    bytes_deinit(&columns);
    bytes_deinit(&sql);
    return is_there && copy->result == SQLITE_OK;
}

/* ---- Rows ---- */

static void save_row(struct copy *copy, sqlite3_stmt *row) {
    for (int i = 0; i < copy->n_columns; i++) {
        sqlite3_bind_value(copy->insert, i + 1, sqlite3_column_value(row, i));
    }
    int result = sqlite3_step(copy->insert);
    sqlite3_reset(copy->insert);
    int primary = result & 0xFF;
    if (result == SQLITE_DONE && sqlite3_changes(copy->to) == 1) {
        copy->table->n_saved++;
    } else if (result == SQLITE_DONE || primary == SQLITE_CONSTRAINT || primary == SQLITE_MISMATCH ||
               primary == SQLITE_TOOBIG) {
        copy->table->n_refused++;
    } else {
        copy->result = result;
    }
}

/* True: all of low to high was read. *last is the last key that was; it stays when there was none. */
static bool scan(struct copy *copy, bool down, int64_t low, int64_t high, int64_t *last) {
    sqlite3_stmt *rows = down ? copy->down : copy->up;
    copy->n_tries++;
    sqlite3_reset(rows);
    if (copy->table->has_rowid) {
        sqlite3_bind_int64(rows, 1, low);
        sqlite3_bind_int64(rows, 2, high);
    }
    int result;
    while ((result = sqlite3_step(rows)) == SQLITE_ROW && copy->result == SQLITE_OK) {
        *last = sqlite3_column_int64(rows, copy->n_columns);
        save_row(copy, rows);
    }
    sqlite3_reset(rows);
    return result == SQLITE_DONE;
}

/* The keys strictly between could not be read from the low end on. Halves: each side gives what it can. */
static void search_gap(struct copy *copy, int64_t low, int64_t high) {
    if (high - low <= 1 || copy->result != SQLITE_OK || copy->n_tries >= TRIES_MAX) {
        return;
    }
    int64_t middle = low + (high - low) / 2;
    int64_t up_to = middle - 1, down_to = middle;
    if (!scan(copy, false, middle, high - 1, &up_to)) {
        search_gap(copy, up_to > middle ? up_to : middle, high);
    }
    if (!scan(copy, true, low + 1, middle - 1, &down_to)) {
        search_gap(copy, low, down_to < middle ? down_to : middle);
    }
}

/* The key behind a damaged place: the scan from there on has read up to *last. False: there is none that can be read. */
static bool jump(struct copy *copy, int64_t from, int64_t *first, int64_t *last, bool *is_complete) {
    for (int64_t step = 2; step <= STEP_MAX && from <= INT64_MAX - step && copy->result == SQLITE_OK;
         step *= 2) {
        int64_t reached = from;
        *is_complete = scan(copy, false, from + step, INT64_MAX, &reached);
        if (*is_complete || reached != from) {
            *first = from + step;
            *last = reached == from ? from + step : reached;
            return true;
        }
    }
    return false;
}

static void copy_by_rowid(struct copy *copy) {
    int64_t last = 0;
    bool is_complete = scan(copy, false, 1, INT64_MAX, &last);
    while (!is_complete && copy->result == SQLITE_OK && copy->n_tries < TRIES_MAX) {
        int64_t gap = last, first = 0;
        copy->table->n_gaps++;
        if (!jump(copy, gap, &first, &last, &is_complete)) {
            search_gap(copy, gap, gap < INT64_MAX - GAP_AT_END ? gap + GAP_AT_END : INT64_MAX);
            return;
        }
        search_gap(copy, gap, first);
    }
}

static void copy_from_both_ends(struct copy *copy) {
    int64_t last = 0;
    if (!scan(copy, false, 0, 0, &last)) {
        size_t n_refused = copy->table->n_refused;
        copy->table->n_gaps++;
        scan(copy, true, 0, 0, &last);
        copy->table->n_refused = n_refused; /* the same rows again are no loss */
    }
}

int store_salvage_copy(sqlite3 *from, sqlite3 *to, struct store_salvage_table *table) {
    struct copy copy = { .to = to, .table = table };
    if (!prepare_all(&copy, from)) {
        table->n_gaps++;
    } else if (table->has_rowid) {
        copy_by_rowid(&copy);
    } else {
        copy_from_both_ends(&copy);
    }
    sqlite3_finalize(copy.up);
    sqlite3_finalize(copy.down);
    sqlite3_finalize(copy.insert);
    return copy.result;
}
