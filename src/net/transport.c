#include "net/transport.h"

#include <errno.h>
#include <sys/socket.h>

static ssize_t of_error(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : TRANSPORT_GONE;
}

static ssize_t receive_plain(int fd, char *out, size_t n_bytes, int flags) {
    ssize_t n = recv(fd, out, n_bytes, flags);
    return n > 0 ? n : n == 0 ? TRANSPORT_GONE : of_error();
}

void transport_init(struct transport *transport, int fd, struct tls *tls) {
    *transport = (struct transport){ .fd = fd, .tls = tls };
}

void transport_deinit(struct transport *transport) {
    if (transport->conn) {
        transport_end(transport);
        tls_functions(transport->tls)->conn_free(transport->conn);
        transport->conn = NULL;
    }
}

/* 1: a handshake begins. */
static ssize_t look_at_first_byte(struct transport *transport) {
    char first;
    ssize_t n = receive_plain(transport->fd, &first, 1, MSG_PEEK);
    if (n <= 0) {
        return n;
    }
    if (first != TLS_RECORD_HANDSHAKE) {
        transport->tls = NULL;
        return TRANSPORT_IS_PLAIN;
    }
    transport->conn = tls_conn_new(transport->tls, transport->fd);
    return transport->conn ? 1 : TRANSPORT_GONE;
}

ssize_t transport_receive(struct transport *transport, char *out, size_t n_bytes) {
    if (transport->tls == NULL) {
        return receive_plain(transport->fd, out, n_bytes, 0);
    }
    ssize_t n = transport->conn ? 1 : look_at_first_byte(transport);
    return n == 1 ? tls_functions(transport->tls)->conn_receive(transport->conn, out, n_bytes) : n;
}

ssize_t transport_send(struct transport *transport, const char *bytes, size_t n_bytes) {
    if (transport->conn) {
        return tls_functions(transport->tls)->conn_send(transport->conn, bytes, n_bytes);
    }
    if (transport->tls) {
        return TRANSPORT_GONE; /* nothing is said in the clear */
    }
    ssize_t n = send(transport->fd, bytes, n_bytes, MSG_NOSIGNAL);
    return n >= 0 ? n : of_error();
}

bool transport_wants_write(const struct transport *transport) {
    return transport->conn && tls_functions(transport->tls)->conn_wants_write(transport->conn);
}

bool transport_is_opening(const struct transport *transport) {
    return transport->conn && !tls_functions(transport->tls)->conn_is_open(transport->conn);
}

void transport_end(struct transport *transport) {
    if (transport->conn) {
        tls_functions(transport->tls)->conn_end(transport->conn);
    }
}
