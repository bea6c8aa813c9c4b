#include "store/store_search.h"

#include <string.h>

/* How many matching messages are looked at: it bounds the time that tokens wait behind a search. */
#define SEARCH_MATCHES_MAX 10000

static bool is_word_byte(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (unsigned char)c >= 0x80;
}

/* A phrase of what stands between quotation marks, and of a word alone. */
struct building {
    struct bytes *query;
    size_t n_words;
    size_t size_last; /* of the last word; 0: it ended with a quotation mark, and is no beginning */
    bool is_quoted;
    bool is_open; /* a phrase has words and no end yet */
};

static void end_phrase(struct building *building) {
    if (building->is_open) {
        bytes_add_char(building->query, '"');
        building->is_open = false;
    }
}

static void add_word(struct building *building, const char *text, size_t size) {
    /* A blank between phrases is AND; unlike the word AND it passes over a phrase that has no token. */
    bytes_add_format(building->query, "%s%s%.*s", building->n_words ? " " : "", building->is_open ? "" : "\"",
                     (int)size, text);
    building->is_open = true;
    building->size_last = size;
    building->n_words++;
    if (!building->is_quoted) {
        end_phrase(building);
    }
}

bool store_search_build(const char *text, struct bytes *query) {
    struct building building = { .query = query };
    while (*text && building.n_words < STORE_SEARCH_WORDS_MAX) {
        size_t size = 0;
        while (is_word_byte(text[size])) {
            size++;
        }
        if (size) {
            add_word(&building, text, size);
        } else if (*text == '"') {
            building.size_last = building.is_quoted ? 0 : building.size_last;
            building.is_quoted = !building.is_quoted;
            end_phrase(&building);
        }
        text += size ? size : 1;
    }
    end_phrase(&building);
    if (building.size_last > 1) {
        bytes_add_char(query, '*');
    }
    return building.n_words > 0 && !query->failed;
}

struct search {
    struct store_db *db;
    const struct store_list *list;
    struct store_hit *hits; /* the newest conversation first */
    size_t n;
    size_t n_max;
};

static bool is_known(const struct search *search, int64_t conversation_key) {
    for (size_t i = 0; i < search->n; i++) {
        if (search->hits[i].conversation_key == conversation_key) {
            return true;
        }
    }
    return false;
}

static void insert(struct search *search, const struct store_hit *hit) {
    size_t at = search->n;
    while (at > 0 && search->hits[at - 1].created_ms < hit->created_ms) {
        at--;
    }
    if (at == search->n_max) {
        return; /* all that are there are newer */
    }
    search->n += search->n < search->n_max;
    memmove(&search->hits[at + 1], &search->hits[at], (search->n - at - 1) * sizeof *hit);
    search->hits[at] = *hit;
}

/* A conversation that has been found is there with its newest match. */
static int add(struct search *search, struct store_hit hit) {
    if (is_known(search, hit.conversation_key)) {
        return SQLITE_OK;
    }
    sqlite3_stmt *created = store_db_use(search->db, SQL_CONVERSATION_CREATED);
    sqlite3_bind_int64(created, 1, hit.conversation_key);
    sqlite3_bind_int(created, 3, (int)search->list->view);
    store_db_bind_text(created, 4, search->list->folder);
    int result = store_db_find_number(created, &hit.created_ms);
    bool is_wanted =
        hit.created_ms && (search->list->before_ms == 0 || hit.created_ms < search->list->before_ms);
    if (result == SQLITE_OK && is_wanted) {
        insert(search, &hit);
    }
    return result;
}

/* *is_over: the conversations of all older messages are older than those that were found. */
static int add_message(struct search *search, int64_t key, bool is_live, bool *is_over) {
    struct store_hit hit = { .message_key = key, .is_live = is_live };
    sqlite3_stmt *place = store_db_use(search->db, SQL_MESSAGE_PLACE);
    sqlite3_bind_int64(place, 1, key);
    int result = sqlite3_step(place);
    bool is_there = result == SQLITE_ROW;
    if (is_there) {
        hit.conversation_key = sqlite3_column_int64(place, 0);
        int64_t message_ms = sqlite3_column_int64(place, 1);
        *is_over = search->n == search->n_max && search->hits[search->n - 1].created_ms > message_ms;
    }
    sqlite3_reset(place);
    if (is_there) {
        return add(search, hit);
    }
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

/* Rows of keys, the newest first. */
static int add_messages(struct search *search, enum store_sql sql, const char *query, bool is_live) {
    sqlite3_stmt *rows = store_db_use(search->db, sql);
    store_db_bind_text(rows, 1, query);
    bool is_over = false;
    int result = sqlite3_step(rows);
    for (size_t n = 0; result == SQLITE_ROW && !is_over && n < SEARCH_MATCHES_MAX; n++) {
        result = add_message(search, sqlite3_column_int64(rows, 0), is_live, &is_over);
        if (result == SQLITE_OK) {
            result = sqlite3_step(rows);
        }
    }
    sqlite3_reset(rows);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

/* Those that were made last have the largest keys. */
static int add_titles(struct search *search, const char *query) {
    sqlite3_stmt *rows = store_db_use(search->db, SQL_SEARCH_TITLES);
    store_db_bind_text(rows, 1, query);
    int result = sqlite3_step(rows);
    for (size_t n = 0; result == SQLITE_ROW && n < SEARCH_MATCHES_MAX; n++) {
        result = add(search, (struct store_hit){ .conversation_key = sqlite3_column_int64(rows, 0) });
        if (result == SQLITE_OK) {
            result = sqlite3_step(rows);
        }
    }
    sqlite3_reset(rows);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

/* The index of what is being written is made for one search: it is small. */
static int add_live(struct search *search, const char *query) {
    int result = store_db_run(store_db_use(search->db, SQL_LIVE_WORDS_INSERT));
    if (result == SQLITE_OK && sqlite3_changes(search->db->sqlite) == 0) {
        return SQLITE_OK;
    }
    if (result == SQLITE_OK) {
        result = add_messages(search, SQL_SEARCH_LIVE, query, true);
    }
    int cleared = store_db_run(store_db_use(search->db, SQL_LIVE_WORDS_CLEAR));
    return result == SQLITE_OK ? cleared : result;
}

int store_search_run(struct store_db *db, const char *query, const struct store_list *list,
                     struct store_hit *hits, size_t n_max, size_t *n_hits) {
    struct search search = { .db = db, .list = list, .hits = hits, .n_max = n_max };
    int result = add_live(&search, query);
    if (result == SQLITE_OK) {
        result = add_messages(&search, SQL_SEARCH_MESSAGES, query, false);
    }
    if (result == SQLITE_OK) {
        result = add_titles(&search, query);
    }
    *n_hits = search.n;
    return result;
}
