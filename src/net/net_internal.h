/* net_internal.h - shared by the files of net/ only. */
#ifndef RUNNEL_NET_NET_INTERNAL_H
#define RUNNEL_NET_NET_INTERNAL_H

#include "base/bytes.h"
#include "base/list.h"
#include "net/net.h"

#include <libwebsockets.h>

/* HTTP: HEAD → BODY → WAITING → REPLYING or STREAMING (→ DRAINING) → DONE.  WebSocket: HEAD → OPEN → CLOSING.
 * HEAD      on_head runs
 * BODY      the body arrives (http_on_body)
 * WAITING   on_request ran, no answer yet
 * REPLYING  a known body is being sent (http_pump_reply)
 * STREAMING net_stream_begin was called (http_pump_stream)
 * DRAINING  the answer is out, the rest of the body is read and thrown away
 * OPEN      a WebSocket between on_open and the first close (ws_pump)
 * CLOSING   a close code is set; the outbox drains, then the code is sent
 * DONE      nothing more to send; libwebsockets finishes the transaction */
/* One frame may be a whole snapshot. */
#define NET_FRAME_BYTES_MAX (96u << 20)

enum conn_state {
    CONN_HEAD,
    CONN_BODY,
    CONN_WAITING,
    CONN_REPLYING,
    CONN_STREAMING,
    CONN_DRAINING,
    CONN_OPEN,
    CONN_CLOSING,
    CONN_DONE,
};

struct frame {
    struct frame *next;
    size_t n_bytes;
    char bytes[]; /* LWS_PRE bytes of room, then the frame */
};

struct net {
    struct lws_context *context;
    struct lws_vhost *files; /* where watched descriptors live; it does not listen */
    struct net_handlers handlers;
    void *ctx;
    struct loop loop;
    struct list_node conns;
    size_t n_conns;
    uint64_t n_conns_ever;
    lws_sorted_usec_list_t tick;
    struct bytes scratch; /* one frame with its LWS_PRE, reused */
    uint16_t port;
};

struct net_conn {
    struct list_node node;
    struct net *net;
    struct lws *wsi;
    void *ctx;
    uint64_t number;
    enum conn_state state;
    bool is_websocket;
    bool is_head_method;
    bool must_close; /* after the answer: where the next request begins is not known */
    bool is_chunked; /* a stream to an HTTP/1.1 client */
    bool end_wanted; /* net_stream_end was called */
    bool write_wanted;
    bool wrote; /* inside on_writable: its one frame is out */
    enum net_method method;
    char *path;
    char *query;
    char *headers[NET_HEADER_COUNT];

    struct bytes body; /* the request's body, or the WebSocket message that is arriving */
    uint64_t n_body_max;
    uint64_t n_body_announced; /* 0: none, or it is not said */
    uint64_t n_body_seen;
    bool body_ended;
    enum status (*on_piece)(struct net_conn *conn, const char *bytes, size_t n_bytes);
    bool piece_failed;

    struct bytes head_out; /* the response's head, until it is sent */
    char *reply_copy;
    const char *reply_body;
    size_t reply_size;
    size_t reply_sent;

    struct frame *outbox_first;
    struct frame *outbox_last;
    size_t outbox_bytes;

    uint64_t last_write_ms;
    uint64_t waiting_since_ms; /* 0: nothing waits to be written */
    uint16_t close_code;
    bool is_draining; /* CLOSING, but what on_writable has goes first */
    char close_reason[64];
};

/* conn.c */
struct net_conn *conn_new(struct net *net, struct lws *wsi, bool is_websocket);
void conn_free(struct net_conn *conn);
void conn_request_write(struct net_conn *conn);
/* conn_write_raw sends bytes through the scratch buffer; < 0: the socket is gone. */
int conn_write_raw(struct net_conn *conn, const char *bytes, size_t n_bytes, enum lws_write_protocol how);
struct frame *conn_outbox_take(struct net_conn *conn);
void conn_tick(struct net_conn *conn, uint64_t now_ms);
/* conn_bound_send_buffer: a WebSocket or a stream begins. */
void conn_bound_send_buffer(struct net_conn *conn);

/* http.c and ws.c: what the libwebsockets callback does for each. Other than 0 closes the socket. */
int http_on_head(struct net *net, struct lws *wsi);
int http_on_body(struct net_conn *conn, const char *bytes, size_t n_bytes);
int http_on_body_end(struct net_conn *conn);
int http_on_writable(struct net_conn *conn);
int ws_on_upgrade(struct net *net, struct lws *wsi, const char *protocol);
int ws_on_open(struct net_conn *conn);
int ws_on_receive(struct net_conn *conn, const char *bytes, size_t n_bytes);
int ws_on_writable(struct net_conn *conn);

/* watch.c: the struct loop over libwebsockets. */
#define WATCH_PROTOCOL "watch"
int watch_on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length);
void watch_init_loop(struct net *net);

#endif
