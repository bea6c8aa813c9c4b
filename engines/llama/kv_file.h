/* kv_file.h - one file of the KV cache on disk: which tokens, behind which others, of which model, and the library's bytes for them.
 *
 *   offset  bytes  what                                            all numbers little-endian
 *        0      8  "RUNNELKV"
 *        8      4  version of this layout
 *       12      4  tokens before these (n_before)
 *       16      4  tokens (n_tokens)
 *       20      4  0
 *       24     16  kind: the model, and all that changes the bytes of its state
 *       40     16  key: a hash of kind, parent, n_before and tokens; the name of the file
 *       56     16  parent: the key of the file whose tokens stand before these; 0: they are the first
 *       72     16  owner: a hash of the conversation
 *       88      8  bytes of the payload
 *       96      8  hash of the payload
 *      104      8  hash of the head (these 112 bytes with 0 here, and the tokens)
 *      112    4·n  the tokens
 *               …  the payload: what llama_state_seq_get_data gave
 *
 * Thread  any; no state.
 * Memory  the caller's.
 * Limits  KV_FILE_TOKENS_MAX, KV_FILE_PAYLOAD_BYTES_MAX; a file that says more is corrupt.
 */
#ifndef RUNNEL_ENGINES_LLAMA_KV_FILE_H
#define RUNNEL_ENGINES_LLAMA_KV_FILE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KV_FILE_VERSION           1
#define KV_FILE_HEAD_BYTES        112 /* before the tokens */
#define KV_FILE_TOKENS_MAX        (1 << 20)
#define KV_FILE_PAYLOAD_BYTES_MAX ((uint64_t)16 << 30)

#define KV_ID_BYTES      16
#define KV_ID_TEXT_BYTES 33

struct kv_id {
    uint8_t bytes[KV_ID_BYTES];
};

struct kv_head {
    struct kv_id kind;
    struct kv_id key;
    struct kv_id parent; /* all 0: none */
    struct kv_id owner;
    int n_before;
    int n_tokens;
    uint64_t payload_bytes;
    uint64_t payload_hash;
};

/* The size of the head with its tokens: where the payload begins. */
size_t kv_file_head_bytes(int n_tokens);

/* kv_file_encode writes kv_file_head_bytes(head->n_tokens) bytes. */
void kv_file_encode(const struct kv_head *head, const int32_t *tokens, uint8_t *out);

/* kv_file_peek_tokens looks at the first KV_FILE_HEAD_BYTES: how many tokens follow. STATUS_CORRUPT: this is no file of ours, or of
 * another version. */
MUST_CHECK enum status kv_file_peek_tokens(const uint8_t *data, size_t n_bytes, int *n_tokens);

/* kv_file_decode reads the head and its tokens (KV_FILE_TOKENS_MAX at most, room for them is the caller's) and checks both, the key too;
 * not the payload. STATUS_CORRUPT: the file is not what it must be. */
MUST_CHECK enum status kv_file_decode(const uint8_t *data, size_t n_bytes, struct kv_head *head,
                                      int32_t *tokens);

uint64_t kv_file_hash(const void *data, size_t n_bytes);

struct kv_id kv_file_key(const struct kv_id *kind, const struct kv_id *parent, int n_before,
                         const int32_t *tokens, int n_tokens);

/* ---- Ids ---- */
struct kv_id kv_id_of(const void *data, size_t n_bytes);
bool kv_id_is_zero(const struct kv_id *id);
bool kv_id_equals(const struct kv_id *a, const struct kv_id *b);
void kv_id_text(const struct kv_id *id, char out[KV_ID_TEXT_BYTES]);

/* kv_id_parse takes 32 lower-case hex digits, with anything behind them. */
bool kv_id_parse(const char *text, struct kv_id *out);

#endif
