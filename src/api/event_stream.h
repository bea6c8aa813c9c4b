/* event_stream.h - one answer read as an event stream [W9]: from some place in it, over every seam, until its last end. What the events look
 * like is the encoder's.
 *
 * Owner   the connection whose first member it is: sse.h (readers, who may come back), attached.h (calls, which end with their client).
 * Thread  the loop thread only.
 * Limits  EVENT_STREAM_WRITE_BYTES and one event in one write; a larger event than API_FRAME_BYTES_MAX closes the socket.
 */
#ifndef RUNNEL_API_EVENT_STREAM_H
#define RUNNEL_API_EVENT_STREAM_H

#include "api/api_internal.h"

/* Events are joined into one write up to about this size. */
#define EVENT_STREAM_WRITE_BYTES (16u << 10)

struct event_stream;

/* Each appends to `frame`. Whoever says the last sets is_complete. */
struct event_encoder {
    void (*add_item)(struct event_stream *self, struct bytes *frame, const struct watch_item *item);
    /* The end of a generation that another one goes on with. NULL: as if nothing had been. */
    void (*add_seam)(struct event_stream *self, struct bytes *frame, const struct watch_item *item);
    /* The server stops before the answer's turn has come. NULL: the stream just ends. */
    void (*add_left)(struct event_stream *self, struct bytes *frame);
};

struct event_stream {
    struct api_call call;
    const struct event_encoder *encoder;
    struct watcher watcher;
    const struct message
        *message;                /* the answer; lives as long as the watcher's conversation. NULL: none yet */
    const struct stream *stream; /* of its generation that is being read */
    bool is_complete;            /* the encoder said the last */
    const char *content_type;    /* NULL: text/event-stream */
    const char *ping;            /* a sign of life (P11); NULL: a comment */
};

/* event_stream_read takes the answer at `index` of the conversation, from its beginning. event_stream_on_change is an on_change for it, once
 * it has begun. */
void event_stream_read(struct event_stream *self, struct conversation *conversation, size_t index,
                       void (*on_change)(void *ctx));
void event_stream_on_change(void *ctx);

/* event_stream_begin sends the head, unless the request was answered already. */
void event_stream_begin(struct event_stream *self);

/* Ops of its connection. */
void event_stream_on_writable(struct api_conn *conn);
void event_stream_on_silence(struct api_conn *conn);
void event_stream_on_close(struct api_conn *conn);

#endif
