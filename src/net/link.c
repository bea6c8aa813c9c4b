#include "net/link.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/head.h"
#include "net/net_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void set_state(struct link *link, enum link_state state) {
    link->state = state;
    link->since_ms = clock_now_ms();
}

/* While an answer is on its way only the client's end is of interest: what it sends ahead waits in the kernel. */
static uint32_t wanted_events(const struct link *link) {
    bool reads = link->state == LINK_HEAD || link->state == LINK_BODY || link->state == LINK_LINGERING;
    uint32_t events = link->half_closed ? 0u : reads ? (uint32_t)EPOLLIN : (uint32_t)EPOLLRDHUP;
    return events | (link->out.size > 0 ? (uint32_t)EPOLLOUT : 0u);
}

static void update_events(struct link *link) {
    uint32_t events = wanted_events(link);
    if (link->fd >= 0 && events != link->events) {
        link->events = events;
        struct epoll_event event = { .events = events, .data.ptr = link };
        epoll_ctl(link->net->epoll, EPOLL_CTL_MOD, link->fd, &event);
    }
}

static void make_ready(struct link *link) {
    if (link->ready.next == NULL) {
        list_append(&link->net->ready, &link->ready);
        net_pump_soon(link->net);
    }
}

void link_new(struct net *net, int fd) {
    struct link *link = mem_alloc(sizeof *link);
    link->net = net;
    link->fd = fd;
    bytes_init(&link->in, HEAD_BYTES_MAX + LINK_READ_BYTES);
    bytes_init(&link->out, NET_FRAME_BYTES_MAX * 2);
    set_state(link, LINK_HEAD);
    list_append(&net->links, &link->node);
    net->n_sockets++;
    link->events = EPOLLIN;
    struct epoll_event event = { .events = link->events, .data.ptr = link };
    if (epoll_ctl(net->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        link_close(link);
    }
}

static void bury(struct link *link) {
    link->fd = -1;
    list_remove(&link->ready);
    list_remove(&link->node);
    list_append(&link->net->closed_links, &link->node);
    net_pump_soon(link->net); /* there are no events to come: who frees it is the pump */
}

void link_close(struct link *link) {
    if (link->fd < 0) {
        return;
    }
    conn_free(link->conn);
    /* A child between its fork and its exec has the socket too: closing it here would leave it in the epoll set, with this pointer. */
    epoll_ctl(link->net->epoll, EPOLL_CTL_DEL, link->fd, NULL);
    close(link->fd);
    link->net->n_sockets--;
    bury(link);
}

int link_release(struct link *link) {
    int fd = link->fd;
    epoll_ctl(link->net->epoll, EPOLL_CTL_DEL, fd, NULL);
    link->conn = NULL;
    bury(link);
    return fd;
}

void link_sweep(struct net *net) {
    LIST_EACH(node, &net->closed_links) {
        struct link *link = CONTAINER_OF(node, struct link, node);
        list_remove(&link->node);
        bytes_deinit(&link->in);
        bytes_deinit(&link->out);
        free(link);
    }
}

void link_kill(struct link *link) {
    /* The kernel says EPOLLHUP. */
    shutdown(link->fd, SHUT_RDWR);
}

/* ---- Writing ---- */

/* < 0: the socket is gone; else how much the kernel took. */
static ssize_t send_some(struct link *link, const char *bytes, size_t n_bytes) {
    ssize_t n = send(link->fd, bytes, n_bytes, MSG_NOSIGNAL);
    if (n < 0) {
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
    }
    return n;
}

int link_write(struct link *link, const char *bytes, size_t n_bytes) {
    if (link->fd < 0) {
        return -1;
    }
    ssize_t n_taken = link->out.size == 0 ? send_some(link, bytes, n_bytes) : 0;
    if (n_taken < 0) {
        return -1;
    }
    if ((size_t)n_taken < n_bytes) {
        if (bytes_add(&link->out, bytes + n_taken, n_bytes - (size_t)n_taken) != STATUS_OK) {
            return -1;
        }
        conn_is_waiting(link->conn);
    }
    update_events(link);
    return 0;
}

void link_want_write(struct link *link) {
    link->write_wanted = true;
    make_ready(link);
}

static void linger(struct link *link) {
    shutdown(link->fd, SHUT_WR);
    set_state(link, LINK_LINGERING);
}

static void on_written(struct link *link) {
    if (link->state == LINK_ENDING) {
        linger(link);
    } else if (link->conn && link->write_wanted) {
        link->write_wanted = false;
        if (http_on_writable(link->conn) < 0) {
            link_close(link);
        }
    }
}

static void flush(struct link *link) {
    ssize_t n_taken = send_some(link, link->out.data, link->out.size);
    if (n_taken < 0) {
        link_close(link);
        return;
    }
    bytes_drop(&link->out, (size_t)n_taken);
    if (n_taken > 0) {
        link->since_ms = clock_now_ms();
        conn_made_progress(link->conn);
    }
    if (link->out.size == 0) {
        bytes_deinit(&link->out);
        on_written(link);
    }
}

void link_end_request(struct link *link, bool closes) {
    link->write_wanted = false;
    set_state(link, closes || link->half_closed ? LINK_ENDING : LINK_HEAD);
    make_ready(link);
}

/* What the head is refused with: no connection is told, because there is no request. */
static void refuse(struct link *link, int status, const char *error) {
    char text[512];
    int n_body = snprintf(NULL, 0, "{\"error\":\"%s\"}\n", error);
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
                     "%sContent-Length: %d\r\nConnection: close\r\n\r\n{\"error\":\"%s\"}\n",
                     status, http_reason(status), status == 426 ? "Sec-WebSocket-Version: 13\r\n" : "",
                     n_body, error);
    LOG_DEBUG("request_refused", "status=%d", status);
    set_state(link, LINK_ENDING);
    if (link_write(link, text, (size_t)n) < 0) {
        link_close(link);
    } else if (link->out.size == 0) {
        linger(link);
    }
}

