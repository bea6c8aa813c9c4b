#include "store/store_snippet.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SNIPPET_TOKENS     20
#define SNIPPET_BEFORE     4 /* of them before the first that was looked for */
#define SNIPPET_TEXT_BYTES 65536
#define SNIPPET_ALL_BYTES  (1u << 20) /* of all texts of a search */
#define SNIPPET_CUT_BYTES  1000       /* a text without blanks is one token */
#define TERMS_MAX          32
#define TERM_BYTES         64 /* longer words are compared by their beginnings */

struct term {
    char text[TERM_BYTES];
    size_t size;
};

struct store_snippet {
    fts5_tokenizer tokenizer;
    Fts5Tokenizer *instance;
    struct term terms[TERMS_MAX];
    size_t n_terms;
    bool last_is_beginning;
    size_t n_bytes_left;
};

typedef int (*on_token)(void *ctx, int flags, const char *token, int size, int start, int end);

/* Until the callback says something else than SQLITE_OK. */
static void tokenize(struct store_snippet *snippet, int why, const char *text, size_t size, void *ctx,
                     on_token callback) {
    snippet->tokenizer.xTokenize(snippet->instance, ctx, why, text, (int)size, callback);
}

/* ---- What is looked for ---- */

static int add_term(void *ctx, int flags, const char *token, int size, int start, int end) {
    (void)flags;
    (void)start;
    (void)end;
    struct store_snippet *snippet = ctx;
    if (snippet->n_terms == TERMS_MAX) {
        return SQLITE_DONE;
    }
    struct term *term = &snippet->terms[snippet->n_terms++];
    term->size = (size_t)size < TERM_BYTES ? (size_t)size : TERM_BYTES;
    memcpy(term->text, token, term->size);
    return SQLITE_OK;
}

static fts5_api *find_api(sqlite3 *sqlite) {
    fts5_api *api = NULL;
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(sqlite, "SELECT fts5(?1)", -1, &statement, NULL) == SQLITE_OK) {
        sqlite3_bind_pointer(statement, 1, &api, "fts5_api_ptr", NULL);
        sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    return api;
}

struct store_snippet *store_snippet_new(sqlite3 *sqlite, const char *query) {
    const char *options[] = { "remove_diacritics", "2" };
    fts5_api *api = find_api(sqlite);
    void *ctx = NULL;
    struct store_snippet *snippet = mem_alloc(sizeof *snippet);
    size_t size = strlen(query);
    if (api == NULL || api->xFindTokenizer(api, "unicode61", &ctx, &snippet->tokenizer) != SQLITE_OK ||
        snippet->tokenizer.xCreate(ctx, options, 2, &snippet->instance) != SQLITE_OK) {
        free(snippet);
        return NULL;
    }
    tokenize(snippet, FTS5_TOKENIZE_QUERY, query, size, snippet, add_term);
    snippet->last_is_beginning = size > 0 && query[size - 1] == '*';
    snippet->n_bytes_left = SNIPPET_ALL_BYTES;
    return snippet;
}

void store_snippet_free(struct store_snippet *snippet) {
    if (snippet) {
        snippet->tokenizer.xDelete(snippet->instance);
        free(snippet);
    }
}

/* How many bytes of a text are worth reading; 0: no more texts are, enough were looked at. */
static size_t wanted_bytes(const struct store_snippet *snippet) {
    return snippet->n_bytes_left < SNIPPET_TEXT_BYTES ? snippet->n_bytes_left : SNIPPET_TEXT_BYTES;
}

/* ---- Where it is ---- */

struct hunt {
    const struct store_snippet *snippet;
    int n_tokens;
    int starts[SNIPPET_TOKENS]; /* of the newest tokens, by their number */
    int seen[TERMS_MAX];        /* the token at which each term was met last, from 1; 0: not yet */
    int from;                   /* where the best place begins; −1: there is none */
};

static bool matches(const struct store_snippet *snippet, size_t i, const char *token, size_t size) {
    const struct term *term = &snippet->terms[i];
    bool is_long_enough = i + 1 == snippet->n_terms && snippet->last_is_beginning ? size >= term->size
                          : term->size == TERM_BYTES                              ? size >= TERM_BYTES
                                                                                  : size == term->size;
    return is_long_enough && memcmp(term->text, token, term->size) == 0;
}

/* From the oldest of the terms on; 0: one is missing. */
static int find_first(const struct hunt *hunt) {
    int first = hunt->seen[0];
    for (size_t i = 1; i < hunt->snippet->n_terms; i++) {
        first = hunt->seen[i] < first ? hunt->seen[i] : first;
    }
    return first;
}

static void note_place(struct hunt *hunt, int token) {
    int oldest = hunt->n_tokens - SNIPPET_TOKENS + 1;
    int begin = token - SNIPPET_BEFORE > 1 ? token - SNIPPET_BEFORE : 1;
    hunt->from = begin == 1 ? 0 : hunt->starts[(begin > oldest ? begin : oldest) % SNIPPET_TOKENS];
}

static int look_at(void *ctx, int flags, const char *token, int size, int start, int end) {
    (void)flags;
    (void)end;
    struct hunt *hunt = ctx;
    bool is_one = false;
    hunt->starts[++hunt->n_tokens % SNIPPET_TOKENS] = start;
    for (size_t i = 0; i < hunt->snippet->n_terms; i++) {
        if (matches(hunt->snippet, i, token, (size_t)size)) {
            hunt->seen[i] = hunt->n_tokens;
            is_one = true;
        }
    }
    if (!is_one) {
        return SQLITE_OK;
    }
    int first = find_first(hunt);
    bool is_all = first > 0 && hunt->n_tokens - first < SNIPPET_TOKENS - SNIPPET_BEFORE;
    if (is_all || hunt->from < 0) {
        note_place(hunt, is_all ? first : hunt->n_tokens);
    }
    return is_all ? SQLITE_DONE : SQLITE_OK;
}

