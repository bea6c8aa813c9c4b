#include "net/link.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/head.h"
#include "net/net_internal.h"

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

/* A handshake that cannot go on before something is sent. */
static bool is_stuck(const struct link *link) {
    return link->out.size == 0 && transport_wants_write(&link->transport);
}

/* While an answer is on its way only the client's end is of interest: what it sends ahead waits in the kernel. */
static uint32_t wanted_events(const struct link *link) {
    bool reads = link->state == LINK_HEAD || link->state == LINK_BODY || link->state == LINK_LINGERING ||
                 (link->state == LINK_WEBSOCKET && link->n_aside <= LINK_ASIDE_BYTES_MAX);
    bool stuck = is_stuck(link);
    uint32_t events = link->half_closed ? 0u : reads && !stuck ? (uint32_t)EPOLLIN : (uint32_t)EPOLLRDHUP;
    return events | (link->out.size > 0 || stuck ? (uint32_t)EPOLLOUT : 0u);
}

static void update_events(struct link *link) {
    if (link->source.fd >= 0) {
        event_loop_change(link->net->loop, &link->source, wanted_events(link));
    }
}

static void make_ready(struct link *link) {
    if (link->ready.next == NULL) {
        list_append(&link->net->ready, &link->ready);
        net_pump_soon(link->net);
    }
}

static void bury(struct link *link) {
    link->source.fd = -1;
    list_remove(&link->ready);
    list_remove(&link->node);
    list_append(&link->net->closed_links, &link->node);
    net_pump_soon(link->net); /* there are no events to come: who frees it is the pump */
}

void link_close(struct link *link) {
    if (link->source.fd < 0) {
        return;
    }
    conn_free(link->conn);
    /* A child between its fork and its exec has the socket too: closing it here would leave it in the epoll set, with this pointer. */
    event_loop_remove(link->net->loop, &link->source);
    if (transport_is_opening(&link->transport)) {
        link->net->n_openings--;
        link->net->figures.n_handshakes_failed++;
    }
    transport_deinit(&link->transport);
    close(link->source.fd);
    link->net->n_links--;
    bury(link);
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
    shutdown(link->source.fd, SHUT_RDWR);
}

/* ---- Writing ---- */

int link_write(struct link *link, const char *bytes, size_t n_bytes) {
    if (link->source.fd < 0) {
        return -1;
    }
    ssize_t n_taken = link->out.size == 0 ? transport_send(&link->transport, bytes, n_bytes) : 0;
    if (n_taken < 0) {
        return -1;
    }
    link->net->figures.n_bytes_sent += (size_t)n_taken;
    if ((size_t)n_taken < n_bytes) {
        if (bytes_add(&link->out, bytes + n_taken, n_bytes - (size_t)n_taken) != STATUS_OK) {
            return -1;
        }
        conn_is_waiting(link->conn);
    }
    update_events(link);
    return 0;
}

int link_write_aside(struct link *link, const char *bytes, size_t n_bytes) {
    int result = link_write(link, bytes, n_bytes);
    link->n_aside += link->out.size > 0 ? n_bytes : 0;
    update_events(link);
    return result;
}

void link_want_write(struct link *link) {
    link->write_wanted = true;
    make_ready(link);
}

static void linger(struct link *link) {
    transport_end(&link->transport);
    shutdown(link->source.fd, SHUT_WR);
    set_state(link, LINK_LINGERING);
}

static void on_written(struct link *link) {
    if (link->state == LINK_ENDING) {
        linger(link);
    } else if (link->conn && link->write_wanted) {
        link->write_wanted = false;
        int result =
            link->state == LINK_WEBSOCKET ? ws_on_writable(link->conn) : http_on_writable(link->conn);
        if (result < 0) {
            link_close(link);
        }
    }
}

/* A large frame goes in many pieces: moving what is left to the front after each of them would cost the square of its length. */
static void compact(struct link *link) {
    if (link->n_taken > LINK_READ_BYTES && link->n_taken > link->out.size / 2) {
        bytes_drop(&link->out, link->n_taken);
        link->n_taken = 0;
    }
}