/* ---- Reading ---- */

static void feed_body(struct link *link, const char *bytes, size_t n_bytes) {
    size_t n_taken;
    if (http_on_body(link->conn, bytes, n_bytes, &n_taken) != 0) {
        link_close(link);
        return;
    }
    if (n_taken < n_bytes) {
        bytes_add(&link->in, bytes + n_taken, n_bytes - n_taken);
    }
    if (!http_is_body_arriving(link->conn)) {
        set_state(link, LINK_ANSWER);
        http_on_body_end(link->conn);
    } else if (net_conn_is_answered(link->conn)) {
        set_state(link, LINK_ANSWER);
    }
}

static void begin_request(struct link *link, const struct head *head) {
    struct net_conn *conn = conn_new(link->net, link, head);
    link->conn = conn;
    link->n_requests++;
    link->n_seen = 0;
    bytes_drop(&link->in, head->n_bytes);
    set_state(link, LINK_ANSWER);
    if (conn->is_websocket) {
        ws_on_upgrade(conn);
        return;
    }
    http_on_head(conn);
    if (conn->state != CONN_BODY) {
        return;
    }
    set_state(link, LINK_BODY);
    struct bytes ahead = link->in;
    bytes_init(&link->in, ahead.size_max);
    feed_body(link, ahead.data ? ahead.data : "", ahead.size);
    bytes_deinit(&ahead);
}

/* RFC 9112 section 2.2: old clients end a body with an empty line that is not part of it. */
static void skip_empty_line(struct link *link) {
    if (link->n_seen == 0 && link->in.size >= 2 && memcmp(link->in.data, "\r\n", 2) == 0) {
        bytes_drop(&link->in, 2);
    }
}

/* At most one request: the next one is looked at when this one has its answer. */
static void look_for_request(struct link *link) {
    skip_empty_line(link);
    struct head head;
    switch (head_parse(link->in.data ? link->in.data : "", link->in.size, &link->n_seen, &head)) {
    case HEAD_GOOD:
        begin_request(link, &head);
        break;
    case HEAD_BAD:
        refuse(link, head.status, head.error);
        break;
    case HEAD_INCOMPLETE:
        break;
    }
    if (link->in.size == 0) {
        bytes_deinit(&link->in);
    }
}

