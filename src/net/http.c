/* http.c - one request and its answer over libwebsockets.
 *
 * The library parses and frames; this file keeps the body within its limit, writes the head by hand (one
 * write for all of it), and sends at most one piece per writable callback, as the library requires.
 */
#include "base/log.h"
#include "base/mem.h"
#include "net/net_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HTTP_PIECE_BYTES (64u << 10)
/* So much of a body that nobody wants is read before the socket is closed: else the client could see a reset
 * instead of the answer. */
#define HTTP_DRAIN_BYTES_MAX (64u << 20)

static const char *reason_of(int status) {
    switch (status) {
    case 200:
        return "OK";
    case 204:
        return "No Content";
    case 206:
        return "Partial Content";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 409:
        return "Conflict";
    case 411:
        return "Length Required";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 421:
        return "Misdirected Request";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    case 507:
        return "Insufficient Storage";
    default:
        return status < 400 ? "OK" : "Error";
    }
}

static bool is_body_arriving(const struct net_conn *conn) {
    return conn->n_body_seen < conn->n_body_announced;
}

/* The answer is complete: libwebsockets takes the next request of this socket, or closes it. */
static int finish(struct net_conn *conn) {
    struct lws *wsi = conn->wsi;
    if (is_body_arriving(conn)) {
        conn->state = CONN_DRAINING;
        lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, NET_HEADER_TIME_S);
        return 0;
    }
    bool must_close = conn->must_close;
    conn->state = CONN_DONE;
    conn_free(conn);
    return must_close || lws_http_transaction_completed(wsi) ? -1 : 0;
}

static void start_sending(struct net_conn *conn, enum conn_state state) {
    conn->state = state;
    /* The library's time limit for the body is over; slow readers are net's own to watch. */
    lws_set_timeout(conn->wsi, NO_PENDING_TIMEOUT, 0);
    conn_request_write(conn);
}

/* An answer that comes before the end of the body closes the socket: libwebsockets 4.1 takes the head of a
 * request that it read together with the end of a body for that request's own body, and never comes back from
 * it (lws_http_action). */
static void add_head(struct net_conn *conn, int status, const char *content_type, const char *headers) {
    conn->must_close = conn->must_close || is_body_arriving(conn);
    bytes_add_format(&conn->head_out, "HTTP/1.1 %d %s\r\n", status, reason_of(status));
    if (content_type) {
        bytes_add_format(&conn->head_out, "Content-Type: %s\r\n", content_type);
    }
    if (headers) {
        bytes_add_text(&conn->head_out, headers);
    }
}

void net_reply(struct net_conn *conn, const struct net_reply *reply) {
    assert(!net_conn_is_answered(conn));
    add_head(conn, reply->status, reply->content_type, reply->headers);
    /* RFC 9110 section 8.6: these have no body, and of a 304 the length would be that of the 200. */
    if (reply->status != 204 && reply->status != 304) {
        bytes_add_format(&conn->head_out, "Content-Length: %zu\r\n", reply->n_bytes);
    }
    bytes_add_text(&conn->head_out, conn->must_close ? "Connection: close\r\n\r\n" : "\r\n");
    assert(!conn->head_out.failed);
    if (!conn->is_head_method) {
        conn->reply_copy = reply->is_constant ? NULL : mem_copy_bytes(reply->body, reply->n_bytes);
        conn->reply_body = reply->is_constant ? reply->body : conn->reply_copy;
        conn->reply_size = reply->n_bytes;
    }
    start_sending(conn, CONN_REPLYING);
}

void net_stream_begin(struct net_conn *conn, const char *content_type, const char *headers) {
    assert(!net_conn_is_answered(conn));
    char version[16] = "";
    lws_hdr_copy(conn->wsi, version, sizeof version, WSI_TOKEN_HTTP);
    conn->is_chunked = strcmp(version, "HTTP/1.0") != 0;
    add_head(conn, 200, content_type, headers);
    bytes_add_text(&conn->head_out,
                   conn->is_chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "Connection: close\r\n\r\n");
    assert(!conn->head_out.failed);
    conn_bound_send_buffer(conn);
    start_sending(conn, CONN_STREAMING);
}

void net_stream_end(struct net_conn *conn) {
    conn->end_wanted = true;
    conn_request_write(conn);
}

static void reply_error(struct net_conn *conn, int status, const char *text) {
    char *body = mem_format("{\"error\":\"%s\"}\n", text);
    net_reply(conn, &(struct net_reply){ .status = status,
                                         .content_type = "application/json",
                                         .body = body,
                                         .n_bytes = strlen(body) });
    free(body);
}

