#include "store/store_row.h"

#include "base/mem.h"

#include <stdlib.h>

static char *copy_column(sqlite3_stmt *row, int column) {
    const unsigned char *text = sqlite3_column_text(row, column);
    return text ? mem_copy_bytes(text, (size_t)sqlite3_column_bytes(row, column)) : NULL;
}

void store_row_read_own(sqlite3_stmt *row, int first, struct store_own *out) {
    out->title_by = (enum store_title_by)sqlite3_column_int(row, first);
    out->is_pinned = sqlite3_column_int(row, first + 1) != 0;
    out->is_archived = sqlite3_column_int(row, first + 2) != 0;
    out->is_temporary = sqlite3_column_int(row, first + 3) != 0;
    out->folder = copy_column(row, first + 4);
    out->settings = copy_column(row, first + 5);
    out->deleted_ms = sqlite3_column_int64(row, first + 6);
    out->is_unread = sqlite3_column_int(row, first + 7) != 0;
}

void store_row_read(sqlite3_stmt *row, struct store_listed *out) {
    *out = (struct store_listed){ 0 };
    store_db_copy_text(row, 0, out->name, sizeof out->name);
    out->title = copy_column(row, 1);
    out->created_ms = sqlite3_column_int64(row, 2);
    out->updated_ms = sqlite3_column_int64(row, 3);
    store_row_read_own(row, 4, &out->own);
}

void store_row_free(struct store_listed *row) {
    free(row->title);
    free(row->snippet);
    store_own_deinit(&row->own);
}

int store_row_find(struct store_db *db, int64_t key, struct store_listed *out) {
    sqlite3_stmt *row = store_db_use(db, SQL_CONVERSATION_ROW);
    sqlite3_bind_int64(row, 1, key);
    int result = sqlite3_step(row);
    if (result == SQLITE_ROW) {
        store_row_read(row, out);
    }
    sqlite3_reset(row);
    return result == SQLITE_ROW ? SQLITE_OK : result == SQLITE_DONE ? SQLITE_CORRUPT : result;
}
