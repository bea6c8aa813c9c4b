/* store_snippet.h - some words of a text around those that were looked for.
 *
 * The words are found as the index finds them (case, diacritics), with its own tokenizer, from the beginning of the text on until they
 * are all there close together; so the time it takes is bounded, whatever the text.
 *
 * Thread  the store thread. Limits: SNIPPET_* in the body. */
#ifndef RUNNEL_STORE_STORE_SNIPPET_H
#define RUNNEL_STORE_STORE_SNIPPET_H

#include "store/store.h"
#include "store/store_db.h"

struct store_snippet;

/* store_snippet_new takes a query of store_search_build. NULL: this SQLite has no such tokenizer. */
struct store_snippet *store_snippet_new(sqlite3 *sqlite, const char *query);
void store_snippet_free(struct store_snippet *snippet);

/* store_snippet_of_message puts new memory into *out, or leaves it alone: enough texts were looked at. Where none of the words is found: the
 * first ones. is_live: its answer has not ended. The result is SQLite's. */
int store_snippet_of_message(struct store_db *db, struct store_snippet *snippet, int64_t message_key,
                             bool is_live, char **out);

/* store_snippet_mark says where in a snippet the words are, n_max places at most. */
size_t store_snippet_mark(struct store_snippet *snippet, const char *text, struct store_mark *marks,
                          size_t n_max);

#endif
