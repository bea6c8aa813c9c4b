#include "store/store_check.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "store/store_db.h"
#include "store/store_events.h"
#include "store/store_file.h"
#include "store/store_schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 400

/* What a damaged row calls itself may be any bytes, and the line may be cut within a character. */
static void make_readable(char *line) {
    for (char *at = line; *at;) {
        int n = utf8_step(at, strlen(at));
        bool is_good = n > 0 && (unsigned char)*at >= ' ' && *at != 127;
        *at = is_good ? *at : '?';
        at += is_good ? n : 1;
    }
}

static void PRINTF_LIKE(2, 3) found(struct store_check *check, const char *format, ...) {
    if (check->n_wrong++ >= STORE_CHECK_LINES_MAX) {
        return;
    }
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    make_readable(line);
    if (check->say) {
        check->say(check->ctx, line);
    }
}

/* Each row of these is something that is wrong, in words. */
static const char *const queries[] = {
    "SELECT 'table ' || \"table\" || ', row ' || coalesce(rowid, '?') || ': what it refers to in ' || parent "
    "|| "
    "' is missing' FROM pragma_foreign_key_check",
    "SELECT 'answer ' || g.id || ': its events are not 2 to ' || g.last_seq FROM generation g LEFT JOIN "
    "(SELECT generation_key, count(*) AS n, min(seq) AS low, max(seq) AS high FROM event GROUP BY 1) e "
    "ON e.generation_key = g.key WHERE g.ended = 0 AND (coalesce(e.n, 0) <> g.last_seq - 1 OR "
    "coalesce(e.low, 2) <> 2 OR coalesce(e.high, 1) <> g.last_seq)",
    "SELECT count(*) || ' events of an answer that has ended or is missing, number ' || generation_key FROM "
    "event "
    "WHERE generation_key NOT IN (SELECT key FROM generation WHERE ended = 0) GROUP BY generation_key",
    "SELECT 'answer ' || id || ': it has not ended, and has an end' FROM generation "
    "WHERE ended = 0 AND (reason IS NOT NULL OR text_sizes IS NOT NULL)",
    "SELECT 'answer ' || id || ': it has ended without an end' FROM generation "
    "WHERE ended = 1 AND (reason IS NULL OR text_sizes IS NULL)",
    "SELECT 'answer ' || g.id || ': it has not ended, and ' || n.id || ' came after it' FROM generation g "
    "JOIN generation n ON n.message_key = g.message_key AND n.key > g.key WHERE g.ended = 0",
    "SELECT 'attachment ' || a.id || ': ' || n_refs || ' messages are said to have it, and ' || "
    "count(x.name) "
    "|| ' have' FROM attachment a LEFT JOIN message_attachment x ON x.attachment_key = a.key GROUP BY a.key "
    "HAVING n_refs <> count(x.name)",
    "SELECT 'the epoch is no epoch' FROM meta WHERE name = 'epoch' AND "
    "(length(value) <> 16 OR value GLOB '*[^0-9a-f]*')",
};

/* Rows of one column; `fine` is the text that means nothing is wrong, or NULL. */
static void run_query(sqlite3 *sqlite, struct store_check *check, const char *sql, const char *fine) {
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL);
    while (result == SQLITE_OK || result == SQLITE_ROW) {
        result = sqlite3_step(statement);
        const char *text = result == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
        if (result == SQLITE_ROW && (fine == NULL || text == NULL || strcmp(text, fine) != 0)) {
            found(check, "%.300s", text ? text : "a row that cannot be read");
        }
    }
    if (result != SQLITE_DONE) {
        found(check, "it cannot be read whole: %.200s", sqlite3_errmsg(sqlite));
    }
    sqlite3_finalize(statement);
}

/* ---- The texts ---- */

struct text_check {
    struct store_check *check;
    char message[40];
    size_t content_size;
    size_t text_size; /* of its streams, as far as they were seen */
    bool has_generation;
    bool is_wrong; /* it was said */
};

static void end_message(struct text_check *at) {
    if (at->has_generation && !at->is_wrong && at->text_size != at->content_size) {
        found(at->check, "message %s: its text has %zu bytes, the pieces of its answers make %zu",
              at->message, at->content_size, at->text_size);
    }
}

static void begin_message(struct text_check *at, sqlite3_stmt *row) {
    const char *content = (const char *)sqlite3_column_text(row, 1);
    at->content_size = (size_t)sqlite3_column_bytes(row, 1);
    store_db_copy_text(row, 0, at->message, sizeof at->message);
    at->text_size = 0;
    at->has_generation = false;
    at->is_wrong = content && !utf8_is_valid(content, at->content_size);
    if (at->is_wrong) {
        found(at->check, "message %s: its text is not UTF-8", at->message);
    }
}

