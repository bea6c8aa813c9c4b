/* ws.c - one WebSocket over libwebsockets: whole text messages in, one frame per writable callback out. */
#include "base/log.h"
#include "net/net_internal.h"

#include <stdlib.h>
#include <string.h>

/* The answer to a refused upgrade goes out at once: the library finishes the transaction right after this callback. */
static int write_refusal(struct net_conn *conn) {
    bytes_add(&conn->head_out, conn->reply_body, conn->reply_size);
    return conn_write_raw(conn, conn->head_out.data, conn->head_out.size, LWS_WRITE_HTTP_HEADERS) < 0 ? -1
                                                                                                      : 1;
}

int ws_on_upgrade(struct net *net, struct lws *wsi, const char *protocol) {
    struct net_conn *conn = conn_new(net, wsi, true);
    if (strcasecmp(protocol, "websocket") != 0) {
        static const char text[] = "{\"error\":\"only an upgrade to websocket is possible\"}\n";
        net_reply(conn, &(struct net_reply){ .status = 400,
                                             .content_type = "application/json",
                                             .body = text,
                                             .n_bytes = sizeof text - 1 });
    } else {
        net->handlers.on_head(net->ctx, conn);
    }
    if (!net_conn_is_answered(conn)) {
        return 0;
    }
    int result = write_refusal(conn);
    conn_free(conn);
    return result;
}

int ws_on_open(struct net_conn *conn) {
    conn->state = CONN_OPEN;
    conn_bound_send_buffer(conn);
    conn->net->handlers.on_open(conn->net->ctx, conn);
    return 0;
}

static int refuse(struct net_conn *conn, uint16_t code, const char *reason) {
    lws_close_reason(conn->wsi, (enum lws_close_status)code, (unsigned char *)(uintptr_t)reason,
                     strlen(reason));
    return -1;
}

int ws_on_receive(struct net_conn *conn, const char *bytes, size_t n_bytes) {
    if (conn->state != CONN_OPEN) {
        return 0;
    }
    if (lws_frame_is_binary(conn->wsi)) {
        return refuse(conn, NET_CLOSE_UNSUPPORTED, "text messages only");
    }
    if (lws_is_first_fragment(conn->wsi)) {
        bytes_clear(&conn->body);
    }
    if (bytes_add(&conn->body, bytes, n_bytes) != STATUS_OK) {
        return refuse(conn, NET_CLOSE_TOO_LARGE, "a message may have at most 1 MiB");
    }
    if (lws_is_final_fragment(conn->wsi) && lws_remaining_packet_payload(conn->wsi) == 0) {
        conn->net->handlers.on_message(conn->net->ctx, conn, conn->body.data ? conn->body.data : "",
                                       conn->body.size);
        bytes_clear(&conn->body);
    }
    return 0;
}

static int pump(struct net_conn *conn) {
    if (!conn->write_wanted) {
        return 0;
    }
    conn->write_wanted = false;
    conn->wrote = false;
    conn->net->handlers.on_writable(conn->net->ctx, conn);
    if (conn->write_wanted || conn->outbox_first || conn->state == CONN_CLOSING) {
        conn_request_write(conn);
    }
    return 0;
}

int ws_on_writable(struct net_conn *conn) {
    conn->waiting_since_ms = 0;
    struct frame *frame = conn_outbox_take(conn);
    if (frame) {
        int result = conn_write_raw(conn, frame->bytes + LWS_PRE, frame->n_bytes, LWS_WRITE_TEXT);
        free(frame);
        if (conn->outbox_first || conn->write_wanted || conn->state == CONN_CLOSING) {
            conn_request_write(conn);
        }
        return result < 0 ? -1 : 0;
    }
    if (conn->state == CONN_CLOSING && !(conn->is_draining && conn->write_wanted)) {
        return refuse(conn, conn->close_code, conn->close_reason);
    }
    return pump(conn);
}
