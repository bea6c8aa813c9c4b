#include "kv_file.h"

#include "base/mem.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static const char magic[8] = { 'R', 'U', 'N', 'N', 'E', 'L', 'K', 'V' };

enum {
    AT_VERSION = 8,
    AT_BEFORE = 12,
    AT_TOKENS = 16,
    AT_KIND = 24,
    AT_KEY = 40,
    AT_PARENT = 56,
    AT_OWNER = 72,
    AT_PAYLOAD_BYTES = 88,
    AT_PAYLOAD_HASH = 96,
    AT_HEAD_HASH = 104,
};

static void put32(uint8_t *out, uint32_t number) {
    number = htole32(number);
    memcpy(out, &number, sizeof number);
}

static void put64(uint8_t *out, uint64_t number) {
    number = htole64(number);
    memcpy(out, &number, sizeof number);
}

static uint32_t get32(const uint8_t *data) {
    uint32_t number;
    memcpy(&number, data, sizeof number);
    return le32toh(number);
}

static uint64_t get64(const uint8_t *data) {
    uint64_t number;
    memcpy(&number, data, sizeof number);
    return le64toh(number);
}

static struct kv_id get_id(const uint8_t *data) {
    struct kv_id id;
    memcpy(id.bytes, data, KV_ID_BYTES);
    return id;
}

static struct kv_id id_of_hash(XXH128_hash_t hash) {
    XXH128_canonical_t canonical;
    struct kv_id id;
    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(id.bytes, canonical.digest, KV_ID_BYTES);
    return id;
}

uint64_t kv_file_hash(const void *data, size_t n_bytes) {
    return XXH3_64bits(data, n_bytes);
}

size_t kv_file_head_bytes(int n_tokens) {
    return KV_FILE_HEAD_BYTES + (size_t)n_tokens * 4;
}

/* The hash of the head, whatever stands where the hash goes. */
static uint64_t hash_head(const uint8_t *data, int n_tokens) {
    uint8_t fixed[KV_FILE_HEAD_BYTES];
    memcpy(fixed, data, sizeof fixed);
    memset(fixed + AT_HEAD_HASH, 0, 8);
    uint64_t seed = XXH3_64bits(fixed, sizeof fixed);
    return XXH3_64bits_withSeed(data + KV_FILE_HEAD_BYTES, (size_t)n_tokens * 4, seed);
}

struct kv_id kv_file_key(const struct kv_id *kind, const struct kv_id *parent, int n_before,
                         const int32_t *tokens, int n_tokens) {
    size_t n_before_bytes = 2 * (size_t)KV_ID_BYTES + 4;
    size_t n_bytes = n_before_bytes + (size_t)n_tokens * 4;
    uint8_t *data = mem_alloc(n_bytes);
    memcpy(data, kind->bytes, KV_ID_BYTES);
    memcpy(data + KV_ID_BYTES, parent->bytes, KV_ID_BYTES);
    put32(data + 2 * (size_t)KV_ID_BYTES, (uint32_t)n_before);
    for (int i = 0; i < n_tokens; i++) {
        put32(data + n_before_bytes + 4 * (size_t)i, (uint32_t)tokens[i]);
    }
    struct kv_id key = id_of_hash(XXH3_128bits_withSeed(data, n_bytes, XXH3_64bits(data, n_before_bytes)));
    free(data);
    return key;
}

