/* keep.h - what the slots hold goes to the disk, piece by piece, between the steps.
 *
 * A slot whose conversation has a cache_key is saved when it was idle for KEEP_IDLE_MS, before it is emptied for room, and at the end of the
 * engine. Only what no file holds yet is written, in pieces that take a few milliseconds to copy; the disk's thread does the rest. While
 * somebody's tokens are computed there is at most one piece every KEEP_BUSY_MS. Of a draft, what is only typed is never written. A model whose
 * memory cannot be cut (a recurrent one) is not kept.
 *
 * Owner   the scheduler.
 * Thread  one.
 * Limits  KEEP_EVICT_BYTES_MAX are saved of a slot that is emptied while others wait; the rest is lost.
 */
#ifndef RUNNEL_ENGINES_LLAMA_KEEP_H
#define RUNNEL_ENGINES_LLAMA_KEEP_H

#include "kv_store.h"
#include "slots.h"

#define KEEP_IDLE_MS         1000
#define KEEP_BUSY_MS         200
#define KEEP_EVICT_BYTES_MAX ((size_t)16 << 20)

/* A piece: memory copies at 3 to 7 GB/s here, so this is about 2 ms. */
#define KEEP_PIECE_BYTES      ((size_t)8 << 20)
#define KEEP_PIECE_TOKENS_MIN 16
#define KEEP_PIECE_TOKENS_MAX 256

/* Fewer tokens are computed again rather than kept in a file of their own. */
#define KEEP_TOKENS_MIN 16

/* How fast the disk gives, until it was measured. */
#define KEEP_LOAD_BYTES_PER_MS 200000

struct keep {
    struct slots *slots;
    struct kv_store *store; /* NULL: nothing is kept */
    int piece_tokens;
    uint64_t saved_ms;        /* the last piece */
    double load_bytes_per_ms; /* as last measured: read, checked, and back in the cache */
};

void keep_init(struct keep *keep, struct slots *slots);

/* keep_save saves one piece if one is due; `is_busy`: somebody's tokens are computed. True: it did, there may be more. */
bool keep_save(struct keep *keep, bool is_busy);

/* keep_due_ms: when keep_save has something to do, if nothing else happens; −1: never. */
int keep_due_ms(const struct keep *keep);

/* keep_flush saves all that is idle, until the time is over (clock_now_ms). */
void keep_flush(struct keep *keep, uint64_t until_ms);

/* keep_forget removes what the disk and the idle slots have of a conversation alone. */
void keep_forget(struct keep *keep, const char *cache_key);

struct kv_id keep_owner(const char *cache_key);

#endif
