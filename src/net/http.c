/* http.c - one request and its answer.
 *
 * The link brings its head and its body; this file keeps the body within its limit, and writes at most one piece per turn of the loop.
 */
#include "base/log.h"
#include "base/mem.h"
#include "net/net_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HTTP_PIECE_BYTES (64u << 10)

const char *http_reason(int status) {
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
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 417:
        return "Expectation Failed";
    case 421:
        return "Misdirected Request";
    case 422:
        return "Unprocessable Content";
    case 426:
        return "Upgrade Required";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    case 507:
        return "Insufficient Storage";
    default:
        return status < 400 ? "OK" : "Error";
    }
}

bool http_is_body_arriving(const struct net_conn *conn) {
    return conn->is_chunked ? !conn->is_last_chunk_seen : conn->n_body_seen < conn->n_body_announced;
}

/* The answer is written: the link takes the next request of this socket, or closes it. A body that nobody read to its end is no
 * place to look for the next request. */
static int finish(struct net_conn *conn) {
    struct link *link = conn->link;
    bool must_close = conn->must_close || http_is_body_arriving(conn);
    conn->state = CONN_DONE;
    conn_free(conn);
    link_end_request(link, must_close);
    return 0;
}

static void start_sending(struct net_conn *conn, enum conn_state state) {
    conn->state = state;
    conn_request_write(conn);
}

static void add_head(struct net_conn *conn, int status, const char *content_type, const char *headers) {
    conn->must_close = conn->must_close || http_is_body_arriving(conn);
    conn->status = status;
    bytes_add_format(&conn->head_out, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
    if (content_type) {
        bytes_add_format(&conn->head_out, "Content-Type: %s\r\n", content_type);
    }
    if (headers) {
        bytes_add_text(&conn->head_out, headers);
    }
    if (conn->head_more.size > 0) {
        bytes_add(&conn->head_out, conn->head_more.data, conn->head_more.size);
    }
}

void net_conn_add_header(struct net_conn *conn, const char *name, const char *value) {
    assert(!net_conn_is_answered(conn));
    bytes_add_format(&conn->head_more, "%s: %s\r\n", name, value);
    assert(!conn->head_more.failed);
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
    conn->must_close = conn->must_close || conn->is_http_1_0;
    add_head(conn, 200, content_type, headers);
    bytes_add_text(&conn->head_out, conn->is_http_1_0 ? "" : "Transfer-Encoding: chunked\r\n");
    bytes_add_text(&conn->head_out, conn->must_close ? "Connection: close\r\n\r\n" : "\r\n");
    assert(!conn->head_out.failed);
    conn_bound_send_buffer(conn);
    start_sending(conn, CONN_STREAMING);
}

void net_stream_end(struct net_conn *conn) {
    conn->end_wanted = true;
    conn_request_write(conn);
}

void http_refuse(struct net_conn *conn, int status, const char *text) {
    char *body = mem_format("{\"error\":\"%s\"}\n", text);
    net_reply(conn, &(struct net_reply){ .status = status,
                                         .content_type = "application/json",
                                         .body = body,
                                         .n_bytes = strlen(body) });
    free(body);
}

static void refuse_length(struct net_conn *conn) {
    http_refuse(conn, 413, "the body is too large: the limit is 1 MiB");
}

static bool is_request_whole(struct net_conn *conn) {
    conn->net->handlers.on_head(conn->net->ctx, conn);
    if (net_conn_is_answered(conn)) {
        return false;
    }
    if (conn->n_body_announced > conn->n_body_max) {
        refuse_length(conn);
        return false;
    }
    return !http_is_body_arriving(conn);
}

static void hand_up(struct net_conn *conn) {
    conn->state = CONN_WAITING;
    conn->net->handlers.on_request(conn->net->ctx, conn);
}

void http_on_head(struct net_conn *conn) {
    if (is_request_whole(conn)) {
        hand_up(conn);
    } else if (conn->state == CONN_HEAD) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        conn->state = CONN_BODY;
        if (conn->expects_continue && conn->link->in.size == 0 &&
            conn_write_raw(conn, go_on, sizeof go_on - 1) < 0) {
            conn_kill(conn);
        }
    }
}

