/* store_hits.c - the messages and titles in which words are found. */
#include "base/mem.h"
#include "store/store.h"
#include "store/store_job.h"
#include "store/store_search.h"
#include "store/store_snippet.h"

#include <assert.h>
#include <stdlib.h>

#define QUERY_BYTES_MAX 4096
#define TITLES_MAX      20
#define LIVE_MAX        64 /* as many as the live index has at the most */
#define MATCHES_MAX     10000 /* that are looked at for one page: it bounds the time that tokens wait behind it */

struct search_job {
    struct store_job job;
    store_on_searched callback;
    const char *text;
    int64_t before;
    uint32_t n_max;
    struct store_search_hit *hits;
    size_t n_hits;
    int64_t next;
    int64_t live[LIVE_MAX]; /* messages whose answers have not ended, the newest first */
    size_t n_live;
};

static void forget_search(struct store_job *base) {
    struct search_job *job = (struct search_job *)base;
    for (size_t i = 0; i < job->n_hits; i++) {
        free(job->hits[i].title);
        free(job->hits[i].snippet);
    }
    free(job->hits);
    job->hits = NULL;
    job->n_hits = job->n_live = 0;
    job->next = 0;
}

static char *copy_text(sqlite3_stmt *row, int column) {
    const unsigned char *text = sqlite3_column_text(row, column);
    return mem_copy_bytes(text, text ? (size_t)sqlite3_column_bytes(row, column) : 0);
}

/* A conversation that nobody is to find has no row. */
static int add_hit(struct store_db *db, struct search_job *job, struct store_snippet *snippet, int64_t key,
                   bool is_title, bool is_live) {
    sqlite3_stmt *row = store_db_use(db, is_title ? SQL_HIT_TITLE : SQL_HIT_MESSAGE);
    sqlite3_bind_int64(row, 1, key);
    int result = sqlite3_step(row);
    if (result != SQLITE_ROW) {
        sqlite3_reset(row);
        return result == SQLITE_DONE ? SQLITE_OK : result;
    }
    struct store_search_hit *hit = &job->hits[job->n_hits++];
    *hit = (struct store_search_hit){ .title = copy_text(row, 1) };
    store_db_copy_text(row, 0, hit->conversation, sizeof hit->conversation);
    store_db_copy_text(row, 2, hit->message, sizeof hit->message);
    hit->role = (enum store_role)sqlite3_column_int(row, 3);
    hit->created_ms = sqlite3_column_int64(row, 4);
    sqlite3_reset(row);
    result = is_title ? SQLITE_OK : store_snippet_of_message(db, snippet, key, is_live, &hit->snippet);
    hit->snippet = hit->snippet ? hit->snippet : mem_copy_string(hit->title);
    hit->n_marks = store_snippet_mark(snippet, hit->snippet, hit->marks, STORE_MARKS_MAX);
    return result;
}

