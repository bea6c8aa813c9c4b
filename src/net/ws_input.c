#include "net/ws_input.h"

#include "base/utf8.h"
#include "net/net.h"

#include <assert.h>
#include <string.h>

#define CLOSE_PROTOCOL 1002
#define CLOSE_NO_TEXT  1007

void ws_input_init(struct ws_input *input) {
    *input = (struct ws_input){ .takes_binary = false };
    bytes_init(&input->message, NET_MESSAGE_BYTES_MAX);
}

static void close_frames(struct ws_input *input) {
    wslay_frame_context_free(input->frames);
    input->frames = NULL;
}

void ws_input_deinit(struct ws_input *input) {
    bytes_deinit(&input->message);
    close_frames(input);
}

static enum ws_input_event bad(struct ws_input *input, uint16_t code, const char *error) {
    input->close_code = code;
    input->error = error;
    return WS_INPUT_BAD;
}

/* ---- wslay ---- */

static ssize_t on_receive(uint8_t *out, size_t n_room, int flags, void *ctx) {
    struct ws_input *input = ctx;
    (void)flags;
    size_t n = n_room < input->n_bytes ? n_room : input->n_bytes;
    if (n > 0) {
        memcpy(out, input->bytes, n);
        input->bytes += n;
        input->n_bytes -= n;
        input->n_given += n;
    }
    return (ssize_t)n;
}

static void open_frames(struct ws_input *input) {
    static const struct wslay_frame_callbacks callbacks = { .recv_callback = on_receive };
    int result = wslay_frame_context_init(&input->frames, &callbacks, input);
    assert(result == 0);
    input->n_given = input->n_framed = 0;
}

/* A length in a longer form than it needs is refused, so it tells how long the head was; the mask is part of that. */
static uint64_t frame_bytes(const struct wslay_frame_iocb *frame) {
    unsigned n_length = frame->payload_length < 126 ? 0 : frame->payload_length < 65536 ? 2 : 8;
    return 2 + n_length + 4 + frame->payload_length;
}

/* ---- Messages ---- */

static enum ws_input_event begin_message(struct ws_input *input, uint8_t opcode) {
    if (input->is_open) {
        return bad(input, CLOSE_PROTOCOL, "a message begins inside another");
    }
    if (opcode == WSLAY_BINARY_FRAME && !input->takes_binary) {
        return bad(input, NET_CLOSE_UNSUPPORTED, "text messages only");
    }
    input->is_open = true;
    input->message_opcode = opcode;
    input->n_checked = 0;
    return WS_INPUT_MORE;
}

static enum ws_input_event begin_frame(struct ws_input *input, const struct wslay_frame_iocb *frame) {
    enum ws_input_event event = WS_INPUT_MORE;
    if (frame->rsv != 0) {
        return bad(input, CLOSE_PROTOCOL, "there is no extension that could use the reserved bits");
    }
    if (!frame->mask) {
        return bad(input, CLOSE_PROTOCOL, "the frames of a client are masked");
    }
    switch (frame->opcode) {
    case WSLAY_PING:
    case WSLAY_PONG:
    case WSLAY_CONNECTION_CLOSE:
        input->n_control = 0;
        return WS_INPUT_MORE;
    case WSLAY_TEXT_FRAME:
    case WSLAY_BINARY_FRAME:
        event = begin_message(input, frame->opcode);
        break;
    case WSLAY_CONTINUATION_FRAME:
        event = input->is_open ? WS_INPUT_MORE
                               : bad(input, CLOSE_PROTOCOL, "a message goes on that has not begun");
        break;
    default:
        return bad(input, CLOSE_PROTOCOL, "there is no such kind of frame");
    }
    if (event == WS_INPUT_MORE && frame->payload_length > NET_MESSAGE_BYTES_MAX - input->message.size) {
        return bad(input, NET_CLOSE_TOO_LARGE, "a message may have at most 1 MiB");
    }
    return event;
}

/* False: what came can never become UTF-8. */
static bool check_text(struct ws_input *input) {
    const struct bytes *message = &input->message;
    while (input->n_checked < message->size) {
        const char *at = message->data + input->n_checked;
        int step = (unsigned char)*at < 0x80 ? 1 : utf8_step(at, message->size - input->n_checked);
        if (step <= 0) {
            return step == 0;
        }
        input->n_checked += (size_t)step;
    }
    return true;
}

