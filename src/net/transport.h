/* transport.h - the bytes of one client's socket: the only place that takes them from it and gives them to it.
 *
 * With TLS they are secured on the way, and the handshake is made by transport_receive. It begins with the client's first byte: a socket
 * that says nothing costs no more than a plain one.
 *
 * Owner   the link; transport_deinit comes before its descriptor is closed.
 * Thread  the loop thread; no call blocks.
 * Limits  TLS_RECORDS_MAX, TLS_SEND_BYTES_MAX in one call.
 * Errors  TRANSPORT_GONE: the socket has ended or failed, and nothing can be done but to close it.
 */
#ifndef RUNNEL_NET_TRANSPORT_H
#define RUNNEL_NET_TRANSPORT_H

#include "net/tls.h"

#include <stdbool.h>
#include <sys/types.h>

#define TRANSPORT_GONE (-1)
/* The first byte begins no handshake. From here on it is a plain socket, for the answer that says so. */
#define TRANSPORT_IS_PLAIN (-2)

struct transport {
    int fd;
    struct tls *tls;       /* NULL: plain */
    struct tls_conn *conn; /* NULL: plain, or nothing came yet */
};

void transport_init(struct transport *transport, int fd, struct tls *tls);
void transport_deinit(struct transport *transport);

/* transport_receive: how many bytes came; 0: none now. */
ssize_t transport_receive(struct transport *transport, char *out, size_t n_bytes);

/* transport_send: how many bytes were taken; 0: none now. The rest is given again, from the same byte on and with no byte less. */
ssize_t transport_send(struct transport *transport, const char *bytes, size_t n_bytes);

/* transport_wants_write: transport_receive can go on when the socket can be written to. */
bool transport_wants_write(const struct transport *transport);

/* transport_is_opening: a handshake has begun and is not done. */
bool transport_is_opening(const struct transport *transport);

/* transport_end says that no byte comes after those that were sent. */
void transport_end(struct transport *transport);

#endif
