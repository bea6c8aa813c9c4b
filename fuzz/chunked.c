/* A body in chunks: the first byte says how it is cut. What is undone does not depend on the cut, and put into chunks again it is undone to
 * the same. */
#include "net/chunked.h"

#include "base/bytes.h"

#include "fuzz.h"

struct result {
    enum chunked_event event;
    int status;
    size_t n_taken;
    struct bytes body;
};

static struct result undo(const char *bytes, size_t n_bytes, size_t step) {
    struct chunked chunked = { .n_left = 0 };
    struct result result = { .event = CHUNKED_MORE };
    bytes_init(&result.body, 1u << 20);
    while (result.n_taken < n_bytes && (result.event == CHUNKED_MORE || result.event == CHUNKED_DATA)) {
        size_t left = n_bytes - result.n_taken;
        size_t n = left < step ? left : step;
        char *piece = fuzz_copy((const uint8_t *)bytes + result.n_taken, n);
        size_t n_taken;
        result.event = chunked_next(&chunked, piece, n, &n_taken);
        HOLDS(n_taken <= n && n_taken > 0 && (result.event != CHUNKED_MORE || n_taken == n));
        if (result.event == CHUNKED_DATA) {
            HOLDS(chunked.n_data > 0 && chunked.data >= piece && chunked.data + chunked.n_data <= piece + n);
            bytes_add(&result.body, chunked.data, chunked.n_data);
        }
        result.n_taken += n_taken;
        free(piece);
    }
    result.status = chunked.status;
    HOLDS(result.event != CHUNKED_BAD || (chunked.status >= 400 && chunked.error));
    return result;
}

static void check_again(const struct bytes *body) {
    struct bytes text;
    bytes_init(&text, 1u << 20);
    if (body->size > 0) {
        bytes_add_format(&text, "%zx\r\n", body->size);
        bytes_add(&text, body->data, body->size);
        bytes_add_text(&text, "\r\n");
    }
    bytes_add_text(&text, "0\r\n\r\n");
    struct result again = undo(text.data, text.size, 7);
    HOLDS(again.event == CHUNKED_END && again.n_taken == text.size && again.body.size == body->size);
    HOLDS(body->size == 0 || memcmp(again.body.data, body->data, body->size) == 0);
    bytes_deinit(&text);
    bytes_deinit(&again.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    if (n_bytes == 0) {
        return 0;
    }
    const char *bytes = (const char *)data + 1;
    struct result whole = undo(bytes, n_bytes - 1, n_bytes);
    struct result cut = undo(bytes, n_bytes - 1, 1 + data[0] % 64);
    HOLDS(whole.n_taken == cut.n_taken && whole.status == cut.status && whole.body.size == cut.body.size);
    HOLDS(whole.event == cut.event ||
          (whole.n_taken == n_bytes - 1 && whole.event <= CHUNKED_DATA && cut.event <= CHUNKED_DATA));
    HOLDS(whole.body.size == 0 || memcmp(whole.body.data, cut.body.data, whole.body.size) == 0);
    if (whole.event == CHUNKED_END) {
        HOLDS(memcmp(bytes + whole.n_taken - 4, "\r\n\r\n", 4) == 0);
        check_again(&whole.body);
    }
    bytes_deinit(&whole.body);
    bytes_deinit(&cut.body);
    return 0;
}
