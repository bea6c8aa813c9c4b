/* The head of a request: the verdict does not depend on how the bytes are cut, and what is taken apart stays inside them. */
#include "net/head.h"

#include "fuzz.h"

static void check_text(struct head_text text, const char *bytes, const struct head *head) {
    HOLDS(text.n == 0 || (text.at >= bytes && text.at + text.n <= bytes + head->n_bytes));
}

static void check_good(const char *bytes, const struct head *head) {
    check_text(head->host, bytes, head);
    if (head->host.n == 0 || head->path.n != 1) { /* an empty path is "/" */
        check_text(head->path, bytes, head);
    }
    check_text(head->query, bytes, head);
    HOLDS(head->n_bytes <= HEAD_BYTES_MAX && head->n_fields <= HEAD_FIELDS_MAX);
    HOLDS(memcmp(bytes + head->n_bytes - 4, "\r\n\r\n", 4) == 0);
    HOLDS(!(head->is_chunked && head->n_body > 0));
    for (size_t i = 0; i < head->n_bytes; i++) {
        HOLDS(bytes[i] != '\0' && (bytes[i] == '\n') == (i > 0 && bytes[i - 1] == '\r'));
    }
    for (size_t i = 0; i < head->n_fields; i++) {
        check_text(head->fields[i].name, bytes, head);
        check_text(head->fields[i].value, bytes, head);
    }
    char *path = head_path(head);
    HOLDS(path[0] == '/' && strlen(path) <= head->path.n);
    free(path);
    char *query = head_query(head);
    size_t n = 0;
    for (; query[n]; n += strlen(query + n) + 1) {
    }
    HOLDS(n <= head->query.n + 1);
    free(query);
    free(head_field(head, "accept"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    char *bytes = fuzz_copy(data, n_bytes);
    struct head whole;
    size_t n_seen = 0;
    enum head_state verdict = head_parse(bytes, n_bytes, &n_seen, &whole);
    struct head cut;
    size_t n_cut_seen = 0;
    enum head_state cut_verdict = HEAD_INCOMPLETE;
    for (size_t n = 0; n <= n_bytes && cut_verdict == HEAD_INCOMPLETE; n += n_bytes / 7 + 1) {
        cut_verdict = head_parse(bytes, n, &n_cut_seen, &cut);
    }
    if (cut_verdict == HEAD_INCOMPLETE) {
        cut_verdict = head_parse(bytes, n_bytes, &n_cut_seen, &cut);
    }
    HOLDS(verdict == cut_verdict);
    if (verdict == HEAD_GOOD) {
        HOLDS(whole.n_bytes == cut.n_bytes && whole.n_body == cut.n_body);
        check_good(bytes, &whole);
    } else if (verdict == HEAD_BAD) {
        HOLDS(whole.status >= 400 && whole.status == cut.status && whole.error);
    }
    free(bytes);
    return 0;
}
