#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/net_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kernel's own send buffer grows to megabytes; a slow watcher would look fast for minutes (P7). */
#define CONN_SEND_BUFFER_BYTES (128 << 10)

static const enum lws_token_indexes header_tokens[NET_HEADER_COUNT] = {
    [NET_HEADER_HOST] = WSI_TOKEN_HOST,
    [NET_HEADER_ORIGIN] = WSI_TOKEN_ORIGIN,
    [NET_HEADER_ACCEPT] = WSI_TOKEN_HTTP_ACCEPT,
    [NET_HEADER_ACCEPT_ENCODING] = WSI_TOKEN_HTTP_ACCEPT_ENCODING,
    [NET_HEADER_AUTHORIZATION] = WSI_TOKEN_HTTP_AUTHORIZATION,
    [NET_HEADER_CONTENT_ENCODING] = WSI_TOKEN_HTTP_CONTENT_ENCODING,
    [NET_HEADER_CONTENT_TYPE] = WSI_TOKEN_HTTP_CONTENT_TYPE,
    [NET_HEADER_IF_NONE_MATCH] = WSI_TOKEN_HTTP_IF_NONE_MATCH,
};

static const char *const custom_headers[NET_HEADER_COUNT] = {
    [NET_HEADER_LAST_EVENT_ID] = "last-event-id:",
    [NET_HEADER_X_API_KEY] = "x-api-key:",
};

static char *copy_token(struct lws *wsi, enum lws_token_indexes token) {
    int length = lws_hdr_total_length(wsi, token);
    if (length <= 0) {
        return NULL;
    }
    char *text = mem_alloc((size_t)length + 1);
    if (lws_hdr_copy(wsi, text, length + 1, token) < 0) {
        text[0] = '\0';
    }
    return text;
}

static char *copy_custom(struct lws *wsi, const char *name) {
    int name_length = (int)strlen(name);
    int length = lws_hdr_custom_length(wsi, name, name_length);
    if (length < 0) {
        return NULL;
    }
    char *text = mem_alloc((size_t)length + 1);
    if (lws_hdr_custom_copy(wsi, text, length + 1, name, name_length) < 0) {
        text[0] = '\0';
    }
    return text;
}

static void copy_headers(struct net_conn *conn) {
    for (int i = 0; i < NET_HEADER_COUNT; i++) {
        conn->headers[i] = custom_headers[i] ? copy_custom(conn->wsi, custom_headers[i])
                                             : copy_token(conn->wsi, header_tokens[i]);
    }
}

/* The query arguments: lws has split and decoded them, so an '&' in one is its own. Each is ended by a NUL,
 * the last by two. */
static char *copy_query(struct lws *wsi) {
    struct bytes query;
    bytes_init(&query, NET_HEAD_BYTES_MAX);
    char argument[NET_HEAD_BYTES_MAX];
    for (int i = 0; lws_hdr_copy_fragment(wsi, argument, sizeof argument, WSI_TOKEN_HTTP_URI_ARGS, i) > 0;
         i++) {
        bytes_add(&query, argument, strlen(argument) + 1);
    }
    char *copy = mem_copy_bytes(query.size ? query.data : "", query.size);
    bytes_deinit(&query);
    return copy;
}

static enum net_method method_of(int lws_method) {
    switch (lws_method) {
    case LWSHUMETH_GET:
        return NET_GET;
    case LWSHUMETH_HEAD:
        return NET_HEAD;
    case LWSHUMETH_POST:
        return NET_POST;
    case LWSHUMETH_DELETE:
        return NET_DELETE;
    case LWSHUMETH_PUT:
        return NET_PUT;
    default:
        return NET_OTHER;
    }
}

struct net_conn *conn_new(struct net *net, struct lws *wsi, bool is_websocket) {
    struct net_conn *conn = mem_alloc(sizeof *conn);
    conn->net = net;
    conn->wsi = wsi;
    conn->is_websocket = is_websocket;
    conn->number = ++net->n_conns_ever;
    conn->n_body_max = NET_BODY_BYTES_MAX;
    conn->last_write_ms = clock_now_ms();
    bytes_init(&conn->body, NET_BODY_BYTES_MAX);
    bytes_init(&conn->head_out, NET_HEAD_BYTES_MAX);
    char *path = NULL;
    int path_length = 0;
    int method = lws_http_get_uri_and_method(wsi, &path, &path_length);
    conn->method = method_of(method);
    conn->is_head_method = conn->method == NET_HEAD;
    conn->path = path && path_length > 0 ? mem_copy_bytes(path, (size_t)path_length) : mem_copy_string("/");
    conn->query = copy_query(wsi);
    copy_headers(conn);
    list_append(&net->conns, &conn->node);
    net->n_conns++;
    lws_set_opaque_user_data(wsi, conn);
    return conn;
}

