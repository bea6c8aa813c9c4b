/* net.h - the event loop, HTTP/1.1 and WebSockets, as bytes.
 *
 * The only part that touches a socket of a client. It knows neither JSON nor chats: it hands whole requests and whole messages up, and
 * asks for one frame whenever a socket can take one (pull, never push).
 *
 * Owner   a connection belongs to net; it is valid from its first upcall until on_close returns. HTTP: one net_conn per request.
 * Thread  the loop thread, except net_wake (any thread, also signal handlers).
 * Memory  everything given to a function is copied, except net_reply_constant.
 * Limits  NET_BODY_BYTES_MAX, NET_MESSAGE_BYTES_MAX, NET_OUTBOX_BYTES_MAX, NET_HEAD_BYTES_MAX, NET_CONNECTIONS_MAX.
 *         Full outbox, or NET_SLOW_MS without a byte taken while something waits: the connection is closed as slow (P7).
 */
#ifndef RUNNEL_NET_NET_H
#define RUNNEL_NET_NET_H

#include "base/loop.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_BODY_BYTES_MAX    (1u << 20)
#define NET_MESSAGE_BYTES_MAX (1u << 20)
#define NET_OUTBOX_BYTES_MAX  (256u << 10)
#define NET_HEAD_BYTES_MAX    (16u << 10)
#define NET_CONNECTIONS_MAX   12000
#define NET_LISTENERS_MAX     4
#define NET_SLOW_MS           30000
/* Looked at once a second: a frame comes at least every 5 s (P11). */
#define NET_SILENCE_MS    4000
#define NET_HEADER_TIME_S 10

struct net;
struct net_conn;

enum net_method { NET_GET, NET_HEAD, NET_POST, NET_DELETE, NET_PUT, NET_OTHER };

/* The request headers that are kept; a header that was not sent is "". A target that names a host counts as the Host. */
enum net_header {
    NET_HEADER_HOST,
    NET_HEADER_ORIGIN,
    NET_HEADER_ACCEPT,
    NET_HEADER_ACCEPT_ENCODING,
    NET_HEADER_AUTHORIZATION,
    NET_HEADER_CONTENT_ENCODING,
    NET_HEADER_CONTENT_TYPE,
    NET_HEADER_COOKIE,
    NET_HEADER_IF_NONE_MATCH,
    NET_HEADER_LAST_EVENT_ID,
    NET_HEADER_X_API_KEY,
    NET_HEADER_X_CONVERSATION_ID,
    NET_HEADER_COUNT
};

/* Close codes of WebSockets: RFC 6455 section 7.4 and docs/protocol.md part 3. */
enum net_close {
    NET_CLOSE_GOING_AWAY = 1001,
    NET_CLOSE_UNSUPPORTED = 1003,
    NET_CLOSE_BAD_HELLO = 4000,
    NET_CLOSE_DENIED = 4001,
    NET_CLOSE_SLOW = 4008,
    NET_CLOSE_TOO_LARGE = 4009,
    NET_CLOSE_REVOKED = 4401,
};

struct net_handlers {
    /* The headers of a request or of an upgrade are here. It replies to refuse (the body is then thrown away, an upgrade does not
     * happen), or returns and lets it go on. */
    void (*on_head)(void *ctx, struct net_conn *conn);
    /* The whole request with its body. It replies now or later, or begins a stream. */
    void (*on_request)(void *ctx, struct net_conn *conn);
    /* A WebSocket is open. */
    void (*on_open)(void *ctx, struct net_conn *conn);
    /* One whole text message. Binary ones never arrive: they close the socket with 1003. */
    void (*on_message)(void *ctx, struct net_conn *conn, const char *text, size_t n_bytes);
    /* The socket can take a frame, its outbox is empty, and net_conn_want_write was called. At most one net_conn_write. */
    void (*on_writable)(void *ctx, struct net_conn *conn);
    /* An open WebSocket or stream has sent nothing for NET_SILENCE_MS (P11). */
    void (*on_silence)(void *ctx, struct net_conn *conn);
    /* The last upcall for this connection; it can still be read, not written. */
    void (*on_close)(void *ctx, struct net_conn *conn);
    /* What came was no request, or took too long, and was answered with this status; no connection knows of it (`peer`: net_conn_peer).
     * NULL: nobody asks. */
    void (*on_refused)(void *ctx, const uint8_t *peer, int status);
};