static enum ws_input_event add_to_message(struct ws_input *input, const struct wslay_frame_iocb *frame) {
    if (bytes_add(&input->message, frame->data, frame->data_length) != STATUS_OK) {
        return bad(input, NET_CLOSE_TOO_LARGE, "a message may have at most 1 MiB");
    }
    bool is_text = input->message_opcode == WSLAY_TEXT_FRAME;
    return is_text && !check_text(input) ? bad(input, CLOSE_NO_TEXT, "the text is not UTF-8") : WS_INPUT_MORE;
}

static enum ws_input_event end_message(struct ws_input *input) {
    input->is_open = false;
    if (input->message_opcode == WSLAY_TEXT_FRAME && input->n_checked < input->message.size) {
        return bad(input, CLOSE_NO_TEXT, "the text ends inside a character");
    }
    return WS_INPUT_MESSAGE;
}

/* ---- Control frames ---- */

/* RFC 6455 section 7.4, and the codes that were registered since. */
static bool is_close_code(unsigned code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static enum ws_input_event end_close(struct ws_input *input) {
    if (input->n_control == 0) {
        input->close_code = 0;
        return WS_INPUT_CLOSE;
    }
    unsigned code = (unsigned)(unsigned char)input->control[0] << 8 | (unsigned char)input->control[1];
    if (input->n_control == 1 || !is_close_code(code)) {
        return bad(input, CLOSE_PROTOCOL, "there is no such close code");
    }
    if (!utf8_is_valid(input->control + 2, input->n_control - 2)) {
        return bad(input, CLOSE_NO_TEXT, "the reason is not UTF-8");
    }
    input->close_code = (uint16_t)code;
    return WS_INPUT_CLOSE;
}

static enum ws_input_event end_frame(struct ws_input *input, const struct wslay_frame_iocb *frame) {
    input->n_framed += frame_bytes(frame);
    input->n_of_frame = 0;
    switch (frame->opcode) {
    case WSLAY_PING:
        return WS_INPUT_PING;
    case WSLAY_PONG:
        return WS_INPUT_MORE;
    case WSLAY_CONNECTION_CLOSE:
        return end_close(input);
    default:
        return frame->fin ? end_message(input) : WS_INPUT_MORE;
    }
}

/* ---- Bytes ---- */

/* `frame` has a piece of its payload, which is empty only when all of it is. */
static enum ws_input_event take_piece(struct ws_input *input, const struct wslay_frame_iocb *frame) {
    enum ws_input_event event = input->n_of_frame == 0 ? begin_frame(input, frame) : WS_INPUT_MORE;
    if (event != WS_INPUT_MORE) {
        return event;
    }
    input->n_of_frame += frame->data_length;
    if (!wslay_is_ctrl_frame(frame->opcode)) {
        event = add_to_message(input, frame);
    } else if (frame->data_length > 0) {
        assert(input->n_control + frame->data_length <= WS_CONTROL_BYTES_MAX); /* wslay refuses longer ones */
        memcpy(input->control + input->n_control, frame->data, frame->data_length);
        input->n_control += frame->data_length;
    }
    bool is_whole = input->n_of_frame == frame->payload_length;
    return event == WS_INPUT_MORE && is_whole ? end_frame(input, frame) : event;
}

void ws_input_give(struct ws_input *input, const char *bytes, size_t n_bytes) {
    input->bytes = bytes;
    input->n_bytes = n_bytes;
}

enum ws_input_event ws_input_next(struct ws_input *input) {
    if (!input->is_open) {
        bytes_deinit(&input->message);
    }
    if (input->frames == NULL && input->n_bytes > 0) {
        open_frames(input);
    }
    while (input->frames) {
        struct wslay_frame_iocb frame = { .fin = 0 };
        ssize_t n = wslay_frame_recv(input->frames, &frame);
        if (n == WSLAY_ERR_WANT_READ) {
            break;
        }
        enum ws_input_event event =
            n < 0 ? bad(input, CLOSE_PROTOCOL, "a frame's length is wrong") : take_piece(input, &frame);
        if (event != WS_INPUT_MORE) {
            return event;
        }
    }
    if (input->n_given == input->n_framed) {
        close_frames(input);
    }
    return WS_INPUT_MORE;
}
