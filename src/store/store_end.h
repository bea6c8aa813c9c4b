/* store_end.h - how a stream becomes a text: at its end, or at the next start when the program died before
 * it.
 *
 * The events of an ended generation are its message's content and text_sizes: one varint (7 bits a byte, low
 * first) per token, the size of its text. */
#ifndef RUNNEL_STORE_STORE_END_H
#define RUNNEL_STORE_STORE_END_H

#include "base/bytes.h"
#include "store/store.h"
#include "store/store_db.h"

#define STORE_CONTENT_BYTES_MAX 1000000000 /* SQLite's own limit for a value */

/* store_end_read_events appends the texts of an unended generation and, for each, its size as a varint.
 * Events must be 2 to last_seq without a hole, else SQLITE_CORRUPT. SQLITE_TOOBIG: more than the buffers
 * hold. */
int store_end_read_events(struct store_db *db, int64_t generation_key, uint64_t last_seq, struct bytes *text,
                          struct bytes *sizes);

/* store_end_unpack turns sizes into ends: ends[0] = 0 stands for seq 1, the last for seq n_ends. False: the
 * sizes are not those of a text of text_size bytes. An ended generation has one event more than sizes, an
 * `end` that adds no text. */
bool store_end_unpack(const void *sizes, size_t n_bytes, size_t text_size, uint32_t *ends, size_t n_ends,
                      bool has_end);

/* store_end_apply ends a generation in the running transaction. *status is STATUS_CONFLICT, and nothing was
 * written, when it has ended or seq is not its next. *is_detached: its rows are gone. The result is SQLite's. */
int store_end_apply(struct store_db *db, const struct store_end *end, enum status *status, bool *is_detached);

/* store_end_interrupt_all ends what the last life of the program left open, in one transaction of its own. */
MUST_CHECK enum status store_end_interrupt_all(struct store_db *db, int64_t wall_ms, struct fault *fault);

#endif
