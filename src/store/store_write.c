#include "store/store_write.h"

#include "store/store.h"
#include "store/store_end.h"
#include "store/store_job.h"

#include <assert.h>
#include <string.h>

int store_write_count_unended(struct store_db *db, int64_t conversation_key, int64_t *n) {
    sqlite3_stmt *count = store_db_use(db, SQL_GENERATION_COUNT_UNENDED);
    sqlite3_bind_int64(count, 1, conversation_key);
    return store_db_find_number(count, n);
}

int store_write_touch_conversation(struct store_db *db, int64_t conversation_key, int64_t wall_ms) {
    sqlite3_stmt *touch = store_db_use(db, SQL_CONVERSATION_TOUCH);
    sqlite3_bind_int64(touch, 1, conversation_key);
    sqlite3_bind_int64(touch, 2, wall_ms);
    return store_db_run(touch);
}

int store_write_choose_name(struct store_db *db, int64_t wall_ms, char name[ID_CONVERSATION_BYTES],
                            int64_t *created_ms) {
    int64_t taken = 1;
    int result = SQLITE_OK;
    for (unsigned suffix = 1; result == SQLITE_OK && taken; suffix++) {
        id_make_conversation(wall_ms, suffix, name);
        sqlite3_stmt *find = store_db_use(db, SQL_CONVERSATION_FIND);
        store_db_bind_text(find, 1, name);
        result = store_db_find_number(find, &taken);
    }
    *created_ms = wall_ms - 1;
    for (taken = 1; result == SQLITE_OK && taken;) {
        sqlite3_stmt *find = store_db_use(db, SQL_CONVERSATION_CREATED_TAKEN);
        sqlite3_bind_int64(find, 1, ++*created_ms);
        result = store_db_find_number(find, &taken);
    }
    return result;
}

int store_write_insert_conversation(struct store_db *db, const struct store_new_conversation *row,
                                    char name[ID_CONVERSATION_BYTES], int64_t *key) {
    int64_t created_ms = 0;
    int result = store_write_choose_name(db, row->wall_ms, name, &created_ms);
    if (result != SQLITE_OK) {
        return result;
    }
    const char *title = row->title ? row->title : "";
    sqlite3_stmt *insert = store_db_use(db, SQL_CONVERSATION_INSERT);
    store_db_bind_text(insert, 1, name);
    store_db_bind_text(insert, 2, title);
    sqlite3_bind_int64(insert, 3, created_ms);
    store_db_bind_text(insert, 4, row->made_by);
    store_db_bind_text(insert, 5, row->folder);
    store_db_bind_text(insert, 6, row->settings);
    sqlite3_bind_int(insert, 7, row->is_temporary);
    result = store_db_run(insert);
    if (result != SQLITE_OK) {
        return result;
    }
    *key = sqlite3_last_insert_rowid(db->sqlite);
    insert = store_db_use(db, SQL_TITLE_WORDS_INSERT);
    sqlite3_bind_int64(insert, 1, *key);
    store_db_bind_text(insert, 2, title);
    return store_db_run(insert);
}

static void bind_key(sqlite3_stmt *statement, int index, int64_t key) {
    if (key) {
        sqlite3_bind_int64(statement, index, key);
    }
}

int store_write_insert_generation(struct store_db *db, const struct store_new_generation *row, int64_t *key) {
    sqlite3_stmt *insert = store_db_use(db, SQL_GENERATION_INSERT);
    store_db_bind_text(insert, 1, row->id);
    bind_key(insert, 2, row->conversation_key);
    bind_key(insert, 3, row->message_key);
    bind_key(insert, 4, row->continues_key);
    store_db_bind_text(insert, 5, row->model);
    store_db_bind_text(insert, 6, row->settings);
    int result = store_db_run(insert);
    *key = sqlite3_last_insert_rowid(db->sqlite);
    return result;
}

/* ---- A detached generation ---- */

struct begin_job {
    struct store_job job;
    store_on_begun callback;
    const char *generation_id;
    int64_t generation_key;
};

static enum job_outcome run_begin(struct store_db *db, struct store_job *base) {
    struct begin_job *job = (struct begin_job *)base;
    struct store_new_generation row = { .id = job->generation_id };
    int result = store_write_insert_generation(db, &row, &job->generation_key);
    return store_job_finish(db, base, result);
}

