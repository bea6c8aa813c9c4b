/* ws.c - one WebSocket over libwebsockets: whole text messages in, one frame per writable callback out. */
#include "base/mem.h"
#include "net/net_internal.h"

#include <stdlib.h>
#include <string.h>

/* The library gets a head of our own making: it sees no byte of the request but the key, which was checked, and there is no
 * extension in it that it could agree to. What the client sent behind its head goes with it. */
static void hand_over(struct net_conn *conn) {
    struct net *net = conn->net;
    struct bytes *ahead = &conn->link->in;
    char *start =
        mem_format("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
                   conn->websocket_key);
    struct bytes first;
    bytes_init(&first, ahead->size + HEAD_BYTES_MAX);
    bytes_add_text(&first, start);
    bytes_add(&first, ahead->data ? ahead->data : "", ahead->size);
    free(start);
    int fd = link_release(conn->link);
    conn->link = NULL;
    net->upgrading = conn;
    lws_adopt_socket_vhost_readbuf(net->sockets, fd, first.data, first.size);
    bytes_deinit(&first);
    if (net->upgrading) {
        conn_free(net->upgrading);
        net->upgrading = NULL;
    }
}

void ws_on_upgrade(struct net_conn *conn) {
    conn->net->handlers.on_head(conn->net->ctx, conn);
    if (!net_conn_is_answered(conn)) {
        hand_over(conn);
    }
}

int ws_on_confirm(struct net *net, struct lws *wsi) {
    if (net->upgrading == NULL) {
        return -1;
    }
    net->upgrading->wsi = wsi;
    lws_set_opaque_user_data(wsi, net->upgrading);
    net->upgrading = NULL;
    return 0;
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
        int result = conn_write_raw(conn, frame->bytes + LWS_PRE, frame->n_bytes);
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
