/* sse.h - an event stream that reads one answer [W9] [W15] [W27]: from its beginning, or from behind an event, over every seam, until
 * its last end. What the events look like is the encoder's.
 *
 * Owner   the connection; freed when it closes. Whoever leaves stops no answer (P8).
 * Thread  the loop thread only.
 * Limits  API_STREAM_WRITE_BYTES and one event in one write; a larger event than API_FRAME_BYTES_MAX closes the socket.
 */
#ifndef RUNNEL_API_SSE_H
#define RUNNEL_API_SSE_H

#include "api/api_internal.h"

struct sse;

struct sse_encoder {
    const char *cursor_name; /* what a client calls its place, for errors */
    void (*add_item)(struct sse *sse, struct bytes *frame, const struct watch_item *item);
    /* The end of a generation that another one goes on with. */
    void (*add_seam)(struct sse *sse, struct bytes *frame, const struct watch_item *item);
    /* The server stops before the answer's turn has come. NULL: the stream just ends, and whoever comes back is served. */
    void (*add_left)(struct sse *sse, struct bytes *frame);
    /* Whoever resumes saw the last end already: what it may lack. NULL: there is nothing, 204. */
    void (*add_rest)(struct sse *sse, struct bytes *frame);
};

struct sse {
    struct api_call call;
    const struct sse_encoder *encoder;
    struct watcher watcher;
    struct cursor cursor; /* of a resumption */
    char
        of_generation[ID_HEX_BYTES]; /* a resumption must be of the same message as this one; empty: of any */
    const struct message *message;   /* the answer; lives as long as the watcher's conversation */
    const struct stream *stream;     /* of its generation that is being read */
    bool is_complete;                /* the encoder said the last */
};

struct sse *sse_new(const struct sse_encoder *encoder, struct api *api, struct net_conn *net);

/* sse_begin reads the answer at `index` of the conversation from its beginning. */
void sse_begin(struct sse *sse, struct conversation *conversation, size_t index);

/* sse_resume reads on behind sse->cursor, or answers 404 with the reason. */
void sse_resume(struct sse *sse);

/* GENERATION.EPOCH.SEQ: the id of an event. False: the text is none. */
#define SSE_ID_FORM "Last-Event-ID must be the id of an event: GENERATION.EPOCH.SEQ"
bool sse_parse_id(const char *text, struct cursor *cursor /* out */);
void sse_add_id(const struct sse *sse, struct bytes *frame, uint64_t seq);

#endif
