#include "store/store_db.h"

#include "base/log.h"
#include "store/store_file.h"
#include "store/store_schema.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The text of an answer that has not ended, as far as a search looks at it, and of how many it does: what is written at once is less. */
#define LIVE_TEXT                                                                                            \
    "substr(m.content || coalesce((SELECT group_concat(text, '') FROM "                                      \
    "(SELECT text FROM event WHERE generation_key = g.key AND kind = 0 ORDER BY seq)), ''), 1, 262144) "     \
    "FROM generation g JOIN message m ON m.key = g.message_key "
#define LIVE_MAX "64"

/* Pages that are free are used again. More than so many (4 MiB) are given back until so few are left, some at a time: a step takes a
 * few milliseconds, and so long tokens wait. */
#define FREE_PAGES_MAX  1024
#define FREE_PAGES_KEPT 256
#define FREE_PAGES_STEP "64"

/* What store_row_read_own reads. */
#define OWN_COLUMNS "title_by, pinned, archived, temporary, folder, settings, deleted_ms, unread"
/* Whether a conversation is in a view, ?3, and in a folder, ?4, unless it is NULL. */
#define IN_VIEW                                                                                              \
    "(deleted_ms IS NOT NULL) = (?3 = 3) AND (?3 IN (1, 3) OR archived = (?3 = 2)) AND temporary = 0 AND "   \
    "(?4 IS NULL OR folder = ?4)"
/* The ids of what is attached to m, in order, as one text: "" of nothing. */
#define ATTACHED_IDS                                                                                         \
    "coalesce((SELECT group_concat(id) FROM (SELECT a.id FROM message_attachment t JOIN attachment a "       \
    "ON a.key = t.attachment_key WHERE t.message_key = m.key ORDER BY t.position)), '')"
/* A message and all below it of which deleted_ms is the same, ?2. Its key rises from the parent to the child. */
#define BELOW                                                                                                \
    "WITH RECURSIVE below (key) AS (SELECT ?1 UNION ALL SELECT m.key FROM below b CROSS JOIN message m "     \
    "ON m.parent_key = b.key WHERE m.deleted_ms IS ?2) "

