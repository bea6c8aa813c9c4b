#include "store/store_recover.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/store_end.h"

#define WAITING_MAX 1000000

struct unended {
    int64_t key;
    uint64_t last_seq;
    bool is_detached;
    int64_t attempts;
    bool waits; /* behind another one of its conversation */
};

/* *out keeps its key when there is none: SQLITE_DONE. */
static int find_next(struct store_db *db, int64_t last_key, struct unended *out) {
    sqlite3_stmt *next = store_db_use(db, SQL_GENERATION_NEXT_UNENDED);
    sqlite3_bind_int64(next, 1, out->key);
    sqlite3_bind_int64(next, 2, last_key);
    int result = sqlite3_step(next);
    if (result == SQLITE_ROW) {
        *out = (struct unended){
            .key = sqlite3_column_int64(next, 0),
            .last_seq = (uint64_t)sqlite3_column_int64(next, 1),
            .is_detached = sqlite3_column_type(next, 2) == SQLITE_NULL,
            .attempts = sqlite3_column_int64(next, 3),
            .waits = sqlite3_column_int(next, 4) != 0,
        };
    }
    sqlite3_reset(next);
    return result;
}

static int keep(struct store_db *db, const struct unended *one) {
    LOG_INFO("store_waiting", "generation_key=%lld attempts=%lld waits=%d", (long long)one->key,
             (long long)one->attempts, one->waits);
    if (one->waits) {
        return SQLITE_OK;
    }
    sqlite3_stmt *add = store_db_use(db, SQL_GENERATION_ADD_ATTEMPT);
    sqlite3_bind_int64(add, 1, one->key);
    return store_db_run(add);
}

static int interrupt(struct store_db *db, const struct unended *one, bool goes_on, int64_t wall_ms) {
    char id[ID_HEX_BYTES];
    id_make_hex(id);
    struct store_end end = { .generation_key = one->key,
                             .seq = one->last_seq + 1,
                             .reason = "interrupted",
                             .continuation_id = goes_on ? id : NULL,
                             .wall_ms = wall_ms };
    struct store_ended ended;
    int result = store_end_apply(db, &end, &ended);
    if (result == SQLITE_OK) {
        LOG_INFO("store_interrupted", "generation_key=%lld seq=%llu detached=%d continuation_key=%lld",
                 (long long)end.generation_key, (unsigned long long)end.seq, ended.is_detached,
                 (long long)ended.continuation_key);
    }
    return result == SQLITE_OK && ended.status != STATUS_OK ? SQLITE_CORRUPT : result;
}

static int recover_one(struct store_db *db, const struct unended *one, bool goes_on, int64_t wall_ms) {
    bool may_go_on = goes_on && !one->is_detached;
    if (may_go_on && one->last_seq == 1 && one->attempts < STORE_VAIN_MAX) {
        return keep(db, one);
    }
    return interrupt(db, one, may_go_on, wall_ms);
}

/* The continuations that are made meanwhile have keys behind last_key. */
static int recover_all(struct store_db *db, bool goes_on, int64_t wall_ms) {
    struct unended one = { 0 };
    int64_t last_key = 0;
    int result = store_db_find_number(store_db_use(db, SQL_GENERATION_LAST), &last_key);
    while (result == SQLITE_OK) {
        result = find_next(db, last_key, &one);
        if (result == SQLITE_DONE) {
            return SQLITE_OK;
        }
        result = result == SQLITE_ROW ? recover_one(db, &one, goes_on, wall_ms) : result;
    }
    return result;
}

enum status store_recover_run(struct store_db *db, bool goes_on, int64_t wall_ms, struct fault *fault) {
    int result = store_db_run(store_db_use(db, SQL_BEGIN));
    if (result == SQLITE_OK) {
        result = recover_all(db, goes_on, wall_ms);
    }
    if (result == SQLITE_OK) {
        result = store_db_run(store_db_use(db, SQL_COMMIT));
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

enum status store_recover_list(struct store_db *db, struct store_waiting **out, size_t *n,
                               struct fault *fault) {
    size_t capacity = 0;
    *out = NULL;
    *n = 0;
    sqlite3_stmt *rows = store_db_use(db, SQL_GENERATION_LIST_WAITING);
    int result = sqlite3_step(rows);
    for (; result == SQLITE_ROW && *n < WAITING_MAX; result = sqlite3_step(rows)) {
        *out = mem_grow_array(*out, *n, &capacity, sizeof **out, WAITING_MAX);
        struct store_waiting *one = &(*out)[(*n)++];
        store_db_copy_text(rows, 0, one->conversation, sizeof one->conversation);
        store_db_copy_text(rows, 1, one->generation_id, sizeof one->generation_id);
    }
    sqlite3_reset(rows);
    return result == SQLITE_DONE || result == SQLITE_ROW ? STATUS_OK : store_db_fault(db, result, fault);
}
