/* listen.c - the ports and Unix sockets, and who comes in.
 *
 * Descriptors run out before anything else does. A listening socket that cannot be accepted from stays readable, so a loop that goes on
 * asking spins; here nobody is asked for a while, and enough descriptors are left over for the store and for engines.
 */
#include "base/log.h"
#include "base/mem.h"
#include "net/link.h"
#include "net/net_internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_BACKLOG  512
#define LISTEN_PAUSE_MS 200
/* What the store, the engines' pipes and a file that is read may need besides. */
#define LISTEN_SPARE_DESCRIPTORS 32
#define LISTEN_LINKS_MIN         4
/* In one turn of the loop. */
#define LISTEN_ACCEPTS_MAX 64

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un path;
};

/* ---- Who comes in ---- */

static size_t links_max(int newest_fd) {
    struct rlimit limit = { .rlim_cur = NET_CONNECTIONS_MAX };
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t n_taken = (rlim_t)newest_fd + 1 + LISTEN_SPARE_DESCRIPTORS;
    rlim_t n_left = limit.rlim_cur > n_taken ? limit.rlim_cur - n_taken : 0;
    return n_left < LISTEN_LINKS_MIN      ? LISTEN_LINKS_MIN
           : n_left > NET_CONNECTIONS_MAX ? NET_CONNECTIONS_MAX
                                          : (size_t)n_left;
}

static void ask_all(struct net *net, uint32_t events) {
    for (size_t i = 0; i < net->n_listeners; i++) {
        event_loop_change(net->loop, &net->listeners[i].source, events);
    }
}

void listen_on_pause_end(void *ctx) {
    ask_all(ctx, EPOLLIN);
}