static void answer_begin(struct store_job *base) {
    struct begin_job *job = (struct begin_job *)base;
    job->callback(base->ctx, base->status, base->status == STATUS_OK ? job->generation_key : 0);
}

static const struct job_kind begin_kind = { .writes = true, .run = run_begin, .answer = answer_begin };

enum status store_begin_detached(struct store *store, const char *generation_id, store_on_begun callback,
                                 void *ctx) {
    struct begin_job *job = store_job_new(&begin_kind, ctx, sizeof *job, store_job_text_bytes(generation_id));
    char *at = (char *)(job + 1);
    job->callback = callback;
    job->generation_id = store_job_pack(&at, generation_id);
    return store_post(store, &job->job);
}

/* ---- Jobs whose answer is a status ---- */

struct tokens_job {
    struct store_job job;
    store_on_done callback;
    const char *text;
    size_t n_tokens;
    struct store_token tokens[];
};

/* The append guard: 1 row, or this token is not the next one of a living stream. */
static int advance(struct store_db *db, const struct store_token *token, bool *is_next) {
    sqlite3_stmt *update = store_db_use(db, SQL_GENERATION_ADVANCE);
    sqlite3_bind_int64(update, 1, token->generation_key);
    sqlite3_bind_int64(update, 2, (int64_t)token->seq);
    int result = store_db_run(update);
    *is_next = result == SQLITE_OK && sqlite3_changes(db->sqlite) == 1;
    return result;
}