static void flush(struct link *link) {
    ssize_t n_taken =
        transport_send(&link->transport, link->out.data + link->n_taken, link->out.size - link->n_taken);
    if (n_taken < 0) {
        link_close(link);
        return;
    }
    link->n_taken += (size_t)n_taken;
    link->net->figures.n_bytes_sent += (size_t)n_taken;
    if (n_taken > 0) {
        link->since_ms = clock_now_ms();
        conn_made_progress(link->conn);
    }
    if (link->n_taken < link->out.size) {
        compact(link);
    } else {
        bytes_deinit(&link->out);
        link->n_taken = 0;
        link->n_aside = 0;
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
    if (link->net->handlers.on_refused) {
        link->net->handlers.on_refused(link->net->ctx, link->peer, status);
    }
    set_state(link, LINK_ENDING);
    if (link_write(link, text, (size_t)n) < 0) {
        link_close(link);
    } else if (link->out.size == 0) {
        linger(link);
    }
}

/* ---- Reading ---- */

static void feed_body(struct link *link, const char *bytes, size_t n_bytes) {
    size_t n_taken = http_on_body(link->conn, bytes, n_bytes);
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

/* What was read behind the head. */
static void feed_ahead(struct link *link,
                       void (*feed)(struct link *link, const char *bytes, size_t n_bytes)) {
    struct bytes ahead = link->in;
    bytes_init(&link->in, ahead.size_max);
    feed(link, ahead.data ? ahead.data : "", ahead.size);
    bytes_deinit(&ahead);
}

static void feed_websocket(struct link *link, const char *bytes, size_t n_bytes) {
    ws_on_bytes(link->conn, bytes, n_bytes);
}

static void begin_request(struct link *link, const struct head *head) {
    struct net_conn *conn = conn_new(link->net, link, head);
    link->conn = conn;
    link->n_requests++;
    link->n_seen = 0;
    link->has_skipped = false;
    bytes_drop(&link->in, head->n_bytes);
    set_state(link, LINK_ANSWER);
    if (conn->is_websocket) {
        ws_on_upgrade(conn);
        if (ws_is_open(conn)) {
            set_state(link, LINK_WEBSOCKET);
            feed_ahead(link, feed_websocket);
        }
        return;
    }
    http_on_head(conn);
    if (conn->state == CONN_BODY) {
        set_state(link, LINK_BODY);
        feed_ahead(link, feed_body);
    }
}

/* RFC 9112 section 2.2: old clients end a body with an empty line that is not part of it. One is skipped, however its bytes come.
 * False: half of it is there. */
static bool skip_empty_line(struct link *link) {
    if (link->has_skipped || link->n_seen > 0 || link->in.size == 0 || link->in.data[0] != '\r') {
        return true;
    }
    if (link->in.size > 1 && link->in.data[1] == '\n') {
        bytes_drop(&link->in, 2);
        link->has_skipped = true;
        return true;
    }
    return link->in.size > 1;
}

/* At most one request: the next one is looked at when this one has its answer. */
static void look_for_request(struct link *link) {
    struct head head;
    if (!skip_empty_line(link)) {
        return;
    }
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
    case LINK_WEBSOCKET:
        feed_websocket(link, bytes, n_bytes);
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

/* Slots for handshakes are for those that go on with theirs. */
static void count_opening(struct link *link, bool was_opening) {
    bool is_opening = transport_is_opening(&link->transport);
    struct net *net = link->net;
    if (is_opening && !was_opening && ++net->n_openings > LINK_OPENINGS_MAX) {
        LIST_EACH(node, &net->links) {
            struct link *oldest = CONTAINER_OF(node, struct link, node);
            if (transport_is_opening(&oldest->transport)) {
                link_close(oldest);
                break;
            }
        }
    } else if (was_opening && !is_opening) {
        net->n_openings--;
        net->figures.n_handshakes++;
    }
}

static void on_readable(struct link *link) {
    bool was_opening = transport_is_opening(&link->transport);
    ssize_t n = transport_receive(&link->transport, link->net->incoming, LINK_READ_BYTES);
    count_opening(link, was_opening);
    if (n > 0) {
        link->net->figures.n_bytes_received += (size_t)n;
        on_bytes(link, link->net->incoming, (size_t)n);
    } else if (n == TRANSPORT_IS_PLAIN) {
        refuse(link, 400, "this port speaks TLS: begin the address with https:// or wss://");
    } else if (n < 0) {
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

static void on_events(struct event_source *source, uint32_t events) {
    struct link *link = CONTAINER_OF(source, struct link, source);
    if (link->source.fd >= 0 && events & (EPOLLHUP | EPOLLERR)) {
        link_close(link);
    }
    if (link->source.fd >= 0 && events & EPOLLOUT && link->out.size > 0) {
        flush(link);
    } else if (link->source.fd >= 0 && events & EPOLLOUT && is_stuck(link)) {
        on_readable(link);
    }
    if (link->source.fd >= 0 && events & EPOLLIN && source->events & EPOLLIN) {
        on_readable(link);
    } else if (link->source.fd >= 0 && events & EPOLLRDHUP && source->events & EPOLLRDHUP) {
        on_half_closed(link);
    }
    update_events(link);
}

void link_new(const struct listener *listener, int fd, const uint8_t peer[NET_PEER_BYTES]) {
    struct net *net = listener->net;
    struct link *link = mem_alloc(sizeof *link);
    link->net = net;
    link->listener = listener;
    memcpy(link->peer, peer, NET_PEER_BYTES);
    transport_init(&link->transport, fd, listener->tls);
    link->source = (struct event_source){ .fd = fd, .on_events = on_events };
    bytes_init(&link->in, HEAD_BYTES_MAX + LINK_READ_BYTES);
    bytes_init(&link->out, NET_FRAME_BYTES_MAX * 2);
    set_state(link, LINK_HEAD);
    list_append(&net->links, &link->node);
    net->n_links++;
    net->figures.n_accepted++;
    if (!event_loop_add(net->loop, &link->source, EPOLLIN)) {
        link_close(link);
    }
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
    case LINK_WEBSOCKET:
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
