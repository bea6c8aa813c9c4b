/* kv_store.h - the KV cache on disk: what is there of the loaded model, and what goes when it is too much.
 *
 * The index is in memory, so a look costs no disk. What is read, written and removed is done by the disk's thread (kv_disk.h); its answers
 * come with kv_store_drain.
 *
 * When the disk has no room, or refuses, writing stops for KV_STORE_PAUSE_MS with one line in the log, and what is there gives way: answers
 * go on without it.
 *
 * Owner   the main loop.
 * Thread  one.
 * Memory  kv_store_close frees all. Tokens are copied.
 * Limits  bytes_max on the disk, all models together; KV_TREE_ENTRIES_MAX files; KV_STORE_WRITING_BYTES_MAX wait to be written.
 */
#ifndef RUNNEL_ENGINES_LLAMA_KV_STORE_H
#define RUNNEL_ENGINES_LLAMA_KV_STORE_H

#include "kv_file.h"

#define KV_STORE_WRITING_BYTES_MAX ((uint64_t)64 << 20)
#define KV_STORE_PAUSE_MS          60000

/* After so much of the budget was written the folder is looked at again: other engines may write there too. Until then each of them
 * may be above the budget by that much. */
#define KV_STORE_LIST_PARTS 8

/* Without a wish: a tenth of what is free, counting what the cache has already, but no more than this. */
#define KV_STORE_BYTES_DEFAULT_MAX ((uint64_t)8 << 30)

struct kv_store;
struct kv_entry;
struct kv_read;

struct kv_store_options {
    const char *folder;
    int64_t bytes_max; /* −1: the default; 0: what is there is removed, and nothing is kept */
    const char *model_path;
    struct kv_id stamp;  /* model_id_stamp before the model was loaded: of other files nothing is kept */
    struct kv_id params; /* what beside the model changes the bytes */
};

/* kv_store_open begins to look at what is there; until that is done nothing is found and nothing is kept. NULL: the folder cannot be used,
 * and that was logged. */
struct kv_store *kv_store_open(const struct kv_store_options *options);

/* kv_store_close writes what waits for at most `timeout_ms`. NULL is fine. */
void kv_store_close(struct kv_store *store, int timeout_ms);

/* kv_store_fd can be read while kv_store_drain has something to do. */
int kv_store_fd(const struct kv_store *store);

/* kv_store_drain takes the answers of the disk. */
void kv_store_drain(struct kv_store *store);

/* kv_store_wait gives it at most `timeout_ms` to know what is there. */
void kv_store_wait(struct kv_store *store, int timeout_ms);

/* kv_store_is_open: it knows what is there. */
bool kv_store_is_open(const struct kv_store *store);

/* ---- Writing ---- */

/* kv_store_can_write: so many bytes would be taken now. */
bool kv_store_can_write(const struct kv_store *store, uint64_t n_bytes);

/* kv_store_find_end: how many of the tokens whole files hold, those that are being written too. All of them count as used now. */
int kv_store_find_end(struct kv_store *store, const int32_t *tokens, int n_tokens);

/* kv_store_put keeps tokens[n_before … n_tokens), where n_before is what kv_store_find_end just said. `data` has kv_file_head_bytes of
 * room and then the payload; it is taken. */
void kv_store_put(struct kv_store *store, const struct kv_id *owner, const int32_t *tokens, int n_before,
                  int n_tokens, uint8_t *data, size_t n_bytes);

/* kv_store_forget removes what only this owner has, of every model. */
void kv_store_forget(struct kv_store *store, const struct kv_id *owner);

/* ---- Reading ---- */

/* One file on the way to some tokens: it holds [n_before, n_before + n_tokens). */
struct kv_part {
    struct kv_id key;
    int n_before;
    int n_tokens;
    uint64_t n_bytes;
};

/* kv_store_find lists the files that give the tokens from n_from on, the first of them first; new memory. *n_reached: how many tokens they
 * reach; less than a whole last file if its beginning is all that fits. NULL: there is none. */
struct kv_part *kv_store_find(const struct kv_store *store, const int32_t *tokens, int n_tokens, int n_from,
                              size_t *n_parts /* out */, int *n_reached /* out */);

/* kv_store_read reads one. The callback comes from kv_store_drain: the payload is its own to free (`file` is the memory to free); NULL:
 * it could not be read, and what was behind it is gone. NULL instead of a kv_read: not now. */
typedef void (*kv_on_read)(void *ctx, uint8_t *file, const uint8_t *payload, size_t n_bytes,
                           uint64_t took_ns);
struct kv_read *kv_store_read(struct kv_store *store, const struct kv_part *part, kv_on_read callback,
                              void *ctx);

/* kv_store_abandon: the callback does not come. */
void kv_store_abandon(struct kv_read *read);

/* kv_store_drop removes a file that does not work, and what is behind it. */
void kv_store_drop(struct kv_store *store, const struct kv_id *key);

#endif
