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
#define LISTEN_LINKS_MIN         4
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

static size_t links_max(int newest_fd) {
    struct rlimit limit = { .rlim_cur = NET_CONNECTIONS_MAX };
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t n_taken = (rlim_t)newest_fd + 1 + LISTEN_SPARE_DESCRIPTORS;
    rlim_t n_left = limit.rlim_cur > n_taken ? limit.rlim_cur - n_taken : 0;
    return n_left < LISTEN_LINKS_MIN      ? LISTEN_LINKS_MIN
           : n_left > NET_CONNECTIONS_MAX ? NET_CONNECTIONS_MAX
                                          : (size_t)n_left;
}

void listen_on_pause_end(void *ctx) {
    struct net *net = ctx;
    event_loop_change(net->loop, &net->listener, EPOLLIN);
}

static void pause_listening(struct net *net, const char *reason) {
    LOG_INFO("accept_paused", "reason=%s sockets=%zu", reason, net->n_links);
    event_loop_change(net->loop, &net->listener, 0);
    event_loop_face(net->loop)->timer_set(net->accept_again, LISTEN_PAUSE_MS);
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

static void on_readable(struct event_source *source, uint32_t events) {
    struct net *net = CONTAINER_OF(source, struct net, listener);
    (void)events;
    for (int i = 0; i < LISTEN_ACCEPTS_MAX; i++) {
        if (net->n_links >= net->n_links_max && !close_idle_link(net)) {
            pause_listening(net, "full");
            return;
        }
        int fd = accept4(net->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
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
    net->listener = (struct event_source){ .fd = fd, .on_events = on_readable };
    if (bind(fd, (struct sockaddr *)&address, n_address) != 0 || listen(fd, LISTEN_BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &n_address) != 0 ||
        !event_loop_add(net->loop, &net->listener, EPOLLIN)) {
        int error = errno;
        net->listener.fd = -1;
        close(fd);
        return listen_failure(options, error, fault);
    }
    net->port = ntohs(address.sin_port);
    net->n_links_max = links_max(fd);
    return STATUS_OK;
}

void listen_close(struct net *net) {
    event_loop_face(net->loop)->timer_set(net->accept_again, -1);
    if (net->listener.fd >= 0) {
        event_loop_remove(net->loop, &net->listener);
        close(net->listener.fd);
        net->listener.fd = -1;
    }
}
