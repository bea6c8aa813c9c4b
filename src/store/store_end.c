#include "store/store_end.h"

#include "base/log.h"
#include "store/store_job.h"

static void add_varint(struct bytes *bytes, uint32_t value) {
    for (; value >= 0x80; value >>= 7) {
        bytes_add_char(bytes, (char)(unsigned char)(value | 0x80));
    }
    bytes_add_char(bytes, (char)value);
}

/* How many bytes were read; 0: the varint is broken. */
static size_t read_varint(const unsigned char *bytes, size_t n, uint32_t *out) {
    uint64_t value = 0;
    for (size_t i = 0; i < n && i < 5; i++) {
        value |= (uint64_t)(bytes[i] & 0x7F) << (7 * i);
        if (bytes[i] < 0x80) {
            *out = (uint32_t)value;
            return value <= UINT32_MAX ? i + 1 : 0;
        }
    }
    return 0;
}

int store_end_read_events(struct store_db *db, int64_t generation_key, uint64_t last_seq, struct bytes *text,
                          struct bytes *sizes) {
    sqlite3_stmt *read = store_db_use(db, SQL_EVENT_READ);
    sqlite3_bind_int64(read, 1, generation_key);
    uint64_t seq = 1;
    int result = sqlite3_step(read);
    for (; result == SQLITE_ROW; result = sqlite3_step(read)) {
        seq++;
        if ((uint64_t)sqlite3_column_int64(read, 0) != seq) {
            break;
        }
        const void *piece = sqlite3_column_blob(read, 1);
        int size = sqlite3_column_bytes(read, 1);
        bytes_add(text, piece, (size_t)size);
        add_varint(sizes, (uint32_t)size);
    }
    sqlite3_reset(read);
    if (result != SQLITE_DONE && result != SQLITE_ROW) {
        return result;
    }
    if (result == SQLITE_ROW || seq != last_seq) {
        LOG_ERROR("store_hole", "generation_key=%lld seq=%llu last_seq=%llu", (long long)generation_key,
                  (unsigned long long)seq, (unsigned long long)last_seq);
        return SQLITE_CORRUPT;
    }
    return text->failed || sizes->failed ? SQLITE_TOOBIG : SQLITE_OK;
}

bool store_end_unpack(const void *sizes, size_t n_bytes, size_t text_size, uint32_t *ends, size_t n_ends,
                      bool has_end) {
    const unsigned char *bytes = sizes;
    size_t n_sizes = n_ends - 1 - has_end;
    size_t at = 0;
    uint64_t end = 0;
    ends[0] = 0;
    for (size_t i = 0; i < n_sizes; i++) {
        uint32_t size = 0;
        size_t n_read = read_varint(bytes + at, n_bytes - at, &size);
        end += size;
        at += n_read;
        if (n_read == 0 || end > text_size) {
            return false;
        }
        ends[i + 1] = (uint32_t)end;
    }
    if (has_end) {
        ends[n_ends - 1] = (uint32_t)end;
    }
    return at == n_bytes && end == text_size;
}

struct generation_row {
    uint64_t last_seq;
    bool is_there;
    bool has_ended;
    int64_t conversation_key; /* 0: detached */
    int64_t message_key;
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
    }
    sqlite3_reset(read);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

static int run_with_key(struct store_db *db, enum store_sql sql, int64_t key) {
    sqlite3_stmt *statement = store_db_use(db, sql);
    sqlite3_bind_int64(statement, 1, key);
    return store_db_run(statement);
}

static int end_row(struct store_db *db, const struct store_end *end, const struct bytes *sizes) {
    sqlite3_stmt *update = store_db_use(db, SQL_GENERATION_END);
    sqlite3_bind_int64(update, 1, end->generation_key);
    sqlite3_bind_int64(update, 2, (int64_t)end->seq);
    store_db_bind_text(update, 3, end->reason);
    store_db_bind_text(update, 4, end->error);
    store_db_bind_text(update, 5, end->usage);
    store_db_bind_text(update, 6, end->timings);
    sqlite3_bind_int64(update, 7, end->n_prompt_tokens);
    sqlite3_bind_int64(update, 8, end->context_size);
    sqlite3_bind_blob64(update, 9, sizes->size ? sizes->data : "", sizes->size, SQLITE_STATIC);
    return store_db_run(update);
}

