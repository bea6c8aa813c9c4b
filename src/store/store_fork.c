/* store_fork.c - a conversation of its own from the path down to a message of another one. */
#include "base/mem.h"
#include "store/store.h"
#include "store/store_job.h"
#include "store/store_row.h"
#include "store/store_write.h"

#include <stdlib.h>

#define PATH_MESSAGES_MAX 1000000

struct fork_job {
    struct store_job job;
    store_on_changed callback;
    const char *name;
    const char *message;
    int64_t wall_ms;
    int64_t *path; /* keys of its messages, the root first */
    size_t n_path;
    int64_t key;      /* of the new conversation */
    int64_t last_key; /* of its last message; 0: none yet */
    struct store_listed row;
    bool has_row;
};

static void forget_fork(struct store_job *base) {
    struct fork_job *job = (struct fork_job *)base;
    free(job->path);
    job->path = NULL;
    job->n_path = 0;
    job->last_key = 0;
    if (job->has_row) {
        store_row_free(&job->row);
    }
    job->has_row = false;
}

static int find_path(struct store_db *db, int64_t conversation_key, struct fork_job *job) {
    size_t capacity = 0;
    sqlite3_stmt *row = store_db_use(db, SQL_MESSAGE_LIST_ABOVE);
    sqlite3_bind_int64(row, 1, conversation_key);
    store_db_bind_text(row, 2, job->message);
    int result = sqlite3_step(row);
    for (; result == SQLITE_ROW && job->n_path < PATH_MESSAGES_MAX; result = sqlite3_step(row)) {
        job->path = mem_grow_array(job->path, job->n_path, &capacity, sizeof job->path[0], PATH_MESSAGES_MAX);
        job->path[job->n_path++] = sqlite3_column_int64(row, 0);
    }
    sqlite3_reset(row);
    job->job.status = job->n_path ? STATUS_OK : STATUS_NOT_FOUND;
    return result == SQLITE_DONE ? SQLITE_OK : result == SQLITE_ROW ? SQLITE_TOOBIG : result;
}

static int make_conversation(struct store_db *db, int64_t from_key, struct fork_job *job) {
    char name[ID_CONVERSATION_BYTES];
    int64_t created_ms = 0;
    int result = store_write_choose_name(db, job->wall_ms, name, &created_ms);
    if (result != SQLITE_OK) {
        return result;
    }
    sqlite3_stmt *insert = store_db_use(db, SQL_CONVERSATION_FORK);
    sqlite3_bind_int64(insert, 1, from_key);
    store_db_bind_text(insert, 2, name);
    sqlite3_bind_int64(insert, 3, created_ms);
    result = store_db_run(insert);
    if (result != SQLITE_OK) {
        return result;
    }
    job->key = sqlite3_last_insert_rowid(db->sqlite);
    result = store_row_find(db, job->key, &job->row);
    job->has_row = result == SQLITE_OK;
    insert = store_db_use(db, SQL_TITLE_WORDS_INSERT);
    sqlite3_bind_int64(insert, 1, job->key);
    store_db_bind_text(insert, 2, job->row.title);
    return result == SQLITE_OK ? store_db_run(insert) : result;
}

static int copy_generation(struct store_db *db, const struct fork_job *job, int64_t from_key,
                           int64_t *continues) {
    char id[ID_HEX_BYTES];
    id_make_hex(id);
    sqlite3_stmt *copy = store_db_use(db, SQL_GENERATION_COPY);
    sqlite3_bind_int64(copy, 1, from_key);
    store_db_bind_text(copy, 2, id);
    sqlite3_bind_int64(copy, 3, job->key);
    sqlite3_bind_int64(copy, 4, job->last_key);
    if (*continues) {
        sqlite3_bind_int64(copy, 5, *continues);
    }
    int result = store_db_run(copy);
    *continues = sqlite3_last_insert_rowid(db->sqlite);
    return result;
}