/* libwebsockets does not decode chunked request bodies. */
static bool is_body_chunked(const struct net_conn *conn) {
    return lws_hdr_total_length(conn->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
}

/* RFC 9112 section 6.3: without either header there is no body. libwebsockets expects one all the same, so
 * this socket cannot take another request. */
static bool is_without_body(struct net_conn *conn) {
    bool is_expected = conn->method == NET_POST || conn->method == NET_PUT || conn->method == NET_OTHER;
    return is_expected && lws_hdr_total_length(conn->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0;
}

static uint64_t announced_length(const struct net_conn *conn) {
    char text[24] = "";
    lws_hdr_copy(conn->wsi, text, sizeof text, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    return strtoull(text, NULL, 10);
}

int http_on_head(struct net *net, struct lws *wsi) {
    struct net_conn *conn = conn_new(net, wsi, false);
    conn->n_body_announced = announced_length(conn);
    conn->must_close = is_body_chunked(conn) || is_without_body(conn);
    net->handlers.on_head(net->ctx, conn);
    if (net_conn_is_answered(conn)) {
        return 0;
    }
    if (is_body_chunked(conn)) {
        reply_error(conn, 411, "send the body with a Content-Length header");
        return 0;
    }
    if (conn->n_body_announced > conn->n_body_max) {
        reply_error(conn, 413, "the body is too large: the limit is 1 MiB");
        return 0;
    }
    conn->state = CONN_BODY;
    if (!conn->must_close && (conn->method == NET_POST || conn->n_body_announced > 0)) {
        return 0;
    }
    conn->state = CONN_WAITING;
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
    net->handlers.on_request(net->ctx, conn);
    return 0;
}

int http_on_body(struct net_conn *conn, const char *bytes, size_t n_bytes) {
    conn->n_body_seen += n_bytes;
    if (conn->state != CONN_BODY || n_bytes == 0) {
        return conn->state == CONN_DRAINING && conn->n_body_seen > HTTP_DRAIN_BYTES_MAX ? -1 : 0;
    }
    if (conn->on_piece) {
        conn->piece_failed = conn->piece_failed || conn->on_piece(conn, bytes, n_bytes) != STATUS_OK;
        return 0;
    }
    /* The announced length was checked against the limit, and the library hands up no more than that. */
    return bytes_add(&conn->body, bytes, n_bytes) == STATUS_OK ? 0 : -1;
}

int http_on_body_end(struct net_conn *conn) {
    /* The library says this again when a client did not wait for the answer before it sent more, and would go
     * on saying so without an end. */
    if (conn->state == CONN_DRAINING || conn->body_ended) {
        return -1;
    }
    conn->body_ended = true;
    if (conn->state == CONN_BODY) {
        conn->state = CONN_WAITING;
        lws_set_timeout(conn->wsi, NO_PENDING_TIMEOUT, 0);
        conn->net->handlers.on_request(conn->net->ctx, conn);
    }
    return 0;
}

static int pump_reply(struct net_conn *conn) {
    size_t left = conn->reply_size - conn->reply_sent;
    size_t n_bytes = left < HTTP_PIECE_BYTES ? left : HTTP_PIECE_BYTES;
    if (n_bytes > 0) {
        enum lws_write_protocol how = n_bytes == left ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP;
        if (conn_write_raw(conn, conn->reply_body + conn->reply_sent, n_bytes, how) < 0) {
            return -1;
        }
        conn->reply_sent += n_bytes;
    }
    if (conn->reply_sent < conn->reply_size) {
        conn_request_write(conn);
        return 0;
    }
    return finish(conn);
}

/* One chunk of RFC 9112 section 7.1, or the plain bytes for an HTTP/1.0 client. */
static int write_chunk(struct net_conn *conn, const char *bytes, size_t n_bytes) {
    if (!conn->is_chunked) {
        return conn_write_raw(conn, bytes, n_bytes, LWS_WRITE_HTTP);
    }
    struct bytes chunk;
    bytes_init(&chunk, n_bytes + 32);
    bytes_add_format(&chunk, "%zx\r\n", n_bytes);
    bytes_add(&chunk, bytes, n_bytes);
    bytes_add(&chunk, "\r\n", 2);
    int result = conn_write_raw(conn, chunk.data, chunk.size, LWS_WRITE_HTTP);
    bytes_deinit(&chunk);
    return result;
}

static int end_stream(struct net_conn *conn) {
    if (!conn->is_chunked) {
        conn_free(conn);
        return -1;
    }
    return conn_write_raw(conn, "0\r\n\r\n", 5, LWS_WRITE_HTTP) < 0 ? -1 : finish(conn);
}

static int pump_stream(struct net_conn *conn) {
    struct frame *frame = conn_outbox_take(conn);
    if (frame) {
        int result = write_chunk(conn, frame->bytes + LWS_PRE, frame->n_bytes);
        free(frame);
        conn_request_write(conn);
        return result < 0 ? -1 : 0;
    }
    if (conn->write_wanted) {
        conn->write_wanted = false;
        conn->wrote = false;
        conn->net->handlers.on_writable(conn->net->ctx, conn);
        if (conn->wrote) {
            if (conn->end_wanted || conn->write_wanted) {
                conn_request_write(conn);
            }
            return 0;
        }
    }
    return conn->end_wanted ? end_stream(conn) : 0;
}

int http_on_writable(struct net_conn *conn) {
    conn->waiting_since_ms = 0;
    if (conn->head_out.size > 0) {
        int result = conn_write_raw(conn, conn->head_out.data, conn->head_out.size, LWS_WRITE_HTTP_HEADERS);
        bytes_clear(&conn->head_out);
        conn_request_write(conn);
        return result < 0 ? -1 : 0;
    }
    switch (conn->state) {
    case CONN_REPLYING:
        return pump_reply(conn);
    case CONN_STREAMING:
        return pump_stream(conn);
    case CONN_DONE:
        return -1;
    default:
        return 0;
    }
}

void net_conn_write(struct net_conn *conn, const char *bytes, size_t n_bytes) {
    assert(!conn->wrote);
    conn->wrote = true;
    int result = conn->is_websocket ? conn_write_raw(conn, bytes, n_bytes, LWS_WRITE_TEXT)
                                    : write_chunk(conn, bytes, n_bytes);
    if (result < 0) {
        LOG_DEBUG("conn_write_failed", "conn=%llu", (unsigned long long)conn->number);
        lws_set_timeout(conn->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
    }
}
