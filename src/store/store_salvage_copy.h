/* store_salvage_copy.h - the rows of a table whose pages may be damaged.
 *
 * A scan ends at the first page that cannot be read. Then the next readable key is looked for in growing steps, and the gap is
 * searched by halves from both sides, so that what is lost is what lies on damaged pages. */
#ifndef RUNNEL_STORE_STORE_SALVAGE_COPY_H
#define RUNNEL_STORE_STORE_SALVAGE_COPY_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_salvage_table {
    const char *name;
    const char *key; /* the column that is searched by */
    bool has_rowid;  /* the key is an integer: gaps can be searched */
    /* What happened: */
    size_t n_saved;
    size_t n_refused; /* rows that were read and are nonsense */
    size_t n_gaps;    /* places that could not be read */
};

/* store_salvage_copy copies into the table of the same name. SQLITE_OK, also when rows are lost; else `to` could not be written. */
int store_salvage_copy(sqlite3 *from, sqlite3 *to, struct store_salvage_table *table);

#endif
