#include "store/store_attachment.h"

#include "base/mem.h"
#include "store/store_job.h"

#include <stdlib.h>
#include <string.h>

/* ---- Of messages ---- */

static char *copy_text(sqlite3_stmt *row, int column) {
    const void *text = sqlite3_column_blob(row, column);
    size_t size = (size_t)sqlite3_column_bytes(row, column);
    return sqlite3_column_type(row, column) == SQLITE_NULL ? NULL : mem_copy_bytes(text, size);
}

/* The columns id, name, type, size and text, from this one on. */
static void read_row(sqlite3_stmt *row, int column, struct store_attachment *out) {
    store_db_copy_text(row, column, out->id, sizeof out->id);
    out->name = copy_text(row, column + 1);
    out->type = copy_text(row, column + 2);
    out->size_bytes = sqlite3_column_int64(row, column + 3);
    out->text = copy_text(row, column + 4);
    out->text_size = (size_t)sqlite3_column_bytes(row, column + 4);
}

static int find(struct store_db *db, const char *id, int64_t *key, struct store_attachment *out) {
    sqlite3_stmt *row = store_db_use(db, SQL_ATTACHMENT_FIND);
    store_db_bind_text(row, 1, id);
    int result = sqlite3_step(row);
    *key = result == SQLITE_ROW ? sqlite3_column_int64(row, 0) : 0;
    if (result == SQLITE_ROW) {
        read_row(row, 1, out);
    }
    sqlite3_reset(row);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

int store_attachment_take(struct store_db *db, const struct store_attached *attached, size_t n,
                          struct store_attachment *out, int64_t *keys, enum status *refusal) {
    size_t size = 0;
    for (size_t i = 0; i < n && *refusal == STATUS_OK; i++) {
        int result = find(db, attached[i].id, &keys[i], &out[i]);
        if (result != SQLITE_OK) {
            return result;
        }
        size += out[i].text_size;
        *refusal = keys[i] == 0                     ? STATUS_UNAVAILABLE
                   : out[i].text == NULL            ? STATUS_INVALID
                   : size > STORE_ATTACHED_TEXT_MAX ? STATUS_TOO_LARGE
                                                    : STATUS_OK;
        if (*refusal == STATUS_OK && attached[i].name) {
            free(out[i].name);
            out[i].name = mem_copy_string(attached[i].name);
        }
    }
    return SQLITE_OK;
}

int store_attachment_insert(struct store_db *db, int64_t message_key, size_t position, int64_t key,
                            const char *name) {
    sqlite3_stmt *insert = store_db_use(db, SQL_ATTACHED_INSERT);
    sqlite3_bind_int64(insert, 1, message_key);
    sqlite3_bind_int64(insert, 2, (int64_t)position);
    sqlite3_bind_int64(insert, 3, key);
    store_db_bind_text(insert, 4, name);
    return store_db_run(insert);
}

static int put(struct store_db *db, enum store_sql sql, const struct store_attachment *attachment,
               int64_t wall_ms) {
    sqlite3_stmt *insert = store_db_use(db, sql);
    store_db_bind_text(insert, 1, attachment->id);
    store_db_bind_text(insert, 2, attachment->name);
    store_db_bind_text(insert, 3, attachment->type);
    sqlite3_bind_int64(insert, 4, attachment->size_bytes);
    if (attachment->text) {
        sqlite3_bind_text64(insert, 5, attachment->text, attachment->text_size, SQLITE_STATIC, SQLITE_UTF8);
    }
    sqlite3_bind_int64(insert, 6, wall_ms);
    return store_db_run(insert);
}

int store_attachment_put_imported(struct store_db *db, const struct store_attachment *attachment,
                                  int64_t wall_ms, int64_t *key) {
    struct store_attachment known = { 0 };
    int result = put(db, SQL_ATTACHMENT_PUT_IMPORTED, attachment, wall_ms);
    if (result == SQLITE_OK) {
        result = find(db, attachment->id, key, &known);
    }
    free(known.name);
    free(known.type);
    free(known.text);
    return result;
}

static int load_row(sqlite3_stmt *row, struct store_conversation *conversation, size_t *at,
                    int64_t *n_bytes_left) {
    char message[ID_HEX_BYTES];
    store_db_copy_text(row, 0, message, sizeof message);
    while (*at < conversation->n_messages && strcmp(conversation->messages[*at].id, message) != 0) {
        ++*at;
    }
    *n_bytes_left -= sqlite3_column_bytes(row, 5);
    if (*at == conversation->n_messages || *n_bytes_left < 0) {
        return *n_bytes_left < 0 ? SQLITE_TOOBIG : SQLITE_OK;
    }
    struct store_message *to = &conversation->messages[*at];
    to->attachments = mem_resize(to->attachments, (to->n_attachments + 1) * sizeof to->attachments[0]);
    struct store_attachment *attachment = &to->attachments[to->n_attachments++];
    *attachment = (struct store_attachment){ 0 };
    read_row(row, 1, attachment);
    return SQLITE_OK;
}

int store_attachment_load(struct store_db *db, int64_t conversation_key,
                          struct store_conversation *conversation, int64_t *n_bytes_left) {
    size_t at = 0; /* both are in the order of the messages */
    sqlite3_stmt *row = store_db_use(db, SQL_ATTACHED_LOAD);
    sqlite3_bind_int64(row, 1, conversation_key);
    int result = sqlite3_step(row);
    while (result == SQLITE_ROW) {
        result = load_row(row, conversation, &at, n_bytes_left);
        if (result == SQLITE_OK) {
            result = sqlite3_step(row);
        }
    }
    sqlite3_reset(row);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

/* ---- Jobs ---- */

struct put_job {
    struct store_job job;
    store_on_done callback;
    struct store_attachment attachment;
    int64_t wall_ms;
    bool sets_text; /* and nothing else */
};

static enum job_outcome run_put(struct store_db *db, struct store_job *base) {
    struct put_job *job = (struct put_job *)base;
    if (!job->sets_text) {
        return store_job_finish(db, base, put(db, SQL_ATTACHMENT_PUT, &job->attachment, job->wall_ms));
    }
    sqlite3_stmt *set = store_db_use(db, SQL_ATTACHMENT_SET_TEXT);
    store_db_bind_text(set, 1, job->attachment.id);
    store_db_bind_text(set, 2, job->attachment.text);
    int result = store_db_run(set);
    if (result == SQLITE_OK && sqlite3_changes(db->sqlite) == 0) {
        return store_job_refuse(base, STATUS_NOT_FOUND);
    }
    return store_job_finish(db, base, result);
}

static void answer_put(struct store_job *base) {
    ((struct put_job *)base)->callback(base->ctx, base->status);
}

static struct put_job *new_put(const struct store_attachment *from, store_on_done callback, void *ctx) {
    static const struct job_kind kind = {
        .writes = true, .is_durable = true, .run = run_put, .answer = answer_put
    };
    size_t n = store_job_text_bytes(from->name) + store_job_text_bytes(from->type) +
               store_job_text_bytes(from->text);
    struct put_job *job = store_job_new(&kind, ctx, sizeof *job, n);
    char *at = (char *)(job + 1);
    job->callback = callback;
    job->attachment = *from;
    job->attachment.name = (char *)store_job_pack(&at, from->name);
    job->attachment.type = (char *)store_job_pack(&at, from->type);
    job->attachment.text = (char *)store_job_pack(&at, from->text);
    return job;
}

enum status store_put_attachment(struct store *store, const struct store_attachment *attachment,
                                 int64_t wall_ms, store_on_done callback, void *ctx) {
    struct put_job *job = new_put(attachment, callback, ctx);
    job->wall_ms = wall_ms;
    return store_post(store, &job->job);
}

enum status store_set_attachment_text(struct store *store, const char *id, const char *text,
                                      store_on_done callback, void *ctx) {
    struct store_attachment attachment = { .text = (char *)text };
    id_copy(attachment.id, sizeof attachment.id, id);
    struct put_job *job = new_put(&attachment, callback, ctx);
    job->sets_text = true;
    return store_post(store, &job->job);
}

struct find_job {
    struct store_job job;
    store_on_attachment callback;
    char id[STORE_HASH_BYTES];
    struct store_attachment found;
};

static void forget_find(struct store_job *base) {
    struct find_job *job = (struct find_job *)base;
    free(job->found.name);
    free(job->found.type);
    free(job->found.text);
    job->found = (struct store_attachment){ 0 };
}

static enum job_outcome run_find(struct store_db *db, struct store_job *base) {
    struct find_job *job = (struct find_job *)base;
    int64_t key = 0;
    int result = find(db, job->id, &key, &job->found);
    if (result == SQLITE_OK && key == 0) {
        return store_job_refuse(base, STATUS_NOT_FOUND);
    }
    return store_job_finish(db, base, result);
}

static void answer_find(struct store_job *base) {
    struct find_job *job = (struct find_job *)base;
    job->callback(base->ctx, base->status, base->status == STATUS_OK ? &job->found : NULL);
}

enum status store_find_attachment(struct store *store, const char *id, store_on_attachment callback,
                                  void *ctx) {
    static const struct job_kind kind = { .run = run_find, .forget = forget_find, .answer = answer_find };
    struct find_job *job = store_job_new(&kind, ctx, sizeof *job, 0);
    job->callback = callback;
    id_copy(job->id, sizeof job->id, id);
    return store_post(store, &job->job);
}

struct sweep_job {
    struct store_job job;
    store_on_swept callback;
    store_on_done on_done; /* of one that forgets what was swept */
    int64_t before_ms;
    struct store_swept swept;
};

static enum job_outcome run_sweep(struct store_db *db, struct store_job *base) {
    struct sweep_job *job = (struct sweep_job *)base;
    job->swept.n = 0;
    sqlite3_stmt *mark = store_db_use(db, SQL_ATTACHMENT_MARK);
    sqlite3_bind_int64(mark, 1, job->before_ms);
    int result = store_db_run(mark);
    sqlite3_stmt *rows = store_db_use(db, SQL_ATTACHMENT_LIST_MARKED);
    sqlite3_bind_int64(rows, 1, STORE_SWEEP_MAX);
    while (result == SQLITE_OK && (result = sqlite3_step(rows)) == SQLITE_ROW) {
        store_db_copy_text(rows, 0, job->swept.ids[job->swept.n++], STORE_HASH_BYTES);
        result = SQLITE_OK;
    }
    sqlite3_reset(rows);
    return store_job_finish(db, base, result == SQLITE_DONE ? SQLITE_OK : result);
}

static void answer_sweep(struct store_job *base) {
    struct sweep_job *job = (struct sweep_job *)base;
    job->callback(base->ctx, base->status, &job->swept);
}

enum status store_sweep_attachments(struct store *store, int64_t wall_ms, store_on_swept callback,
                                    void *ctx) {
    static const struct job_kind kind = { .writes = true, .run = run_sweep, .answer = answer_sweep };
    struct sweep_job *job = store_job_new(&kind, ctx, sizeof *job, 0);
    job->callback = callback;
    job->before_ms = wall_ms - STORE_ATTACHMENT_KEPT_MS;
    return store_post(store, &job->job);
}

static enum job_outcome run_forget(struct store_db *db, struct store_job *base) {
    struct sweep_job *job = (struct sweep_job *)base;
    int result = SQLITE_OK;
    for (size_t i = 0; i < job->swept.n && result == SQLITE_OK; i++) {
        sqlite3_stmt *forget = store_db_use(db, SQL_ATTACHMENT_FORGET);
        store_db_bind_text(forget, 1, job->swept.ids[i]);
        result = store_db_run(forget);
    }
    return store_job_finish(db, base, result);
}

static void answer_forget(struct store_job *base) {
    ((struct sweep_job *)base)->on_done(base->ctx, base->status);
}

enum status store_forget_attachments(struct store *store, const struct store_swept *swept,
                                     store_on_done callback, void *ctx) {
    static const struct job_kind kind = { .writes = true, .run = run_forget, .answer = answer_forget };
    struct sweep_job *job = store_job_new(&kind, ctx, sizeof *job, 0);
    job->on_done = callback;
    job->swept = *swept;
    return store_post(store, &job->job);
}