/* ---- The words there ---- */

struct cut {
    int n_tokens;
    int end; /* of the last of them */
    bool has_more;
};

static int count_token(void *ctx, int flags, const char *token, int size, int start, int end) {
    (void)flags;
    (void)token;
    (void)size;
    (void)start;
    struct cut *cut = ctx;
    if (cut->n_tokens == SNIPPET_TOKENS) {
        cut->has_more = true;
        return SQLITE_DONE;
    }
    cut->n_tokens++;
    cut->end = end;
    return SQLITE_OK;
}

static char *cut_out(struct store_snippet *snippet, const char *text, size_t size, size_t from,
                     bool is_whole) {
    struct cut cut = { 0 };
    size_t left = size - from;
    tokenize(snippet, FTS5_TOKENIZE_AUX, text + from, left, &cut, count_token);
    size_t n = cut.has_more ? (size_t)cut.end : left;
    if (n > SNIPPET_CUT_BYTES) {
        n = utf8_whole_length(text + from, SNIPPET_CUT_BYTES);
    }
    bool goes_on = n < left || !is_whole;
    return mem_format("%s%.*s%s", from ? "…" : "", (int)n, text + from, goes_on ? "…" : "");
}

/* `text` is the beginning of one of whole_size bytes. */
static char *make(struct store_snippet *snippet, const char *text, size_t size, size_t whole_size) {
    struct hunt hunt = { .snippet = snippet, .from = -1 };
    bool is_whole = size == whole_size;
    size = is_whole ? size : utf8_whole_length(text, size);
    snippet->n_bytes_left -= size < snippet->n_bytes_left ? size : snippet->n_bytes_left;
    tokenize(snippet, FTS5_TOKENIZE_AUX, text, size, &hunt, look_at);
    return cut_out(snippet, text, size, hunt.from > 0 ? (size_t)hunt.from : 0, is_whole);
}

/* Of a long message only the beginning is read. */
static int find_in_message(struct store_db *db, int64_t key, struct store_snippet *snippet, char **out) {
    sqlite3_blob *content = NULL;
    int result = sqlite3_blob_open(db->sqlite, "main", "message", "content", key, 0, &content);
    if (result == SQLITE_OK) {
        size_t whole_size = (size_t)sqlite3_blob_bytes(content);
        size_t wanted = wanted_bytes(snippet);
        size_t size = whole_size < wanted ? whole_size : wanted;
        char *text = mem_alloc(size + 1);
        result = sqlite3_blob_read(content, text, (int)size, 0);
        if (result == SQLITE_OK) {
            *out = make(snippet, text, size, whole_size);
        }
        free(text);
    }
    sqlite3_blob_close(content);
    return result;
}

static int find_in_live(struct store_db *db, int64_t key, struct store_snippet *snippet, char **out) {
    sqlite3_stmt *live = store_db_use(db, SQL_LIVE_TEXT);
    sqlite3_bind_int64(live, 1, key);
    int result = sqlite3_step(live);
    if (result == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(live, 0);
        size_t whole_size = (size_t)sqlite3_column_bytes(live, 0);
        size_t wanted = wanted_bytes(snippet);
        *out = make(snippet, text ? text : "", whole_size < wanted ? whole_size : wanted, whole_size);
    }
    sqlite3_reset(live);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

int store_snippet_of_message(struct store_db *db, struct store_snippet *snippet, int64_t message_key,
                             bool is_live, char **out) {
    if (snippet == NULL || wanted_bytes(snippet) == 0) {
        return SQLITE_OK;
    }
    return is_live ? find_in_live(db, message_key, snippet, out)
                   : find_in_message(db, message_key, snippet, out);
}

/* ---- Where they are in it ---- */

struct marking {
    const struct store_snippet *snippet;
    const char *text;
    int n_bytes; /* of the text that is counted */
    uint32_t n_characters;
    struct store_mark *marks;
    size_t n;
    size_t n_max;
};

static uint32_t count_to(struct marking *marking, int end) {
    for (; marking->n_bytes < end; marking->n_bytes++) {
        marking->n_characters += (marking->text[marking->n_bytes] & 0xC0) != 0x80;
    }
    return marking->n_characters;
}

static int mark_token(void *ctx, int flags, const char *token, int size, int start, int end) {
    (void)flags;
    struct marking *marking = ctx;
    for (size_t i = 0; i < marking->snippet->n_terms; i++) {
        if (matches(marking->snippet, i, token, (size_t)size)) {
            uint32_t from = count_to(marking, start);
            marking->marks[marking->n++] =
                (struct store_mark){ .start = from, .length = count_to(marking, end) - from };
            break;
        }
    }
    return marking->n < marking->n_max ? SQLITE_OK : SQLITE_DONE;
}

size_t store_snippet_mark(struct store_snippet *snippet, const char *text, struct store_mark *marks,
                          size_t n_max) {
    struct marking marking = { .snippet = snippet, .text = text, .marks = marks, .n_max = n_max };
    if (snippet) {
        tokenize(snippet, FTS5_TOKENIZE_AUX, text, strlen(text), &marking, mark_token);
    }
    return marking.n;
}