static int add_titles(struct store_db *db, struct search_job *job, struct store_snippet *snippet,
                      const char *query) {
    sqlite3_stmt *rows = store_db_use(db, SQL_SEARCH_TITLES);
    store_db_bind_text(rows, 1, query);
    int result = sqlite3_step(rows);
    for (size_t n = 0; result == SQLITE_ROW && n < TITLES_MAX && job->n_hits < job->n_max; n++) {
        result = add_hit(db, job, snippet, sqlite3_column_int64(rows, 0), true, false);
        result = result == SQLITE_OK ? sqlite3_step(rows) : result;
    }
    sqlite3_reset(rows);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

static sqlite3_stmt *use_before(struct store_db *db, enum store_sql sql, const struct search_job *job,
                                const char *query) {
    sqlite3_stmt *rows = store_db_use(db, sql);
    store_db_bind_text(rows, 1, query);
    sqlite3_bind_int64(rows, 2, job->before ? job->before : INT64_MAX);
    return rows;
}

/* The index of what is being written is made for one search: it is small. */
static int find_live(struct store_db *db, struct search_job *job, const char *query) {
    int result = store_db_run(store_db_use(db, SQL_LIVE_WORDS_INSERT));
    if (result == SQLITE_OK && sqlite3_changes(db->sqlite) == 0) {
        return SQLITE_OK;
    }
    sqlite3_stmt *rows = use_before(db, SQL_LIVE_BEFORE, job, query);
    while (result == SQLITE_OK && job->n_live < LIVE_MAX && (result = sqlite3_step(rows)) == SQLITE_ROW) {
        job->live[job->n_live++] = sqlite3_column_int64(rows, 0);
        result = SQLITE_OK;
    }
    sqlite3_reset(rows);
    result = result == SQLITE_DONE ? SQLITE_OK : result;
    int cleared = store_db_run(store_db_use(db, SQL_LIVE_WORDS_CLEAR));
    return result == SQLITE_OK ? cleared : result;
}

/* Both are in the order of their keys: the newest of both is the next. One that goes on after its end is in both. */
static int add_messages(struct store_db *db, struct search_job *job, struct store_snippet *snippet,
                        const char *query) {
    sqlite3_stmt *rows = use_before(db, SQL_MESSAGES_BEFORE, job, query);
    int64_t last = job->before ? job->before : INT64_MAX;
    size_t at = 0;
    int result = sqlite3_step(rows);
    for (size_t n = 0; result == SQLITE_ROW || (result == SQLITE_DONE && at < job->n_live); n++) {
        int64_t ended = result == SQLITE_ROW ? sqlite3_column_int64(rows, 0) : 0;
        int64_t live = at < job->n_live ? job->live[at] : 0;
        if (job->n_hits == job->n_max || n == MATCHES_MAX) {
            job->next = last;
            break;
        }
        last = ended > live ? ended : live;
        at += last == live;
        int added = add_hit(db, job, snippet, last, false, last == live);
        result = added != SQLITE_OK ? added : last == ended ? sqlite3_step(rows) : result;
    }
    sqlite3_reset(rows);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

static int search_all(struct store_db *db, struct search_job *job, const char *query) {
    struct store_snippet *snippet = store_snippet_new(db->sqlite, query);
    int result = find_live(db, job, query);
    if (result == SQLITE_OK && job->before == 0) {
        result = add_titles(db, job, snippet, query);
    }
    if (result == SQLITE_OK) {
        result = add_messages(db, job, snippet, query);
    }
    store_snippet_free(snippet);
    return result;
}

static enum job_outcome run_search(struct store_db *db, struct store_job *base) {
    struct search_job *job = (struct search_job *)base;
    struct bytes query;
    bytes_init(&query, QUERY_BYTES_MAX);
    job->hits = mem_alloc(job->n_max * sizeof job->hits[0]);
    int result = store_search_build(job->text, &query) ? search_all(db, job, query.data) : SQLITE_OK;
    bytes_deinit(&query);
    return store_job_finish(db, base, result);
}

static void answer_search(struct store_job *base) {
    struct search_job *job = (struct search_job *)base;
    bool is_good = base->status == STATUS_OK;
    job->callback(base->ctx, base->status, job->hits, is_good ? job->n_hits : 0, is_good ? job->next : 0);
}

enum status store_search(struct store *store, const struct store_search *search, store_on_searched callback,
                         void *ctx) {
    static const struct job_kind kind = { .run = run_search,
                                          .forget = forget_search,
                                          .answer = answer_search };
    assert(search->n_max >= 1 && search->n_max <= STORE_LIST_MAX);
    struct search_job *job = store_job_new(&kind, ctx, sizeof *job, store_job_text_bytes(search->query));
    char *at = (char *)(job + 1);
    job->callback = callback;
    job->text = store_job_pack(&at, search->query ? search->query : "");
    job->before = search->before;
    job->n_max = search->n_max;
    return store_post(store, &job->job);
}