static const char *const sql_texts[SQL_N] = {
    [SQL_BEGIN] = "BEGIN",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_SAVEPOINT] = "SAVEPOINT job",
    [SQL_RELEASE] = "RELEASE job",
    [SQL_ROLLBACK_TO] = "ROLLBACK TO job",

    [SQL_CONVERSATION_FIND] = "SELECT key FROM conversation WHERE name = ?1",
    [SQL_CONVERSATION_FIND_LIVING] = "SELECT key FROM conversation WHERE name = ?1 AND deleted_ms IS NULL",
    [SQL_CONVERSATION_FIND_STATE] = "SELECT key, deleted_ms, title_by FROM conversation WHERE name = ?1",
    [SQL_CONVERSATION_FIND_MADE_BY] = "SELECT c.key, c.name FROM conversation c JOIN message m ON "
                                      "m.conversation_key = c.key AND m.client_msg_id = ?1 "
                                      "WHERE c.made_by = ?1 AND m.content = ?2 AND " ATTACHED_IDS
                                      " = ?3 AND c.deleted_ms IS NULL ORDER BY c.key DESC LIMIT 1",
    [SQL_CONVERSATION_CREATED_TAKEN] = "SELECT 1 FROM conversation WHERE created_ms = ?1",
    [SQL_CONVERSATION_INSERT] = "INSERT INTO conversation (name, title, created_ms, updated_ms, made_by, "
                                "folder, settings, temporary) "
                                "VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7)",
    [SQL_CONVERSATION_TOUCH] = "UPDATE conversation SET updated_ms = max(updated_ms, ?2) WHERE key = ?1",
    [SQL_CONVERSATION_SET_UNREAD] = "UPDATE conversation SET unread = 1 WHERE key = ?1",
    [SQL_CONVERSATION_SET_CURRENT] = "UPDATE conversation SET current_key = ?2 WHERE key = ?1",
    [SQL_CONVERSATION_SET_RESHAPED] =
        "UPDATE conversation SET is_reshaped = 1, current_key = ?2 WHERE key = ?1",
    /* ?2 is enum store_change_what. */
    [SQL_CONVERSATION_CHANGE] =
        "UPDATE conversation SET title = iif(?2 & 1, ?3, title), title_by = iif(?2 & 1, ?4, title_by), "
        "pinned = iif(?2 & 2, ?5, pinned), archived = iif(?2 & 4, ?6, archived), "
        "folder = iif(?2 & 8, ?7, folder), "
        "settings = iif(?2 & 16, nullif(json_patch(coalesce(settings, '{}'), ?8), '{}'), settings), "
        "deleted_ms = iif(?2 & 32, nullif(?9, 0), deleted_ms), current_key = iif(?2 & 64, ?10, current_key), "
        "unread = iif(?2 & 128, ?11, unread) "
        "WHERE key = ?1",
    [SQL_CONVERSATION_FORK] =
        "INSERT INTO conversation (name, title, created_ms, updated_ms, title_by, folder, settings) "
        "SELECT ?2, title, ?3, ?3, title_by, folder, settings FROM conversation WHERE key = ?1",
    [SQL_CONVERSATION_LIST_DUE] =
        "SELECT name FROM conversation WHERE deleted_ms < ?1 UNION SELECT name FROM conversation "
        "WHERE temporary = 1 AND updated_ms < ?2 LIMIT ?3",
    [SQL_CONVERSATION_DELETE] = "DELETE FROM conversation WHERE key = ?1",

    [SQL_MESSAGE_FIND] =
        "SELECT key FROM message WHERE conversation_key = ?1 AND id = ?2 AND deleted_ms IS NULL",
    [SQL_MESSAGE_FIND_CURRENT] =
        "SELECT key, id FROM message WHERE key = coalesce((SELECT m.key FROM conversation c JOIN message m "
        "ON m.key = c.current_key WHERE c.key = ?1 AND m.conversation_key = ?1 AND m.deleted_ms IS NULL), "
        "(SELECT key FROM message WHERE conversation_key = ?1 AND deleted_ms IS NULL ORDER BY key DESC LIMIT "
        "1))",
    /* The answer that was made with the message is its first child, and what was made then its first generation. */
    [SQL_MESSAGE_FIND_CLIENT] =
        "SELECT m.content = ?3 AND " ATTACHED_IDS
        " = ?4, m.id, coalesce(p.id, ''), a.id, g.id, g.key FROM message m "
        "LEFT JOIN message p ON p.key = m.parent_key JOIN message a ON a.parent_key = m.key "
        "JOIN generation g ON g.message_key = a.key "
        "WHERE m.conversation_key = ?1 AND m.client_msg_id = ?2 ORDER BY a.key, g.key LIMIT 1",
    /* Of an answer that was asked for again. */
    [SQL_MESSAGE_FIND_ANSWER] =
        "SELECT p.id IS ?3 AND m.role = 2, coalesce(p.id, ''), m.id, g.id, g.key FROM message m "
        "LEFT JOIN message p ON p.key = m.parent_key LEFT JOIN generation g ON g.message_key = m.key "
        "WHERE m.conversation_key = ?1 AND m.client_msg_id = ?2 ORDER BY g.key LIMIT 1",
    [SQL_MESSAGE_FIND_TO_RESHAPE] =
        "SELECT m.key, m.conversation_key, c.name, m.deleted_ms, m.parent_key, p.deleted_ms IS NOT NULL "
        "FROM message m JOIN conversation c ON c.key = m.conversation_key LEFT JOIN message p "
        "ON p.key = m.parent_key WHERE m.id = ?1 AND c.deleted_ms IS NULL",
    [SQL_MESSAGE_LAST_DELETED] = "SELECT max(deleted_ms) FROM message WHERE conversation_key = ?1",
    [SQL_MESSAGE_LIST_BELOW] = BELOW "SELECT b.key, m.id FROM below b CROSS JOIN message m ON m.key = b.key",
    [SQL_MESSAGE_SET_DELETED] = "UPDATE message SET deleted_ms = ?2 WHERE key = ?1",
    [SQL_MESSAGE_NEWEST_BELOW] =
        BELOW "SELECT m.key, m.id FROM below b CROSS JOIN message m ON m.key = b.key "
              "ORDER BY b.key DESC LIMIT 1",
    [SQL_MESSAGE_NEWEST] = "SELECT key, id FROM message WHERE conversation_key = ?1 AND deleted_ms IS NULL "
                           "ORDER BY key DESC LIMIT 1",
    [SQL_MESSAGE_LIST_ABOVE] =
        "WITH RECURSIVE above (key, parent_key) AS (SELECT key, parent_key FROM message "
        "WHERE conversation_key = ?1 AND id = ?2 AND deleted_ms IS NULL UNION ALL "
        "SELECT m.key, m.parent_key FROM above a CROSS JOIN message m ON m.key = a.parent_key) "
        "SELECT key FROM above ORDER BY key",
    [SQL_MESSAGE_COPY] = "INSERT INTO message (id, conversation_key, parent_key, role, content, created_ms) "
                         "SELECT ?2, ?3, ?4, role, content, created_ms FROM message WHERE key = ?1",
    [SQL_MESSAGE_LIST_DUE] = "SELECT key FROM message WHERE deleted_ms < ?1 ORDER BY +key DESC LIMIT ?2",
    [SQL_MESSAGE_DELETE] = "DELETE FROM message WHERE key = ?1",
    [SQL_MESSAGE_INSERT] =
        "INSERT INTO message (id, conversation_key, parent_key, role, content, created_ms, client_msg_id) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_MESSAGE_HAS_CHILD] = "SELECT 1 FROM message WHERE parent_key = ?1",
    [SQL_MESSAGE_ADD_CONTENT] = "UPDATE message SET content = content || ?2 WHERE key = ?1",
    [SQL_MESSAGE_DELETE_ALL] = "DELETE FROM message WHERE conversation_key = ?1",

    [SQL_GENERATION_FIND] =
        "SELECT c.name FROM generation g JOIN conversation c ON c.key = g.conversation_key WHERE g.id = ?1 "
        "AND c.deleted_ms IS NULL",
    [SQL_GENERATION_FIND_TO_CONTINUE] =
        "SELECT g.key, g.conversation_key, c.name, g.message_key, m.id, g.reason, n.key, n.id "
        "FROM generation g JOIN conversation c ON c.key = g.conversation_key "
        "JOIN message m ON m.key = g.message_key LEFT JOIN generation n ON n.continues_key = g.key "
        "WHERE g.id = ?1 AND m.deleted_ms IS NULL AND c.deleted_ms IS NULL",
    [SQL_GENERATION_FIND_CONTINUATION] = "SELECT key FROM generation WHERE id = ?1 AND continues_key = ?2",
    [SQL_GENERATION_COUNT_UNENDED] =
        "SELECT count(*) FROM generation WHERE conversation_key = ?1 AND ended = 0",
    [SQL_GENERATION_READ] = "SELECT last_seq, ended, conversation_key, message_key, continues_key, attempts "
                            "FROM generation WHERE key = ?1",
    [SQL_GENERATION_INSERT] = "INSERT INTO generation (id, conversation_key, message_key, continues_key, "
                              "last_seq, model, settings) "
                              "VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6)",
    /* The row that a detached one continues goes with its end. */
    [SQL_GENERATION_INSERT_CONTINUATION] =
        "INSERT INTO generation (id, conversation_key, message_key, continues_key, last_seq, model, "
        "settings, "
        "attempts) SELECT ?2, conversation_key, message_key, iif(conversation_key IS NULL, NULL, key), 1, "
        "model, settings, ?3 FROM generation WHERE key = ?1",
    [SQL_GENERATION_ADVANCE] =
        "UPDATE generation SET last_seq = ?2 WHERE key = ?1 AND last_seq = ?2 - 1 AND ended = 0",
    [SQL_GENERATION_END] =
        "UPDATE generation SET last_seq = ?2, ended = 1, reason = ?3, error = ?4, usage = ?5, timings = ?6, "
        "n_prompt_tokens = ?7, context_size = ?8, text_sizes = ?9, tokens = ?10, others = ?11 WHERE key = ?1 "
        "AND last_seq "
        "= ?2 - 1 AND "
        "ended = 0",
    /* Of those that wait behind another one of their conversation, no engine was asked. The + keeps the search on the
     * index of the unended ones, which are few. */
    [SQL_GENERATION_NEXT_UNENDED] =
        "SELECT g.key, g.last_seq, g.conversation_key, g.attempts, EXISTS (SELECT 1 FROM generation o "
        "WHERE o.conversation_key = g.conversation_key AND o.ended = 0 AND o.message_key < g.message_key) "
        "FROM generation g WHERE g.ended = 0 AND +g.key > ?1 AND +g.key <= ?2 ORDER BY +g.key LIMIT 1",
    [SQL_GENERATION_LAST] = "SELECT max(key) FROM generation",
    [SQL_GENERATION_ADD_ATTEMPT] = "UPDATE generation SET attempts = attempts + 1 WHERE key = ?1",
    [SQL_GENERATION_LIST_WAITING] =
        "SELECT c.name, g.id FROM generation g JOIN conversation c ON c.key = g.conversation_key "
        "WHERE g.ended = 0 ORDER BY +g.message_key",
    [SQL_GENERATION_DELETE] = "DELETE FROM generation WHERE key = ?1",
    [SQL_GENERATION_DELETE_ALL] = "DELETE FROM generation WHERE conversation_key = ?1",

    [SQL_GENERATION_DELETE_OF_MESSAGE] = "DELETE FROM generation WHERE message_key = ?1",
    [SQL_GENERATION_LIST_OF_MESSAGE] =
        "SELECT key, ended FROM generation WHERE message_key = ?1 ORDER BY key",
    [SQL_GENERATION_COPY] =
        "INSERT INTO generation (id, conversation_key, message_key, continues_key, last_seq, ended, reason, "
        "error, "
        "usage, timings, model, settings, n_prompt_tokens, context_size, text_sizes, tokens, others) "
        "SELECT ?2, ?3, ?4, ?5, last_seq, ended, reason, error, usage, timings, model, settings, "
        "n_prompt_tokens, context_size, text_sizes, tokens, others FROM generation WHERE key = ?1",

    [SQL_EVENT_INSERT] =
        "INSERT INTO event (generation_key, seq, token, text, kind) VALUES (?1, ?2, ?3, ?4, ?5)",
    [SQL_EVENT_READ] = "SELECT seq, text, token, kind FROM event WHERE generation_key = ?1 ORDER BY seq",
    [SQL_EVENT_DELETE_ALL] = "DELETE FROM event WHERE generation_key = ?1",

    [SQL_LOAD_CONVERSATION] =
        "SELECT key, title, created_ms, updated_ms, is_reshaped, (SELECT id FROM message WHERE key = "
        "current_key), " OWN_COLUMNS " FROM conversation WHERE name = ?1 AND deleted_ms IS NULL",
    /* A row for each generation, those of a message together. */
    [SQL_LOAD_MESSAGES] =
        "SELECT m.key, m.id, coalesce(p.id, ''), m.role, m.content, m.created_ms, "
        "g.key, g.id, g.continues_key, g.last_seq, g.ended, g.reason, g.error, g.usage, g.timings, g.model, "
        "g.settings, g.n_prompt_tokens, g.context_size, g.text_sizes, g.tokens, g.others, m.deleted_ms FROM "
        "message m "
        "LEFT JOIN message p ON p.key = m.parent_key LEFT JOIN generation g ON g.message_key = m.key "
        "WHERE m.conversation_key = ?1 ORDER BY m.key, g.key",
    [SQL_LIST_ALL] =
        "SELECT name, substr(title, 1, 1000), created_ms, updated_ms, " OWN_COLUMNS " FROM conversation "
        "WHERE created_ms < iif(?1 = 0, 9223372036854775807, ?1) AND " IN_VIEW
        " ORDER BY created_ms DESC LIMIT ?2",
    [SQL_CONVERSATION_ROW] = "SELECT name, substr(title, 1, 1000), created_ms, updated_ms, " OWN_COLUMNS
                             " FROM conversation WHERE key = ?1",
    [SQL_CONVERSATION_CREATED] = "SELECT created_ms FROM conversation WHERE key = ?1 AND " IN_VIEW,
    [SQL_FOLDER_LIST] = "SELECT folder, count(*) FROM conversation WHERE folder > '' AND deleted_ms IS NULL "
                        "GROUP BY folder ORDER BY folder LIMIT ?1",
    [SQL_FOLDER_RENAME] = "UPDATE conversation SET folder = ?2 WHERE folder = ?1",
    [SQL_MESSAGE_PLACE] =
        "SELECT conversation_key, created_ms FROM message WHERE key = ?1 AND deleted_ms IS NULL",

    [SQL_SEARCH_MESSAGES] =
        "SELECT rowid FROM message_words WHERE message_words MATCH ?1 ORDER BY rowid DESC",
    [SQL_SEARCH_TITLES] = "SELECT rowid FROM title_words WHERE title_words MATCH ?1 ORDER BY rowid DESC",
    [SQL_SEARCH_LIVE] = "SELECT rowid FROM live_words WHERE live_words MATCH ?1 ORDER BY rowid DESC",
    [SQL_LIVE_WORDS_INSERT] =
        "INSERT INTO live_words (rowid, content) SELECT m.key, " LIVE_TEXT
        "WHERE g.ended = 0 AND g.last_seq > 1 ORDER BY +g.message_key DESC LIMIT " LIVE_MAX,
    [SQL_LIVE_WORDS_CLEAR] = "INSERT INTO live_words (live_words) VALUES ('delete-all')",
    [SQL_LIVE_TEXT] = "SELECT " LIVE_TEXT "WHERE g.message_key = ?1 AND +g.ended = 0",

    [SQL_LIVE_BEFORE] =
        "SELECT rowid FROM live_words WHERE live_words MATCH ?1 AND rowid < ?2 ORDER BY rowid DESC",
    [SQL_MESSAGES_BEFORE] =
        "SELECT rowid FROM message_words WHERE message_words MATCH ?1 AND rowid < ?2 ORDER BY rowid DESC",
    [SQL_HIT_MESSAGE] = "SELECT c.name, substr(c.title, 1, 1000), m.id, m.role, m.created_ms FROM message m "
                        "JOIN conversation c ON c.key = m.conversation_key WHERE m.key = ?1 AND m.deleted_ms "
                        "IS NULL AND c.deleted_ms IS NULL AND c.temporary = 0",
    [SQL_HIT_TITLE] =
        "SELECT name, substr(title, 1, 1000), '', 0, created_ms FROM conversation WHERE key = ?1 AND "
        "deleted_ms IS NULL AND temporary = 0",

    [SQL_ATTACHMENT_PUT] =
        "INSERT INTO attachment (id, name, type, size, text, added_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
        "ON CONFLICT (id) DO UPDATE SET name = excluded.name, type = excluded.type, size = excluded.size, "
        "text = coalesce(excluded.text, text), added_ms = excluded.added_ms",
    [SQL_ATTACHMENT_PUT_IMPORTED] =
        "INSERT INTO attachment (id, name, type, size, text, added_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
        "ON CONFLICT (id) DO UPDATE SET text = coalesce(text, excluded.text), added_ms = excluded.added_ms",
    [SQL_ATTACHMENT_SET_TEXT] =
        "UPDATE attachment SET text = ?2 WHERE id = ?1 AND added_ms >= 0 AND type <> 'text/plain'",
    [SQL_ATTACHMENT_FIND] =
        "SELECT key, id, name, type, size, text FROM attachment WHERE id = ?1 AND added_ms >= 0",
    [SQL_ATTACHMENT_MARK] = "UPDATE attachment SET added_ms = -1 WHERE n_refs = 0 AND added_ms < ?1",
    [SQL_ATTACHMENT_LIST_MARKED] = "SELECT id FROM attachment WHERE n_refs = 0 AND added_ms < 0 LIMIT ?1",
    [SQL_ATTACHMENT_FORGET] = "DELETE FROM attachment WHERE id = ?1 AND n_refs = 0 AND added_ms < 0",
    [SQL_ATTACHED_INSERT] = "INSERT INTO message_attachment (message_key, position, attachment_key, name) "
                            "VALUES (?1, ?2, ?3, ?4)",
    [SQL_ATTACHED_COPY] =
        "INSERT INTO message_attachment (message_key, position, attachment_key, name) SELECT "
        "?2, position, attachment_key, name FROM message_attachment WHERE message_key = ?1",
    [SQL_ATTACHED_LOAD] =
        "SELECT m.id, a.id, x.name, a.type, a.size, a.text FROM message m "
        "JOIN message_attachment x ON x.message_key = m.key JOIN attachment a ON a.key = x.attachment_key "
        "WHERE m.conversation_key = ?1 ORDER BY m.key, x.position",
    [SQL_MESSAGE_EXISTS] = "SELECT 1 FROM message WHERE id = ?1",
    [SQL_CONVERSATION_FIND_ORIGIN] = "SELECT key FROM conversation WHERE origin = ?1",
    [SQL_CONVERSATION_SET_ORIGIN] =
        "UPDATE conversation SET origin = ?2, updated_ms = max(created_ms, ?3), title_by = ?4, pinned = ?5, "
        "archived = ?6 WHERE key = ?1",

    [SQL_MESSAGE_WORDS_INSERT] =
        "INSERT INTO message_words (rowid, content) SELECT key, content FROM message WHERE key = ?1",
    /* With the text that they came from. */
    [SQL_MESSAGE_WORDS_DELETE] = "INSERT INTO message_words (message_words, rowid, content) "
                                 "SELECT 'delete', key, content FROM message WHERE key = ?1",
    [SQL_MESSAGE_WORDS_DELETE_ALL] = "INSERT INTO message_words (message_words, rowid, content) "
                                     "SELECT 'delete', key, content FROM message WHERE conversation_key = ?1",
    [SQL_TITLE_WORDS_INSERT] = "INSERT INTO title_words (rowid, title) VALUES (?1, ?2)",
    [SQL_TITLE_WORDS_DELETE] = "INSERT INTO title_words (title_words, rowid, title) "
                               "SELECT 'delete', key, title FROM conversation WHERE key = ?1",

    [SQL_FREE_PAGES] = "PRAGMA freelist_count",
    [SQL_GIVE_BACK] = "PRAGMA incremental_vacuum(" FREE_PAGES_STEP ")",

    [SQL_META_READ] = "SELECT value FROM meta WHERE name = ?1",
    [SQL_META_INSERT] = "INSERT INTO meta (name, value) VALUES (?1, ?2)",
    [SQL_SETTING_READ_ALL] = "SELECT name, value FROM setting",
    [SQL_SETTING_PUT] = "INSERT INTO setting (name, value) VALUES (?1, ?2) "
                        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
};

