/* store_graft.h - a copy of a database whose list of tables is damaged, with the list of a new one.
 *
 * Without that list, which begins in the first page, SQLite finds nothing in a database. But it only says at which page each table
 * begins, and that is the same in every database to which the migrations were applied while it was empty. In one that was older, and
 * had to make a table again, the place of that table is another: its rows do not fit and are refused, those of the others are found.
 *
 * Thread  any. Blocks. */
#ifndef RUNNEL_STORE_STORE_GRAFT_H
#define RUNNEL_STORE_STORE_GRAFT_H

#include "base/status.h"

/* store_graft_make copies the database at `path`, and its log, to `out`, and makes a new database at `fresh` of which it takes the list;
 * both are the caller's to remove, also on failure. */
MUST_CHECK enum status store_graft_make(const char *path, const char *fresh, const char *out,
                                        struct fault *fault);

#endif
