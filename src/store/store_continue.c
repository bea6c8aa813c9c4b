#include "store/store.h"
#include "store/store_job.h"
#include "store/store_write.h"

#include <string.h>

struct continue_job {
    struct store_job job;
    store_on_continued callback;
    struct store_continue wanted;
    struct store_continued made;
    int64_t continues_key;
    int64_t conversation_key;
    int64_t message_key;
    bool has_stopped; /* it ended as the model wanted: there is nothing to go on with */
};

/* The generation to go on with, and the one that has done so. */
static int find(struct store_db *db, struct continue_job *job) {
    struct store_continued *made = &job->made;
    sqlite3_stmt *row = store_db_use(db, SQL_GENERATION_FIND_TO_CONTINUE);
    store_db_bind_text(row, 1, job->wanted.continues);
    int result = sqlite3_step(row);
    made->status = result == SQLITE_ROW ? STATUS_OK : STATUS_NOT_FOUND;
    if (result == SQLITE_ROW) {
        job->continues_key = sqlite3_column_int64(row, 0);
        job->conversation_key = sqlite3_column_int64(row, 1);
        store_db_copy_text(row, 2, made->conversation, sizeof made->conversation);
        job->message_key = sqlite3_column_int64(row, 3);
        store_db_copy_text(row, 4, made->message_id, sizeof made->message_id);
        const char *reason = (const char *)sqlite3_column_text(row, 5);
        job->has_stopped = reason && strcmp(reason, "stop") == 0;
        made->generation_key = sqlite3_column_int64(row, 6);
        store_db_copy_text(row, 7, made->generation_id, sizeof made->generation_id);
        made->duplicate = made->generation_key != 0;
    }
    sqlite3_reset(row);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

static int check(struct store_db *db, struct continue_job *job) {
    int64_t n_unended = 0, child = 0;
    int result = store_write_count_unended(db, job->conversation_key, &n_unended);
    if (result == SQLITE_OK && n_unended == 0) {
        sqlite3_stmt *has_child = store_db_use(db, SQL_MESSAGE_HAS_CHILD);
        sqlite3_bind_int64(has_child, 1, job->message_key);
        result = store_db_find_number(has_child, &child);
    }
    job->made.status = n_unended ? STATUS_BUSY : child || job->has_stopped ? STATUS_CONFLICT : STATUS_OK;
    return result;
}

static int write_continuation(struct store_db *db, struct continue_job *job) {
    const struct store_continue *wanted = &job->wanted;
    struct store_new_generation row = { .id = wanted->generation_id,
                                        .conversation_key = job->conversation_key,
                                        .message_key = job->message_key,
                                        .continues_key = job->continues_key,
                                        .model = wanted->model,
                                        .settings = wanted->settings };
    id_copy(job->made.generation_id, sizeof job->made.generation_id, wanted->generation_id);
    int result = store_write_insert_generation(db, &row, &job->made.generation_key);
    return result == SQLITE_OK ? store_write_touch_conversation(db, job->conversation_key, wanted->wall_ms)
                               : result;
}

static enum job_outcome run_continue(struct store_db *db, struct store_job *base) {
    struct continue_job *job = (struct continue_job *)base;
    int result = find(db, job);
    bool is_new = job->made.status == STATUS_OK && !job->made.duplicate;
    if (result == SQLITE_OK && is_new) {
        result = check(db, job);
    }
    if (result == SQLITE_OK && is_new && job->made.status == STATUS_OK) {
        result = write_continuation(db, job);
    }
    base->status = job->made.status;
    return store_job_finish(db, base, result);
}

static void answer_continue(struct store_job *base) {
    struct continue_job *job = (struct continue_job *)base;
    job->made.status = base->status;
    job->callback(base->ctx, &job->made);
}

static void forget_continue(struct store_job *base) {
    ((struct continue_job *)base)->made = (struct store_continued){ .status = STATUS_OK };
}

enum status store_continue(struct store *store, const struct store_continue *wanted,
                           store_on_continued callback, void *ctx) {
    static const struct job_kind kind = { .writes = true,
                                          .is_durable = true,
                                          .run = run_continue,
                                          .forget = forget_continue,
                                          .answer = answer_continue };
    size_t n = store_job_text_bytes(wanted->continues) + store_job_text_bytes(wanted->generation_id) +
               store_job_text_bytes(wanted->model) + store_job_text_bytes(wanted->settings);
    struct continue_job *job = store_job_new(&kind, ctx, sizeof *job, n);
    char *at = (char *)(job + 1);
    job->callback = callback;
    job->wanted = (struct store_continue){
        .continues = store_job_pack(&at, wanted->continues),
        .generation_id = store_job_pack(&at, wanted->generation_id),
        .model = store_job_pack(&at, wanted->model),
        .settings = store_job_pack(&at, wanted->settings),
        .wall_ms = wanted->wall_ms,
    };
    return store_post(store, &job->job);
}
