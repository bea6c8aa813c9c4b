#include "net/head.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <string.h>
#include <strings.h>

static enum head_state bad(struct head *head, int status, const char *error) {
    head->status = status;
    head->error = error;
    return HEAD_BAD;
}

/* ---- Characters ---- */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool head_is_token_char(char c) {
    return is_digit(c) || is_alpha(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct head_text text) {
    for (size_t i = 0; i < text.n; i++) {
        if (!head_is_token_char(text.at[i])) {
            return false;
        }
    }
    return text.n > 0;
}

bool head_is_field_char(char c) {
    return (unsigned char)c >= ' ' ? c != 0x7f : c == '\t';
}

int head_hex_value(char c) {
    return is_digit(c)            ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool is_text(struct head_text text, const char *wanted) {
    return text.n == strlen(wanted) && strncasecmp(text.at, wanted, text.n) == 0;
}

/* ---- Where the head ends ---- */

/* Also what no line may have in it: a bare CR or LF, a control character (RFC 9110 section 5.5). */
static enum head_state find_end(const char *bytes, size_t n, size_t *n_seen, struct head *head) {
    size_t i = *n_seen;
    for (; i < n; i++) {
        char c = bytes[i];
        bool is_after_cr = i > 0 && bytes[i - 1] == '\r';
        if ((c == '\n') != is_after_cr) {
            return bad(head, 400, "every line of a request's head ends in CR LF");
        }
        if (!head_is_field_char(c) && c != '\r' && c != '\n') {
            return bad(head, 400, "there is a control character in the request's head");
        }
        if (c == '\n' && i >= 3 && bytes[i - 2] == '\n') {
            head->n_bytes = i + 1;
            return HEAD_GOOD;
        }
        if (i + 1 == HEAD_BYTES_MAX) {
            return bad(head, 431, "the request's head is too large: the limit is 16 KiB");
        }
    }
    *n_seen = i;
    return HEAD_INCOMPLETE;
}

/* ---- The request line ---- */

static enum head_state parse_method(struct head_text word, struct head *head) {
    static const struct {
        const char *name;
        enum net_method method;
    } methods[] = {
        { "GET", NET_GET },       { "HEAD", NET_HEAD },   { "POST", NET_POST },     { "PUT", NET_PUT },
        { "DELETE", NET_DELETE }, { "PATCH", NET_OTHER }, { "OPTIONS", NET_OTHER },
    };
    if (!is_token(word)) {
        return bad(head, 400, "the request line is no METHOD SP TARGET SP VERSION");
    }
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (word.n == strlen(methods[i].name) && memcmp(word.at, methods[i].name, word.n) == 0) {
            head->method = methods[i].method;
            return HEAD_GOOD;
        }
    }
    return bad(head, 501, "there is no such method here");
}

/* Where the path or the query begins behind "http://HOST"; 0: the target has no such start. */
static size_t find_target_path(struct head_text word) {
    static const char scheme[] = "http://";
    size_t n_scheme = sizeof scheme - 1;
    if (word.n < n_scheme || strncasecmp(word.at, scheme, n_scheme) != 0) {
        return 0;
    }
    size_t at = n_scheme;
    while (at < word.n && word.at[at] != '/' && word.at[at] != '?') {
        at++;
    }
    return at;
}

static enum head_state check_target_characters(struct head_text word, struct head *head) {
    for (size_t i = 0; i < word.n; i++) {
        unsigned char c = (unsigned char)word.at[i];
        if (c <= ' ' || c > '~' || c == '#') {
            return bad(head, 400, "there is a character in the request's target that must be encoded");
        }
        if (c == '%') {
            int high = i + 2 < word.n ? head_hex_value(word.at[i + 1]) : -1;
            int low = i + 2 < word.n ? head_hex_value(word.at[i + 2]) : -1;
            if (high < 0 || low < 0 || high + low == 0) {
                return bad(head, 400, "there is a '%' in the request's target that encodes nothing");
            }
        }
    }
    return HEAD_GOOD;
}

/* RFC 9112 section 3.2: "/path?query", or with "http://HOST" before it. */
static enum head_state parse_target(struct head_text word, struct head *head) {
    size_t begin = find_target_path(word);
    if (begin > 0) {
        head->host = (struct head_text){ word.at + 7, begin - 7 };
        if (head->host.n == 0) {
            return bad(head, 400, "the request's target names no host");
        }
    } else if (word.n == 0 || word.at[0] != '/') {
        return bad(head, 400, "the request's target must begin with '/' or with http://");
    }
    struct head_text rest = { word.at + begin, word.n - begin };
    const char *mark = memchr(rest.at, '?', rest.n);
    size_t n_path = mark ? (size_t)(mark - rest.at) : rest.n;
    size_t n_taken = n_path + (mark != NULL);
    head->path = n_path > 0 ? (struct head_text){ rest.at, n_path } : (struct head_text){ "/", 1 };
    head->query = (struct head_text){ rest.at + n_taken, rest.n - n_taken };
    return check_target_characters(word, head);
}

static enum head_state parse_version(struct head_text word, struct head *head) {
    if (word.n != 8 || memcmp(word.at, "HTTP/", 5) != 0 || !is_digit(word.at[5]) || word.at[6] != '.' ||
        !is_digit(word.at[7])) {
        return bad(head, 400, "the request line is no METHOD SP TARGET SP VERSION");
    }
    if (word.at[5] != '1' || word.at[7] > '1') {
        return bad(head, 505, "this server speaks HTTP/1.1");
    }
    head->is_http_1_0 = word.at[7] == '0';
    head->closes = head->is_http_1_0;
    return HEAD_GOOD;
}

/* The next word of a line, and the one space behind it. */
static struct head_text take_word(struct head_text *line) {
    const char *space = memchr(line->at, ' ', line->n);
    struct head_text word = { line->at, space ? (size_t)(space - line->at) : line->n };
    size_t n_taken = word.n + (space != NULL);
    *line = (struct head_text){ line->at + n_taken, line->n - n_taken };
    return word;
}

static enum head_state parse_request_line(struct head_text line, struct head *head) {
    struct head_text method = take_word(&line);
    struct head_text target = take_word(&line);
    enum head_state state = parse_method(method, head);
    /* The version tells a preface of HTTP/2 from a wrong target. */
    state = state == HEAD_GOOD || head->status == 501 ? parse_version(line, head) : state;
    if (state == HEAD_GOOD && head->status == 0) {
        state = parse_target(target, head);
    }
    return head->status ? HEAD_BAD : state;
}

/* ---- The fields ---- */

static struct head_text trim(struct head_text text) {
    while (text.n > 0 && (text.at[0] == ' ' || text.at[0] == '\t')) {
        text = (struct head_text){ text.at + 1, text.n - 1 };
    }
    while (text.n > 0 && (text.at[text.n - 1] == ' ' || text.at[text.n - 1] == '\t')) {
        text.n--;
    }
    return text;
}

/* A space before the colon, or at the start of the line (a folded one), is no token's. */
static enum head_state parse_field(struct head_text line, struct head *head) {
    if (head->n_fields == HEAD_FIELDS_MAX) {
        return bad(head, 431, "the request has too many header fields: the limit is 100");
    }
    const char *colon = memchr(line.at, ':', line.n);
    struct head_text name = { line.at, colon ? (size_t)(colon - line.at) : 0 };
    if (!is_token(name)) {
        return bad(head, 400, "a header field is NAME: VALUE");
    }
    size_t n_name = name.n + 1;
    head->fields[head->n_fields++] =
        (struct head_field){ name, trim((struct head_text){ line.at + n_name, line.n - n_name }) };
    return HEAD_GOOD;
}

static size_t count(const struct head *head, const char *name) {
    size_t n = 0;
    for (size_t i = 0; i < head->n_fields; i++) {
        n += is_text(head->fields[i].name, name);
    }
    return n;
}

/* The first of this name. */
static struct head_text value_of(const struct head *head, const char *name) {
    for (size_t i = 0; i < head->n_fields; i++) {
        if (is_text(head->fields[i].name, name)) {
            return head->fields[i].value;
        }
    }
    return (struct head_text){ "", 0 };
}

/* The next word of a list, and the comma behind it. */
static struct head_text take_element(struct head_text *list) {
    const char *comma = memchr(list->at, ',', list->n);
    size_t n_word = comma ? (size_t)(comma - list->at) : list->n;
    struct head_text word = trim((struct head_text){ list->at, n_word });
    n_word += comma != NULL;
    *list = (struct head_text){ list->at + n_word, list->n - n_word };
    return word;
}

/* Whether a field that is a list of words has this one. */
static bool has_word(const struct head *head, const char *name, const char *wanted) {
    for (size_t i = 0; i < head->n_fields; i++) {
        struct head_text rest = head->fields[i].value;
        while (is_text(head->fields[i].name, name) && rest.n > 0) {
            if (is_text(take_element(&rest), wanted)) {
                return true;
            }
        }
    }
    return false;
}

/* ---- What the fields mean ---- */

/* Two of these could be two requests to two readers, or two owners of one. */
static enum head_state check_repeats(struct head *head) {
    static const char *const singles[] = {
        "host",
        "content-length",
        "transfer-encoding",
        "content-type",
        "content-encoding",
        "origin",
        "authorization",
        "x-api-key",
        "last-event-id",
        "expect",
        "upgrade",
        "sec-websocket-key",
        "sec-websocket-version",
    };
    for (size_t i = 0; i < sizeof singles / sizeof singles[0]; i++) {
        if (count(head, singles[i]) > 1) {
            return bad(head, 400, "a header field that can be there once is there twice");
        }
    }
    if (count(head, "host") == 0 && !head->is_http_1_0) {
        return bad(head, 400, "the header field Host is missing");
    }
    return HEAD_GOOD;
}

/* RFC 9112 sections 6.1 and 6.3: with other codings before the chunks it is clear where the body ends, and only what it says is not.
 * Otherwise nobody knows where the next request begins. */
static enum head_state parse_coding(struct head *head) {
    struct head_text rest = value_of(head, "transfer-encoding");
    if (is_text(rest, "chunked")) {
        head->is_chunked = true;
        return HEAD_GOOD;
    }
    bool is_clear = rest.n > 0 && rest.at[rest.n - 1] != ',';
    while (rest.n > 0) {
        struct head_text word = take_element(&rest);
        is_clear = is_clear && is_token(word) && is_text(word, "chunked") == (rest.n == 0);
    }
    return is_clear ? bad(head, 501, "the only Transfer-Encoding here is chunked")
                    : bad(head, 400, "the Transfer-Encoding does not say where the body ends");
}

static enum head_state parse_length(struct head *head) {
    struct head_text digits = value_of(head, "content-length");
    if (digits.n == 0 || digits.n > 15) {
        return bad(head, 400, "Content-Length is a row of digits");
    }
    for (size_t i = 0; i < digits.n; i++) {
        if (!is_digit(digits.at[i])) {
            return bad(head, 400, "Content-Length is a row of digits");
        }
        head->n_body = head->n_body * 10 + (uint64_t)(digits.at[i] - '0');
    }
    return HEAD_GOOD;
}

/* RFC 9112 section 6 */
static enum head_state parse_body(struct head *head) {
    bool has_length = count(head, "content-length") > 0;
    bool has_coding = count(head, "transfer-encoding") > 0;
    if (has_coding && (has_length || head->is_http_1_0)) {
        return bad(head, 400,
                   "the length of the body is not clear: send Content-Length or, in HTTP/1.1, chunks");
    }
    return has_coding ? parse_coding(head) : has_length ? parse_length(head) : HEAD_GOOD;
}

/* The key is the base64 of 16 bytes. */
static bool is_websocket_key(struct head_text key) {
    for (size_t i = 0; i < key.n && i < 22; i++) {
        if (!is_alpha(key.at[i]) && !is_digit(key.at[i]) && key.at[i] != '+' && key.at[i] != '/') {
            return false;
        }
    }
    return key.n == 24 && key.at[22] == '=' && key.at[23] == '=';
}

/* RFC 6455 section 4.2.1. An upgrade to anything else is left alone, as RFC 9110 section 7.8 allows. */
static enum head_state parse_upgrade(struct head *head) {
    if (head->is_http_1_0 || head->method != NET_GET || !has_word(head, "upgrade", "websocket") ||
        !has_word(head, "connection", "upgrade")) {
        return HEAD_GOOD;
    }
    head->websocket_key = value_of(head, "sec-websocket-key");
    if (!is_text(value_of(head, "sec-websocket-version"), "13")) {
        return bad(head, 426, "this server speaks version 13 of WebSocket");
    }
    if (!is_websocket_key(head->websocket_key) || head->n_body > 0 || head->is_chunked) {
        return bad(head, 400, "this is no good opening of a WebSocket");
    }
    head->is_upgrade = true;
    return HEAD_GOOD;
}

static enum head_state parse_meaning(struct head *head) {
    enum head_state state = check_repeats(head);
    state = state == HEAD_GOOD ? parse_body(head) : state;
    state = state == HEAD_GOOD ? parse_upgrade(head) : state;
    head->closes = head->closes || has_word(head, "connection", "close");
    /* RFC 9110 section 10.1.1: a client of HTTP/1.0 could not understand the answer. */
    if (state == HEAD_GOOD && !head->is_http_1_0 && count(head, "expect") > 0) {
        head->expects_continue = is_text(value_of(head, "expect"), "100-continue");
        return head->expects_continue ? HEAD_GOOD : bad(head, 417, "only 100-continue can be expected");
    }
    return state;
}

enum head_state head_parse(const char *bytes, size_t n, size_t *n_seen, struct head *head) {
    memset(head, 0, offsetof(struct head, fields));
    head->n_fields = 0;
    head->status = 0;
    enum head_state state = find_end(bytes, n, n_seen, head);
    const char *at = bytes;
    const char *end = bytes + head->n_bytes - 2;
    for (size_t number = 0; state == HEAD_GOOD && at < end; number++) {
        const char *cr = memchr(at, '\r', (size_t)(end - at));
        struct head_text line = { at, (size_t)(cr - at) };
        state = number == 0 ? parse_request_line(line, head) : parse_field(line, head);
        at = cr + 2;
    }
    return state == HEAD_GOOD ? parse_meaning(head) : state;
}

/* ---- What the caller keeps ---- */

char *head_field(const struct head *head, const char *name) {
    struct bytes all;
    bytes_init(&all, HEAD_BYTES_MAX * 2);
    for (size_t i = 0; i < head->n_fields; i++) {
        if (is_text(head->fields[i].name, name)) {
            bytes_add(&all, ", ", all.data ? 2 : 0);
            bytes_add(&all, head->fields[i].value.at, head->fields[i].value.n);
        }
    }
    return all.data;
}

/* In a query '+' is a space. */
static char decode(struct head_text text, size_t *i, bool is_query) {
    char c = text.at[(*i)++];
    if (c == '%') {
        c = (char)(head_hex_value(text.at[*i]) << 4 | head_hex_value(text.at[*i + 1]));
        *i += 2;
    } else if (c == '+' && is_query) {
        c = ' ';
    }
    return c;
}

char *head_path(const struct head *head) {
    char *path = mem_alloc(head->path.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < head->path.n;) {
        path[n++] = decode(head->path, &i, false);
    }
    return path;
}

char *head_query(const struct head *head) {
    char *query = mem_alloc(head->query.n + 2);
    size_t n = 0;
    bool in_name = true;
    for (size_t i = 0; i < head->query.n;) {
        char raw = head->query.at[i];
        char c = decode(head->query, &i, true);
        if (raw == '&') {
            in_name = true;
            /* Two in a row are no empty argument: that would be the end. */
            n += n > 0 && query[n - 1] != '\0';
            continue;
        }
        /* An encoded '=' is part of the name, and must not end it. */
        query[n++] = in_name && c == '=' && raw != '=' ? '_' : c;
        in_name = in_name && raw != '=';
    }
    return query;
}