static void pause_listening(struct net *net, const char *reason) {
    LOG_INFO("accept_paused", "reason=%s sockets=%zu", reason, net->n_links);
    ask_all(net, 0);
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

static void note_peer(const union address *address, uint8_t out[NET_PEER_BYTES]) {
    static const uint8_t mapped[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    memset(out, 0, NET_PEER_BYTES);
    if (address->any.sa_family == AF_INET6) {
        memcpy(out, &address->v6.sin6_addr, NET_PEER_BYTES);
    } else if (address->any.sa_family == AF_INET) {
        memcpy(out, mapped, sizeof mapped);
        memcpy(out + sizeof mapped, &address->v4.sin_addr, NET_PEER_BYTES - sizeof mapped);
    }
}

void net_format_peer(const uint8_t peer[NET_PEER_BYTES], char out[NET_ADDRESS_BYTES]) {
    struct in6_addr v6;
    memcpy(&v6, peer, sizeof v6);
    bool is_v4 = IN6_IS_ADDR_V4MAPPED(&v6);
    if (IN6_IS_ADDR_UNSPECIFIED(&v6) ||
        inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? peer + 12 : peer, out, NET_ADDRESS_BYTES) == NULL) {
        out[0] = '\0';
    }
}

static void on_readable(struct event_source *source, uint32_t events) {
    struct listener *listener = CONTAINER_OF(source, struct listener, source);
    struct net *net = listener->net;
    (void)events;
    for (int i = 0; i < LISTEN_ACCEPTS_MAX; i++) {
        if (net->n_links >= net->n_links_max && !close_idle_link(net)) {
            pause_listening(net, "full");
            return;
        }
        union address address = { 0 };
        socklen_t size = sizeof address;
        int fd = accept4(source->fd, &address.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            bool is_short = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
            if (is_short && !close_idle_link(net)) {
                pause_listening(net, strerror(errno));
            }
            return;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
                   sizeof on); /* a Unix socket knows no delay, and refuses */
        uint8_t peer[NET_PEER_BYTES];
        note_peer(&address, peer);
        link_new(listener, fd, peer);
    }
}

/* A client of an IPv4 address that came in by an IPv6 socket has dialled the IPv4 address. */
bool listen_format_address(int fd, char out[NET_ADDRESS_BYTES]) {
    union address address = { 0 };
    socklen_t size = sizeof address;
    char text[INET6_ADDRSTRLEN] = "";
    if (getsockname(fd, &address.any, &size) != 0) {
        return false;
    }
    const uint8_t *v6 = address.v6.sin6_addr.s6_addr;
    bool is_v6 = address.any.sa_family == AF_INET6;
    bool is_mapped = is_v6 && IN6_IS_ADDR_V4MAPPED(&address.v6.sin6_addr);
    const void *bytes = is_mapped ? (const void *)(v6 + 12)
                        : is_v6   ? (const void *)v6
                                  : (const void *)&address.v4.sin_addr;
    is_v6 = is_v6 && !is_mapped;
    if ((!is_v6 && !is_mapped && address.any.sa_family != AF_INET) ||
        inet_ntop(is_v6 ? AF_INET6 : AF_INET, bytes, text, sizeof text) == NULL) {
        return false;
    }
    snprintf(out, NET_ADDRESS_BYTES, is_v6 ? "[%s]" : "%s", text);
    return true;
}

/* ---- Opening ---- */

static enum status fail(const struct net_options *options, int error, struct fault *fault) {
    if (options->path) {
        return fault_set(fault, error == EADDRINUSE ? STATUS_BUSY : STATUS_IO,
                         "cannot listen at %.200s: %s: choose another place with --socket PATH",
                         options->path, strerror(error));
    }
    if (error == EADDRINUSE) {
        return fault_set(fault, STATUS_BUSY,
                         "port %u is in use: stop the program that listens there, or start with --port N",
                         options->port);
    }
    return fault_set(fault, STATUS_IO, "cannot listen on %s port %u: %s", options->host, options->port,
                     strerror(error));
}

/* False: it is no address. */
static bool parse_address(const struct net_options *options, union address *out, socklen_t *size) {
    *out = (union address){ 0 };
    if (inet_pton(AF_INET, options->host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(options->port);
        *size = sizeof out->v4;
        return true;
    }
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(options->port);
    *size = sizeof out->v6;
    return inet_pton(AF_INET6, options->host, &out->v6.sin6_addr) == 1;
}

static int socket_for(const union address *address) {
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    int off = 0;
    if (fd >= 0 && address->any.sa_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off); /* "::" is every address of both kinds */
    }
    if (fd >= 0 && address->any.sa_family == AF_UNIX) {
        fchmod(fd, S_IRUSR | S_IWUSR); /* the file has it from its first moment */
    } else if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    return fd;
}

/* Takes the path from a server that was killed. False: somebody listens, or it is something else. */
static bool free_path(const union address *address, socklen_t size) {
    struct stat info;
    if (lstat(address->path.sun_path, &info) != 0) {
        return errno == ENOENT;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_left =
        fd >= 0 && S_ISSOCK(info.st_mode) && connect(fd, &address->any, size) != 0 && errno == ECONNREFUSED;
    if (fd >= 0) {
        close(fd);
    }
    errno = EADDRINUSE;
    return is_left && unlink(address->path.sun_path) == 0;
}

static bool begin(struct listener *listener, const union address *address, socklen_t size) {
    int fd = socket_for(address);
    listener->source = (struct event_source){ .fd = fd, .on_events = on_readable };
    bool is_free = fd >= 0 && (address->any.sa_family != AF_UNIX || free_path(address, size));
    if (is_free && bind(fd, &address->any, size) == 0 && listen(fd, LISTEN_BACKLOG) == 0 &&
        event_loop_add(listener->net->loop, &listener->source, EPOLLIN)) {
        return true;
    }
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = error;
    return false;
}

static uint16_t port_of(int fd) {
    union address address = { 0 };
    socklen_t size = sizeof address;
    getsockname(fd, &address.any, &size);
    return address.any.sa_family == AF_INET    ? ntohs(address.v4.sin_port)
           : address.any.sa_family == AF_INET6 ? ntohs(address.v6.sin6_port)
                                               : 0;
}

static enum status make_address(const struct net_options *options, union address *out, socklen_t *size,
                                struct fault *fault) {
    if (options->path == NULL) {
        return parse_address(options, out, size)
                   ? STATUS_OK
                   : fault_set(fault, STATUS_INVALID,
                               "--host %s is no address: use 127.0.0.1, ::1 or an address of this machine",
                               options->host);
    }
    *out = (union address){ .path = { .sun_family = AF_UNIX } };
    *size = sizeof out->path;
    size_t length = strlen(options->path);
    if (length >= sizeof out->path.sun_path) {
        return fault_set(fault, STATUS_INVALID, "the path of a socket must be shorter than %zu bytes: %.200s",
                         sizeof out->path.sun_path, options->path);
    }
    memcpy(out->path.sun_path, options->path, length + 1);
    return STATUS_OK;
}

enum status listen_open(struct net *net, const struct net_options *options, struct fault *fault) {
    union address address;
    socklen_t size;
    assert(net->n_listeners < NET_LISTENERS_MAX);
    enum status status = make_address(options, &address, &size, fault);
    if (status) {
        return status;
    }
    struct listener *listener = &net->listeners[net->n_listeners];
    *listener = (struct listener){ .net = net, .tls = options->tls, .tag = options->tag };
    if (!begin(listener, &address, size)) {
        return fail(options, errno, fault);
    }
    listener->path = mem_copy_string(options->path);
    listener->port = port_of(listener->source.fd);
    net->n_listeners++;
    net->n_links_max = links_max(listener->source.fd);
    return STATUS_OK;
}

void listen_close(struct net *net) {
    event_loop_face(net->loop)->timer_set(net->accept_again, -1);
    for (size_t i = 0; i < net->n_listeners; i++) {
        struct listener *listener = &net->listeners[i];
        event_loop_remove(net->loop, &listener->source);
        if (listener->path) {
            unlink(listener->path);
        }
        close(listener->source.fd);
        free(listener->path);
    }
    net->n_listeners = 0;
}
