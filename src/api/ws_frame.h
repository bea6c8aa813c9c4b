/* ws_frame.h - what the three WebSocket protocols have in common: a JSON object leaves as one text frame.
 *
 * Thread  the loop thread only.
 * Memory  a json_t is taken over.
 * Limits  WS_FRAME_BYTES_MAX for one frame. An answer out of turn is small: it goes through the bounded outbox of net.
 */
#ifndef RUNNEL_API_WS_FRAME_H
#define RUNNEL_API_WS_FRAME_H

#include "api/api_internal.h"
#include "base/json.h"

/* A snapshot or a transcript may be large; net itself can send half as much again. */
#define WS_FRAME_BYTES_MAX (64u << 20)

/* Not found, on a socket that is about one conversation [W13]. */
#define WS_CLOSE_NOT_FOUND 4004

/* ws_frame_send queues a frame out of turn. */
void ws_frame_send(struct api_conn *conn, json_t *frame);
void ws_frame_send_ping(struct api_conn *conn);

/* ws_frame_write writes the one frame of an on_writable. STATUS_TOO_LARGE: nothing was written. */
MUST_CHECK enum status ws_frame_write(struct api_conn *conn, json_t *frame);

/* ws_frame_write_bytes writes a frame that is text already, or closes the socket when that failed to grow (4009). */
void ws_frame_write_bytes(struct api_conn *conn, const struct bytes *frame);

void ws_frame_close_too_large(struct api_conn *conn);
void ws_frame_close_not_found(struct api_conn *conn, const char *reason);

#endif
