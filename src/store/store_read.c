#include "base/mem.h"
#include "store/store.h"
#include "store/store_attachment.h"
#include "store/store_events.h"
#include "store/store_job.h"
#include "store/store_row.h"

#include <stdlib.h>
#include <string.h>

#define STORE_MESSAGES_MAX    1000000
#define STORE_GENERATIONS_MAX 100000 /* of one message */

/* ---- A generation ---- */

static char *copy_column(sqlite3_stmt *row, int column) {
    const void *text = sqlite3_column_blob(row, column);
    size_t size = (size_t)sqlite3_column_bytes(row, column);
    return sqlite3_column_type(row, column) == SQLITE_NULL ? NULL : mem_copy_bytes(text, size);
}

/* A blob of a row, or what was packed from its events. data NULL: there is none. */
struct packed {
    const void *data;
    size_t size;
};

static struct packed column_bytes(sqlite3_stmt *row, int column) {
    bool is_there = sqlite3_column_type(row, column) != SQLITE_NULL;
    const void *data = sqlite3_column_blob(row, column); /* of an empty one it is NULL too */
    return (struct packed){ .data = data == NULL && is_there ? "" : data,
                            .size = (size_t)sqlite3_column_bytes(row, column) };
}

static struct packed buffer_bytes(const struct bytes *bytes) {
    return (struct packed){ .data = bytes->size ? bytes->data : "", .size = bytes->size };
}

/* Fills text_ends and tokens; the text is text_size_max bytes at most. */
static int unpack(struct store_generation *generation, struct packed sizes, struct packed tokens,
                  size_t text_size_max) {
    uint64_t n_least = generation->ended ? 2 : 1;
    /* Each size takes a byte at least: a last_seq that is nonsense is found before memory is taken for it. */
    if (generation->last_seq < n_least || generation->last_seq - n_least > sizes.size) {
        return SQLITE_CORRUPT;
    }
    size_t n = (size_t)generation->last_seq;
    generation->n_text_ends = n;
    generation->text_ends = mem_alloc(n * sizeof generation->text_ends[0]);
    if (!store_events_unpack_sizes(sizes.data, sizes.size, text_size_max, generation->text_ends, n,
                                   generation->ended)) {
        return SQLITE_CORRUPT;
    }
    generation->text_size = generation->text_ends[n - 1];
    if (tokens.data == NULL) {
        return SQLITE_OK;
    }
    generation->tokens = mem_alloc(n * sizeof generation->tokens[0]);
    bool is_good =
        store_events_unpack_tokens(tokens.data, tokens.size, generation->tokens, n, generation->ended);
    return is_good ? SQLITE_OK : SQLITE_CORRUPT;
}

/* Fills kinds, other_ends and other. */
static int unpack_others(struct store_generation *generation, struct packed packed) {
    struct store_others others;
    if (packed.size == 0) {
        return SQLITE_OK;
    }
    if (!store_others_unpack(packed.data, packed.size, generation->n_text_ends, generation->ended, &others)) {
        return SQLITE_CORRUPT;
    }
    generation->kinds = others.kinds;
    generation->other_ends = others.ends;
    generation->other = mem_copy_bytes(others.text.size ? others.text.data : "", others.text.size);
    bytes_deinit(&others.text);
    return SQLITE_OK;
}

static void append_content(struct store_message *message, const struct bytes *text) {
    message->content = mem_resize(message->content, message->content_size + text->size + 1);
    if (text->size) {
        memcpy(message->content + message->content_size, text->data, text->size);
    }
    message->content_size += text->size;
    message->content[message->content_size] = '\0';
}

/* The text of a stream that grows is in its events; the message has the texts of those before it. */
static int read_events(struct store_db *db, struct store_message *message,
                       struct store_generation *generation) {
    struct store_events events;
    store_events_init(&events);
    int result = store_events_read(db, generation->key, generation->last_seq, &events);
    if (result == SQLITE_OK) {
        append_content(message, &events.text);
        result =
            unpack(generation, buffer_bytes(&events.sizes), buffer_bytes(&events.tokens), events.text.size);
    }
    if (result == SQLITE_OK) {
        result = unpack_others(generation, buffer_bytes(&events.others));
    }
    store_events_deinit(&events);
    return result;
}

static size_t sum_texts(const struct store_message *message) {
    size_t sum = 0;
    for (size_t i = 0; i < message->n_generations; i++) {
        sum += message->generations[i].text_size;
    }
    return sum;
}

/* The generation before it, if any, has ended and is what it continues. */
static bool fits_chain(const struct store_message *message, int64_t continues_key) {
    if (message->n_generations == 0) {
        return continues_key == 0;
    }
    const struct store_generation *before = &message->generations[message->n_generations - 1];
    return before->ended && before->key == continues_key;
}

static struct store_generation *add_generation(struct store_message *message) {
    size_t n = message->n_generations++;
    message->generations = mem_resize(message->generations, (n + 1) * sizeof message->generations[0]);
    struct store_generation *generation = &message->generations[n];
    *generation = (struct store_generation){ 0 };
    if (n > 0) {
        id_copy(generation->continues, sizeof generation->continues, message->generations[n - 1].id);
    }
    return generation;
}

static void read_fields(sqlite3_stmt *row, struct store_generation *generation) {
    generation->key = sqlite3_column_int64(row, 6);
    store_db_copy_text(row, 7, generation->id, sizeof generation->id);
    generation->last_seq = (uint64_t)sqlite3_column_int64(row, 9);
    generation->ended = sqlite3_column_int(row, 10) != 0;
    generation->reason = copy_column(row, 11);
    generation->error = copy_column(row, 12);
    generation->usage = copy_column(row, 13);
    generation->timings = copy_column(row, 14);
    generation->model = copy_column(row, 15);
    generation->settings = copy_column(row, 16);
    generation->n_prompt_tokens = (uint32_t)sqlite3_column_int64(row, 17);
    generation->context_size = (uint32_t)sqlite3_column_int64(row, 18);
}