static void add_generation(struct text_check *at, sqlite3_stmt *row) {
    int64_t last_seq = sqlite3_column_int64(row, 4);
    size_t n_bytes = (size_t)sqlite3_column_bytes(row, 5);
    at->has_generation = true;
    if (sqlite3_column_int(row, 3) == 0) {
        return; /* its text is still events */
    }
    bool is_fine = last_seq >= 2 && (uint64_t)last_seq - 2 <= n_bytes;
    uint32_t *ends = mem_alloc(is_fine ? (size_t)last_seq * sizeof *ends : 1);
    const void *sizes = sqlite3_column_blob(row, 5);
    is_fine = is_fine && store_events_unpack_sizes(sizes ? sizes : "", n_bytes, STORE_CONTENT_BYTES_MAX, ends,
                                                   (size_t)last_seq, true);
    if (is_fine) {
        at->text_size += ends[last_seq - 1];
    } else {
        found(at->check, "answer %.40s: the sizes of its pieces are not those of %lld events",
              (const char *)sqlite3_column_text(row, 2), (long long)last_seq);
        at->is_wrong = true;
    }
    free(ends);
    struct store_others others;
    size_t n_others = (size_t)sqlite3_column_bytes(row, 7);
    if (is_fine && n_others > 0) {
        if (store_others_unpack(sqlite3_column_blob(row, 7), n_others, (size_t)last_seq, true, &others)) {
            store_others_deinit(&others);
        } else {
            found(at->check, "answer %.40s: its thoughts and calls cannot be read",
                  (const char *)sqlite3_column_text(row, 2));
        }
    }
}

static void check_texts(sqlite3 *sqlite, struct store_check *check) {
    static const char sql[] =
        "SELECT m.id, m.content, g.id, g.ended, g.last_seq, g.text_sizes, m.key, g.others FROM message m "
        "LEFT JOIN generation g ON g.message_key = m.key ORDER BY m.key, g.key";
    struct text_check at = { .check = check };
    sqlite3_stmt *rows = NULL;
    int64_t key = INT64_MIN;
    int result = sqlite3_prepare_v2(sqlite, sql, -1, &rows, NULL);
    while (result == SQLITE_OK || result == SQLITE_ROW) {
        result = sqlite3_step(rows);
        if (result == SQLITE_ROW && sqlite3_column_int64(rows, 6) != key) {
            end_message(&at);
            begin_message(&at, rows);
            key = sqlite3_column_int64(rows, 6);
        }
        if (result == SQLITE_ROW && sqlite3_column_type(rows, 2) != SQLITE_NULL) {
            add_generation(&at, rows);
        }
    }
    end_message(&at);
    if (result != SQLITE_DONE) {
        found(check, "the messages cannot be read whole: %.200s", sqlite3_errmsg(sqlite));
    }
    sqlite3_finalize(rows);
}

static int64_t count(sqlite3 *sqlite, const char *sql) {
    sqlite3_stmt *statement = NULL;
    int64_t n = 0;
    if (sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL) == SQLITE_OK) {
        store_db_find_number(statement, &n);
    }
    sqlite3_finalize(statement);
    return n;
}

static void tell_attachments(sqlite3 *sqlite, const struct store_check *check) {
    static const char sql[] = "SELECT id, text IS NOT NULL FROM attachment WHERE n_refs > 0 ORDER BY id";
    sqlite3_stmt *rows = NULL;
    int result = sqlite3_prepare_v2(sqlite, sql, -1, &rows, NULL);
    while (result == SQLITE_OK && sqlite3_step(rows) == SQLITE_ROW) {
        const char *id = (const char *)sqlite3_column_text(rows, 0);
        check->on_attachment(check->ctx, id ? id : "", sqlite3_column_int(rows, 1) != 0);
    }
    sqlite3_finalize(rows);
}

static void check_all(sqlite3 *sqlite, struct store_check *check) {
    run_query(sqlite, check, "PRAGMA integrity_check(20)", "ok");
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        run_query(sqlite, check, queries[i], NULL);
    }
    check_texts(sqlite, check);
    if (check->on_attachment) {
        tell_attachments(sqlite, check);
    }
    check->n_conversations = count(sqlite, "SELECT count(*) FROM conversation");
    check->n_messages = count(sqlite, "SELECT count(*) FROM message");
    check->n_generations = count(sqlite, "SELECT count(*) FROM generation");
}

enum status store_check_file(const char *path, struct store_check *check, struct fault *fault) {
    struct store_db db = { .path = path };
    enum status status = store_file_open(path, &db.sqlite, fault);
    if (status != STATUS_OK) {
        return status;
    }
    struct fault why;
    status = store_schema_check(&db, &why);
    if (status == STATUS_OK && count(db.sqlite, "SELECT count(*) FROM sqlite_schema") == 0) {
        status = fault_set(fault, STATUS_NOT_FOUND, "%s is empty: nothing was ever stored in it", path);
    } else if (status == STATUS_OK) {
        check_all(db.sqlite, check);
        status = check->n_wrong ? STATUS_CORRUPT : STATUS_OK;
    } else if (status == STATUS_CORRUPT) {
        found(check, "%s", why.text);
    } else if (fault) {
        *fault = why;
    }
    store_file_close(db.sqlite);
    return status;
}