void conn_free(struct net_conn *conn) {
    if (conn == NULL) {
        return;
    }
    conn->net->handlers.on_close(conn->net->ctx, conn);
    if (conn->wsi) {
        lws_set_opaque_user_data(conn->wsi, NULL);
    }
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
    bytes_deinit(&conn->head_out);
    free(conn);
}

void conn_request_write(struct net_conn *conn) {
    if (conn->waiting_since_ms == 0) {
        conn->waiting_since_ms = clock_now_ms();
    }
    lws_callback_on_writable(conn->wsi);
}

int conn_write_raw(struct net_conn *conn, const char *bytes, size_t n_bytes, enum lws_write_protocol how) {
    struct bytes *scratch = &conn->net->scratch;
    bytes_clear(scratch);
    char *room = bytes_reserve(scratch, LWS_PRE + n_bytes);
    assert(room);
    memcpy(room + LWS_PRE, bytes, n_bytes);
    conn->last_write_ms = clock_now_ms();
    return lws_write(conn->wsi, (unsigned char *)room + LWS_PRE, n_bytes, how);
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
    if (conn->waiting_since_ms && now_ms - conn->waiting_since_ms > NET_SLOW_MS) {
        LOG_INFO("conn_slow", "conn=%llu waited_ms=%llu", (unsigned long long)conn->number,
                 (unsigned long long)(now_ms - conn->waiting_since_ms));
        /* Its buffers are full: a close frame would wait as well. */
        lws_set_timeout(conn->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
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

uint64_t net_conn_number(const struct net_conn *conn) {
    return conn->number;
}

void net_conn_set_ctx(struct net_conn *conn, void *ctx) {
    conn->ctx = ctx;
}

void *net_conn_ctx(const struct net_conn *conn) {
    return conn->ctx;
}

bool net_conn_query(const struct net_conn *conn, const char *name, char *out, size_t out_bytes) {
    size_t name_length = strlen(name);
    for (const char *at = conn->query; *at; at += strlen(at) + 1) {
        if (strncmp(at, name, name_length) != 0 || at[name_length] != '=') {
            continue;
        }
        const char *value = at + name_length + 1;
        size_t length = strlen(value);
        if (length >= out_bytes) {
            return false;
        }
        memcpy(out, value, length);
        out[length] = '\0';
        return true;
    }
    return false;
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

void net_conn_send(struct net_conn *conn, const char *bytes, size_t n_bytes) {
    if (conn->state != CONN_OPEN && conn->state != CONN_STREAMING) {
        return;
    }
    if (conn->outbox_bytes + n_bytes > NET_OUTBOX_BYTES_MAX) {
        net_conn_close(conn, NET_CLOSE_SLOW, "slow");
        return;
    }
    struct frame *frame = mem_alloc(sizeof *frame + LWS_PRE + n_bytes);
    frame->n_bytes = n_bytes;
    memcpy(frame->bytes + LWS_PRE, bytes, n_bytes);
    *(conn->outbox_first ? &conn->outbox_last->next : &conn->outbox_first) = frame;
    conn->outbox_last = frame;
    conn->outbox_bytes += n_bytes;
    conn_request_write(conn);
}

void net_conn_close(struct net_conn *conn, enum net_close code, const char *reason) {
    if (conn->state == CONN_OPEN) {
        conn->state = CONN_CLOSING;
        conn->close_code = (uint16_t)code;
        snprintf(conn->close_reason, sizeof conn->close_reason, "%s", reason);
        conn_request_write(conn);
    } else if (!conn->is_websocket && conn->state != CONN_DONE) {
        conn->state = CONN_DONE;
        lws_set_timeout(conn->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
    }
}

void conn_bound_send_buffer(struct net_conn *conn) {
    int size = CONN_SEND_BUFFER_BYTES;
    setsockopt(lws_get_socket_fd(conn->wsi), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}
