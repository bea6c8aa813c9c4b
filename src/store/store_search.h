/* store_search.h - the conversations in which words are found.
 *
 * The words of titles and of messages are in an index; those of answers that are still being written are found by looking at their
 * events, as they are committed. From the newest message on it is looked for conversations until no older message can bring a newer
 * one: what is common costs no more than what is rare.
 *
 * Thread  the store thread. Limits: SEARCH_* in the body; what they cut off are the oldest messages that match. */
#ifndef RUNNEL_STORE_STORE_SEARCH_H
#define RUNNEL_STORE_STORE_SEARCH_H

#include "base/bytes.h"
#include "store/store.h"
#include "store/store_db.h"

#include <stdbool.h>

#define STORE_SEARCH_WORDS_MAX 16

/* store_search_build writes a query in which every word is quoted and the last one is a beginning, unless it is a single letter of
 * ASCII, or stands between quotation marks; words between those are one phrase. No text of a person is ever an operator. Words are runs of letters, digits and everything beyond ASCII; those after
 * STORE_SEARCH_WORDS_MAX do not count. False: there is no word, or the text is longer than the buffer may be. */
bool store_search_build(const char *text, struct bytes *query);

struct store_hit {
    int64_t conversation_key;
    int64_t created_ms;  /* of the conversation */
    int64_t message_key; /* the newest that matches; 0: the title does */
    bool is_live;        /* its answer has not ended */
};

/* store_search_run fills `hits` with the newest conversations that match and that the list wants, the newest first. The result is
 * SQLite's. */
int store_search_run(struct store_db *db, const char *query, const struct store_list *list,
                     struct store_hit *hits, size_t n_max, size_t *n_hits);

#endif
