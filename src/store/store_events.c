#include "store/store_events.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/store.h"

#include <stdlib.h>

static void add_varint(struct bytes *bytes, uint32_t value) {
    for (; value >= 0x80; value >>= 7) {
        bytes_add_char(bytes, (char)(unsigned char)(value | 0x80));
    }
    bytes_add_char(bytes, (char)value);
}

/* How many bytes were read; 0: the varint is broken. */
static size_t read_varint(const unsigned char *bytes, size_t n, uint32_t *out) {
    uint64_t value = 0;
    for (size_t i = 0; i < n && i < 5; i++) {
        value |= (uint64_t)(bytes[i] & 0x7F) << (7 * i);
        if (bytes[i] < 0x80) {
            *out = (uint32_t)value;
            return value <= UINT32_MAX ? i + 1 : 0;
        }
    }
    return 0;
}

void store_events_init(struct store_events *events) {
    bytes_init(&events->text, STORE_CONTENT_BYTES_MAX);
    bytes_init(&events->sizes, STORE_CONTENT_BYTES_MAX);
    bytes_init(&events->tokens, STORE_CONTENT_BYTES_MAX);
    bytes_init(&events->others, STORE_CONTENT_BYTES_MAX);
    events->others_seq = 1;
}

void store_events_deinit(struct store_events *events) {
    bytes_deinit(&events->text);
    bytes_deinit(&events->sizes);
    bytes_deinit(&events->tokens);
    bytes_deinit(&events->others);
}

static void add_row(struct store_events *events, sqlite3_stmt *row) {
    const void *piece = sqlite3_column_blob(row, 1);
    int size = sqlite3_column_bytes(row, 1);
    int kind = sqlite3_column_int(row, 3);
    if (kind == STORE_EVENT_TOKEN) {
        bytes_add(&events->text, piece, (size_t)size);
    } else {
        uint64_t seq = (uint64_t)sqlite3_column_int64(row, 0);
        add_varint(&events->others, (uint32_t)(seq - events->others_seq));
        add_varint(&events->others, (uint32_t)kind);
        add_varint(&events->others, (uint32_t)size);
        bytes_add(&events->others, piece, (size_t)size);
        events->others_seq = seq;
    }
    add_varint(&events->sizes, kind == STORE_EVENT_TOKEN ? (uint32_t)size : 0);
    add_varint(&events->tokens, (uint32_t)sqlite3_column_int(row, 2) + 1);
}

int store_events_read(struct store_db *db, int64_t generation_key, uint64_t last_seq,
                      struct store_events *events) {
    sqlite3_stmt *read = store_db_use(db, SQL_EVENT_READ);
    sqlite3_bind_int64(read, 1, generation_key);
    uint64_t seq = 1;
    int result = sqlite3_step(read);
    for (; result == SQLITE_ROW; result = sqlite3_step(read)) {
        seq++;
        if ((uint64_t)sqlite3_column_int64(read, 0) != seq) {
            break;
        }
        add_row(events, read);
    }
    sqlite3_reset(read);
    if (result != SQLITE_DONE && result != SQLITE_ROW) {
        return result;
    }
    if (result == SQLITE_ROW || seq != last_seq) {
        LOG_ERROR("store_hole", "generation_key=%lld seq=%llu last_seq=%llu", (long long)generation_key,
                  (unsigned long long)seq, (unsigned long long)last_seq);
        return SQLITE_CORRUPT;
    }
    return events->text.failed || events->sizes.failed || events->tokens.failed || events->others.failed
               ? SQLITE_TOOBIG
               : SQLITE_OK;
}

bool store_events_unpack_sizes(const void *sizes, size_t n_bytes, size_t text_size_max, uint32_t *ends,
                               size_t n_ends, bool has_end) {
    const unsigned char *bytes = sizes;
    size_t n_sizes = n_ends - 1 - has_end;
    size_t at = 0;
    uint64_t end = 0;
    ends[0] = 0;
    for (size_t i = 0; i < n_sizes; i++) {
        uint32_t size = 0;
        size_t n_read = read_varint(bytes + at, n_bytes - at, &size);
        end += size;
        at += n_read;
        if (n_read == 0 || end > text_size_max) {
            return false;
        }
        ends[i + 1] = (uint32_t)end;
    }
    if (has_end) {
        ends[n_ends - 1] = (uint32_t)end;
    }
    return at == n_bytes;
}

bool store_events_unpack_tokens(const void *packed, size_t n_bytes, int32_t *tokens, size_t n_tokens,
                                bool has_end) {
    const unsigned char *bytes = packed;
    size_t at = 0;
    tokens[0] = -1;
    for (size_t i = 1; i < n_tokens - has_end; i++) {
        uint32_t value = 0;
        size_t n_read = read_varint(bytes + at, n_bytes - at, &value);
        at += n_read;
        if (n_read == 0) {
            return false;
        }
        tokens[i] = (int32_t)(value - 1);
    }
    if (has_end) {
        tokens[n_tokens - 1] = -1;
    }
    return at == n_bytes;
}

/* One of them: where it is, and its text behind *at. 0: it is broken. */
static bool read_other(const unsigned char *bytes, size_t n_bytes, size_t *at, uint32_t out[3]) {
    for (int i = 0; i < 3; i++) {
        size_t n_read = *at < n_bytes ? read_varint(bytes + *at, n_bytes - *at, &out[i]) : 0;
        *at += n_read;
        if (n_read == 0) {
            return false;
        }
    }
    return out[0] > 0 && (out[1] == STORE_EVENT_REASONING || out[1] == STORE_EVENT_TOOL) &&
           out[2] <= n_bytes - *at;
}

static bool unpack_others(const unsigned char *bytes, size_t n_bytes, size_t n_last,
                          struct store_others *out) {
    size_t at = 0;
    uint64_t seq = 1;
    while (at < n_bytes) {
        uint32_t other[3]; /* how far, kind, size */
        if (!read_other(bytes, n_bytes, &at, other)) {
            return false;
        }
        uint64_t next = seq + other[0];
        if (next > n_last) {
            return false;
        }
        for (uint64_t i = seq; i < next; i++) {
            out->ends[i] = (uint32_t)out->text.size;
        }
        bytes_add(&out->text, bytes + at, other[2]);
        out->kinds[next - 1] = (uint8_t)other[1];
        out->ends[next - 1] = (uint32_t)out->text.size;
        at += other[2];
        seq = next;
    }
    for (size_t i = (size_t)seq; i < out->n; i++) {
        out->ends[i] = (uint32_t)out->text.size;
    }
    return !out->text.failed;
}

bool store_others_unpack(const void *packed, size_t n_bytes, size_t n_events, bool has_end,
                         struct store_others *out) {
    *out = (struct store_others){ .n = n_events };
    bytes_init(&out->text, STORE_CONTENT_BYTES_MAX);
    out->kinds = mem_alloc(n_events + 1);
    out->ends = mem_alloc((n_events + 1) * sizeof *out->ends);
    if (unpack_others(packed, n_bytes, n_events - has_end, out)) {
        return true;
    }
    store_others_deinit(out);
    return false;
}

void store_others_deinit(struct store_others *others) {
    free(others->kinds);
    free(others->ends);
    bytes_deinit(&others->text);
    *others = (struct store_others){ 0 };
}