static int read_generation(struct store_db *db, sqlite3_stmt *row, struct store_message *message) {
    if (message->n_generations == STORE_GENERATIONS_MAX) {
        return SQLITE_TOOBIG;
    }
    if (!fits_chain(message, sqlite3_column_int64(row, 8))) {
        return SQLITE_CORRUPT;
    }
    size_t left = message->content_size - sum_texts(message);
    struct store_generation *generation = add_generation(message);
    read_fields(row, generation);
    if (!generation->ended) {
        return read_events(db, message, generation);
    }
    int result = unpack(generation, column_bytes(row, 19), column_bytes(row, 20), left);
    return result == SQLITE_OK ? unpack_others(generation, column_bytes(row, 21)) : result;
}

/* ---- Its messages ---- */

static void read_message(sqlite3_stmt *row, struct store_message *message) {
    *message = (struct store_message){ 0 };
    store_db_copy_text(row, 1, message->id, sizeof message->id);
    store_db_copy_text(row, 2, message->parent, sizeof message->parent);
    message->role = (enum store_role)sqlite3_column_int(row, 3);
    message->content = copy_column(row, 4);
    message->content_size = (size_t)sqlite3_column_bytes(row, 4);
    message->created_ms = sqlite3_column_int64(row, 5);
    message->deleted_ms = sqlite3_column_int64(row, 22);
}

struct message_rows {
    struct store_conversation *conversation;
    size_t capacity;
    int64_t key;          /* of the message at hand */
    int64_t n_bytes_left; /* that may still be taken */
};

/* Before memory is taken for it. What is still in events is small: an answer that is being written. */
static bool fits_memory(sqlite3_stmt *row, struct message_rows *rows, bool is_new) {
    int64_t n_events = sqlite3_column_bytes(row, 19);
    int64_t n_bytes = n_events * (int64_t)(sizeof(uint32_t) + sizeof(int32_t));
    if (sqlite3_column_bytes(row, 21) > 0) {
        n_bytes += sqlite3_column_bytes(row, 21) + n_events * (int64_t)(sizeof(uint32_t) + sizeof(uint8_t));
    }
    for (int column = 11; column <= 16; column++) {
        n_bytes += sqlite3_column_bytes(row, column);
    }
    rows->n_bytes_left -= n_bytes + (is_new ? sqlite3_column_bytes(row, 4) : 0);
    return rows->n_bytes_left >= 0;
}

/* The content of the message at hand is all of its generations' texts, and nothing else. */
static int check_last(const struct store_conversation *conversation) {
    if (conversation->n_messages == 0) {
        return SQLITE_OK;
    }
    const struct store_message *message = &conversation->messages[conversation->n_messages - 1];
    bool is_good = message->n_generations == 0 || sum_texts(message) == message->content_size;
    return is_good ? SQLITE_OK : SQLITE_CORRUPT;
}

/* The message of a row: the one at hand, or a new one. */
static int take_message(sqlite3_stmt *row, struct message_rows *rows, struct store_message **out) {
    struct store_conversation *conversation = rows->conversation;
    size_t n = conversation->n_messages;
    int64_t key = sqlite3_column_int64(row, 0);
    if (n > 0 && rows->key == key) {
        *out = &conversation->messages[n - 1];
        return SQLITE_OK;
    }
    int result = n < STORE_MESSAGES_MAX ? check_last(conversation) : SQLITE_TOOBIG;
    if (result != SQLITE_OK) {
        return result;
    }
    conversation->messages = mem_grow_array(conversation->messages, n, &rows->capacity,
                                            sizeof conversation->messages[0], STORE_MESSAGES_MAX);
    *out = &conversation->messages[conversation->n_messages++];
    rows->key = key;
    read_message(row, *out);
    return SQLITE_OK;
}

static int read_row(struct store_db *db, sqlite3_stmt *row, struct message_rows *rows) {
    struct store_message *message = NULL;
    bool is_new = rows->conversation->n_messages == 0 || rows->key != sqlite3_column_int64(row, 0);
    if (!fits_memory(row, rows, is_new)) {
        return SQLITE_TOOBIG;
    }
    int result = take_message(row, rows, &message);
    bool has_generation = sqlite3_column_type(row, 6) != SQLITE_NULL;
    return result == SQLITE_OK && has_generation ? read_generation(db, row, message) : result;
}

static int read_messages(struct store_db *db, int64_t key, struct store_conversation *conversation) {
    struct message_rows rows = { .conversation = conversation, .n_bytes_left = db->load_bytes_max };
    sqlite3_stmt *row = store_db_use(db, SQL_LOAD_MESSAGES);
    sqlite3_bind_int64(row, 1, key);
    int result = sqlite3_step(row);
    while (result == SQLITE_ROW) {
        result = read_row(db, row, &rows);
        if (result == SQLITE_OK) {
            result = sqlite3_step(row);
        }
    }
    sqlite3_reset(row);
    result = result == SQLITE_DONE ? check_last(conversation) : result;
    return result == SQLITE_OK ? store_attachment_load(db, key, conversation, &rows.n_bytes_left) : result;
}

/* ---- One conversation ---- */

struct load_job {
    struct store_job job;
    store_on_loaded callback;
    const char *name;
    struct store_conversation *found;
};

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
        job->found->is_reshaped = sqlite3_column_int(row, 4) != 0;
        store_db_copy_text(row, 5, job->found->current, sizeof job->found->current);
        store_row_read_own(row, 6, &job->found->own);
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
