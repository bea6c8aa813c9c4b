/* store_db.h - the one SQLite connection and its prepared statements.
 *
 * All writes and all checkpoints are made here: the WAL-reset bug of SQLite 3.7.0 to 3.51.2 needs two
 * connections.
 *
 * Owner   the store; Thread: one at a time (loop thread while opening and closing, store thread between).
 * Rule    nothing else opens or closes runnel.db while this is open: closing any descriptor of it drops
 *         SQLite's locks.
 */
#ifndef RUNNEL_STORE_STORE_DB_H
#define RUNNEL_STORE_STORE_DB_H

#include "base/status.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_sql {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_SAVEPOINT,
    SQL_RELEASE,
    SQL_ROLLBACK_TO,
    SQL_CONVERSATION_FIND,
    SQL_CONVERSATION_FIND_LIVING,
    SQL_CONVERSATION_FIND_STATE,
    SQL_CONVERSATION_FIND_MADE_BY,
    SQL_CONVERSATION_CREATED_TAKEN,
    SQL_CONVERSATION_INSERT,
    SQL_CONVERSATION_TOUCH,
    SQL_CONVERSATION_SET_UNREAD,
    SQL_CONVERSATION_SET_CURRENT,
    SQL_CONVERSATION_SET_RESHAPED,
    SQL_CONVERSATION_CHANGE,
    SQL_CONVERSATION_FORK,
    SQL_CONVERSATION_LIST_DUE,
    SQL_CONVERSATION_DELETE,
    SQL_MESSAGE_FIND,
    SQL_MESSAGE_FIND_CURRENT,
    SQL_MESSAGE_FIND_ANSWER,
    SQL_MESSAGE_FIND_TO_RESHAPE,
    SQL_MESSAGE_LAST_DELETED,
    SQL_MESSAGE_LIST_BELOW,
    SQL_MESSAGE_SET_DELETED,
    SQL_MESSAGE_NEWEST_BELOW,
    SQL_MESSAGE_NEWEST,
    SQL_MESSAGE_LIST_ABOVE,
    SQL_MESSAGE_COPY,
    SQL_MESSAGE_LIST_DUE,
    SQL_MESSAGE_DELETE,
    SQL_MESSAGE_FIND_CLIENT,
    SQL_MESSAGE_INSERT,
    SQL_MESSAGE_HAS_CHILD,
    SQL_MESSAGE_ADD_CONTENT,
    SQL_MESSAGE_DELETE_ALL,
    SQL_GENERATION_FIND,
    SQL_GENERATION_FIND_TO_CONTINUE,
    SQL_GENERATION_FIND_CONTINUATION,
    SQL_GENERATION_COUNT_UNENDED,
    SQL_GENERATION_READ,
    SQL_GENERATION_INSERT,
    SQL_GENERATION_INSERT_CONTINUATION,
    SQL_GENERATION_ADVANCE,
    SQL_GENERATION_END,
    SQL_GENERATION_NEXT_UNENDED,
    SQL_GENERATION_LAST,
    SQL_GENERATION_ADD_ATTEMPT,
    SQL_GENERATION_LIST_WAITING,
    SQL_GENERATION_DELETE,
    SQL_GENERATION_DELETE_ALL,
    SQL_GENERATION_DELETE_OF_MESSAGE,
    SQL_GENERATION_LIST_OF_MESSAGE,
    SQL_GENERATION_COPY,
    SQL_EVENT_INSERT,
    SQL_EVENT_READ,
    SQL_EVENT_DELETE_ALL,
    SQL_LOAD_CONVERSATION,
    SQL_LOAD_MESSAGES,
    SQL_LIST_ALL,
    SQL_CONVERSATION_ROW,
    SQL_FOLDER_LIST,
    SQL_FOLDER_RENAME,
    SQL_CONVERSATION_CREATED,
    SQL_MESSAGE_PLACE,
    SQL_SEARCH_MESSAGES,
    SQL_SEARCH_TITLES,
    SQL_SEARCH_LIVE,
    SQL_LIVE_WORDS_INSERT,
    SQL_LIVE_WORDS_CLEAR,
    SQL_LIVE_TEXT,
    SQL_LIVE_BEFORE,
    SQL_MESSAGES_BEFORE,
    SQL_HIT_MESSAGE,
    SQL_HIT_TITLE,
    SQL_ATTACHMENT_PUT,
    SQL_ATTACHMENT_PUT_IMPORTED,
    SQL_ATTACHMENT_SET_TEXT,
    SQL_ATTACHMENT_FIND,
    SQL_ATTACHMENT_MARK,
    SQL_ATTACHMENT_LIST_MARKED,
    SQL_ATTACHMENT_FORGET,
    SQL_ATTACHED_INSERT,
    SQL_ATTACHED_COPY,
    SQL_ATTACHED_LOAD,
    SQL_MESSAGE_EXISTS,
    SQL_CONVERSATION_FIND_ORIGIN,
    SQL_CONVERSATION_SET_ORIGIN,
    SQL_MESSAGE_WORDS_INSERT,
    SQL_MESSAGE_WORDS_DELETE,
    SQL_MESSAGE_WORDS_DELETE_ALL,
    SQL_TITLE_WORDS_INSERT,
    SQL_TITLE_WORDS_DELETE,
    SQL_FREE_PAGES,
    SQL_GIVE_BACK,
    SQL_META_READ,
    SQL_META_INSERT,
    SQL_SETTING_READ_ALL,
    SQL_SETTING_PUT,
    SQL_N,
};

struct store_db {
    sqlite3 *sqlite;
    sqlite3_stmt *statements[SQL_N];
    const char *path;
    int n_wal_pages;        /* in the log since the last checkpoint */
    int64_t load_bytes_max; /* of one conversation (store.h) */
    bool has_committed;     /* set by each commit that wrote; whoever looks clears it */
};

/* store_db_open opens runnel.db at `path` (borrowed for the life of `db`), migrates it and prepares the
 * statements. On failure the file is as it was, and db holds nothing. */
MUST_CHECK enum status store_db_open(struct store_db *db, const char *path, struct fault *fault);

/* store_db_close moves the log into the database and removes it; with keeps_log, or when that fails, the log stays: the next to open
 * the database reads it. Of what was never opened: nothing. */
void store_db_close(struct store_db *db, bool keeps_log);

/* store_db_checkpoint moves what it can without waiting. False: not now. */
bool store_db_checkpoint(struct store_db *db);

/* store_db_give_back makes the file smaller by some pages when many are free, in a transaction of its own. True: there is more to do,
 * and has_begun is to be set then. In a database that an older Runnel made there is never anything to do. */
bool store_db_give_back(struct store_db *db, bool has_begun);

/* store_db_use is the statement, ready for new values. */
sqlite3_stmt *store_db_use(struct store_db *db, enum store_sql sql);

/* The results are SQLite's; each resets the statement. store_db_run: the rows, if any, are of no interest.
 * store_db_find_number: the first column of the first row, 0 when there is none. */
int store_db_run(sqlite3_stmt *statement);
int store_db_find_number(sqlite3_stmt *statement, int64_t *out);

/* store_db_copy_text copies a column of the row at hand; false: it is NULL or longer than `size` - 1. */
bool store_db_copy_text(sqlite3_stmt *statement, int column, char *out, size_t size);

/* NULL text is NULL; the text must live until the statement is stepped. */
void store_db_bind_text(sqlite3_stmt *statement, int index, const char *text);

/* store_db_fault says what a result of SQLite means to a person. */
enum status store_db_fault(const struct store_db *db, int result, struct fault *fault);

#endif
