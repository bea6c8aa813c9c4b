/* listen.c - the port, and who comes in.
 *
 * Descriptors run out before anything else does. A listening socket that cannot be accepted from stays readable, so a loop that goes on
 * asking spins; here nobody is asked for a while, and enough descriptors are left over for the store and for engines.
 */
#include "base/log.h"
#include "net/link.h"
#include "net/net_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTEN_BACKLOG  512
#define LISTEN_PAUSE_MS 200
/* What the store, the engines' pipes and a file that is read may need besides. */
#define LISTEN_SPARE_DESCRIPTORS 32
#define LISTEN_SOCKETS_MIN       4
/* In one turn of the loop. */
#define LISTEN_ACCEPTS_MAX 64

static enum status listen_failure(const struct net_options *options, int error, struct fault *fault) {
    if (error == EADDRINUSE) {
        return fault_set(fault, STATUS_BUSY,
                         "port %u is in use: stop the program that listens there, or start with --port N",
                         options->port);
    }
    return fault_set(fault, STATUS_IO, "cannot listen on %s port %u: %s", options->host, options->port,
                     strerror(error));
}

static size_t sockets_max(int newest_fd) {
    struct rlimit limit = { .rlim_cur = NET_CONNECTIONS_MAX };
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t n_taken = (rlim_t)newest_fd + 1 + LISTEN_SPARE_DESCRIPTORS;
    rlim_t n_left = limit.rlim_cur > n_taken ? limit.rlim_cur - n_taken : 0;
    return n_left < LISTEN_SOCKETS_MIN    ? LISTEN_SOCKETS_MIN
           : n_left > NET_CONNECTIONS_MAX ? NET_CONNECTIONS_MAX
                                          : (size_t)n_left;
}

enum status listen_open(struct net *net, const struct net_options *options, struct fault *fault) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(options->port) };
    if (inet_pton(AF_INET, options->host, &address.sin_addr) != 1) {
        return fault_set(fault, STATUS_INVALID,
                         "--host %s is no IPv4 address: use 127.0.0.1 or an address of this machine",
                         options->host);
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return listen_failure(options, errno, fault);
    }
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    socklen_t n_address = sizeof address;
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    if (bind(fd, (struct sockaddr *)&address, n_address) != 0 || listen(fd, LISTEN_BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &n_address) != 0 ||
        epoll_ctl(net->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        int error = errno;
        close(fd);
        return listen_failure(options, error, fault);
    }
    net->listener = fd;
    net->port = ntohs(address.sin_port);
    net->n_sockets_max = sockets_max(fd);
    return STATUS_OK;
}

static void watch_listener(struct net *net, bool is_watched) {
    struct epoll_event event = { .events = is_watched ? (uint32_t)EPOLLIN : 0u, .data.ptr = NULL };
    epoll_ctl(net->epoll, EPOLL_CTL_MOD, net->listener, &event);
}

static void on_pause_end(lws_sorted_usec_list_t *entry) {
    watch_listener(lws_container_of(entry, struct net, accept_again), true);
}

static void pause_listening(struct net *net, const char *reason) {
    LOG_INFO("accept_paused", "reason=%s sockets=%zu", reason, net->n_sockets);
    watch_listener(net, false);
    lws_sul_schedule(net->context, 0, &net->accept_again, on_pause_end, (lws_usec_t)LISTEN_PAUSE_MS * 1000);
}

/* Of the sockets between two requests the one that waits longest makes room. */
static bool close_idle_link(struct net *net) {
    struct link *oldest = NULL;
    LIST_EACH(node, &net->links) {
        struct link *link = CONTAINER_OF(node, struct link, node);
        if (link_is_idle(link) && (oldest == NULL || link->since_ms < oldest->since_ms)) {
            oldest = link;
        }
    }
    if (oldest) {
        link_close(oldest);
    }
    return oldest != NULL;
}

void listen_on_readable(struct net *net) {
    for (int i = 0; i < LISTEN_ACCEPTS_MAX; i++) {
        if (net->n_sockets >= net->n_sockets_max && !close_idle_link(net)) {
            pause_listening(net, "full");
            return;
        }
        int fd = accept4(net->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            bool is_short = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
            if (is_short && !close_idle_link(net)) {
                pause_listening(net, strerror(errno));
            }
            return;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        link_new(net, fd);
    }
}

void listen_close(struct net *net) {
    lws_sul_cancel(&net->accept_again);
    if (net->listener >= 0) {
        close(net->listener);
        net->listener = -1;
    }
}
