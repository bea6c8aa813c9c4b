/* store_import.c - a conversation as it was elsewhere, in one transaction. Answers become what they would be had they been made here: the events
 * of a stream, and its end. */
#include "base/mem.h"
#include "store/store.h"
#include "store/store_attachment.h"
#include "store/store_end.h"
#include "store/store_job.h"
#include "store/store_write.h"

#include <stdlib.h>
#include <string.h>

struct import_job {
    struct store_job job;
    store_on_imported callback;
    struct store_import *import; /* NULL: only wait for the disk */
    struct store_imported imported;
};

static int find_known(struct store_db *db, const struct store_import *import, bool *is_known) {
    int64_t found = 0;
    sqlite3_stmt *find = store_db_use(db, import->origin ? SQL_CONVERSATION_FIND_ORIGIN : SQL_MESSAGE_EXISTS);
    store_db_bind_text(find, 1, import->origin ? import->origin : import->messages[0].id);
    int result = store_db_find_number(find, &found);
    *is_known = found != 0;
    return result;
}

static int insert_conversation(struct store_db *db, struct import_job *job, int64_t *key) {
    const struct store_import *import = job->import;
    const struct store_own *own = &import->own;
    struct store_new_conversation row = { .title = import->title,
                                          .folder = own->folder,
                                          .settings = own->settings,
                                          .wall_ms = import->created_ms };
    int result = store_write_insert_conversation(db, &row, job->imported.name, key);
    if (result != SQLITE_OK) {
        return result;
    }
    sqlite3_stmt *set = store_db_use(db, SQL_CONVERSATION_SET_ORIGIN);
    sqlite3_bind_int64(set, 1, *key);
    store_db_bind_text(set, 2, import->origin);
    sqlite3_bind_int64(set, 3, import->updated_ms);
    sqlite3_bind_int(set, 4, (int)own->title_by);
    sqlite3_bind_int(set, 5, own->is_pinned);
    sqlite3_bind_int(set, 6, own->is_archived);
    return store_db_run(set);
}

static int append_event(struct store_db *db, int64_t generation_key, int64_t seq, const char *text,
                        enum store_event_kind kind) {
    sqlite3_stmt *insert = store_db_use(db, SQL_EVENT_INSERT);
    sqlite3_bind_int64(insert, 1, generation_key);
    sqlite3_bind_int64(insert, 2, seq);
    sqlite3_bind_int(insert, 3, -1);
    store_db_bind_text(insert, 4, text);
    sqlite3_bind_int(insert, 5, (int)kind);
    int result = store_db_run(insert);
    if (result != SQLITE_OK) {
        return result;
    }
    sqlite3_stmt *advance = store_db_use(db, SQL_GENERATION_ADVANCE);
    sqlite3_bind_int64(advance, 1, generation_key);
    sqlite3_bind_int64(advance, 2, seq);
    return store_db_run(advance);
}

static int append_events(struct store_db *db, const struct store_import_generation *from, int64_t key,
                         int64_t *seq) {
    int result = SQLITE_OK;
    for (size_t i = 0; i < from->n_others && result == SQLITE_OK; i++) {
        result = append_event(db, key, ++*seq, from->others[i], from->other_kinds[i]);
    }
    if (result == SQLITE_OK && from->text && from->text[0]) {
        result = append_event(db, key, ++*seq, from->text, STORE_EVENT_TOKEN);
    }
    return result;
}

static int insert_generation(struct store_db *db, const struct store_import_generation *from,
                             const struct store_new_generation *place, int64_t updated_ms, int64_t *key) {
    char made[ID_HEX_BYTES];
    struct store_ended ended;
    struct store_new_generation row = *place;
    id_make_hex(made);
    row.id = from->id[0] ? from->id : made;
    row.model = from->model;
    row.settings = from->settings;
    int result = store_write_insert_generation(db, &row, key);
    int64_t seq = 1;
    if (result == SQLITE_OK) {
        result = append_events(db, from, *key, &seq);
    }
    if (result != SQLITE_OK) {
        return result;
    }
    return store_end_apply(db,
                           &(struct store_end){ .generation_key = *key,
                                                .seq = (uint64_t)seq + 1,
                                                .reason = from->reason,
                                                .error = from->error,
                                                .usage = from->usage,
                                                .timings = from->timings,
                                                .n_prompt_tokens = from->n_prompt_tokens,
                                                .context_size = from->context_size,
                                                .wall_ms = updated_ms },
                           &ended);
}