enum status store_db_fault(const struct store_db *db, int result, struct fault *fault) {
    switch (result & 0xFF) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_FORMAT:
        return fault_set(
            fault, STATUS_CORRUPT,
            "%s is damaged or no database (%s); nothing was changed. \"runnel check\" says what is wrong, "
            "\"runnel salvage\" saves what can be read; or put a backup in its place",
            db->path, sqlite3_errstr(result));
    default:
        return fault_set(fault, STATUS_IO, "%s cannot be used: %s", db->path,
                         db->sqlite ? sqlite3_errmsg(db->sqlite) : sqlite3_errstr(result));
    }
}

/* The conversations are for their owner's eyes. SQLite gives the log the same mode. This happens before
 * SQLite has the file open. */
static enum status make_private_file(const char *path, struct fault *fault) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fault_set(fault, STATUS_IO, "%s cannot be opened: %s", path, strerror(errno));
    }
    close(fd);
    return STATUS_OK;
}

static int on_commit(void *ctx, sqlite3 *sqlite, const char *name, int n_pages) {
    (void)sqlite;
    (void)name;
    struct store_db *db = ctx;
    db->n_wal_pages = n_pages;
    db->has_committed = true;
    return SQLITE_OK;
}

/* The words of answers that have not ended, for the time of one search (store_search.h): in memory. */
static const char live_words[] = "CREATE VIRTUAL TABLE temp.live_words USING fts5 "
                                 "(content, content = '', tokenize = 'unicode61 remove_diacritics 2')";

