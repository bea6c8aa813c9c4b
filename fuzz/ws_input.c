/* The bytes of a client's WebSocket: the first byte says how they are cut and whether binary messages are wanted; what is heard does not
 * depend on the cut, and is what may be handed on. */
#include "net/ws_input.h"

#include "base/utf8.h"
#include "net/net.h"

#include "fuzz.h"

/* Everything that was heard, as bytes. */
static void check_event(struct ws_input *input, enum ws_input_event event, struct bytes *heard) {
    bytes_add_format(heard, "%d:", (int)event);
    switch (event) {
    case WS_INPUT_MESSAGE:
        HOLDS(input->message.size <= NET_MESSAGE_BYTES_MAX);
        HOLDS(input->message_opcode == WSLAY_TEXT_FRAME || input->takes_binary);
        HOLDS(input->message_opcode != WSLAY_TEXT_FRAME || input->message.size == 0 ||
              utf8_is_valid(input->message.data, input->message.size));
        bytes_add(heard, input->message.data ? input->message.data : "", input->message.size);
        break;
    case WS_INPUT_PING:
        HOLDS(input->n_control <= WS_CONTROL_BYTES_MAX);
        bytes_add(heard, input->control, input->n_control);
        break;
    case WS_INPUT_CLOSE:
        HOLDS(input->close_code == 0 || (input->close_code >= 1000 && input->close_code < 5000));
        bytes_add_format(heard, "%u", input->close_code);
        break;
    case WS_INPUT_BAD:
        HOLDS(input->error && input->close_code >= 1002);
        bytes_add_format(heard, "%u", input->close_code);
        break;
    case WS_INPUT_MORE:
        break;
    }
}

static void hear(const char *bytes, size_t n_bytes, size_t step, bool takes_binary, struct bytes *heard) {
    struct ws_input input;
    ws_input_init(&input);
    input.takes_binary = takes_binary;
    bytes_init(heard, 1u << 20);
    enum ws_input_event event = WS_INPUT_MORE;
    for (size_t at = 0; at < n_bytes && event == WS_INPUT_MORE; at += step) {
        size_t n = n_bytes - at < step ? n_bytes - at : step;
        char *piece = fuzz_copy((const uint8_t *)bytes + at, n);
        ws_input_give(&input, piece, n);
        event = ws_input_next(&input);
        for (; event == WS_INPUT_MESSAGE || event == WS_INPUT_PING; event = ws_input_next(&input)) {
            check_event(&input, event, heard);
        }
        free(piece);
    }
    if (event != WS_INPUT_MORE) {
        check_event(&input, event, heard);
    } else {
        /* What is kept of what has not come whole. */
        HOLDS(input.message.capacity <= 2 * n_bytes + 128);
    }
    ws_input_deinit(&input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    if (n_bytes == 0) {
        return 0;
    }
    char *bytes = fuzz_copy(data + 1, n_bytes - 1);
    bool takes_binary = data[0] & 1;
    size_t step = 1 + (data[0] >> 1);
    struct bytes whole;
    struct bytes cut;
    hear(bytes, n_bytes - 1, n_bytes, takes_binary, &whole);
    hear(bytes, n_bytes - 1, step, takes_binary, &cut);
    HOLDS(whole.size == cut.size && (whole.size == 0 || memcmp(whole.data, cut.data, whole.size) == 0));
    bytes_deinit(&whole);
    bytes_deinit(&cut);
    free(bytes);
    return 0;
}