/* Within the limit; for nothing once the request is answered. */
static void take_piece(struct net_conn *conn, const char *bytes, size_t n_bytes) {
    conn->n_body_seen += n_bytes;
    if (conn->state != CONN_BODY || n_bytes == 0) {
        return;
    }
    if (!conn->on_piece) {
        enum status status = bytes_add(&conn->body, bytes, n_bytes);
        assert(status == STATUS_OK); /* its maximum is the limit */
    } else if (!conn->piece_failed) {
        conn->piece_failed = conn->on_piece(conn, bytes, n_bytes) != STATUS_OK;
    }
}

/* The size of a chunk counts when its first byte is here. */
static void take_chunk(struct net_conn *conn) {
    const struct chunked *chunked = &conn->chunked;
    if (conn->n_body_seen + chunked->n_data + chunked->n_left > conn->n_body_max) {
        refuse_length(conn);
    } else {
        take_piece(conn, chunked->data, chunked->n_data);
    }
}

static size_t take_chunks(struct net_conn *conn, const char *bytes, size_t n_bytes) {
    size_t at = 0;
    while (at < n_bytes && conn->state == CONN_BODY && !conn->is_last_chunk_seen) {
        size_t n_taken;
        switch (chunked_next(&conn->chunked, bytes + at, n_bytes - at, &n_taken)) {
        case CHUNKED_MORE:
            break;
        case CHUNKED_DATA:
            take_chunk(conn);
            break;
        case CHUNKED_END:
            conn->is_last_chunk_seen = true;
            break;
        case CHUNKED_BAD:
            http_refuse(conn, conn->chunked.status, conn->chunked.error);
            break;
        }
        at += n_taken;
    }
    return at;
}

size_t http_on_body(struct net_conn *conn, const char *bytes, size_t n_bytes) {
    if (conn->is_chunked) {
        return take_chunks(conn, bytes, n_bytes);
    }
    uint64_t left = conn->n_body_announced - conn->n_body_seen;
    n_bytes = n_bytes < left ? n_bytes : (size_t)left;
    take_piece(conn, bytes, n_bytes);
    return n_bytes;
}

void http_on_body_end(struct net_conn *conn) {
    if (conn->state == CONN_BODY) {
        hand_up(conn);
    }
}

static int pump_reply(struct net_conn *conn) {
    size_t left = conn->reply_size - conn->reply_sent;
    size_t n_bytes = left < HTTP_PIECE_BYTES ? left : HTTP_PIECE_BYTES;
    if (n_bytes > 0) {
        if (conn_write_raw(conn, conn->reply_body + conn->reply_sent, n_bytes) < 0) {
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
    if (conn->is_http_1_0) {
        return conn_write_raw(conn, bytes, n_bytes);
    }
    struct bytes chunk;
    bytes_init(&chunk, n_bytes + 32);
    bytes_add_format(&chunk, "%zx\r\n", n_bytes);
    bytes_add(&chunk, bytes, n_bytes);
    bytes_add(&chunk, "\r\n", 2);
    int result = conn_write_raw(conn, chunk.data, chunk.size);
    bytes_deinit(&chunk);
    return result;
}

static int end_stream(struct net_conn *conn) {
    if (!conn->is_http_1_0 && conn_write_raw(conn, "0\r\n\r\n", 5) < 0) {
        return -1;
    }
    return finish(conn);
}

static int pump_stream(struct net_conn *conn) {
    struct frame *frame = conn_outbox_take(conn);
    if (frame) {
        int result = write_chunk(conn, frame->bytes, frame->n_bytes);
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
        int result = conn_write_raw(conn, conn->head_out.data, conn->head_out.size);
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
    int result = conn->is_websocket ? ws_write_text(conn, bytes, n_bytes) : write_chunk(conn, bytes, n_bytes);
    if (result < 0) {
        LOG_DEBUG("conn_write_failed", "conn=%llu", (unsigned long long)conn->number);
        conn_kill(conn);
    }
}
