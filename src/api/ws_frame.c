#include "api/ws_frame.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

void ws_frame_send(struct api_conn *conn, json_t *frame) {
    char *text = json_text(frame);
    net_conn_send(conn->net, text, strlen(text));
    free(text);
    json_decref(frame);
}

void ws_frame_send_ping(struct api_conn *conn) {
    static const char ping[] = "{\"type\":\"ping\"}";
    net_conn_send(conn->net, ping, sizeof ping - 1);
}

enum status ws_frame_write(struct api_conn *conn, json_t *frame) {
    char *text = json_text(frame);
    size_t size = strlen(text);
    enum status status = size <= WS_FRAME_BYTES_MAX ? STATUS_OK : STATUS_TOO_LARGE;
    if (status == STATUS_OK) {
        net_conn_write(conn->net, text, size);
    }
    free(text);
    json_decref(frame);
    return status;
}

void ws_frame_write_bytes(struct api_conn *conn, const struct bytes *frame) {
    if (frame->failed) {
        ws_frame_close_too_large(conn);
        return;
    }
    net_conn_write(conn->net, frame->data, frame->size);
}

void ws_frame_close_too_large(struct api_conn *conn) {
    LOG_WARN("ws_frame_too_large", "conn=%llu", (unsigned long long)net_conn_number(conn->net));
    net_conn_close(conn->net, NET_CLOSE_TOO_LARGE, "more than one frame can hold");
}

void ws_frame_close_not_found(struct api_conn *conn, const char *reason) {
    net_conn_close(conn->net, (enum net_close)WS_CLOSE_NOT_FOUND, reason);
}