static int insert_answer(struct store_db *db, const struct store_import *import,
                         const struct store_import_message *from, int64_t conversation_key,
                         int64_t message_key) {
    struct store_new_generation place = { .conversation_key = conversation_key, .message_key = message_key };
    int result = SQLITE_OK;
    for (size_t i = 0; i < from->n_generations && result == SQLITE_OK; i++) {
        int64_t key = 0;
        result = insert_generation(db, &from->generations[i], &place, import->updated_ms, &key);
        place.continues_key = key;
    }
    return result;
}

static int insert_attachments(struct store_db *db, const struct store_import_message *from,
                              int64_t message_key, int64_t wall_ms) {
    int result = SQLITE_OK;
    for (size_t i = 0; i < from->n_attachments && result == SQLITE_OK; i++) {
        int64_t key = 0;
        result = store_attachment_put_imported(db, &from->attachments[i], wall_ms, &key);
        if (result == SQLITE_OK) {
            result = store_attachment_insert(db, message_key, i, key, from->attachments[i].name);
        }
    }
    return result;
}

static int insert_message(struct store_db *db, const struct store_import *import, size_t index,
                          int64_t conversation_key, int64_t *keys) {
    const struct store_import_message *from = &import->messages[index];
    char made[ID_HEX_BYTES];
    id_make_hex(made);
    sqlite3_stmt *insert = store_db_use(db, SQL_MESSAGE_INSERT);
    store_db_bind_text(insert, 1, from->id[0] ? from->id : made);
    sqlite3_bind_int64(insert, 2, conversation_key);
    if (from->parent != SIZE_MAX) {
        sqlite3_bind_int64(insert, 3, keys[from->parent]);
    }
    sqlite3_bind_int(insert, 4, (int)from->role);
    store_db_bind_text(insert, 5, from->n_generations || from->text == NULL ? "" : from->text);
    sqlite3_bind_int64(insert, 6, from->created_ms);
    int result = store_db_run(insert);
    keys[index] = sqlite3_last_insert_rowid(db->sqlite);
    if (result == SQLITE_OK && from->n_generations == 0) {
        sqlite3_stmt *words = store_db_use(db, SQL_MESSAGE_WORDS_INSERT);
        sqlite3_bind_int64(words, 1, keys[index]);
        result = store_db_run(words);
    }
    if (result == SQLITE_OK) {
        result = insert_attachments(db, from, keys[index], import->created_ms);
    }
    return result == SQLITE_OK ? insert_answer(db, import, from, conversation_key, keys[index]) : result;
}

static int insert_all(struct store_db *db, struct import_job *job) {
    int64_t key = 0;
    int64_t *keys = mem_alloc((job->import->n_messages + 1) * sizeof keys[0]);
    int result = insert_conversation(db, job, &key);
    for (size_t i = 0; i < job->import->n_messages && result == SQLITE_OK; i++) {
        result = insert_message(db, job->import, i, key, keys);
    }
    if (result == SQLITE_OK && job->import->current < job->import->n_messages) {
        sqlite3_stmt *current = store_db_use(db, SQL_CONVERSATION_SET_CURRENT);
        sqlite3_bind_int64(current, 1, key);
        sqlite3_bind_int64(current, 2, keys[job->import->current]);
        result = store_db_run(current);
    }
    free(keys);
    return result;
}

static enum job_outcome run_import(struct store_db *db, struct store_job *base) {
    struct import_job *job = (struct import_job *)base;
    base->is_durable = job->import == NULL;
    if (job->import == NULL) {
        return JOB_DONE;
    }
    int result = find_known(db, job->import, &job->imported.is_known);
    if (result == SQLITE_OK && !job->imported.is_known) {
        result = insert_all(db, job);
    }
    return store_job_finish(db, base, result);
}

static void answer_import(struct store_job *base) {
    struct import_job *job = (struct import_job *)base;
    job->imported.status = base->status;
    if (job->import) {
        job->imported.title = job->import->title;
        job->imported.created_ms = job->import->created_ms;
        job->imported.updated_ms = job->import->updated_ms;
    }
    job->callback(base->ctx, &job->imported);
    store_import_free(job->import);
    job->import = NULL;
}

enum status store_import(struct store *store, struct store_import *import, store_on_imported callback,
                         void *ctx) {
    static const struct job_kind kind = {
        .writes = true, .is_durable = true, .run = run_import, .answer = answer_import
    };
    struct import_job *job = store_job_new(&kind, ctx, sizeof *job, 0);
    job->callback = callback;
    job->import = import;
    enum status status = store_post(store, &job->job);
    if (status != STATUS_OK) {
        store_import_free(import);
    }
    return status;
}
