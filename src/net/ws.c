/* ws.c - one WebSocket: the opening, whole messages in (ws_input.c), one frame per on_writable out, the close. */
#include "base/mem.h"
#include "net/net_internal.h"

#include <sha1.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_OF_FRAME_BYTES_MAX 10
#define ACCEPT_BYTES            28
/* What the pongs to one read may be: a pong is shorter than its ping. */
#define PONGS_BYTES_MAX (2 * LINK_READ_BYTES)

bool ws_is_open(const struct net_conn *conn) {
    return conn->is_websocket && (conn->state == CONN_OPEN || conn->state == CONN_CLOSING);
}

/* ---- The opening ---- */

/* The base64 of 20 bytes: 27 letters, of which the last has four bits of them, and one '='. */
static void encode(const uint8_t hash[SHA1_DIGEST_LENGTH], char out[ACCEPT_BYTES + 1]) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < ACCEPT_BYTES - 1; i++) {
        size_t at = i * 6 / 8;
        unsigned two = (unsigned)hash[at] << 8 | (at + 1 < SHA1_DIGEST_LENGTH ? hash[at + 1] : 0u);
        out[i] = letters[two >> (10 - i * 6 % 8) & 63];
    }
    out[ACCEPT_BYTES - 1] = '=';
    out[ACCEPT_BYTES] = '\0';
}

/* RFC 6455 section 4.2.2 */
static void make_accept(const char *key, char out[ACCEPT_BYTES + 1]) {
    static const uint8_t suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t hash[SHA1_DIGEST_LENGTH];
    SHA1_CTX sha1;
    SHA1Init(&sha1);
    SHA1Update(&sha1, (const uint8_t *)key, WEBSOCKET_KEY_BYTES);
    SHA1Update(&sha1, suffix, sizeof suffix - 1);
    SHA1Final(hash, &sha1);
    encode(hash, out);
}

/* No extension and no protocol is agreed to, whatever was offered. */
void ws_on_upgrade(struct net_conn *conn) {
    conn->net->handlers.on_head(conn->net->ctx, conn);
    if (net_conn_is_answered(conn)) {
        return;
    }
    char accept[ACCEPT_BYTES + 1];
    make_accept(conn->websocket_key, accept);
    char *head =
        mem_format("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Accept: %s\r\n\r\n",
                   accept);
    conn->state = CONN_OPEN;
    conn->status = 101;
    conn_bound_send_buffer(conn);
    if (conn_write_raw(conn, head, strlen(head)) < 0) {
        conn_kill(conn);
    }
    free(head);
    conn->net->handlers.on_open(conn->net->ctx, conn);
}

/* ---- Out ---- */

/* A server's frames have no mask, and ours are whole messages. */
static size_t put_head(char *out, enum wslay_opcode opcode, size_t n_bytes) {
    size_t n_length = n_bytes < 126 ? 0 : n_bytes < 65536 ? 2 : 8;
    out[0] = (char)(0x80 | opcode);
    out[1] = (char)(n_length == 0 ? n_bytes : n_length == 2 ? 126 : 127);
    for (size_t i = 0; i < n_length; i++) {
        out[2 + i] = (char)(n_bytes >> 8 * (n_length - 1 - i) & 0xff);
    }
    return 2 + n_length;
}

/* A large frame is not copied for its head's sake. */
static int write_frame(struct net_conn *conn, enum wslay_opcode opcode, const char *bytes, size_t n_bytes) {
    char *outgoing = conn->net->outgoing;
    size_t n_head = put_head(outgoing, opcode, n_bytes);
    if (n_bytes <= sizeof conn->net->outgoing - n_head) {
        memcpy(outgoing + n_head, bytes, n_bytes);
        return conn_write_raw(conn, outgoing, n_head + n_bytes);
    }
    int result = conn_write_raw(conn, outgoing, n_head);
    return result < 0 ? result : conn_write_raw(conn, bytes, n_bytes);
}

int ws_write_text(struct net_conn *conn, const char *bytes, size_t n_bytes) {
    return write_frame(conn, WSLAY_TEXT_FRAME, bytes, n_bytes);
}

/* The last frame. The link stays until the client has closed too, or for a while. */
static void end(struct net_conn *conn, uint16_t code, const char *reason) {
    char payload[WS_CONTROL_BYTES_MAX];
    size_t n_reason = strnlen(reason, sizeof payload - 2);
    payload[0] = (char)(code >> 8);
    payload[1] = (char)(code & 0xff);
    memcpy(payload + 2, reason, n_reason);
    conn->state = CONN_DONE;
    conn->waiting_since_ms = 0;
    if (write_frame(conn, WSLAY_CONNECTION_CLOSE, payload, code ? 2 + n_reason : 0) < 0) {
        conn_kill(conn);
    } else {
        link_end_request(conn->link, true);
    }
}

/* True: on_writable has more to say, and comes first. */
static bool is_held_back(const struct net_conn *conn) {
    return conn->is_draining && conn->write_wanted;
}

int ws_on_writable(struct net_conn *conn) {
    conn->waiting_since_ms = 0;
    struct frame *frame = conn_outbox_take(conn);
    int result = 0;
    if (frame) {
        result = write_frame(conn, frame->is_binary ? WSLAY_BINARY_FRAME : WSLAY_TEXT_FRAME, frame->bytes,
                             frame->n_bytes);
        free(frame);
    } else if (conn->state == CONN_CLOSING && !is_held_back(conn)) {
        end(conn, conn->close_code, conn->close_reason);
    } else if (conn->write_wanted) {
        conn->write_wanted = false;
        conn->wrote = false;
        conn->net->handlers.on_writable(conn->net->ctx, conn);
    }
    if (ws_is_open(conn) && (conn->outbox_first || conn->write_wanted || conn->state == CONN_CLOSING)) {
        conn_request_write(conn);
    }
    return result;
}

/* ---- In ---- */

static void on_message(struct net_conn *conn) {
    const struct bytes *message = &conn->input.message;
    const char *bytes = message->data ? message->data : "";
    if (conn->state != CONN_OPEN) {
        return;
    }
    if (conn->is_echo) {
        conn_queue_frame(conn, bytes, message->size, conn->input.message_opcode == WSLAY_BINARY_FRAME);
    } else {
        conn->net->handlers.on_message(conn->net->ctx, conn, bytes, message->size);
    }
}

static void add_pong(struct bytes *pongs, const struct ws_input *input) {
    char head[HEAD_OF_FRAME_BYTES_MAX];
    bytes_add(pongs, head, put_head(head, WSLAY_PONG, input->n_control));
    bytes_add(pongs, input->control, input->n_control);
}

/* All pongs to one read are written at once. */
static void send_pongs(struct net_conn *conn, struct bytes *pongs) {
    if (pongs->size > 0 && link_write_aside(conn->link, pongs->data, pongs->size) < 0) {
        conn_kill(conn);
    }
    bytes_deinit(pongs);
}

void ws_on_bytes(struct net_conn *conn, const char *bytes, size_t n_bytes) {
    struct ws_input *input = &conn->input;
    struct bytes pongs;
    bytes_init(&pongs, PONGS_BYTES_MAX);
    ws_input_give(input, bytes, n_bytes);
    enum ws_input_event event = ws_input_next(input);
    for (; event == WS_INPUT_MESSAGE || event == WS_INPUT_PING; event = ws_input_next(input)) {
        event == WS_INPUT_PING ? add_pong(&pongs, input) : on_message(conn);
    }
    send_pongs(conn, &pongs);
    if (event != WS_INPUT_MORE) {
        end(conn, input->close_code, event == WS_INPUT_BAD ? input->error : "");
    }
}
