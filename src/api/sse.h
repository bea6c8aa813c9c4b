/* sse.h - server-sent events [W15] [W27]: an event stream whose reader may come back to behind an event. Whoever leaves stops no answer (P8).
 *
 * Owner   the connection; freed when it closes.
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_API_SSE_H
#define RUNNEL_API_SSE_H

#include "api/event_stream.h"

struct sse_encoder {
    struct event_encoder events;
    const char *cursor_name; /* what a client calls its place, for errors */
    /* Whoever resumes saw the last end already: what it may lack. NULL: there is nothing, 204. */
    void (*add_rest)(struct event_stream *events, struct bytes *frame);
};

struct sse {
    struct event_stream events;
    const struct sse_encoder *encoder;
    struct cursor cursor; /* of a resumption */
    /* A resumption must be of the same message as this one; empty: of any. */
    char of_generation[ID_HEX_BYTES];
};

struct sse *sse_new(const struct sse_encoder *encoder, struct api *api, struct net_conn *net);

/* sse_begin reads the answer at `index` of the conversation from its beginning. */
void sse_begin(struct sse *sse, struct conversation *conversation, size_t index);

/* sse_resume reads on behind sse->cursor, or answers 404 with the reason. */
void sse_resume(struct sse *sse);

/* GENERATION.EPOCH.SEQ: the id of an event. False: the text is none. */
bool sse_parse_id(const char *text, struct cursor *cursor /* out */);
#define SSE_ID_FORM "Last-Event-ID must be the id of an event: GENERATION.EPOCH.SEQ"
void sse_add_id(const struct event_stream *events, struct bytes *frame, uint64_t seq);

#endif