/* message.content and the words of it. */
static int set_content(struct store_db *db, enum store_sql sql, int64_t message_key,
                       const struct bytes *text) {
    sqlite3_stmt *statement = store_db_use(db, sql);
    sqlite3_bind_int64(statement, 1, message_key);
    sqlite3_bind_text64(statement, 2, text->size ? text->data : "", text->size, SQLITE_STATIC, SQLITE_UTF8);
    return store_db_run(statement);
}

static int end_attached(struct store_db *db, const struct store_end *end, const struct generation_row *row) {
    struct bytes text, sizes;
    bytes_init(&text, STORE_CONTENT_BYTES_MAX);
    bytes_init(&sizes, STORE_CONTENT_BYTES_MAX);
    int result = store_end_read_events(db, end->generation_key, row->last_seq, &text, &sizes);
    if (result == SQLITE_OK) {
        result = end_row(db, end, &sizes);
    }
    if (result == SQLITE_OK) {
        result = set_content(db, SQL_MESSAGE_SET_CONTENT, row->message_key, &text);
    }
    if (result == SQLITE_OK) {
        result = set_content(db, SQL_MESSAGE_WORDS_INSERT, row->message_key, &text);
    }
    if (result == SQLITE_OK) {
        sqlite3_stmt *touch = store_db_use(db, SQL_CONVERSATION_TOUCH);
        sqlite3_bind_int64(touch, 1, row->conversation_key);
        sqlite3_bind_int64(touch, 2, end->wall_ms);
        result = store_db_run(touch);
    }
    bytes_deinit(&text);
    bytes_deinit(&sizes);
    return result;
}

int store_end_apply(struct store_db *db, const struct store_end *end, enum status *status,
                    bool *is_detached) {
    struct generation_row row;
    *status = STATUS_OK;
    *is_detached = false;
    int result = read_generation(db, end->generation_key, &row);
    if (result != SQLITE_OK) {
        return result;
    }
    if (!row.is_there || row.has_ended || end->seq != row.last_seq + 1) {
        *status = STATUS_CONFLICT;
        return SQLITE_OK;
    }
    *is_detached = row.conversation_key == 0;
    result = *is_detached ? run_with_key(db, SQL_GENERATION_DELETE, end->generation_key)
                          : end_attached(db, end, &row);
    if (result == SQLITE_OK) {
        result = run_with_key(db, SQL_EVENT_DELETE_ALL, end->generation_key);
    }
    return result;
}

/* SQLITE_ROW: one was ended, there may be more. SQLITE_DONE: there is none. */
static int interrupt_one(struct store_db *db, int64_t wall_ms) {
    sqlite3_stmt *next = store_db_use(db, SQL_GENERATION_NEXT_UNENDED);
    int result = sqlite3_step(next);
    struct store_end end = { .reason = "interrupted", .wall_ms = wall_ms };
    if (result == SQLITE_ROW) {
        end.generation_key = sqlite3_column_int64(next, 0);
        end.seq = (uint64_t)sqlite3_column_int64(next, 1) + 1;
    }
    sqlite3_reset(next);
    if (result != SQLITE_ROW) {
        return result;
    }
    enum status status;
    bool is_detached;
    result = store_end_apply(db, &end, &status, &is_detached);
    if (result == SQLITE_OK) {
        LOG_INFO("store_interrupted", "generation_key=%lld seq=%llu detached=%d",
                 (long long)end.generation_key, (unsigned long long)end.seq, is_detached);
    }
    return result == SQLITE_OK && status == STATUS_OK ? SQLITE_ROW
           : result == SQLITE_OK                      ? SQLITE_CORRUPT
                                                      : result;
}

enum status store_end_interrupt_all(struct store_db *db, int64_t wall_ms, struct fault *fault) {
    int result = store_db_run(store_db_use(db, SQL_BEGIN));
    if (result == SQLITE_OK) {
        do {
            result = interrupt_one(db, wall_ms);
        } while (result == SQLITE_ROW);
        result = result == SQLITE_DONE ? store_db_run(store_db_use(db, SQL_COMMIT)) : result;
    }
    if (result == SQLITE_OK) {
        return STATUS_OK;
    }
    enum status status = store_db_fault(db, result, fault);
    if (!sqlite3_get_autocommit(db->sqlite)) {
        store_db_run(store_db_use(db, SQL_ROLLBACK));
    }
    return status;
}