static void on_bytes(struct link *link, const char *bytes, size_t n_bytes) {
    switch (link->state) {
    case LINK_HEAD:
        if (link->in.size == 0 && link->n_requests > 0) {
            link->since_ms = clock_now_ms();
        }
        bytes_add(&link->in, bytes, n_bytes);
        look_for_request(link);
        break;
    case LINK_BODY:
        feed_body(link, bytes, n_bytes);
        break;
    case LINK_LINGERING:
        link->n_thrown_away += n_bytes;
        if (link->n_thrown_away > LINK_LINGER_BYTES_MAX) {
            link_close(link);
        }
        break;
    case LINK_ANSWER:
    case LINK_ENDING:
        break;
    }
}

static void on_readable(struct link *link) {
    ssize_t n = recv(link->fd, link->net->incoming, LINK_READ_BYTES, 0);
    if (n > 0) {
        on_bytes(link, link->net->incoming, (size_t)n);
    } else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        link_close(link);
    }
}

/* A client that has left wants no answer; one that only sends no more gets the one that is on its way. */
static void on_half_closed(struct link *link) {
    link->half_closed = true;
    if (link->conn && link->conn->state != CONN_REPLYING) {
        link_close(link);
    }
}

void link_on_event(struct link *link, uint32_t events) {
    if (link->fd >= 0 && events & (EPOLLHUP | EPOLLERR)) {
        link_close(link);
    }
    if (link->fd >= 0 && events & EPOLLOUT && link->out.size > 0) {
        flush(link);
    }
    if (link->fd >= 0 && events & EPOLLIN && link->events & EPOLLIN) {
        on_readable(link);
    } else if (link->fd >= 0 && events & EPOLLRDHUP && link->events & EPOLLRDHUP) {
        on_half_closed(link);
    }
    update_events(link);
}

static void pump_one(struct link *link) {
    if (link->out.size > 0) {
        return; /* flush goes on */
    }
    if (link->state == LINK_HEAD && link->in.size > 0) {
        look_for_request(link);
    } else {
        on_written(link);
    }
    update_events(link);
}

void link_pump(struct net *net) {
    struct list_node last;
    list_append(&net->ready, &last);
    while (net->ready.next != &last) {
        struct link *link = CONTAINER_OF(net->ready.next, struct link, ready);
        list_remove(&link->ready);
        pump_one(link);
    }
    list_remove(&last);
    link_sweep(net);
}

/* ---- Time ---- */

static bool is_body_too_slow(const struct link *link, uint64_t now_ms) {
    uint64_t allowed_ms = NET_HEADER_TIME_S * 1000u + link->conn->n_body_seen * 1000 / LINK_RATE_MIN;
    return now_ms - link->since_ms > allowed_ms;
}

bool link_is_idle(const struct link *link) {
    return link->state == LINK_HEAD && link->in.size == 0 && link->n_requests > 0;
}

void link_tick(struct link *link, uint64_t now_ms) {
    uint64_t waited_ms = now_ms - link->since_ms;
    switch (link->state) {
    case LINK_HEAD:
        if (link->in.size > 0 && waited_ms > NET_HEADER_TIME_S * 1000u) {
            refuse(link, 408, "the request's head took too long");
        } else if (waited_ms > (link_is_idle(link) ? NET_KEEPALIVE_S : NET_HEADER_TIME_S) * 1000u) {
            link_close(link);
        }
        break;
    case LINK_BODY:
        if (is_body_too_slow(link, now_ms)) {
            http_refuse(link->conn, 408, "the body comes too slowly");
            set_state(link, LINK_ANSWER);
        }
        break;
    case LINK_ANSWER: /* conn_tick */
        break;
    case LINK_ENDING:
        if (waited_ms > NET_SLOW_MS) {
            link_close(link);
        }
        break;
    case LINK_LINGERING:
        if (waited_ms > NET_HEADER_TIME_S * 1000u) {
            link_close(link);
        }
        break;
    }
    update_events(link);
}
