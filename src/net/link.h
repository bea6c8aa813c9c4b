/* link.h - a client's socket: one HTTP request after the other, each with its answer, and then perhaps a WebSocket.
 *
 * HEAD → BODY → ANSWER → HEAD …  or → ENDING → LINGERING → closed, or → WEBSOCKET → ENDING → …
 * HEAD      the next request's head comes (head.c), or nothing does
 * BODY      the request's body comes (http_on_body)
 * ANSWER    the request has come whole; nothing is read until its answer is out
 * WEBSOCKET ws.c has the bytes that come
 * ENDING    no other request, no other frame: what is left to write is written
 * LINGERING the sending side is shut; what still comes is thrown away, so that the client sees the answer and no reset
 *
 * Owner   net; a closed link lives until the end of the turn of the loop (link_sweep), for events that name it.
 * Thread  the loop thread.
 * Limits  HEAD_BYTES_MAX and one read of bytes that are nobody's yet; one frame of bytes that the kernel did not take.
 *         LINK_ASIDE_BYTES_MAX of link_write_aside, and then what one more read asks for.
 *         LINK_OPENINGS_MAX handshakes of TLS under way at once: the next one ends the oldest.
 *         NET_HEADER_TIME_S for a head (with the handshake before the first) and for lingering, NET_KEEPALIVE_S between requests, LINK_RATE_MIN for a body.
 */
#ifndef RUNNEL_NET_LINK_H
#define RUNNEL_NET_LINK_H

#include "base/bytes.h"
#include "base/list.h"
#include "net/event_loop.h"
#include "net/net.h"
#include "net/transport.h"

#define LINK_READ_BYTES (64u << 10)
/* A body may take the time of a head and one second per KiB. */
#define LINK_RATE_MIN 1024
/* Of a body that nobody wants, or of whatever else comes after the last answer. */
#define LINK_LINGER_BYTES_MAX (64u << 20)
#define LINK_ASIDE_BYTES_MAX  (16u << 10)
#define NET_KEEPALIVE_S       60
/* A handshake takes milliseconds; one that is drawn out holds up to 130 KB, for a message that is announced and does not come. */
#define LINK_OPENINGS_MAX 256

enum link_state { LINK_HEAD, LINK_BODY, LINK_ANSWER, LINK_WEBSOCKET, LINK_ENDING, LINK_LINGERING };

struct listener;

struct link {
    struct list_node node;
    struct list_node ready; /* in net->ready: link_pump looks at it in the next turn of the loop */
    struct net *net;
    const struct listener *listener; /* where it came in */
    struct event_source source;      /* fd -1: closed */
    uint8_t peer[NET_PEER_BYTES];    /* net_conn_peer */
    struct transport transport;
    enum link_state state;
    struct bytes in;  /* came, and is nobody's yet */
    size_t n_seen;    /* of them, by head_parse */
    bool has_skipped; /* the empty line before the next request */
    struct bytes out; /* written; the kernel has taken the first n_taken of it */
    size_t n_taken;
    size_t n_aside; /* bytes of link_write_aside since `out` was empty */
    bool write_wanted;
    bool half_closed; /* the client sends no more */
    struct net_conn *conn;
    uint64_t since_ms; /* the state's, or the last byte that the kernel took */
    uint64_t n_requests;
    uint64_t n_thrown_away;
};

void link_new(const struct listener *listener, int fd, const uint8_t peer[NET_PEER_BYTES]);
void link_close(struct link *link);
void link_tick(struct link *link, uint64_t now_ms);
/* link_is_idle: between two requests. */
bool link_is_idle(const struct link *link);

/* link_pump looks at the links of net->ready; link_sweep frees what was closed. */
void link_pump(struct net *net);
void link_sweep(struct net *net);

/* For the request: link_write takes all bytes (< 0: the socket is gone); link_want_write leads to http_on_writable or
 * ws_on_writable when the kernel has taken them. */
int link_write(struct link *link, const char *bytes, size_t n_bytes);
/* link_write_aside is for what the client makes the server say. While it does not take it, nothing more is read from it. */
int link_write_aside(struct link *link, const char *bytes, size_t n_bytes);
void link_want_write(struct link *link);
/* link_end_request: the answer is written and the conn is freed, or the close of a WebSocket is written. */
void link_end_request(struct link *link, bool closes);
/* link_kill ends it without a word, in a later turn of the loop. */
void link_kill(struct link *link);
#endif
