/* store_search.h - from what a person types to what FTS5 understands. */
#ifndef RUNNEL_STORE_STORE_SEARCH_H
#define RUNNEL_STORE_STORE_SEARCH_H

#include "base/bytes.h"

#include <stdbool.h>

#define STORE_SEARCH_WORDS_MAX 16

/* store_search_build writes a query in which every word is quoted and the last one is a beginning: no text of
 * a person is ever an operator. Words are runs of letters, digits and everything beyond ASCII; those after
 * STORE_SEARCH_WORDS_MAX do not count. False: there is no word, or the text is longer than the buffer may be. */
bool store_search_build(const char *text, struct bytes *query);

#endif