struct tls;

/* One place where clients come in. */
struct net_options {
    const char *host; /* an IPv4 or IPv6 address */
    uint16_t port;    /* 0: any free one */
    const char
        *path; /* of a Unix socket, instead of an address; NULL: none. Whoever may open it is this user */
    struct tls *tls; /* NULL: none; it outlives the net's clients */
    int tag;         /* net_conn_tag */
};

/* net_open makes the loop; nothing listens yet. */
MUST_CHECK enum status net_open(struct net **out, struct fault *fault);

/* net_serve says who is told of clients; once, before net_listen. slow_ms 0: NET_SLOW_MS. */
void net_serve(struct net *net, const struct net_handlers *handlers, void *ctx, uint32_t slow_ms);

/* net_listen lets clients in, in one place more; NET_LISTENERS_MAX. STATUS_BUSY: the port or the path is in use; the fault says what to
 * do. A Unix socket that nobody listens at is replaced. */
MUST_CHECK enum status net_listen(struct net *net, const struct net_options *options, struct fault *fault);

/* net_drop_clients forgets every connection at once (on_close for each). After it, watched descriptors and timers still work, and
 * their owners can be closed before the loop is. */
void net_drop_clients(struct net *net);

/* net_close: nothing watches and no timer runs any more. NULL is fine. */
void net_close(struct net *net);

/* net_run_once waits for something to happen and handles it. */
void net_run_once(struct net *net);

/* net_wake makes net_run_once return, so that its caller looks at the mailboxes. Any thread. */
void net_wake(struct net *net);

/* net_loop is how other parts watch file descriptors and set timers. */
const struct loop *net_loop(struct net *net);

uint16_t net_port(const struct net *net); /* of the first that has one */
size_t net_conn_count(const struct net *net);

/* What the sockets have added up to since net_open. Bytes are counted without what TLS adds. */
struct net_figures {
    uint64_t n_bytes_received;
    uint64_t n_bytes_sent;
    uint64_t n_accepted;
    uint64_t n_handshakes; /* of TLS, done; and not */
    uint64_t n_handshakes_failed;
    size_t n_sockets;              /* now */
    int64_t certificate_expires_s; /* Unix time; 0: there is none */
};
struct net_figures net_figures(const struct net *net);

/* net_stop closes every WebSocket with 1001 after what it still has to read, and every stream likewise. */
void net_stop(struct net *net);

/* ---- What a connection was asked ---- */
enum net_method net_conn_method(const struct net_conn *conn);
const char *net_conn_path(const struct net_conn *conn); /* decoded, without the query */
bool net_conn_is_websocket(const struct net_conn *conn);
const char *net_conn_header(const struct net_conn *conn, enum net_header header);
/* net_conn_query copies a decoded query argument. A value that does not fit is none that could be meant: refuse it. `out` is "" unless
 * it was found. */
enum net_query { NET_QUERY_ABSENT, NET_QUERY_FOUND, NET_QUERY_TOO_LONG };
MUST_CHECK enum net_query net_conn_query(const struct net_conn *conn, const char *name, char *out,
                                         size_t out_bytes);
const char *net_conn_body(const struct net_conn *conn, size_t *n_bytes);
uint64_t net_conn_body_announced(
    const struct net_conn *conn);                    /* its Content-Length; 0: none, or it comes in chunks */
bool net_conn_has_body(const struct net_conn *conn); /* in chunks, or with a Content-Length above 0 */
uint64_t net_conn_number(const struct net_conn *conn); /* counts from 1; for logs */
int net_conn_status(const struct net_conn *conn);      /* of the answer, 101 of a WebSocket; 0: none */
uint64_t net_conn_bytes_sent(const struct net_conn *conn);
uint64_t net_conn_age_ms(const struct net_conn *conn); /* since its head was here */

