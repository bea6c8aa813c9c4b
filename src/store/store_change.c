/* store_change.c - what a conversation has of its own is changed; folders, which are where a conversation is in them. */
#include "base/mem.h"
#include "store/store.h"
#include "store/store_job.h"
#include "store/store_row.h"
#include "store/store_write.h"

#include <stdlib.h>
#include <string.h>

struct change_job {
    struct store_job job;
    store_on_changed callback;
    struct store_change change;
    struct store_listed row;
    bool has_row;
    int64_t key;
    int64_t current_key;
};

static void forget_change(struct store_job *base) {
    struct change_job *job = (struct change_job *)base;
    if (job->has_row) {
        store_row_free(&job->row);
    }
    job->has_row = false;
}

static bool changes(const struct change_job *job, enum store_change_what what) {
    return (job->change.what & what) != 0;
}

/* In the trash only what takes it out, or throws it away again, finds it. */
static int find(struct store_db *db, struct change_job *job) {
    sqlite3_stmt *state = store_db_use(db, SQL_CONVERSATION_FIND_STATE);
    store_db_bind_text(state, 1, job->change.name);
    int result = sqlite3_step(state);
    job->job.status = STATUS_NOT_FOUND;
    if (result == SQLITE_ROW) {
        bool is_in_trash = sqlite3_column_type(state, 1) != SQLITE_NULL;
        bool is_restored = changes(job, STORE_CHANGE_TRASH) && job->change.deleted_ms == 0;
        bool is_persons = sqlite3_column_int(state, 2) == STORE_TITLE_PERSON;
        bool is_by_model = changes(job, STORE_CHANGE_TITLE) && job->change.title_by == STORE_TITLE_MODEL;
        job->key = sqlite3_column_int64(state, 0);
        job->job.status = is_in_trash && !is_restored ? STATUS_NOT_FOUND
                          : is_by_model && is_persons ? STATUS_CONFLICT
                                                      : STATUS_OK;
    }
    sqlite3_reset(state);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

/* What it cannot be now: status is set. */
static int check(struct store_db *db, struct change_job *job) {
    int64_t n_unended = 0;
    int result = SQLITE_OK;
    if (changes(job, STORE_CHANGE_TRASH) && job->change.deleted_ms) {
        result = store_write_count_unended(db, job->key, &n_unended);
        job->job.status = n_unended ? STATUS_BUSY : job->job.status;
    }
    if (result == SQLITE_OK && changes(job, STORE_CHANGE_CURRENT)) {
        sqlite3_stmt *message = store_db_use(db, SQL_MESSAGE_FIND);
        sqlite3_bind_int64(message, 1, job->key);
        store_db_bind_text(message, 2, job->change.current);
        result = store_db_find_number(message, &job->current_key);
        job->job.status = job->current_key ? job->job.status : STATUS_NOT_FOUND;
    }
    return result;
}

static int write_change(struct store_db *db, struct change_job *job) {
    const struct store_change *change = &job->change;
    sqlite3_stmt *update = store_db_use(db, SQL_CONVERSATION_CHANGE);
    sqlite3_bind_int64(update, 1, job->key);
    sqlite3_bind_int64(update, 2, change->what);
    store_db_bind_text(update, 3, change->title);
    sqlite3_bind_int(update, 4, (int)change->title_by);
    sqlite3_bind_int(update, 5, change->is_pinned);
    sqlite3_bind_int(update, 6, change->is_archived);
    store_db_bind_text(update, 7, change->folder);
    store_db_bind_text(update, 8, change->settings);
    sqlite3_bind_int64(update, 9, change->deleted_ms);
    sqlite3_bind_int64(update, 10, job->current_key);
    sqlite3_bind_int(update, 11, change->is_unread);
    return store_db_run(update);
}

static int run_with_key(struct store_db *db, enum store_sql sql, int64_t key) {
    sqlite3_stmt *statement = store_db_use(db, sql);
    sqlite3_bind_int64(statement, 1, key);
    return store_db_run(statement);
}

/* The words of the title go with the text that they came from. */
static int write_all(struct store_db *db, struct change_job *job) {
    bool has_title = changes(job, STORE_CHANGE_TITLE);
    int result = has_title ? run_with_key(db, SQL_TITLE_WORDS_DELETE, job->key) : SQLITE_OK;
    if (result == SQLITE_OK) {
        result = write_change(db, job);
    }
    if (result == SQLITE_OK && has_title) {
        sqlite3_stmt *insert = store_db_use(db, SQL_TITLE_WORDS_INSERT);
        sqlite3_bind_int64(insert, 1, job->key);
        store_db_bind_text(insert, 2, job->change.title);
        result = store_db_run(insert);
    }
    return result;
}

static enum job_outcome run_change(struct store_db *db, struct store_job *base) {
    struct change_job *job = (struct change_job *)base;
    job->current_key = 0;
    int result = find(db, job);
    if (result == SQLITE_OK && base->status == STATUS_OK) {
        result = check(db, job);
    }
    if (result == SQLITE_OK && base->status == STATUS_OK) {
        result = write_all(db, job);
    }
    if (result == SQLITE_OK && base->status == STATUS_OK) {
        result = store_row_find(db, job->key, &job->row);
        job->has_row = result == SQLITE_OK;
    }
    return store_job_finish(db, base, result);
}

static void answer_change(struct store_job *base) {
    struct change_job *job = (struct change_job *)base;
    job->callback(base->ctx, base->status, base->status == STATUS_OK ? &job->row : NULL);
}

enum status store_change_conversation(struct store *store, const struct store_change *change,
                                      store_on_changed callback, void *ctx) {
    static const struct job_kind kind = { .writes = true,
                                          .is_durable = true,
                                          .run = run_change,
                                          .forget = forget_change,
                                          .answer = answer_change };
    size_t n = store_job_text_bytes(change->name) + store_job_text_bytes(change->title) +
               store_job_text_bytes(change->folder) + store_job_text_bytes(change->settings) +
               store_job_text_bytes(change->current);
    struct change_job *job = store_job_new(&kind, ctx, sizeof *job, n);
    char *at = (char *)(job + 1);
    job->callback = callback;
    job->change = *change;
    job->change.name = store_job_pack(&at, change->name);
    job->change.title = store_job_pack(&at, change->title);
    job->change.folder = store_job_pack(&at, change->folder);
    job->change.settings = store_job_pack(&at, change->settings);
    job->change.current = store_job_pack(&at, change->current);
    return store_post(store, &job->job);
}

/* ---- Folders ---- */

struct folders_job {
    struct store_job job;
    store_on_folders callback;
    struct store_folder *rows;
    size_t n_rows;
};

static void forget_folders(struct store_job *base) {
    struct folders_job *job = (struct folders_job *)base;
    for (size_t i = 0; i < job->n_rows; i++) {
        free(job->rows[i].name);
    }
    free(job->rows);
    job->rows = NULL;
    job->n_rows = 0;
}

static enum job_outcome run_folders(struct store_db *db, struct store_job *base) {
    struct folders_job *job = (struct folders_job *)base;
    job->rows = mem_alloc(STORE_FOLDERS_MAX * sizeof job->rows[0]);
    sqlite3_stmt *row = store_db_use(db, SQL_FOLDER_LIST);
    sqlite3_bind_int(row, 1, STORE_FOLDERS_MAX);
    int result = sqlite3_step(row);
    for (; result == SQLITE_ROW && job->n_rows < STORE_FOLDERS_MAX; result = sqlite3_step(row)) {
        job->rows[job->n_rows++] = (struct store_folder){
            .name = mem_copy_string((const char *)sqlite3_column_text(row, 0)),
            .n_conversations = sqlite3_column_int64(row, 1),
        };
    }
    sqlite3_reset(row);
    return store_job_finish(db, base, result == SQLITE_DONE ? SQLITE_OK : result);
}

static void answer_folders(struct store_job *base) {
    struct folders_job *job = (struct folders_job *)base;
    bool is_good = base->status == STATUS_OK;
    job->callback(base->ctx, base->status, is_good ? job->rows : NULL, is_good ? job->n_rows : 0);
}

enum status store_list_folders(struct store *store, store_on_folders callback, void *ctx) {
    static const struct job_kind kind = { .run = run_folders,
                                          .forget = forget_folders,
                                          .answer = answer_folders };
    struct folders_job *job = store_job_new(&kind, ctx, sizeof *job, 0);
    job->callback = callback;
    return store_post(store, &job->job);
}

struct rename_job {
    struct store_job job;
    store_on_done callback;
    const char *from;
    const char *to;
};

static enum job_outcome run_rename(struct store_db *db, struct store_job *base) {
    const struct rename_job *job = (struct rename_job *)base;
    sqlite3_stmt *rename = store_db_use(db, SQL_FOLDER_RENAME);
    store_db_bind_text(rename, 1, job->from);
    store_db_bind_text(rename, 2, job->to);
    int result = store_db_run(rename);
    if (result == SQLITE_OK && sqlite3_changes(db->sqlite) == 0) {
        return store_job_refuse(base, STATUS_NOT_FOUND);
    }
    return store_job_finish(db, base, result);
}

static void answer_rename(struct store_job *base) {
    ((struct rename_job *)base)->callback(base->ctx, base->status);
}

enum status store_rename_folder(struct store *store, const char *from, const char *to, store_on_done callback,
                                void *ctx) {
    static const struct job_kind kind = {
        .writes = true, .is_durable = true, .run = run_rename, .answer = answer_rename
    };
    struct rename_job *job =
        store_job_new(&kind, ctx, sizeof *job, store_job_text_bytes(from) + store_job_text_bytes(to));
    char *at = (char *)(job + 1);
    job->callback = callback;
    job->from = store_job_pack(&at, from);
    job->to = store_job_pack(&at, to);
    return store_post(store, &job->job);
}