static int insert_event(struct store_db *db, const struct store_token *token, const char *text) {
    sqlite3_stmt *insert = store_db_use(db, SQL_EVENT_INSERT);
    sqlite3_bind_int64(insert, 1, token->generation_key);
    sqlite3_bind_int64(insert, 2, (int64_t)token->seq);
    sqlite3_bind_int(insert, 3, token->token);
    sqlite3_bind_text64(insert, 4, text + token->text_offset, token->text_size, SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_bind_int(insert, 5, (int)token->kind);
    return store_db_run(insert);
}

static enum job_outcome run_tokens(struct store_db *db, struct store_job *base) {
    const struct tokens_job *job = (struct tokens_job *)base;
    for (size_t i = 0; i < job->n_tokens; i++) {
        bool is_next = false;
        int result = advance(db, &job->tokens[i], &is_next);
        if (result == SQLITE_OK && !is_next) {
            base->status = STATUS_CONFLICT;
            return i == 0 ? JOB_DONE : JOB_UNDO;
        }
        if (result == SQLITE_OK) {
            result = insert_event(db, &job->tokens[i], job->text);
        }
        if (result != SQLITE_OK) {
            return store_job_failed(db, base, result);
        }
    }
    return JOB_DONE;
}

static void answer_tokens(struct store_job *base) {
    ((struct tokens_job *)base)->callback(base->ctx, base->status);
}

static const struct job_kind tokens_kind = { .writes = true, .run = run_tokens, .answer = answer_tokens };

enum status store_append_tokens(struct store *store, const struct store_tokens *batch, store_on_done callback,
                                void *ctx) {
    size_t n_token_bytes = batch->n_tokens * sizeof batch->tokens[0];
    struct tokens_job *job =
        store_job_new(&tokens_kind, ctx, sizeof *job, n_token_bytes + batch->text_size + 1);
    char *text = (char *)job->tokens + n_token_bytes;
    job->callback = callback;
    job->n_tokens = batch->n_tokens;
    job->text = text;
    for (size_t i = 0; i < batch->n_tokens; i++) {
        const struct store_token *token = &batch->tokens[i];
        assert(token->text_offset <= batch->text_size &&
               token->text_size <= batch->text_size - token->text_offset);
        job->tokens[i] = *token;
    }
    if (batch->text_size) {
        memcpy(text, batch->text, batch->text_size);
    }
    return store_post(store, &job->job);
}

struct end_job {
    struct store_job job;
    store_on_ended callback;
    struct store_end end;
    struct store_ended ended;
};

static enum job_outcome run_end(struct store_db *db, struct store_job *base) {
    struct end_job *job = (struct end_job *)base;
    int result = store_end_apply(db, &job->end, &job->ended);
    base->status = job->ended.status;
    /* Nothing of a detached generation is left that a disk could lose. */
    base->is_durable = !job->ended.is_detached;
    return store_job_finish(db, base, result);
}

static void forget_end(struct store_job *base) {
    ((struct end_job *)base)->ended = (struct store_ended){ .status = STATUS_OK };
}

static void answer_end(struct store_job *base) {
    struct end_job *job = (struct end_job *)base;
    job->callback(base->ctx, base->status, job->ended.continuation_key);
}

enum status store_end_generation(struct store *store, const struct store_end *end, store_on_ended callback,
                                 void *ctx) {
    static const struct job_kind kind = {
        .writes = true, .is_durable = true, .run = run_end, .forget = forget_end, .answer = answer_end
    };
    size_t n = store_job_text_bytes(end->reason) + store_job_text_bytes(end->error) +
               store_job_text_bytes(end->usage) + store_job_text_bytes(end->timings) +
               store_job_text_bytes(end->continuation_id);
    struct end_job *job = store_job_new(&kind, ctx, sizeof *job, n);
    char *at = (char *)(job + 1);
    job->callback = callback;
    job->end = *end;
    job->end.reason = store_job_pack(&at, end->reason);
    job->end.error = store_job_pack(&at, end->error);
    job->end.usage = store_job_pack(&at, end->usage);
    job->end.timings = store_job_pack(&at, end->timings);
    job->end.continuation_id = store_job_pack(&at, end->continuation_id);
    return store_post(store, &job->job);
}

struct named_job {
    struct store_job job;
    store_on_done callback;
    const char *name;
    const char *value;
};

static enum job_outcome run_delete(struct store_db *db, struct store_job *base) {
    /* Words first, while the texts they come from are there; then from the leaves of the references to their
     * root. */
    static const enum store_sql deletes[] = { SQL_MESSAGE_WORDS_DELETE_ALL, SQL_TITLE_WORDS_DELETE,
                                              SQL_GENERATION_DELETE_ALL, SQL_MESSAGE_DELETE_ALL,
                                              SQL_CONVERSATION_DELETE };
    const struct named_job *job = (struct named_job *)base;
    sqlite3_stmt *find = store_db_use(db, SQL_CONVERSATION_FIND);
    store_db_bind_text(find, 1, job->name);
    int64_t key = 0, n_unended = 0;
    int result = store_db_find_number(find, &key);
    if (result == SQLITE_OK && key == 0) {
        return store_job_refuse(base, STATUS_NOT_FOUND);
    }
    if (result == SQLITE_OK) {
        result = store_write_count_unended(db, key, &n_unended);
    }
    if (result == SQLITE_OK && n_unended > 0) {
        return store_job_refuse(base, STATUS_BUSY);
    }
    for (size_t i = 0; result == SQLITE_OK && i < sizeof deletes / sizeof deletes[0]; i++) {
        sqlite3_stmt *statement = store_db_use(db, deletes[i]);
        sqlite3_bind_int64(statement, 1, key);
        result = store_db_run(statement);
    }
    return store_job_finish(db, base, result);
}

static enum job_outcome run_put_setting(struct store_db *db, struct store_job *base) {
    const struct named_job *job = (struct named_job *)base;
    sqlite3_stmt *put = store_db_use(db, SQL_SETTING_PUT);
    store_db_bind_text(put, 1, job->name);
    store_db_bind_text(put, 2, job->value);
    return store_job_finish(db, base, store_db_run(put));
}

static void answer_named(struct store_job *base) {
    ((struct named_job *)base)->callback(base->ctx, base->status);
}

static enum status post_named(struct store *store, const struct job_kind *kind, const char *name,
                              const char *value, store_on_done callback, void *ctx) {
    struct named_job *job =
        store_job_new(kind, ctx, sizeof *job, store_job_text_bytes(name) + store_job_text_bytes(value));
    char *at = (char *)(job + 1);
    job->callback = callback;
    job->name = store_job_pack(&at, name);
    job->value = store_job_pack(&at, value);
    return store_post(store, &job->job);
}

enum status store_delete_conversation(struct store *store, const char *name, store_on_done callback,
                                      void *ctx) {
    static const struct job_kind kind = {
        .writes = true, .is_durable = true, .run = run_delete, .answer = answer_named
    };
    return post_named(store, &kind, name, NULL, callback, ctx);
}

enum status store_put_setting(struct store *store, const char *name, const char *json, store_on_done callback,
                              void *ctx) {
    static const struct job_kind kind = {
        .writes = true, .is_durable = true, .run = run_put_setting, .answer = answer_named
    };
    return post_named(store, &kind, name, json, callback, ctx);
}