/* ---- Where it came in ---- */
int net_conn_tag(const struct net_conn *conn);
bool net_conn_is_tls(const struct net_conn *conn);
uint16_t net_conn_port(const struct net_conn *conn); /* of the listener; 0: a Unix socket */
/* net_conn_address writes the address that the client has dialled, as it stands in a Host: [v6] in brackets. False: it has none. */
#define NET_ADDRESS_BYTES 64
MUST_CHECK bool net_conn_address(const struct net_conn *conn, char out[NET_ADDRESS_BYTES]);

/* net_conn_peer is the address of the client as IPv6 has it, in network order (an IPv4 address is ::ffff:a.b.c.d); all zero: a Unix
 * socket. Behind a proxy it is the proxy's. net_format_peer writes it as people do; "" for a Unix socket. */
#define NET_PEER_BYTES 16
const uint8_t *net_conn_peer(const struct net_conn *conn);
void net_format_peer(const uint8_t peer[NET_PEER_BYTES], char out[NET_ADDRESS_BYTES]);

/* A pointer of the receiver's, NULL at first; and two numbers, 0 at first. */
void net_conn_set_ctx(struct net_conn *conn, void *ctx);
void *net_conn_ctx(const struct net_conn *conn);
void net_conn_set_mark(struct net_conn *conn, uint64_t mark);
uint64_t net_conn_mark(const struct net_conn *conn);
void net_conn_set_kind(struct net_conn *conn, size_t kind);
size_t net_conn_kind(const struct net_conn *conn);

/* net_each_conn shows all that there are, also those that have said all. `visit` may close them (net_conn_close). */
void net_each_conn(struct net *net, void (*visit)(void *ctx, struct net_conn *conn), void *ctx);

/* net_conn_accept_body lets this request have more than NET_BODY_BYTES_MAX and gives each piece to on_piece instead of keeping it;
 * a return other than STATUS_OK stops the pieces. Call it from on_head. */
void net_conn_accept_body(struct net_conn *conn, uint64_t n_bytes_max,
                          enum status (*on_piece)(struct net_conn *conn, const char *bytes, size_t n_bytes));

/* ---- Answers to a request ---- */
struct net_reply {
    int status;
    const char *content_type; /* NULL: none */
    const char *headers;      /* whole lines, each ended by CR LF; NULL: none */
    const void *body;
    size_t n_bytes;
    bool is_constant; /* body lives as long as the program: it is not copied */
};

/* net_conn_add_header puts one more line into the head of the answer to come; neither text has a line end. */
void net_conn_add_header(struct net_conn *conn, const char *name, const char *value);

/* net_reply answers; once per request. A HEAD request gets the headers only. */
void net_reply(struct net_conn *conn, const struct net_reply *reply);

/* net_stream_begin answers 200 with a body of unknown length that on_writable fills. */
void net_stream_begin(struct net_conn *conn, const char *content_type, const char *headers);
/* net_stream_end ends it after what was written. */
void net_stream_end(struct net_conn *conn);

bool net_conn_is_answered(const struct net_conn *conn);

/* ---- Open WebSockets and streams ---- */
void net_conn_want_write(struct net_conn *conn);

/* net_conn_write sends one frame (WebSocket: one text message; stream: bytes). Only inside on_writable, once. */
void net_conn_write(struct net_conn *conn, const char *bytes, size_t n_bytes);

/* net_conn_send queues one frame, for answers that come out of turn. It goes before what on_writable writes. */
void net_conn_send(struct net_conn *conn, const char *bytes, size_t n_bytes);

#ifdef RUNNEL_FAULTS
/* net_conn_echo makes a WebSocket say whatever it hears, text or binary, and on_message never comes: for the conformance cases of
 * tests/threats. From on_head or on_open. */
void net_conn_echo(struct net_conn *conn);
#endif

/* net_conn_close closes a WebSocket with `code` after the outbox is sent, and a request or stream at once. on_close follows later. */
void net_conn_close(struct net_conn *conn, enum net_close code, const char *reason);

#endif
