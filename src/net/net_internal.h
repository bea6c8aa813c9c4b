/* net_internal.h - shared by the files of net/ only. */
#ifndef RUNNEL_NET_NET_INTERNAL_H
#define RUNNEL_NET_NET_INTERNAL_H

#include "base/bytes.h"
#include "base/list.h"
#include "net/chunked.h"
#include "net/event_loop.h"
#include "net/head.h"
#include "net/link.h"
#include "net/net.h"
#include "net/ws_input.h"

/* HTTP: HEAD → BODY → WAITING → REPLYING or STREAMING → DONE.  WebSocket: HEAD → OPEN → CLOSING.
 * HEAD      on_head runs
 * BODY      the body arrives (http_on_body)
 * WAITING   on_request ran, no answer yet
 * REPLYING  a known body is being sent (pump_reply)
 * STREAMING net_stream_begin was called (pump_stream)
 * OPEN      a WebSocket between on_open and the first close (ws_on_writable)
 * CLOSING   a close code is set; the outbox drains, then the code is sent
 * DONE      nothing more to send; the link goes on, or ends, and a WebSocket with it */
/* One frame may be a whole snapshot. */
#define NET_FRAME_BYTES_MAX (96u << 20)
#define WEBSOCKET_KEY_BYTES 24

enum conn_state {
    CONN_HEAD,
    CONN_BODY,
    CONN_WAITING,
    CONN_REPLYING,
    CONN_STREAMING,
    CONN_OPEN,
    CONN_CLOSING,
    CONN_DONE,
};

struct frame {
    struct frame *next;
    size_t n_bytes;
    bool is_binary;
    char bytes[];
};

struct listener {
    struct event_source source;
    struct net *net;
    struct tls *tls; /* NULL: none */
    char *path;      /* of a Unix socket; NULL: none */
    uint16_t port;
    int tag;
};

struct net {
    struct event_loop *loop;
    struct net_handlers handlers;
    void *ctx;
    struct list_node conns;
    size_t n_conns;
    uint64_t n_conns_ever;
    struct loop_timer *tick;
    uint64_t slow_ms;
    struct net_figures figures; /* but for what is asked of others */

    struct listener listeners[NET_LISTENERS_MAX];
    size_t n_listeners;
    size_t n_links;
    size_t n_links_max;
    size_t n_openings; /* links whose transport_is_opening */
    struct loop_timer *accept_again;
    struct list_node links;
    struct list_node closed_links;
    struct list_node ready;
    struct loop_timer *pump;
    char incoming[LINK_READ_BYTES];
    char outgoing[LINK_READ_BYTES]; /* one frame with its head */
};

struct net_conn {
    struct list_node node;
    struct net *net;
    struct link *link;
    void *ctx;
    uint64_t mark;
    size_t kind;
    int status; /* of the answer; 0: none yet */
    uint64_t n_sent;
    uint64_t begun_ms;
    uint64_t number;
    enum conn_state state;
    bool is_websocket;
    bool is_head_method;
    bool must_close; /* after the answer */
    bool expects_continue;
    bool is_http_1_0; /* a stream to it has no chunks */
    bool end_wanted;  /* net_stream_end was called */
    bool write_wanted;
    bool wrote; /* inside on_writable: its one frame is out */
    enum net_method method;
    char *path;
    char *query;
    char *headers[NET_HEADER_COUNT];

    struct bytes body;
    uint64_t n_body_max;
    uint64_t n_body_announced; /* 0: none, or it is not said */
    uint64_t n_body_seen;
    bool is_chunked;
    bool is_last_chunk_seen; /* and the trailer behind it */
    struct chunked chunked;
    enum status (*on_piece)(struct net_conn *conn, const char *bytes, size_t n_bytes);
    bool piece_failed;

    struct bytes head_more; /* net_conn_add_header */
    struct bytes head_out;  /* the response's head, until it is sent */
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
    char websocket_key[WEBSOCKET_KEY_BYTES];
    struct ws_input input;
    bool is_echo;     /* net_conn_echo */
    bool is_draining; /* CLOSING, but what on_writable has goes first */
    char close_reason[64];
};

/* conn.c */
struct net_conn *conn_new(struct net *net, struct link *link, const struct head *head);
void conn_free(struct net_conn *conn); /* NULL is fine */
void conn_request_write(struct net_conn *conn);
/* conn_write_raw writes bytes; < 0: the socket is gone. */
int conn_write_raw(struct net_conn *conn, const char *bytes, size_t n_bytes);
void conn_queue_frame(struct net_conn *conn, const char *bytes, size_t n_bytes, bool is_binary);
struct frame *conn_outbox_take(struct net_conn *conn);
void conn_tick(struct net_conn *conn, uint64_t now_ms);
/* conn_kill ends it without a word, in a later turn of the loop. */
void conn_kill(struct net_conn *conn);
/* Something waits for the kernel to take it; the kernel took some. NULL is fine. */
void conn_is_waiting(struct net_conn *conn);
void conn_made_progress(struct net_conn *conn);
/* conn_bound_send_buffer: a WebSocket or a stream begins. */
void conn_bound_send_buffer(struct net_conn *conn);

/* http.c: what the link does for its request. http_on_body says how many of the bytes are the body's; other than 0 of http_on_writable
 * closes the link. */
void http_on_head(struct net_conn *conn);
size_t http_on_body(struct net_conn *conn, const char *bytes, size_t n_bytes);
void http_on_body_end(struct net_conn *conn);
int http_on_writable(struct net_conn *conn);
bool http_is_body_arriving(const struct net_conn *conn);
void http_refuse(struct net_conn *conn, int status, const char *text);
const char *http_reason(int status);

/* ws.c: what the link does for its WebSocket. ws_is_open: on_open came, and no close was sent. */
bool ws_is_open(const struct net_conn *conn);
void ws_on_upgrade(struct net_conn *conn);
void ws_on_bytes(struct net_conn *conn, const char *bytes, size_t n_bytes);
int ws_on_writable(struct net_conn *conn);
int ws_write_text(struct net_conn *conn, const char *bytes, size_t n_bytes);

/* listen.c */
MUST_CHECK enum status listen_open(struct net *net, const struct net_options *options, struct fault *fault);
void listen_on_pause_end(void *ctx); /* of `accept_again`; its ctx is the net */
bool listen_format_address(int fd, char out[NET_ADDRESS_BYTES]);
void listen_close(struct net *net);

/* net.c: link_pump runs at the end of this turn of the loop, or of the next. */
void net_pump_soon(struct net *net);

#endif
