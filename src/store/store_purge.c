/* store_purge.c - what was deleted long ago. Whole conversations are named, for engines keep something of them too; messages that are hidden are
 * removed here: whoever was below one was hidden with it, or before. */
#include "base/mem.h"
#include "store/store.h"
#include "store/store_job.h"

#include <stdlib.h>

#define PURGE_MESSAGES_MAX 200 /* at once: so long tokens wait */

struct due_job {
    struct store_job job;
    store_on_due callback;
    int64_t trash_ms;
    int64_t temporary_ms;
    char (*names)[ID_CONVERSATION_BYTES];
    size_t n;
};

static void forget_due(struct store_job *base) {
    struct due_job *job = (struct due_job *)base;
    free(job->names);
    job->names = NULL;
    job->n = 0;
}

static enum job_outcome run_due(struct store_db *db, struct store_job *base) {
    struct due_job *job = (struct due_job *)base;
    job->names = mem_alloc(STORE_LIST_MAX * sizeof job->names[0]);
    sqlite3_stmt *row = store_db_use(db, SQL_CONVERSATION_LIST_DUE);
    sqlite3_bind_int64(row, 1, job->trash_ms);
    sqlite3_bind_int64(row, 2, job->temporary_ms);
    sqlite3_bind_int(row, 3, STORE_LIST_MAX);
    int result = sqlite3_step(row);
    for (; result == SQLITE_ROW && job->n < STORE_LIST_MAX; result = sqlite3_step(row)) {
        store_db_copy_text(row, 0, job->names[job->n++], ID_CONVERSATION_BYTES);
    }
    sqlite3_reset(row);
    return store_job_finish(db, base, result == SQLITE_DONE ? SQLITE_OK : result);
}

static void answer_due(struct store_job *base) {
    struct due_job *job = (struct due_job *)base;
    bool is_good = base->status == STATUS_OK;
    job->callback(base->ctx, base->status, is_good ? job->names : NULL, is_good ? job->n : 0);
}

enum status store_list_due(struct store *store, int64_t trash_ms, int64_t temporary_ms, store_on_due callback,
                           void *ctx) {
    static const struct job_kind kind = { .run = run_due, .forget = forget_due, .answer = answer_due };
    struct due_job *job = store_job_new(&kind, ctx, sizeof *job, 0);
    job->callback = callback;
    job->trash_ms = trash_ms;
    job->temporary_ms = temporary_ms;
    return store_post(store, &job->job);
}

struct purge_job {
    struct store_job job;
    store_on_done callback;
    int64_t before_ms;
};

static int purge_one(struct store_db *db, int64_t key) {
    static const enum store_sql deletes[] = { SQL_MESSAGE_WORDS_DELETE, SQL_GENERATION_DELETE_OF_MESSAGE,
                                              SQL_MESSAGE_DELETE };
    int result = SQLITE_OK;
    for (size_t i = 0; i < sizeof deletes / sizeof deletes[0] && result == SQLITE_OK; i++) {
        sqlite3_stmt *statement = store_db_use(db, deletes[i]);
        sqlite3_bind_int64(statement, 1, key);
        result = store_db_run(statement);
    }
    return result;
}

static enum job_outcome run_purge(struct store_db *db, struct store_job *base) {
    const struct purge_job *job = (struct purge_job *)base;
    int64_t keys[PURGE_MESSAGES_MAX];
    size_t n = 0;
    sqlite3_stmt *row = store_db_use(db, SQL_MESSAGE_LIST_DUE);
    sqlite3_bind_int64(row, 1, job->before_ms);
    sqlite3_bind_int(row, 2, PURGE_MESSAGES_MAX);
    int result = sqlite3_step(row);
    for (; result == SQLITE_ROW && n < PURGE_MESSAGES_MAX; result = sqlite3_step(row)) {
        keys[n++] = sqlite3_column_int64(row, 0);
    }
    sqlite3_reset(row);
    result = result == SQLITE_DONE ? SQLITE_OK : result;
    for (size_t i = 0; i < n && result == SQLITE_OK; i++) {
        result = purge_one(db, keys[i]);
    }
    base->status = n ? STATUS_OK : STATUS_NOT_FOUND;
    return store_job_finish(db, base, result);
}

static void answer_purge(struct store_job *base) {
    ((struct purge_job *)base)->callback(base->ctx, base->status);
}

enum status store_purge_messages(struct store *store, int64_t before_ms, store_on_done callback, void *ctx) {
    static const struct job_kind kind = { .writes = true, .run = run_purge, .answer = answer_purge };
    struct purge_job *job = store_job_new(&kind, ctx, sizeof *job, 0);
    job->callback = callback;
    job->before_ms = before_ms;
    return store_post(store, &job->job);
}
