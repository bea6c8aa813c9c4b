/* store_snippet.h - some words of a text around those that were looked for.
 *
 * The words are found as the index finds them (case, diacritics), with its own tokenizer, from the beginning of the text on until they
 * are all there close together; so the time it takes is bounded, whatever the text.
 *
 * Thread  the store thread. Limits: SNIPPET_* in the body. */
#ifndef RUNNEL_STORE_STORE_SNIPPET_H
#define RUNNEL_STORE_STORE_SNIPPET_H

#include "base/status.h"

#include <sqlite3.h>
#include <stddef.h>

struct store_snippet;

/* store_snippet_new takes a query of store_search_build. NULL: this SQLite has no such tokenizer. */
struct store_snippet *store_snippet_new(sqlite3 *sqlite, const char *query);
void store_snippet_free(struct store_snippet *snippet);

/* How many bytes of a text are worth reading; 0: no more texts are, enough were looked at. */
size_t store_snippet_wanted(const struct store_snippet *snippet);

/* store_snippet_make is new memory. `text` is the beginning of one of whole_size bytes. Where none of the words is found: its first
 * words. */
char *store_snippet_make(struct store_snippet *snippet, const char *text, size_t size, size_t whole_size);

#endif
