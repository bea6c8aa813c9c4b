/* ws_input.h - what a client says on one WebSocket: bytes in, whole messages out (RFC 6455 sections 5, 7 and 8).
 *
 * wslay takes the frames apart: their lengths and masks. What they may be and how they join is looked at here, with every byte that
 * comes. The layer of wslay 1.1.1 for that is not used: it gives a wrong length no close code, checks the reason of a close differently
 * when the network has cut it in two, and holds 8 KiB for a socket that says nothing.
 *
 * Pure: no socket, no clock.
 * Owner   the connection.
 * Thread  any, one at a time.
 * Memory  between two frames nothing but this struct and what came of a message; a length that is only announced takes none.
 * Limits  NET_MESSAGE_BYTES_MAX; a control frame has WS_CONTROL_BYTES_MAX (RFC 6455 section 5.5).
 * Errors  WS_INPUT_BAD: `close_code` and `error` are what to close with. Nothing more is read.
 */
#ifndef RUNNEL_NET_WS_INPUT_H
#define RUNNEL_NET_WS_INPUT_H

#include "base/bytes.h"

#include <stdint.h>
#include <wslay/wslay.h>

#define WS_CONTROL_BYTES_MAX 125

enum ws_input_event {
    WS_INPUT_MORE,    /* all bytes are taken, and nothing is whole */
    WS_INPUT_MESSAGE, /* `message`, until the next call; `message_opcode` is text or binary */
    WS_INPUT_PING,    /* `control` is to be sent back */
    WS_INPUT_CLOSE,   /* `close_code` is the client's, or 0 */
    WS_INPUT_BAD,
};

struct ws_input {
    bool takes_binary;
    struct bytes message;
    uint8_t message_opcode;
    char control[WS_CONTROL_BYTES_MAX];
    size_t n_control;
    uint16_t close_code;
    const char *error;

    bool is_open;                   /* a message has begun and not ended */
    size_t n_checked;               /* bytes of it that are whole characters */
    wslay_frame_context_ptr frames; /* NULL between two frames */
    uint64_t n_given;               /* bytes to `frames`, and what of them were whole frames */
    uint64_t n_framed;
    uint64_t n_of_frame; /* bytes of the frame's payload that came */
    const char *bytes;   /* of the call under way */
    size_t n_bytes;
};

void ws_input_init(struct ws_input *input);
void ws_input_deinit(struct ws_input *input);

/* ws_input_give is the next bytes of the client; then ws_input_next is called until it says WS_INPUT_MORE, CLOSE or BAD. */
void ws_input_give(struct ws_input *input, const char *bytes, size_t n_bytes);
enum ws_input_event ws_input_next(struct ws_input *input);

#endif
