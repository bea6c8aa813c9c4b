#include "store/store_end.h"

#include "store/store_events.h"

struct generation_row {
    uint64_t last_seq;
    bool is_there;
    bool has_ended;
    bool is_continuation;
    int64_t conversation_key; /* 0: detached */
    int64_t message_key;
    int64_t attempts;
};

static int read_generation(struct store_db *db, int64_t key, struct generation_row *out) {
    sqlite3_stmt *read = store_db_use(db, SQL_GENERATION_READ);
    sqlite3_bind_int64(read, 1, key);
    int result = sqlite3_step(read);
    *out = (struct generation_row){ .is_there = result == SQLITE_ROW };
    if (out->is_there) {
        out->last_seq = (uint64_t)sqlite3_column_int64(read, 0);
        out->has_ended = sqlite3_column_int(read, 1) != 0;
        out->conversation_key = sqlite3_column_int64(read, 2);
        out->message_key = sqlite3_column_int64(read, 3);
        out->is_continuation = sqlite3_column_type(read, 4) != SQLITE_NULL;
        out->attempts = sqlite3_column_int64(read, 5);
    }
    sqlite3_reset(read);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

static int run_with_key(struct store_db *db, enum store_sql sql, int64_t key) {
    sqlite3_stmt *statement = store_db_use(db, sql);
    sqlite3_bind_int64(statement, 1, key);
    return store_db_run(statement);
}

/* An empty blob is not NULL. */
static void bind_bytes(sqlite3_stmt *statement, int index, const struct bytes *bytes) {
    sqlite3_bind_blob64(statement, index, bytes->size ? bytes->data : "", bytes->size, SQLITE_STATIC);
}

static int end_row(struct store_db *db, const struct store_end *end, const struct store_events *events) {
    sqlite3_stmt *update = store_db_use(db, SQL_GENERATION_END);
    sqlite3_bind_int64(update, 1, end->generation_key);
    sqlite3_bind_int64(update, 2, (int64_t)end->seq);
    store_db_bind_text(update, 3, end->reason);
    store_db_bind_text(update, 4, end->error);
    store_db_bind_text(update, 5, end->usage);
    store_db_bind_text(update, 6, end->timings);
    sqlite3_bind_int64(update, 7, end->n_prompt_tokens);
    sqlite3_bind_int64(update, 8, end->context_size);
    bind_bytes(update, 9, &events->sizes);
    bind_bytes(update, 10, &events->tokens);
    if (events->others.size > 0) {
        bind_bytes(update, 11, &events->others);
    } else {
        sqlite3_bind_null(update, 11);
    }
    return store_db_run(update);
}

/* The words of an answer are added at its first end; those of a longer text take their place, so that a phrase over the seam
 * is found. */
static int add_content(struct store_db *db, const struct generation_row *row, const struct bytes *text) {
    int result =
        row->is_continuation ? run_with_key(db, SQL_MESSAGE_WORDS_DELETE, row->message_key) : SQLITE_OK;
    if (result != SQLITE_OK) {
        return result;
    }
    sqlite3_stmt *add = store_db_use(db, SQL_MESSAGE_ADD_CONTENT);
    sqlite3_bind_int64(add, 1, row->message_key);
    sqlite3_bind_text64(add, 2, text->size ? text->data : "", text->size, SQLITE_STATIC, SQLITE_UTF8);
    result = store_db_run(add);
    return result == SQLITE_OK ? run_with_key(db, SQL_MESSAGE_WORDS_INSERT, row->message_key) : result;
}

static int end_attached(struct store_db *db, const struct store_end *end, const struct generation_row *row) {
    struct store_events events;
    store_events_init(&events);
    int result = store_events_read(db, end->generation_key, row->last_seq, &events);
    if (result == SQLITE_OK) {
        result = end_row(db, end, &events);
    }
    if (result == SQLITE_OK) {
        result = add_content(db, row, &events.text);
    }
    if (result == SQLITE_OK) {
        sqlite3_stmt *touch = store_db_use(db, SQL_CONVERSATION_TOUCH);
        sqlite3_bind_int64(touch, 1, row->conversation_key);
        sqlite3_bind_int64(touch, 2, end->wall_ms);
        result = store_db_run(touch);
    }
    store_events_deinit(&events);
    return result;
}

/* A model or a message that kills the engine each time must not do so for ever. */
static int insert_continuation(struct store_db *db, const struct store_end *end,
                               const struct generation_row *row, int64_t *key) {
    int64_t attempts = row->last_seq > 1 ? 0 : row->attempts + 1;
    if (attempts >= STORE_VAIN_MAX) {
        return SQLITE_OK;
    }
    sqlite3_stmt *insert = store_db_use(db, SQL_GENERATION_INSERT_CONTINUATION);
    sqlite3_bind_int64(insert, 1, end->generation_key);
    store_db_bind_text(insert, 2, end->continuation_id);
    sqlite3_bind_int64(insert, 3, attempts);
    int result = store_db_run(insert);
    *key = result == SQLITE_OK ? sqlite3_last_insert_rowid(db->sqlite) : 0;
    return result;
}

static int find_continuation(struct store_db *db, const struct store_end *end, int64_t *key) {
    sqlite3_stmt *find = store_db_use(db, SQL_GENERATION_FIND_CONTINUATION);
    store_db_bind_text(find, 1, end->continuation_id);
    sqlite3_bind_int64(find, 2, end->generation_key);
    return store_db_find_number(find, key);
}

int store_end_apply(struct store_db *db, const struct store_end *end, struct store_ended *ended) {
    struct generation_row row;
    *ended = (struct store_ended){ .status = STATUS_OK };
    int result = read_generation(db, end->generation_key, &row);
    if (result != SQLITE_OK) {
        return result;
    }
    if (row.has_ended && end->seq == row.last_seq && end->continuation_id) {
        result = find_continuation(db, end, &ended->continuation_key);
        ended->status = ended->continuation_key ? STATUS_OK : STATUS_CONFLICT;
        return result;
    }
    if (!row.is_there || row.has_ended || end->seq != row.last_seq + 1) {
        ended->status = STATUS_CONFLICT;
        return SQLITE_OK;
    }
    ended->is_detached = row.conversation_key == 0;
    if (end->continuation_id) {
        result = insert_continuation(db, end, &row, &ended->continuation_key);
    }
    if (result == SQLITE_OK) {
        result = ended->is_detached ? run_with_key(db, SQL_GENERATION_DELETE, end->generation_key)
                                    : end_attached(db, end, &row);
    }
    bool is_unread = end->is_unread && !ended->is_detached && ended->continuation_key == 0;
    if (result == SQLITE_OK && is_unread) {
        result = run_with_key(db, SQL_CONVERSATION_SET_UNREAD, row.conversation_key);
    }
    if (result == SQLITE_OK) {
        result = run_with_key(db, SQL_EVENT_DELETE_ALL, end->generation_key);
    }
    return result;
}
