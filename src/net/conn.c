#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/net_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The kernel's own send buffer grows to megabytes; a slow watcher would look fast for minutes (P7). */
#define CONN_SEND_BUFFER_BYTES (128 << 10)

static const char *const header_names[NET_HEADER_COUNT] = {
    [NET_HEADER_HOST] = "host",
    [NET_HEADER_ORIGIN] = "origin",
    [NET_HEADER_ACCEPT] = "accept",
    [NET_HEADER_ACCEPT_ENCODING] = "accept-encoding",
    [NET_HEADER_AUTHORIZATION] = "authorization",
    [NET_HEADER_CONTENT_ENCODING] = "content-encoding",
    [NET_HEADER_CONTENT_TYPE] = "content-type",
    [NET_HEADER_COOKIE] = "cookie",
    [NET_HEADER_IF_NONE_MATCH] = "if-none-match",
    [NET_HEADER_LAST_EVENT_ID] = "last-event-id",
    [NET_HEADER_X_API_KEY] = "x-api-key",
    [NET_HEADER_X_CONVERSATION_ID] = "x-conversation-id",
};

struct net_conn *conn_new(struct net *net, struct link *link, const struct head *head) {
    struct net_conn *conn = mem_alloc(sizeof *conn);
    conn->net = net;
    conn->link = link;
    conn->is_websocket = head->is_upgrade;
    conn->number = ++net->n_conns_ever;
    conn->n_body_max = NET_BODY_BYTES_MAX;
    conn->n_body_announced = head->n_body;
    conn->is_chunked = head->is_chunked;
    conn->expects_continue = head->expects_continue;
    conn->is_http_1_0 = head->is_http_1_0;
    conn->must_close = head->closes || head->is_upgrade;
    conn->last_write_ms = conn->begun_ms = clock_now_ms();
    bytes_init(&conn->body, NET_BODY_BYTES_MAX);
    bytes_init(&conn->head_more, NET_HEAD_BYTES_MAX / 2);
    bytes_init(&conn->head_out, NET_HEAD_BYTES_MAX);
    ws_input_init(&conn->input);
    conn->method = head->method;
    conn->is_head_method = conn->method == NET_HEAD;
    conn->path = head_path(head);
    conn->query = head_query(head);
    if (head->is_upgrade) {
        memcpy(conn->websocket_key, head->websocket_key.at, WEBSOCKET_KEY_BYTES);
    }
    for (int i = 0; i < NET_HEADER_COUNT; i++) {
        conn->headers[i] = head_field(head, header_names[i]);
    }
    if (head->host.n > 0) { /* RFC 9112 section 3.2.2 */
        free(conn->headers[NET_HEADER_HOST]);
        conn->headers[NET_HEADER_HOST] = mem_copy_bytes(head->host.at, head->host.n);
    }
    list_append(&net->conns, &conn->node);
    net->n_conns++;
    return conn;
}

void conn_free(struct net_conn *conn) {
    if (conn == NULL) {
        return;
    }
    conn->net->handlers.on_close(conn->net->ctx, conn);
    conn->link->conn = NULL;
    list_remove(&conn->node);
    conn->net->n_conns--;
    for (int i = 0; i < NET_HEADER_COUNT; i++) {
        free(conn->headers[i]);
    }
    for (struct frame *frame = conn_outbox_take(conn); frame; frame = conn_outbox_take(conn)) {
        free(frame);
    }
    free(conn->path);
    free(conn->query);
    free(conn->reply_copy);
    bytes_deinit(&conn->body);
    bytes_deinit(&conn->head_more);
    bytes_deinit(&conn->head_out);
    ws_input_deinit(&conn->input);
    free(conn);
}

void conn_is_waiting(struct net_conn *conn) {
    if (conn && conn->waiting_since_ms == 0) {
        conn->waiting_since_ms = clock_now_ms();
    }
}

void conn_made_progress(struct net_conn *conn) {
    if (conn && conn->waiting_since_ms) {
        conn->waiting_since_ms = clock_now_ms();
    }
}

void conn_request_write(struct net_conn *conn) {
    conn_is_waiting(conn);
    link_want_write(conn->link);
}

void conn_kill(struct net_conn *conn) {
    link_kill(conn->link);
}

int conn_write_raw(struct net_conn *conn, const char *bytes, size_t n_bytes) {
    conn->last_write_ms = clock_now_ms();
    conn->n_sent += n_bytes;
    return link_write(conn->link, bytes, n_bytes);
}

struct frame *conn_outbox_take(struct net_conn *conn) {
    struct frame *frame = conn->outbox_first;
    if (frame) {
        conn->outbox_first = frame->next;
        conn->outbox_bytes -= frame->n_bytes;
    }
    return frame;
}

void conn_tick(struct net_conn *conn, uint64_t now_ms) {
    bool is_live = conn->state == CONN_OPEN || conn->state == CONN_STREAMING;
    if (conn->waiting_since_ms && now_ms - conn->waiting_since_ms > conn->net->slow_ms) {
        LOG_INFO("conn_slow", "conn=%llu waited_ms=%llu", (unsigned long long)conn->number,
                 (unsigned long long)(now_ms - conn->waiting_since_ms));
        /* Its buffers are full: a close frame would wait as well. */
        conn_kill(conn);
        return;
    }
    if (is_live && conn->waiting_since_ms == 0 && now_ms - conn->last_write_ms >= NET_SILENCE_MS) {
        conn->net->handlers.on_silence(conn->net->ctx, conn);
    }
}

enum net_method net_conn_method(const struct net_conn *conn) {
    return conn->method;
}

const char *net_conn_path(const struct net_conn *conn) {
    return conn->path;
}