static int prepare_all(struct store_db *db) {
    int created = sqlite3_exec(db->sqlite, live_words, NULL, NULL, NULL);
    if (created != SQLITE_OK) {
        return created;
    }
    for (size_t i = 0; i < SQL_N; i++) {
        int result = sqlite3_prepare_v3(db->sqlite, sql_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                        &db->statements[i], NULL);
        if (result != SQLITE_OK) {
            return result;
        }
    }
    return SQLITE_OK;
}

/* auto_vacuum has an effect on a new database alone: free pages can be given back then (store_db_give_back). What is deleted is
 * overwritten, whatever SQLite was built to do. A log that one large transaction has made is cut again. */
static const char settings[] =
    "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
    "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 16777216; PRAGMA foreign_keys = ON; "
    "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192; PRAGMA secure_delete = ON";

/* Reads before it changes anything, so that a file that is not ours stays as it is. */
static enum status open_file(struct store_db *db, struct fault *fault) {
    int result = sqlite3_open_v2(db->path, &db->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (result == SQLITE_OK) {
        sqlite3_extended_result_codes(db->sqlite, 1);
        /* Until the file is known to be ours, closing it must not move its log. */
        sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
        /* Exclusive before the first read: the index of the log is then in memory, and no other process gets
         * in. */
        result = sqlite3_exec(db->sqlite, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON",
                              NULL, NULL, NULL);
    }
    if (result != SQLITE_OK) {
        return store_db_fault(db, result, fault);
    }
    enum status status = store_schema_check(db, fault);
    if (status != STATUS_OK) {
        return status;
    }
    result = sqlite3_exec(db->sqlite, settings, NULL, NULL, NULL);
    /* After wal_autocheckpoint, which is a hook of the same kind and would replace this one. */
    sqlite3_wal_hook(db->sqlite, on_commit, db);
    return result == SQLITE_OK ? store_schema_migrate(db, fault) : store_db_fault(db, result, fault);
}

static void free_all(struct store_db *db) {
    for (size_t i = 0; i < SQL_N; i++) {
        sqlite3_finalize(db->statements[i]);
    }
    int result = sqlite3_close(db->sqlite);
    assert(result == SQLITE_OK);
    (void)result;
    *db = (struct store_db){ 0 };
}

enum status store_db_open(struct store_db *db, const char *path, struct fault *fault) {
    *db = (struct store_db){ .path = path };
    enum status status = store_file_check_log(path, fault);
    if (status == STATUS_OK) {
        status = make_private_file(path, fault);
    }
    if (status == STATUS_OK) {
        status = open_file(db, fault);
    }
    if (status == STATUS_OK) {
        int result = prepare_all(db);
        status = result == SQLITE_OK ? STATUS_OK : store_db_fault(db, result, fault);
    }
    if (status != STATUS_OK) {
        free_all(db);
        return status;
    }
    sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, (int *)NULL);
    return STATUS_OK;
}

