/* store_row.h - what a conversation has of its own, from a row. Thread: the store thread; the free functions: any. */
#ifndef RUNNEL_STORE_STORE_ROW_H
#define RUNNEL_STORE_STORE_ROW_H

#include "store/store.h"
#include "store/store_db.h"

/* store_row_read_own takes the columns from `first` on, as OWN_COLUMNS of store_db.c has them. */
void store_row_read_own(sqlite3_stmt *row, int first, struct store_own *out);

/* store_row_read takes the whole row of a list; store_row_free frees what it holds. */
void store_row_read(sqlite3_stmt *row, struct store_listed *out);
void store_row_free(struct store_listed *row);

/* store_row_find reads the row of a conversation that is there. The result is SQLite's. */
int store_row_find(struct store_db *db, int64_t key, struct store_listed *out);

#endif
