/* The head of a file of the KV cache: the input as it is, and the input as the fields of a head whose hash is right. */
#include "kv_file.h"

#include "fuzz.h"

/* What is taken is what was written, byte by byte. */
static void check_bytes(const uint8_t *data, size_t n_bytes) {
    struct kv_head head;
    int n_tokens;
    if (kv_file_peek_tokens(data, n_bytes, &n_tokens) != STATUS_OK) {
        return;
    }
    HOLDS(n_tokens > 0 && n_tokens <= KV_FILE_TOKENS_MAX);
    int32_t *tokens = malloc((size_t)n_tokens * sizeof *tokens);
    HOLDS(tokens);
    if (kv_file_decode(data, n_bytes, &head, tokens) == STATUS_OK) {
        size_t n_head = kv_file_head_bytes(n_tokens);
        uint8_t *again = malloc(n_head);
        HOLDS(again && n_head <= n_bytes);
        kv_file_encode(&head, tokens, again);
        HOLDS(memcmp(again, data, 20) == 0 && memcmp(again + 24, data + 24, n_head - 24) == 0);
        free(again);
    }
    free(tokens);
}

/* A head of any fields is taken only if its key is theirs and its limits are kept. */
static void check_fields(const uint8_t *data, size_t n_bytes) {
    struct kv_head head;
    int32_t tokens[64] = { 0 };
    int32_t read[64];
    uint8_t encoded[KV_FILE_HEAD_BYTES + sizeof tokens];
    if (n_bytes < sizeof head) {
        return;
    }
    memcpy(&head, data, sizeof head);
    size_t n_rest = n_bytes - sizeof head < sizeof tokens ? n_bytes - sizeof head : sizeof tokens;
    memcpy(tokens, data + sizeof head, n_rest);
    head.n_tokens = 1 + (head.n_tokens & 63);
    struct kv_id key = kv_file_key(&head.kind, &head.parent, head.n_before, tokens, head.n_tokens);
    if (n_bytes % 2) {
        head.key = key;
    }
    kv_file_encode(&head, tokens, encoded);
    struct kv_head found;
    if (kv_file_decode(encoded, kv_file_head_bytes(head.n_tokens), &found, read) == STATUS_OK) {
        HOLDS(kv_id_equals(&found.key, &key) && found.n_before >= 0 && found.n_before <= KV_FILE_TOKENS_MAX);
        HOLDS(found.payload_bytes <= KV_FILE_PAYLOAD_BYTES_MAX && found.n_tokens == head.n_tokens);
        HOLDS(kv_id_is_zero(&found.parent) == (found.n_before == 0));
        HOLDS(memcmp(read, tokens, (size_t)head.n_tokens * sizeof *read) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    uint8_t *copy = (uint8_t *)fuzz_copy(data, n_bytes);
    check_bytes(copy, n_bytes);
    check_fields(copy, n_bytes);
    free(copy);
    return 0;
}