void store_db_close(struct store_db *db, bool keeps_log) {
    if (db->sqlite == NULL) {
        return;
    }
    if (!keeps_log) {
        int result = sqlite3_wal_checkpoint_v2(db->sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        keeps_log = result != SQLITE_OK;
    }
    if (keeps_log) {
        /* Closing would try once more: a sync that failed before would succeed now, and mean nothing (store_wal.h). */
        LOG_WARN("store_checkpoint", "at=close error=%s", sqlite3_errmsg(db->sqlite));
        sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    }
    free_all(db);
}

bool store_db_checkpoint(struct store_db *db) {
    int n_log = 0, n_moved = 0;
    int result = sqlite3_wal_checkpoint_v2(db->sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, &n_log, &n_moved);
    LOG_DEBUG("store_checkpoint", "result=%d log=%d moved=%d", result, n_log, n_moved);
    if (result != SQLITE_OK || n_moved < n_log) {
        return false;
    }
    db->n_wal_pages = 0;
    return true;
}

bool store_db_give_back(struct store_db *db, bool has_begun) {
    int64_t n_free = 0;
    int result = store_db_find_number(store_db_use(db, SQL_FREE_PAGES), &n_free);
    if (result != SQLITE_OK || n_free <= (has_begun ? FREE_PAGES_KEPT : FREE_PAGES_MAX)) {
        return false;
    }
    sqlite3_stmt *give = store_db_use(db, SQL_GIVE_BACK);
    while ((result = sqlite3_step(give)) == SQLITE_ROW) {
    }
    sqlite3_reset(give);
    int64_t n_left = n_free;
    if (result == SQLITE_DONE) {
        result = store_db_find_number(store_db_use(db, SQL_FREE_PAGES), &n_left);
    }
    LOG_DEBUG("store_give_back", "result=%d free=%lld left=%lld", result, (long long)n_free,
              (long long)n_left);
    return result == SQLITE_OK && n_left < n_free;
}

sqlite3_stmt *store_db_use(struct store_db *db, enum store_sql sql) {
    sqlite3_stmt *statement = db->statements[sql];
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return statement;
}

int store_db_run(sqlite3_stmt *statement) {
    int result = sqlite3_step(statement);
    sqlite3_reset(statement);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

int store_db_find_number(sqlite3_stmt *statement, int64_t *out) {
    int result = sqlite3_step(statement);
    *out = result == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_reset(statement);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

bool store_db_copy_text(sqlite3_stmt *statement, int column, char *out, size_t size) {
    const unsigned char *text = sqlite3_column_text(statement, column);
    size_t length = (size_t)sqlite3_column_bytes(statement, column);
    out[0] = '\0';
    if (text == NULL || length >= size) {
        return false;
    }
    memcpy(out, text, length + 1);
    return true;
}

void store_db_bind_text(sqlite3_stmt *statement, int index, const char *text) {
    sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}