bool net_conn_is_websocket(const struct net_conn *conn) {
    return conn->is_websocket;
}

const char *net_conn_header(const struct net_conn *conn, enum net_header header) {
    return conn->headers[header] ? conn->headers[header] : "";
}

const char *net_conn_body(const struct net_conn *conn, size_t *n_bytes) {
    *n_bytes = conn->body.size;
    return conn->body.data ? conn->body.data : "";
}

uint64_t net_conn_body_announced(const struct net_conn *conn) {
    return conn->n_body_announced;
}

bool net_conn_has_body(const struct net_conn *conn) {
    return conn->is_chunked || conn->n_body_announced > 0;
}

uint64_t net_conn_number(const struct net_conn *conn) {
    return conn->number;
}

int net_conn_tag(const struct net_conn *conn) {
    return conn->link->listener->tag;
}

bool net_conn_is_tls(const struct net_conn *conn) {
    return conn->link->listener->tls != NULL;
}

uint16_t net_conn_port(const struct net_conn *conn) {
    return conn->link->listener->port;
}

bool net_conn_address(const struct net_conn *conn, char out[NET_ADDRESS_BYTES]) {
    return listen_format_address(conn->link->source.fd, out);
}

const uint8_t *net_conn_peer(const struct net_conn *conn) {
    return conn->link->peer;
}

void net_conn_set_ctx(struct net_conn *conn, void *ctx) {
    conn->ctx = ctx;
}

void *net_conn_ctx(const struct net_conn *conn) {
    return conn->ctx;
}

void net_conn_set_mark(struct net_conn *conn, uint64_t mark) {
    conn->mark = mark;
}

uint64_t net_conn_mark(const struct net_conn *conn) {
    return conn->mark;
}

void net_conn_set_kind(struct net_conn *conn, size_t kind) {
    conn->kind = kind;
}

size_t net_conn_kind(const struct net_conn *conn) {
    return conn->kind;
}

int net_conn_status(const struct net_conn *conn) {
    return conn->status;
}

uint64_t net_conn_bytes_sent(const struct net_conn *conn) {
    return conn->n_sent;
}

uint64_t net_conn_age_ms(const struct net_conn *conn) {
    return clock_now_ms() - conn->begun_ms;
}

void net_each_conn(struct net *net, void (*visit)(void *ctx, struct net_conn *conn), void *ctx) {
    LIST_EACH(node, &net->conns) {
        visit(ctx, CONTAINER_OF(node, struct net_conn, node));
    }
}

enum net_query net_conn_query(const struct net_conn *conn, const char *name, char *out, size_t out_bytes) {
    size_t name_length = strlen(name);
    out[0] = '\0';
    for (const char *at = conn->query; *at; at += strlen(at) + 1) {
        if (strncmp(at, name, name_length) != 0 || at[name_length] != '=') {
            continue;
        }
        const char *value = at + name_length + 1;
        size_t length = strlen(value);
        if (length >= out_bytes) {
            return NET_QUERY_TOO_LONG;
        }
        memcpy(out, value, length + 1);
        return NET_QUERY_FOUND;
    }
    return NET_QUERY_ABSENT;
}

void net_conn_accept_body(struct net_conn *conn, uint64_t n_bytes_max,
                          enum status (*on_piece)(struct net_conn *conn, const char *bytes, size_t n_bytes)) {
    conn->n_body_max = n_bytes_max;
    conn->on_piece = on_piece;
}

bool net_conn_is_answered(const struct net_conn *conn) {
    return conn->state != CONN_HEAD && conn->state != CONN_BODY && conn->state != CONN_WAITING;
}

void net_conn_want_write(struct net_conn *conn) {
    conn->write_wanted = true;
    if (conn->state == CONN_OPEN || conn->state == CONN_STREAMING) {
        conn_request_write(conn);
    }
}

void conn_queue_frame(struct net_conn *conn, const char *bytes, size_t n_bytes, bool is_binary) {
    if (conn->state != CONN_OPEN && conn->state != CONN_STREAMING) {
        return;
    }
    if (conn->outbox_bytes + n_bytes > NET_OUTBOX_BYTES_MAX) {
        net_conn_close(conn, NET_CLOSE_SLOW, "slow");
        return;
    }
    struct frame *frame = mem_alloc(sizeof *frame + n_bytes);
    frame->n_bytes = n_bytes;
    frame->is_binary = is_binary;
    memcpy(frame->bytes, bytes, n_bytes);
    *(conn->outbox_first ? &conn->outbox_last->next : &conn->outbox_first) = frame;
    conn->outbox_last = frame;
    conn->outbox_bytes += n_bytes;
    conn_request_write(conn);
}

void net_conn_send(struct net_conn *conn, const char *bytes, size_t n_bytes) {
    conn_queue_frame(conn, bytes, n_bytes, false);
}

#ifdef RUNNEL_FAULTS
void net_conn_echo(struct net_conn *conn) {
    conn->is_echo = conn->input.takes_binary = true;
}
#endif

void net_conn_close(struct net_conn *conn, enum net_close code, const char *reason) {
    if (conn->state == CONN_OPEN) {
        conn->state = CONN_CLOSING;
        conn->close_code = (uint16_t)code;
        snprintf(conn->close_reason, sizeof conn->close_reason, "%s", reason);
        conn_request_write(conn);
    } else if (!conn->is_websocket && conn->state != CONN_DONE) {
        conn->state = CONN_DONE;
        conn_kill(conn);
    }
}

void conn_bound_send_buffer(struct net_conn *conn) {
    int size = CONN_SEND_BUFFER_BYTES;
    setsockopt(conn->link->source.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}
