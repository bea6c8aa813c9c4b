#include "base/mem.h"
#include "store/store.h"
#include "store/store_end.h"
#include "store/store_job.h"

#include <stdlib.h>
#include <string.h>

#define STORE_MESSAGES_MAX 1000000

static void free_generation(struct store_generation *generation) {
    free(generation->reason);
    free(generation->error);
    free(generation->usage);
    free(generation->timings);
    free(generation->model);
    free(generation->text_ends);
}

void store_conversation_free(struct store_conversation *conversation) {
    if (conversation == NULL) {
        return;
    }
    for (size_t i = 0; i < conversation->n_messages; i++) {
        free(conversation->messages[i].content);
        free_generation(&conversation->messages[i].generation);
    }
    free(conversation->messages);
    free(conversation->title);
    free(conversation);
}

/* ---- One conversation ---- */

struct load_job {
    struct store_job job;
    store_on_loaded callback;
    const char *name;
    struct store_conversation *found;
};

static char *copy_column(sqlite3_stmt *row, int column) {
    const void *text = sqlite3_column_blob(row, column);
    size_t size = (size_t)sqlite3_column_bytes(row, column);
    return sqlite3_column_type(row, column) == SQLITE_NULL ? NULL : mem_copy_bytes(text, size);
}

/* Fills text_ends from `sizes`. */
static int unpack(struct store_message *message, const void *sizes, size_t n_bytes) {
    struct store_generation *generation = &message->generation;
    uint64_t n_least = generation->ended ? 2 : 1;
    /* Each size takes a byte at least: a last_seq that is nonsense is found before memory is taken for it. */
    if (generation->last_seq < n_least || generation->last_seq - n_least > n_bytes) {
        return SQLITE_CORRUPT;
    }
    generation->n_text_ends = (size_t)generation->last_seq;
    generation->text_ends = mem_alloc(generation->n_text_ends * sizeof generation->text_ends[0]);
    bool is_good = store_end_unpack(sizes, n_bytes, message->content_size, generation->text_ends,
                                    generation->n_text_ends, generation->ended);
    return is_good ? SQLITE_OK : SQLITE_CORRUPT;
}

/* The text of a stream that goes on is in its events. */
static int read_events(struct store_db *db, struct store_message *message) {
    struct bytes text, sizes;
    bytes_init(&text, STORE_CONTENT_BYTES_MAX);
    bytes_init(&sizes, STORE_CONTENT_BYTES_MAX);
    int result =
        store_end_read_events(db, message->generation.key, message->generation.last_seq, &text, &sizes);
    if (result == SQLITE_OK) {
        free(message->content);
        message->content = mem_copy_bytes(text.data, text.size);
        message->content_size = text.size;
        result = unpack(message, sizes.data, sizes.size);
    }
    bytes_deinit(&text);
    bytes_deinit(&sizes);
    return result;
}

static int read_generation(struct store_db *db, sqlite3_stmt *row, struct store_message *message) {
    struct store_generation *generation = &message->generation;
    message->has_generation = true;
    generation->key = sqlite3_column_int64(row, 5);
    store_db_copy_text(row, 6, generation->id, sizeof generation->id);
    generation->last_seq = (uint64_t)sqlite3_column_int64(row, 7);
    generation->ended = sqlite3_column_int(row, 8) != 0;
    generation->reason = copy_column(row, 9);
    generation->error = copy_column(row, 10);
    generation->usage = copy_column(row, 11);
    generation->timings = copy_column(row, 12);
    generation->model = copy_column(row, 13);
    generation->n_prompt_tokens = (uint32_t)sqlite3_column_int64(row, 14);
    generation->context_size = (uint32_t)sqlite3_column_int64(row, 15);
    if (!generation->ended) {
        return read_events(db, message);
    }
    const void *sizes = sqlite3_column_blob(row, 16);
    return unpack(message, sizes, (size_t)sqlite3_column_bytes(row, 16));
}

static int read_message(struct store_db *db, sqlite3_stmt *row, struct store_message *message) {
    *message = (struct store_message){ 0 };
    store_db_copy_text(row, 0, message->id, sizeof message->id);
    store_db_copy_text(row, 1, message->parent, sizeof message->parent);
    message->role = (enum store_role)sqlite3_column_int(row, 2);
    message->content = copy_column(row, 3);
    message->content_size = (size_t)sqlite3_column_bytes(row, 3);
    message->created_ms = sqlite3_column_int64(row, 4);
    return sqlite3_column_type(row, 5) == SQLITE_NULL ? SQLITE_OK : read_generation(db, row, message);
}

