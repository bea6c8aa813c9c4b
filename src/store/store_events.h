/* store_events.h - the two shapes of a stream: rows of `event` while it grows, and packed from its end on: a text, and for
 * each token event one varint (7 bits a byte, low first) in `sizes`, the size of its text, and one in `tokens`, its
 * token + 1. Thoughts and calls add no text; `others` has them: for each a varint of how far it is behind the one before it (the first:
 * behind `start`), one of its kind, one of its size, and its text. */
#ifndef RUNNEL_STORE_STORE_EVENTS_H
#define RUNNEL_STORE_STORE_EVENTS_H

#include "base/bytes.h"
#include "store/store_db.h"

#define STORE_CONTENT_BYTES_MAX 1000000000 /* SQLite's own limit for a value */

struct store_events {
    struct bytes text;
    struct bytes sizes;
    struct bytes tokens;
    struct bytes others;
    uint64_t others_seq; /* of the last one */
};

void store_events_init(struct store_events *events);
void store_events_deinit(struct store_events *events);

/* store_events_read packs the rows of an unended generation. They must be 2 to last_seq without a hole, else
 * SQLITE_CORRUPT. SQLITE_TOOBIG: more than the buffers hold. */
int store_events_read(struct store_db *db, int64_t generation_key, uint64_t last_seq,
                      struct store_events *events);

/* store_events_unpack_sizes turns sizes into ends: ends[0] = 0 stands for seq 1, the last for seq n_ends. An ended generation
 * has one event more than sizes, an `end` that adds no text. False: there are not as many sizes, or the text would be longer
 * than text_size_max. */
bool store_events_unpack_sizes(const void *sizes, size_t n_bytes, size_t text_size_max, uint32_t *ends,
                               size_t n_ends, bool has_end);

/* store_events_unpack_tokens likewise; -1 for `start`, `end`, and an event that is no token. */
bool store_events_unpack_tokens(const void *packed, size_t n_bytes, int32_t *tokens, size_t n_tokens,
                                bool has_end);

/* What is no token: kinds[seq - 1] and the size of all their texts after event seq, ends[seq - 1]; `text` takes the texts. */
struct store_others {
    uint8_t *kinds;
    uint32_t *ends;
    size_t n;
    struct bytes text;
};

/* store_others_unpack allocates them. False: the blob is broken; nothing is held then. */
bool store_others_unpack(const void *packed, size_t n_bytes, size_t n_events, bool has_end,
                         struct store_others *out);
void store_others_deinit(struct store_others *others);

#endif