/* Each continues the one before. */
static int copy_generations(struct store_db *db, struct fork_job *job, int64_t message_key) {
    int64_t continues = 0;
    sqlite3_stmt *row = store_db_use(db, SQL_GENERATION_LIST_OF_MESSAGE);
    sqlite3_bind_int64(row, 1, message_key);
    int result = sqlite3_step(row);
    while (result == SQLITE_ROW) {
        if (sqlite3_column_int(row, 1) == 0) {
            job->job.status = STATUS_BUSY;
            result = SQLITE_DONE;
            break;
        }
        result = copy_generation(db, job, sqlite3_column_int64(row, 0), &continues);
        result = result == SQLITE_OK ? sqlite3_step(row) : result;
    }
    sqlite3_reset(row);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

static int copy_message(struct store_db *db, struct fork_job *job, int64_t from_key) {
    char id[ID_HEX_BYTES];
    id_make_hex(id);
    sqlite3_stmt *copy = store_db_use(db, SQL_MESSAGE_COPY);
    sqlite3_bind_int64(copy, 1, from_key);
    store_db_bind_text(copy, 2, id);
    sqlite3_bind_int64(copy, 3, job->key);
    if (job->last_key) {
        sqlite3_bind_int64(copy, 4, job->last_key);
    }
    int result = store_db_run(copy);
    job->last_key = sqlite3_last_insert_rowid(db->sqlite);
    if (result == SQLITE_OK) {
        sqlite3_stmt *attached = store_db_use(db, SQL_ATTACHED_COPY);
        sqlite3_bind_int64(attached, 1, from_key);
        sqlite3_bind_int64(attached, 2, job->last_key);
        result = store_db_run(attached);
    }
    if (result == SQLITE_OK) {
        result = copy_generations(db, job, from_key);
    }
    sqlite3_stmt *words = store_db_use(db, SQL_MESSAGE_WORDS_INSERT);
    sqlite3_bind_int64(words, 1, job->last_key);
    return result == SQLITE_OK ? store_db_run(words) : result;
}

static int copy_all(struct store_db *db, int64_t from_key, struct fork_job *job) {
    int result = make_conversation(db, from_key, job);
    for (size_t i = 0; i < job->n_path && result == SQLITE_OK && job->job.status == STATUS_OK; i++) {
        result = copy_message(db, job, job->path[i]);
    }
    sqlite3_stmt *current = store_db_use(db, SQL_CONVERSATION_SET_CURRENT);
    sqlite3_bind_int64(current, 1, job->key);
    sqlite3_bind_int64(current, 2, job->last_key);
    return result == SQLITE_OK ? store_db_run(current) : result;
}

static enum job_outcome run_fork(struct store_db *db, struct store_job *base) {
    struct fork_job *job = (struct fork_job *)base;
    int64_t from_key = 0;
    sqlite3_stmt *find = store_db_use(db, SQL_CONVERSATION_FIND_LIVING);
    store_db_bind_text(find, 1, job->name);
    int result = store_db_find_number(find, &from_key);
    if (result == SQLITE_OK) {
        result = find_path(db, from_key, job);
    }
    if (result == SQLITE_OK && base->status == STATUS_OK) {
        result = copy_all(db, from_key, job);
    }
    if (result == SQLITE_OK && base->status == STATUS_BUSY) {
        return JOB_UNDO; /* some of it is written */
    }
    return store_job_finish(db, base, result);
}

static void answer_fork(struct store_job *base) {
    struct fork_job *job = (struct fork_job *)base;
    job->callback(base->ctx, base->status, base->status == STATUS_OK ? &job->row : NULL);
}

enum status store_fork(struct store *store, const char *name, const char *message, int64_t wall_ms,
                       store_on_changed callback, void *ctx) {
    static const struct job_kind kind = {
        .writes = true, .is_durable = true, .run = run_fork, .forget = forget_fork, .answer = answer_fork
    };
    struct fork_job *job =
        store_job_new(&kind, ctx, sizeof *job, store_job_text_bytes(name) + store_job_text_bytes(message));
    char *at = (char *)(job + 1);
    job->callback = callback;
    job->name = store_job_pack(&at, name);
    job->message = store_job_pack(&at, message);
    job->wall_ms = wall_ms;
    return store_post(store, &job->job);
}
