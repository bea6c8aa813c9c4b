#include "store/store_salvage_mend.h"

#include "base/bytes.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "store/store_events.h"

#include <stdlib.h>

static int run(struct store_db *db, const char *sql) {
    return sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);
}

/* ---- Conversations ---- */

/* A conversation for messages that lost theirs: named after its first message. */
static int make_conversation(struct store_db *db, int64_t key, int64_t created_ms) {
    sqlite3_stmt *insert = NULL;
    int result =
        sqlite3_prepare_v2(db->sqlite,
                           "INSERT OR IGNORE INTO conversation (key, name, title, created_ms, updated_ms) "
                           "VALUES (?1, ?2, 'Recovered conversation', ?3, ?3)",
                           -1, &insert, NULL);
    bool is_made = false;
    for (; result == SQLITE_OK && !is_made; created_ms++) {
        char name[ID_CONVERSATION_BYTES];
        id_make_conversation(created_ms, 0, name);
        sqlite3_bind_int64(insert, 1, key);
        store_db_bind_text(insert, 2, name);
        sqlite3_bind_int64(insert, 3, created_ms);
        result = store_db_run(insert);
        is_made = sqlite3_changes(db->sqlite) == 1;
    }
    sqlite3_finalize(insert);
    return result;
}

static int make_conversations(struct store_db *db, size_t *n) {
    sqlite3_stmt *missing = NULL;
    int result = sqlite3_prepare_v2(
        db->sqlite,
        "SELECT conversation_key, min(created_ms) FROM message WHERE conversation_key NOT IN "
        "(SELECT key FROM conversation) GROUP BY conversation_key LIMIT 1",
        -1, &missing, NULL);
    while (result == SQLITE_OK && (result = sqlite3_step(missing)) == SQLITE_ROW) {
        int64_t key = sqlite3_column_int64(missing, 0);
        int64_t created_ms = sqlite3_column_int64(missing, 1);
        sqlite3_reset(missing);
        /* A time that is nonsense would make a name that is none. */
        bool is_time = created_ms > 0 && created_ms < INT64_C(4102444800000);
        result = make_conversation(db, key, is_time ? created_ms : 1);
        ++*n;
    }
    sqlite3_finalize(missing);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

/* ---- Texts ---- */

static void add_valid(struct bytes *out, const char *text, size_t size) {
    for (size_t at = 0; at < size;) {
        int step = utf8_step(text + at, size - at);
        if (step > 0) {
            bytes_add(out, text + at, (size_t)step);
            at += (size_t)step;
        } else {
            bytes_add_text(out, "\xEF\xBF\xBD");
            at += step < 0 ? (size_t)-step : size - at;
        }
    }
}

static int set_text(struct store_db *db, const char *sql, int64_t key, const struct bytes *text) {
    sqlite3_stmt *update = NULL;
    int result = sqlite3_prepare_v2(db->sqlite, sql, -1, &update, NULL);
    if (result == SQLITE_OK) {
        sqlite3_bind_int64(update, 1, key);
        sqlite3_bind_text64(update, 2, text->size ? text->data : "", text->size, SQLITE_STATIC, SQLITE_UTF8);
        result = store_db_run(update);
    }
    sqlite3_finalize(update);
    return result;
}

/* Each row of `select` is a key and a text. */
static int mend_texts(struct store_db *db, const char *select, const char *update, size_t *n) {
    sqlite3_stmt *rows = NULL;
    struct bytes text;
    bytes_init(&text, STORE_CONTENT_BYTES_MAX);
    int result = sqlite3_prepare_v2(db->sqlite, select, -1, &rows, NULL);
    while (result == SQLITE_OK && (result = sqlite3_step(rows)) == SQLITE_ROW) {
        const char *stored = (const char *)sqlite3_column_text(rows, 1);
        size_t size = (size_t)sqlite3_column_bytes(rows, 1);
        result = SQLITE_OK;
        if (stored && !utf8_is_valid(stored, size)) {
            bytes_clear(&text);
            add_valid(&text, stored, size);
            result = set_text(db, update, sqlite3_column_int64(rows, 0), &text);
            ++*n;
        }
    }
    sqlite3_finalize(rows);
    bytes_deinit(&text);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

static int mend_all_texts(struct store_db *db, size_t *n) {
    int result = mend_texts(db, "SELECT key, content FROM message",
                            "UPDATE message SET content = ?2 WHERE key = ?1", n);
    return result ? result
                  : mend_texts(db, "SELECT key, title FROM conversation",
                               "UPDATE conversation SET title = ?2 WHERE key = ?1", n);
}

/* ---- Answers ---- */

/* Unended ones keep the events that follow each other from 2 on. */
static const char mend_events[] =
    "DELETE FROM event WHERE generation_key NOT IN (SELECT key FROM generation WHERE ended = 0);"
    "DELETE FROM event WHERE seq <> (SELECT count(*) + 1 FROM event e WHERE e.generation_key = "
    "event.generation_key "
    "AND e.seq <= event.seq);"
    "UPDATE generation SET last_seq = 1 + (SELECT count(*) FROM event WHERE generation_key = key), "
    "reason = NULL, text_sizes = NULL, tokens = NULL, others = NULL WHERE ended = 0;";

static const char drop_strangers[] =
    "DELETE FROM generation WHERE conversation_key IS NULL;"
    "DELETE FROM generation WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.key = message_key AND "
    "m.conversation_key = generation.conversation_key);"
    "UPDATE generation SET continues_key = NULL WHERE continues_key IS NOT NULL AND NOT EXISTS (SELECT 1 "
    "FROM generation g "
    "WHERE g.key = generation.continues_key AND g.message_key = generation.message_key AND g.key < "
    "generation.key);";

static const char mend_parents[] =
    "UPDATE message SET parent_key = (SELECT max(p.key) FROM message p WHERE p.conversation_key = "
    "message.conversation_key "
    "AND p.key < message.key) WHERE parent_key IS NOT NULL AND (parent_key >= key OR NOT EXISTS (SELECT 1 "
    "FROM message p "
    "WHERE p.key = message.parent_key AND p.conversation_key = message.conversation_key));";

/* Copying the rows has counted them once more. */
static const char mend_attachments[] =
    "DELETE FROM message_attachment WHERE message_key NOT IN (SELECT key FROM message) OR attachment_key NOT "
    "IN (SELECT key FROM attachment);"
    "UPDATE attachment SET n_refs = (SELECT count(*) FROM message_attachment WHERE attachment_key = key);";

/* False: the sizes of its pieces are not those of its events. */
static bool add_size(sqlite3_stmt *row, size_t *size) {
    int64_t last_seq = sqlite3_column_int64(row, 1);
    const void *sizes = sqlite3_column_blob(row, 2);
    size_t n_bytes = (size_t)sqlite3_column_bytes(row, 2);
    if (last_seq < 2 || (uint64_t)last_seq - 2 > n_bytes) {
        return false;
    }
    uint32_t *ends = mem_alloc((size_t)last_seq * sizeof *ends);
    bool is_fine = store_events_unpack_sizes(sizes ? sizes : "", n_bytes, STORE_CONTENT_BYTES_MAX, ends,
                                             (size_t)last_seq, true);
    *size += ends[last_seq - 1];
    free(ends);
    return is_fine;
}

static bool tokens_fit(sqlite3_stmt *row) {
    int64_t last_seq = sqlite3_column_int64(row, 1);
    const void *packed = sqlite3_column_blob(row, 3);
    if (sqlite3_column_type(row, 3) == SQLITE_NULL) {
        return true;
    }
    int32_t *tokens = mem_alloc((size_t)last_seq * sizeof *tokens);
    bool is_fine = store_events_unpack_tokens(packed ? packed : "", (size_t)sqlite3_column_bytes(row, 3),
                                              tokens, (size_t)last_seq, true);
    free(tokens);
    return is_fine;
}

static bool others_fit(sqlite3_stmt *row) {
    struct store_others others;
    size_t n_bytes = (size_t)sqlite3_column_bytes(row, 6);
    bool is_fine = n_bytes == 0 || store_others_unpack(sqlite3_column_blob(row, 6), n_bytes,
                                                       (size_t)sqlite3_column_int64(row, 1), true, &others);
    if (n_bytes > 0 && is_fine) {
        store_others_deinit(&others);
    }
    return is_fine;
}

/* Do the streams of a message fit its text, in one chain of which only the last has not ended? */
static int fits(sqlite3_stmt *streams, int64_t message_key, size_t content_size, bool *is_fine) {
    size_t size = 0;
    int64_t before = 0;
    bool has_unended = false;
    sqlite3_reset(streams);
    sqlite3_bind_int64(streams, 1, message_key);
    int result;
    *is_fine = true;
    while ((result = sqlite3_step(streams)) == SQLITE_ROW && *is_fine) {
        bool has_ended = sqlite3_column_int(streams, 4) != 0;
        *is_fine = sqlite3_column_int64(streams, 5) == before && !has_unended &&
                   (!has_ended || (add_size(streams, &size) && tokens_fit(streams) && others_fit(streams)));
        has_unended = !has_ended;
        before = sqlite3_column_int64(streams, 0);
    }
    sqlite3_reset(streams);
    *is_fine = *is_fine && size == content_size;
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

/* The text of an answer whose streams are broken stays, and what its last one had said is added. */
static int keep_as_text(struct store_db *db, int64_t message_key) {
    char *sql = mem_format(
        "UPDATE message SET content = content || coalesce((SELECT group_concat(text, '') FROM (SELECT e.text "
        "AS text FROM "
        "event e JOIN generation g ON g.key = e.generation_key WHERE g.message_key = %1$lld AND e.kind = 0 "
        "ORDER BY g.key, "
        "e.seq)), '') "
        "WHERE key = %1$lld;"
        "DELETE FROM event WHERE generation_key IN (SELECT key FROM generation WHERE message_key = %1$lld);"
        "UPDATE generation SET continues_key = NULL WHERE message_key = %1$lld;"
        "DELETE FROM generation WHERE message_key = %1$lld",
        (long long)message_key);
    int result = run(db, sql);
    free(sql);
    return result;
}

static int mend_answers(struct store_db *db, size_t *n) {
    sqlite3_stmt *messages = NULL, *streams = NULL;
    int result = sqlite3_prepare_v2(db->sqlite,
                                    "SELECT key, content FROM message WHERE key > ?1 AND key IN "
                                    "(SELECT message_key FROM generation) ORDER BY key LIMIT 1",
                                    -1, &messages, NULL);
    if (result == SQLITE_OK) {
        result = sqlite3_prepare_v2(
            db->sqlite,
            "SELECT key, last_seq, text_sizes, tokens, ended, coalesce(continues_key, 0), others "
            "FROM generation WHERE message_key = ?1 ORDER BY key",
            -1, &streams, NULL);
    }
    sqlite3_bind_int64(messages, 1, 0);
    while (result == SQLITE_OK && (result = sqlite3_step(messages)) == SQLITE_ROW) {
        int64_t key = sqlite3_column_int64(messages, 0);
        size_t size = (size_t)sqlite3_column_bytes(messages, 1);
        bool is_fine;
        sqlite3_reset(messages);
        sqlite3_bind_int64(messages, 1, key);
        result = fits(streams, key, size, &is_fine);
        if (result == SQLITE_OK && !is_fine) {
            result = keep_as_text(db, key);
            ++*n;
        }
    }
    sqlite3_finalize(messages);
    sqlite3_finalize(streams);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

int store_salvage_mend(struct store_db *db, struct store_salvage_mended *mended) {
    int result = make_conversations(db, &mended->n_conversations);
    if (result == SQLITE_OK) {
        result = mend_all_texts(db, &mended->n_texts);
    }
    if (result == SQLITE_OK) {
        result = run(db, mend_parents);
    }
    if (result == SQLITE_OK) {
        result = run(db, drop_strangers);
    }
    if (result == SQLITE_OK) {
        result = run(db, mend_events);
    }
    if (result == SQLITE_OK) {
        result = mend_answers(db, &mended->n_answers);
    }
    if (result == SQLITE_OK) {
        result = run(db, mend_attachments);
    }
    if (result == SQLITE_OK) {
        result = run(db, "INSERT INTO message_words (message_words) VALUES ('rebuild');"
                         "INSERT INTO title_words (title_words) VALUES ('rebuild')");
    }
    return result;
}
