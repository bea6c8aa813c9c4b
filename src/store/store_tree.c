/* store_tree.c - a message and all below it are hidden, and shown again.
 *
 * What is hidden at once has one deleted_ms, which no other message of the conversation has: so what was hidden before stays hidden when
 * the rest is shown again. */
#include "base/mem.h"
#include "store/store.h"
#include "store/store_job.h"
#include "store/store_write.h"

#include <stdlib.h>

#define RESHAPED_MAX 1000000

struct reshape_job {
    struct store_job job;
    store_on_reshaped callback;
    const char *message;
    bool hides;
    int64_t wall_ms;
    struct store_reshaped reshaped;
    int64_t *keys; /* of its messages */
    int64_t key;
    int64_t conversation_key;
    int64_t parent_key; /* 0: none */
    int64_t before_ms;  /* deleted_ms as it was; 0: not hidden */
    bool is_parent_hidden;
};

static void forget_reshape(struct store_job *base) {
    struct reshape_job *job = (struct reshape_job *)base;
    free(job->keys);
    free(job->reshaped.messages);
    job->keys = NULL;
    job->reshaped = (struct store_reshaped){ .status = STATUS_OK };
}

static int find(struct store_db *db, struct reshape_job *job) {
    sqlite3_stmt *row = store_db_use(db, SQL_MESSAGE_FIND_TO_RESHAPE);
    store_db_bind_text(row, 1, job->message);
    int result = sqlite3_step(row);
    job->job.status = result == SQLITE_ROW ? STATUS_OK : STATUS_NOT_FOUND;
    if (result == SQLITE_ROW) {
        job->key = sqlite3_column_int64(row, 0);
        job->conversation_key = sqlite3_column_int64(row, 1);
        store_db_copy_text(row, 2, job->reshaped.conversation, ID_CONVERSATION_BYTES);
        job->before_ms = sqlite3_column_int64(row, 3);
        job->parent_key = sqlite3_column_int64(row, 4);
        job->is_parent_hidden = sqlite3_column_int(row, 5) != 0;
    }
    sqlite3_reset(row);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

/* Its status says what is against it; the moment of what is hidden is chosen. */
static int check(struct store_db *db, struct reshape_job *job) {
    int64_t n_unended = 0, last_ms = 0;
    int result = store_write_count_unended(db, job->conversation_key, &n_unended);
    if (result == SQLITE_OK) {
        sqlite3_stmt *last = store_db_use(db, SQL_MESSAGE_LAST_DELETED);
        sqlite3_bind_int64(last, 1, job->conversation_key);
        result = store_db_find_number(last, &last_ms);
    }
    job->job.status = n_unended                              ? STATUS_BUSY
                      : !job->hides && job->is_parent_hidden ? STATUS_CONFLICT
                                                             : STATUS_OK;
    if (job->hides) {
        job->reshaped.deleted_ms = job->wall_ms > last_ms ? job->wall_ms : last_ms + 1;
    }
    return result;
}

static void bind_deleted(sqlite3_stmt *statement, int index, int64_t deleted_ms) {
    if (deleted_ms) {
        sqlite3_bind_int64(statement, index, deleted_ms);
    }
}

static int list_below(struct store_db *db, struct reshape_job *job) {
    struct store_reshaped *reshaped = &job->reshaped;
    size_t n_keys = 0, keys_capacity = 0, ids_capacity = 0;
    sqlite3_stmt *row = store_db_use(db, SQL_MESSAGE_LIST_BELOW);
    sqlite3_bind_int64(row, 1, job->key);
    bind_deleted(row, 2, job->before_ms);
    int result = sqlite3_step(row);
    for (; result == SQLITE_ROW && n_keys < RESHAPED_MAX; result = sqlite3_step(row)) {
        job->keys = mem_grow_array(job->keys, n_keys, &keys_capacity, sizeof job->keys[0], RESHAPED_MAX);
        reshaped->messages = mem_grow_array(reshaped->messages, n_keys, &ids_capacity,
                                            sizeof reshaped->messages[0], RESHAPED_MAX);
        job->keys[n_keys] = sqlite3_column_int64(row, 0);
        store_db_copy_text(row, 1, reshaped->messages[n_keys++], ID_HEX_BYTES);
    }
    reshaped->n_messages = n_keys;
    sqlite3_reset(row);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

static int write_all(struct store_db *db, const struct reshape_job *job) {
    int result = SQLITE_OK;
    for (size_t i = 0; i < job->reshaped.n_messages && result == SQLITE_OK; i++) {
        sqlite3_stmt *set = store_db_use(db, SQL_MESSAGE_SET_DELETED);
        sqlite3_bind_int64(set, 1, job->keys[i]);
        bind_deleted(set, 2, job->reshaped.deleted_ms);
        result = store_db_run(set);
    }
    return result;
}

/* The newest message below what is shown again, or else below where the hidden one was. */
static int choose_current(struct store_db *db, struct reshape_job *job) {
    int64_t below = job->hides ? job->parent_key : job->key;
    int64_t current_key = 0;
    sqlite3_stmt *newest = store_db_use(db, below ? SQL_MESSAGE_NEWEST_BELOW : SQL_MESSAGE_NEWEST);
    sqlite3_bind_int64(newest, 1, below ? below : job->conversation_key);
    int result = sqlite3_step(newest);
    if (result == SQLITE_ROW) {
        current_key = sqlite3_column_int64(newest, 0);
        store_db_copy_text(newest, 1, job->reshaped.current, ID_HEX_BYTES);
    }
    sqlite3_reset(newest);
    if (result != SQLITE_ROW && result != SQLITE_DONE) {
        return result;
    }
    sqlite3_stmt *set = store_db_use(db, SQL_CONVERSATION_SET_RESHAPED);
    sqlite3_bind_int64(set, 1, job->conversation_key);
    bind_deleted(set, 2, current_key);
    return store_db_run(set);
}

static int reshape(struct store_db *db, struct reshape_job *job) {
    int result = list_below(db, job);
    if (result == SQLITE_OK) {
        result = write_all(db, job);
    }
    return result == SQLITE_OK ? choose_current(db, job) : result;
}

static enum job_outcome run_reshape(struct store_db *db, struct store_job *base) {
    struct reshape_job *job = (struct reshape_job *)base;
    int result = find(db, job);
    bool is_done = job->hides == (job->before_ms != 0);
    if (result == SQLITE_OK && base->status == STATUS_OK && !is_done) {
        result = check(db, job);
    }
    if (result == SQLITE_OK && base->status == STATUS_OK && !is_done) {
        result = reshape(db, job);
    }
    return store_job_finish(db, base, result);
}

static void answer_reshape(struct store_job *base) {
    struct reshape_job *job = (struct reshape_job *)base;
    job->reshaped.status = base->status;
    job->callback(base->ctx, &job->reshaped);
}

static enum status post(struct store *store, const char *message, bool hides, int64_t wall_ms,
                        store_on_reshaped callback, void *ctx) {
    static const struct job_kind kind = { .writes = true,
                                          .is_durable = true,
                                          .run = run_reshape,
                                          .forget = forget_reshape,
                                          .answer = answer_reshape };
    struct reshape_job *job = store_job_new(&kind, ctx, sizeof *job, store_job_text_bytes(message));
    char *at = (char *)(job + 1);
    job->callback = callback;
    job->message = store_job_pack(&at, message);
    job->hides = hides;
    job->wall_ms = wall_ms;
    return store_post(store, &job->job);
}

enum status store_hide(struct store *store, const char *message, int64_t wall_ms, store_on_reshaped callback,
                       void *ctx) {
    return post(store, message, true, wall_ms, callback, ctx);
}

enum status store_show(struct store *store, const char *message, store_on_reshaped callback, void *ctx) {
    return post(store, message, false, 0, callback, ctx);
}
