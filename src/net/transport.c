#include "net/transport.h"

#include <errno.h>
#include <sys/socket.h>

static ssize_t of_error(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : TRANSPORT_GONE;
}

ssize_t transport_receive(int fd, char *out, size_t n_bytes) {
    ssize_t n = recv(fd, out, n_bytes, 0);
    return n > 0 ? n : n == 0 ? TRANSPORT_GONE : of_error();
}

ssize_t transport_send(int fd, const char *bytes, size_t n_bytes) {
    ssize_t n = send(fd, bytes, n_bytes, MSG_NOSIGNAL);
    return n >= 0 ? n : of_error();
}
