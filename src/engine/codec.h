/* codec.h - the engine protocol as bytes: operations out, events in (docs/engine-protocol.md).
 *
 * Thread  any; no state.
 * Memory  an event owns its JSON; all its strings and values point into that, until codec_event_deinit.
 * Errors  codec_decode is STATUS_INVALID for what [E1] calls a protocol error. The fault never quotes the line: it may hold
 *         what a model said.
 */
#ifndef RUNNEL_ENGINE_CODEC_H
#define RUNNEL_ENGINE_CODEC_H

#include "base/bytes.h"
#include "base/json.h"
#include "engine/engine.h"

#define CODEC_PROTOCOL   1
#define CODEC_PIECES_MAX (1u << 19) /* more do not fit into a line */

enum codec_kind {
    CODEC_UNKNOWN, /* an event of a later version: ignored [E2] */
    CODEC_HELLO,
    CODEC_PONG,
    CODEC_LOAD,
    CODEC_READY,
    CODEC_FAILED,
    CODEC_QUEUED,
    CODEC_DROPPED,
    CODEC_PREFILL,
    CODEC_STEP,
    CODEC_END,
    CODEC_INSPECT,
    CODEC_ANSWER, /* to engine_ask: `root` has it */
};

struct codec_event {
    enum codec_kind kind;
    json_t *root;
    const char *id; /* queued, dropped, prefill, end, answer */
    union {
        struct {
            int64_t protocol;
            const char *engine;
            const char *version;
        } hello;
        struct {
            uint64_t n;
        } pong;
        struct {
            const char *stage;
            double progress;
        } load;
        struct {
            json_t *model;
            json_t *memory; /* NULL: none */
            uint32_t context_size;
            uint32_t n_slots;
        } ready;
        struct {
            const char *code;
            const char *text;
        } failed;
        struct {
            uint32_t position;
        } queued;
        struct {
            uint32_t n_messages;
        } dropped;
        struct {
            uint32_t done;
            uint32_t total;
            uint32_t cached;
        } prefill;
        struct {
            uint64_t t_ns;
            const json_t *out; /* see codec_read_pieces */
        } step;
        struct engine_end end;
        struct {
            json_t *info;
        } inspect;
    };
};

MUST_CHECK enum status codec_decode(const char *line, size_t n_bytes, struct codec_event *out,
                                    struct fault *fault);
void codec_event_deinit(struct codec_event *event);

/* The pieces of a step, in an array that is used again for the next. Zeroed memory is ready. Texts that are made of JSON lie in `made`. */
struct codec_pieces {
    struct engine_piece *items;
    size_t count;
    size_t capacity;
    char **made;
    size_t n_made;
    size_t made_capacity;
};

MUST_CHECK enum status codec_read_pieces(const struct codec_event *step, struct codec_pieces *out,
                                         struct fault *fault);
void codec_pieces_deinit(struct codec_pieces *pieces);

/* The encoders add one whole line; look at out->failed. */
void codec_encode_load(const struct engine_options *options, struct bytes *out);
void codec_encode_generate(const struct engine_job *job, struct bytes *out);
void codec_encode_draft(const struct engine_job *job, struct bytes *out);
void codec_encode_forget(const char *cache_key, const char *cache_dir, struct bytes *out); /* NULL: its own */
/* codec_encode_ask: `members` are those of the operation besides op and id. */
void codec_encode_ask(const char *op, const char *id, const json_t *members, struct bytes *out);
void codec_encode_cancel(const char *id, struct bytes *out);
void codec_encode_ping(uint64_t n, struct bytes *out);
void codec_encode_unload(struct bytes *out);
void codec_encode_inspect(const char *model_path, struct bytes *out);

#endif
