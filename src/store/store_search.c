#include "store/store_search.h"

#include "base/mem.h"
#include "store/store.h"
#include "store/store_job.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define QUERY_BYTES_MAX 4096

static bool is_word_byte(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (unsigned char)c >= 0x80;
}

bool store_search_build(const char *text, struct bytes *query) {
    size_t n_words = 0;
    while (*text && n_words < STORE_SEARCH_WORDS_MAX) {
        size_t size = 0;
        while (is_word_byte(text[size])) {
            size++;
        }
        if (size) {
            /* A blank between phrases is AND; unlike the word AND it passes over a phrase that has no token. */
            bytes_add_format(query, "%s\"%.*s\"", n_words ? " " : "", (int)size, text);
            n_words++;
        }
        text += size ? size : 1;
    }
    bytes_add_char(query, '*');
    return n_words > 0 && !query->failed;
}

struct list_job {
    struct store_job job;
    store_on_listed callback;
    const char *text;
    int64_t before_ms;
    uint32_t n_max;
    struct store_listed *rows;
    size_t n_rows;
};

static void forget_list(struct store_job *base) {
    struct list_job *job = (struct list_job *)base;
    for (size_t i = 0; i < job->n_rows; i++) {
        free(job->rows[i].title);
        free(job->rows[i].snippet);
    }
    free(job->rows);
    job->rows = NULL;
    job->n_rows = 0;
}

static char *copy_text(sqlite3_stmt *row, int column) {
    const unsigned char *text = sqlite3_column_text(row, column);
    return mem_copy_bytes(text, text ? (size_t)sqlite3_column_bytes(row, column) : 0);
}

/* Words of the newest message that matches; of one that matched by its title, the title. */
static int find_snippet(struct store_db *db, const char *query, int64_t message_key,
                        struct store_listed *row) {
    if (message_key == 0) {
        row->snippet = mem_copy_string(row->title);
        return SQLITE_OK;
    }
    sqlite3_stmt *find = store_db_use(db, SQL_LIST_SNIPPET);
    store_db_bind_text(find, 1, query);
    sqlite3_bind_int64(find, 2, message_key);
    int result = sqlite3_step(find);
    if (result == SQLITE_ROW) {
        row->snippet = copy_text(find, 0);
    }
    sqlite3_reset(find);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

/* `query` NULL: all. */
static int list_rows(struct store_db *db, struct list_job *job, const char *query) {
    sqlite3_stmt *list = store_db_use(db, query ? SQL_LIST_MATCHING : SQL_LIST_ALL);
    if (query) {
        store_db_bind_text(list, 1, query);
    }
    sqlite3_bind_int64(list, 2, job->before_ms);
    sqlite3_bind_int64(list, 3, job->n_max);
    job->rows = mem_alloc(job->n_max * sizeof job->rows[0]);
    int result = sqlite3_step(list);
    while (result == SQLITE_ROW && job->n_rows < job->n_max) {
        struct store_listed *row = &job->rows[job->n_rows++];
        store_db_copy_text(list, 0, row->name, sizeof row->name);
        row->title = copy_text(list, 1);
        row->created_ms = sqlite3_column_int64(list, 2);
        row->updated_ms = sqlite3_column_int64(list, 3);
        result = query ? find_snippet(db, query, sqlite3_column_int64(list, 4), row) : SQLITE_OK;
        if (result == SQLITE_OK) {
            result = sqlite3_step(list);
        }
    }
    sqlite3_reset(list);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

static enum job_outcome run_list(struct store_db *db, struct store_job *base) {
    struct list_job *job = (struct list_job *)base;
    struct bytes query;
    bytes_init(&query, QUERY_BYTES_MAX);
    int result = SQLITE_OK;
    if (job->text == NULL || job->text[0] == '\0') {
        result = list_rows(db, job, NULL);
    } else if (store_search_build(job->text, &query)) {
        result = list_rows(db, job, query.data);
    }
    bytes_deinit(&query);
    return store_job_finish(db, base, result);
}

static void answer_list(struct store_job *base) {
    struct list_job *job = (struct list_job *)base;
    bool is_good = base->status == STATUS_OK;
    job->callback(base->ctx, base->status, is_good ? job->rows : NULL, is_good ? job->n_rows : 0);
}

enum status store_list_conversations(struct store *store, const struct store_list *list,
                                     store_on_listed callback, void *ctx) {
    static const struct job_kind kind = { .run = run_list, .forget = forget_list, .answer = answer_list };
    assert(list->n_max >= 1 && list->n_max <= STORE_LIST_MAX);
    struct list_job *job = store_job_new(&kind, ctx, sizeof *job, store_job_text_bytes(list->query));
    char *at = (char *)(job + 1);
    job->callback = callback;
    job->text = store_job_pack(&at, list->query);
    job->before_ms = list->before_ms;
    job->n_max = list->n_max;
    return store_post(store, &job->job);
}
