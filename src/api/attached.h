/* attached.h - a call of a compatible API: an answer that belongs to no conversation, made for one client and given up with it [O5] (P8).
 *
 *   ASKED → WAITING → STREAMING → complete        WAITING → answered
 *
 * ASKED      the chat has not begun the answer yet
 * WAITING    nothing was sent: a failure is still an HTTP status. Without a stream, until the end
 * STREAMING  the head is out, and the answer is read as an event stream
 *
 * An API of this kind is a parser of its request and an encoder: openai_chat.c is one. What all of them have in common is here: the
 * beginning, the walk, signs of life, the end with the client, which failures there are, and what was used.
 *
 * Owner   the connection; freed when it closes.
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_API_ATTACHED_H
#define RUNNEL_API_ATTACHED_H

#include "api/event_stream.h"
#include "api/tape.h"

struct attached;

/* Why there is no answer, or no whole one. */
struct attached_failure {
    int status; /* HTTP */
    const char
        *code; /* the engine's or the chat's, as context_full (docs/engine-protocol.md [E3]); "": none */
    const char *text;
};

/* How far the prompt is, in tokens [W107]. */
struct attached_progress {
    uint32_t total;
    uint32_t cached;
    uint32_t processed; /* those of the cache too */
    uint64_t time_ms;   /* since it was begun */
};

/* When what was seen here; the engine's own times come with the end. */
struct attached_pace {
    uint64_t begun_ns; /* the prompt was; 0: not yet */
    uint64_t first_ns; /* the first token came; 0: not yet */
    uint32_t n_prompt;
    uint32_t n_cached;
    uint32_t n_done;
    uint32_t n_told; /* by add_progress */
    bool is_any_told;
};

struct attached_encoder {
    const char *content_type; /* of a stream, and its signs of life: as in event_stream.h */
    const char *ping;
    /* Before the first byte. reply_whole: it has ended well. */
    void (*reply_whole)(struct attached *self);
    void (*reply_failure)(struct attached *self, const struct attached_failure *failure);
    /* It has begun, and nobody waits (attached_keep's in_background). */
    void (*reply_begun)(struct attached *self);
    /* Events of the stream, appended to `frame`. add_token: one token, perhaps without text. */
    void (*add_begin)(struct attached *self, struct bytes *frame);
    void (*add_token)(struct attached *self, struct bytes *frame, const struct watch_item *item);
    void (*add_end)(struct attached *self, struct bytes *frame);
    /* NULL unless wants_progress may be set. */
    void (*add_progress)(struct attached *self, struct bytes *frame,
                         const struct attached_progress *progress);
    void (*add_failure)(struct attached *self, struct bytes *frame, const struct attached_failure *failure);
    void (*deinit)(struct attached *self); /* what the API has of its own */
};

struct attached {
    struct event_stream events;
    const struct attached_encoder *encoder;
    bool is_stream;
    bool is_streaming;     /* the head is out */
    bool is_kept;          /* in a conversation: it goes on when its client leaves */
    bool is_in_background; /* and nobody waits for it */
    bool wants_progress;   /* of the prompt, in the stream */
    struct attached_pace pace;
    struct tape_reader tape;  /* of no tape, unless the client may come back with an offset */
    struct loop_timer *timer; /* NULL: none is needed */
};

/* An answer that is kept in a conversation (chat_keep). */
struct attached_keep {
    const char *conversation; /* NULL: a new one */
    const char *parent;       /* NULL: the newest message */
    const char *instructions; /* NULL: none */
    json_t *record;           /* shared; NULL: none */
    bool is_whole;
    bool in_background;
};

struct attached_request {
    json_t *messages;       /* empty: settings->more has a raw prompt */
    const char *model_path; /* as models_resolve gave it */
    const struct settings *settings;
    bool is_stream;
    const struct attached_keep *keep; /* NULL: it is given up with its client, and forgotten at its end */
};

/* attached_begin makes one of n_bytes, which begins with struct attached, and attached_ask asks for its answer. */
void *attached_begin(size_t n_bytes, const struct attached_encoder *encoder, struct api *api,
                     struct net_conn *net);
void attached_ask(struct attached *self, const struct attached_request *request);

/* attached_read is for one who comes back: the answer at `index` of the conversation is read from its beginning, as a stream. */
void attached_read(struct attached *self, struct conversation *conversation, size_t index);

/* ---- For encoders, once the answer has begun ---- */

/* What the call is known by, also when another generation goes on with it [O7]. */
const char *attached_id(const struct attached *self);

/* Of the whole answer, over all its generations. */
struct attached_usage {
    int64_t n_prompt;
    int64_t n_cached; /* of the prompt */
    int64_t n_completion;
};
struct attached_usage attached_usage_of(const struct message *answer);
struct attached_usage attached_usage(const struct attached *self);
/* Tokens that were thoughts. */
uint64_t attached_count_reasoning(const struct message *answer);

/* It ended because it was long enough, or the context full. */
bool attached_was_cut(const struct attached *self);

#endif