void kv_file_encode(const struct kv_head *head, const int32_t *tokens, uint8_t *out) {
    assert(head->n_tokens > 0 && head->n_tokens <= KV_FILE_TOKENS_MAX);
    memset(out, 0, KV_FILE_HEAD_BYTES);
    memcpy(out, magic, sizeof magic);
    put32(out + AT_VERSION, KV_FILE_VERSION);
    put32(out + AT_BEFORE, (uint32_t)head->n_before);
    put32(out + AT_TOKENS, (uint32_t)head->n_tokens);
    memcpy(out + AT_KIND, head->kind.bytes, KV_ID_BYTES);
    memcpy(out + AT_KEY, head->key.bytes, KV_ID_BYTES);
    memcpy(out + AT_PARENT, head->parent.bytes, KV_ID_BYTES);
    memcpy(out + AT_OWNER, head->owner.bytes, KV_ID_BYTES);
    put64(out + AT_PAYLOAD_BYTES, head->payload_bytes);
    put64(out + AT_PAYLOAD_HASH, head->payload_hash);
    for (int i = 0; i < head->n_tokens; i++) {
        put32(out + kv_file_head_bytes(i), (uint32_t)tokens[i]);
    }
    put64(out + AT_HEAD_HASH, hash_head(out, head->n_tokens));
}

enum status kv_file_peek_tokens(const uint8_t *data, size_t n_bytes, int *n_tokens) {
    if (n_bytes < KV_FILE_HEAD_BYTES || memcmp(data, magic, sizeof magic) != 0 ||
        get32(data + AT_VERSION) != KV_FILE_VERSION) {
        return STATUS_CORRUPT;
    }
    uint32_t n = get32(data + AT_TOKENS);
    if (n == 0 || n > KV_FILE_TOKENS_MAX) {
        return STATUS_CORRUPT;
    }
    *n_tokens = (int)n;
    return STATUS_OK;
}

enum status kv_file_decode(const uint8_t *data, size_t n_bytes, struct kv_head *head, int32_t *tokens) {
    int n_tokens;
    if (kv_file_peek_tokens(data, n_bytes, &n_tokens) != STATUS_OK ||
        n_bytes < kv_file_head_bytes(n_tokens) || get64(data + AT_HEAD_HASH) != hash_head(data, n_tokens) ||
        get32(data + AT_BEFORE) > KV_FILE_TOKENS_MAX ||
        get64(data + AT_PAYLOAD_BYTES) > KV_FILE_PAYLOAD_BYTES_MAX) {
        return STATUS_CORRUPT;
    }
    *head = (struct kv_head){
        .kind = get_id(data + AT_KIND),
        .key = get_id(data + AT_KEY),
        .parent = get_id(data + AT_PARENT),
        .owner = get_id(data + AT_OWNER),
        .n_before = (int)get32(data + AT_BEFORE),
        .n_tokens = n_tokens,
        .payload_bytes = get64(data + AT_PAYLOAD_BYTES),
        .payload_hash = get64(data + AT_PAYLOAD_HASH),
    };
    for (int i = 0; i < n_tokens; i++) {
        tokens[i] = (int32_t)get32(data + kv_file_head_bytes(i));
    }
    struct kv_id key = kv_file_key(&head->kind, &head->parent, head->n_before, tokens, n_tokens);
    bool is_first = head->n_before == 0;
    return kv_id_equals(&key, &head->key) && kv_id_is_zero(&head->parent) == is_first ? STATUS_OK
                                                                                      : STATUS_CORRUPT;
}

struct kv_id kv_id_of(const void *data, size_t n_bytes) {
    return id_of_hash(XXH3_128bits(data, n_bytes));
}

bool kv_id_is_zero(const struct kv_id *id) {
    static const struct kv_id zero;
    return kv_id_equals(id, &zero);
}

bool kv_id_equals(const struct kv_id *a, const struct kv_id *b) {
    return memcmp(a->bytes, b->bytes, KV_ID_BYTES) == 0;
}

void kv_id_text(const struct kv_id *id, char out[KV_ID_TEXT_BYTES]) {
    for (size_t i = 0; i < KV_ID_BYTES; i++) {
        snprintf(out + 2 * i, 3, "%02x", id->bytes[i]);
    }
}

static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool kv_id_parse(const char *text, struct kv_id *out) {
    for (size_t i = 0; i < KV_ID_BYTES; i++) {
        int high = digit(text[2 * i]);
        int low = high >= 0 ? digit(text[2 * i + 1]) : -1;
        if (low < 0) {
            return false;
        }
        out->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