static int read_messages(struct store_db *db, int64_t key, struct store_conversation *conversation) {
    size_t capacity = 0;
    sqlite3_stmt *rows = store_db_use(db, SQL_LOAD_MESSAGES);
    sqlite3_bind_int64(rows, 1, key);
    int result = sqlite3_step(rows);
    while (result == SQLITE_ROW) {
        if (conversation->n_messages == STORE_MESSAGES_MAX) {
            result = SQLITE_TOOBIG;
            break;
        }
        conversation->messages = mem_grow_array(conversation->messages, conversation->n_messages, &capacity,
                                                sizeof conversation->messages[0], STORE_MESSAGES_MAX);
        result = read_message(db, rows, &conversation->messages[conversation->n_messages++]);
        if (result == SQLITE_OK) {
            result = sqlite3_step(rows);
        }
    }
    sqlite3_reset(rows);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

static void forget_load(struct store_job *base) {
    struct load_job *job = (struct load_job *)base;
    store_conversation_free(job->found);
    job->found = NULL;
}

static enum job_outcome run_load(struct store_db *db, struct store_job *base) {
    struct load_job *job = (struct load_job *)base;
    sqlite3_stmt *row = store_db_use(db, SQL_LOAD_CONVERSATION);
    store_db_bind_text(row, 1, job->name);
    int result = sqlite3_step(row);
    if (result == SQLITE_DONE) {
        sqlite3_reset(row);
        return store_job_refuse(base, STATUS_NOT_FOUND);
    }
    if (result == SQLITE_ROW) {
        int64_t key = sqlite3_column_int64(row, 0);
        job->found = mem_alloc(sizeof *job->found);
        job->found->title = copy_column(row, 1);
        job->found->created_ms = sqlite3_column_int64(row, 2);
        job->found->updated_ms = sqlite3_column_int64(row, 3);
        id_copy(job->found->name, sizeof job->found->name, job->name);
        result = read_messages(db, key, job->found);
    }
    sqlite3_reset(row);
    return store_job_finish(db, base, result);
}

static void answer_load(struct store_job *base) {
    struct load_job *job = (struct load_job *)base;
    struct store_conversation *found = base->status == STATUS_OK ? job->found : NULL;
    if (found) {
        job->found = NULL; /* the receiver's now */
    }
    job->callback(base->ctx, base->status, found);
}

enum status store_load_conversation(struct store *store, const char *name, store_on_loaded callback,
                                    void *ctx) {
    static const struct job_kind kind = { .run = run_load, .forget = forget_load, .answer = answer_load };
    struct load_job *job = store_job_new(&kind, ctx, sizeof *job, store_job_text_bytes(name));
    char *at = (char *)(job + 1);
    job->callback = callback;
    job->name = store_job_pack(&at, name);
    return store_post(store, &job->job);
}

/* ---- The conversation of a generation ---- */

struct find_job {
    struct store_job job;
    store_on_found callback;
    const char *generation_id;
    char conversation[ID_CONVERSATION_BYTES];
};

static enum job_outcome run_find(struct store_db *db, struct store_job *base) {
    struct find_job *job = (struct find_job *)base;
    sqlite3_stmt *find = store_db_use(db, SQL_GENERATION_FIND);
    store_db_bind_text(find, 1, job->generation_id);
    int result = sqlite3_step(find);
    base->status = result == SQLITE_ROW ? STATUS_OK : STATUS_NOT_FOUND;
    if (result == SQLITE_ROW) {
        store_db_copy_text(find, 0, job->conversation, sizeof job->conversation);
    }
    sqlite3_reset(find);
    return result == SQLITE_ROW || result == SQLITE_DONE ? JOB_DONE : store_job_failed(db, base, result);
}

static void answer_find(struct store_job *base) {
    struct find_job *job = (struct find_job *)base;
    job->callback(base->ctx, base->status, base->status == STATUS_OK ? job->conversation : NULL);
}

enum status store_find_generation(struct store *store, const char *generation_id, store_on_found callback,
                                  void *ctx) {
    static const struct job_kind kind = { .run = run_find, .answer = answer_find };
    struct find_job *job = store_job_new(&kind, ctx, sizeof *job, store_job_text_bytes(generation_id));
    char *at = (char *)(job + 1);
    job->callback = callback;
    job->generation_id = store_job_pack(&at, generation_id);
    return store_post(store, &job->job);
}
