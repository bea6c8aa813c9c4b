#include "base/mem.h"
#include "store/store.h"
#include "store/store_job.h"
#include "store/store_row.h"
#include "store/store_search.h"
#include "store/store_snippet.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define QUERY_BYTES_MAX 4096

struct list_job {
    struct store_job job;
    store_on_listed callback;
    struct store_list list; /* with copies */
    uint32_t n_max;
    struct store_listed *rows;
    size_t n_rows;
};

static void forget_list(struct store_job *base) {
    struct list_job *job = (struct list_job *)base;
    for (size_t i = 0; i < job->n_rows; i++) {
        store_row_free(&job->rows[i]);
    }
    free(job->rows);
    job->rows = NULL;
    job->n_rows = 0;
}

static struct store_listed *add_row(sqlite3_stmt *from, struct list_job *job) {
    struct store_listed *row = &job->rows[job->n_rows++];
    store_row_read(from, row);
    return row;
}

static int list_all(struct store_db *db, struct list_job *job) {
    sqlite3_stmt *list = store_db_use(db, SQL_LIST_ALL);
    sqlite3_bind_int64(list, 1, job->list.before_ms);
    sqlite3_bind_int64(list, 2, job->n_max);
    sqlite3_bind_int(list, 3, (int)job->list.view);
    store_db_bind_text(list, 4, job->list.folder);
    int result = sqlite3_step(list);
    while (result == SQLITE_ROW && job->n_rows < job->n_max) {
        add_row(list, job);
        result = sqlite3_step(list);
    }
    sqlite3_reset(list);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

/* ---- Words of what was found ---- */

static int find_snippet(struct store_db *db, const struct store_hit *hit, struct store_snippet *snippet,
                        struct store_listed *row) {
    int result = hit->message_key
                     ? store_snippet_of_message(db, snippet, hit->message_key, hit->is_live, &row->snippet)
                     : SQLITE_OK;
    if (row->snippet == NULL) {
        row->snippet = mem_copy_string(row->title);
    }
    return result;
}

static int list_hits(struct store_db *db, struct list_job *job, const char *query,
                     const struct store_hit *hits, size_t n_hits) {
    struct store_snippet *snippet = store_snippet_new(db->sqlite, query);
    int result = SQLITE_OK;
    for (size_t i = 0; i < n_hits && result == SQLITE_OK; i++) {
        sqlite3_stmt *row = store_db_use(db, SQL_CONVERSATION_ROW);
        sqlite3_bind_int64(row, 1, hits[i].conversation_key);
        result = sqlite3_step(row);
        if (result == SQLITE_ROW) {
            result = find_snippet(db, &hits[i], snippet, add_row(row, job));
        }
        sqlite3_reset(row);
    }
    store_snippet_free(snippet);
    return result;
}

static int list_matching(struct store_db *db, struct list_job *job, const char *query) {
    size_t n_hits = 0;
    struct store_hit *hits = mem_alloc(job->n_max * sizeof hits[0]);
    int result = store_search_run(db, query, &job->list, hits, job->n_max, &n_hits);
    if (result == SQLITE_OK) {
        result = list_hits(db, job, query, hits, n_hits);
    }
    free(hits);
    return result;
}

static enum job_outcome run_list(struct store_db *db, struct store_job *base) {
    struct list_job *job = (struct list_job *)base;
    struct bytes query;
    bytes_init(&query, QUERY_BYTES_MAX);
    job->rows = mem_alloc(job->n_max * sizeof job->rows[0]);
    int result = SQLITE_OK;
    if (job->list.query == NULL || job->list.query[0] == '\0') {
        result = list_all(db, job);
    } else if (store_search_build(job->list.query, &query)) {
        result = list_matching(db, job, query.data);
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
    struct list_job *job = store_job_new(
        &kind, ctx, sizeof *job, store_job_text_bytes(list->query) + store_job_text_bytes(list->folder));
    char *at = (char *)(job + 1);
    job->callback = callback;
    job->list = *list;
    job->list.query = store_job_pack(&at, list->query);
    job->list.folder = store_job_pack(&at, list->folder);
    job->n_max = list->n_max;
    return store_post(store, &job->job);
}
