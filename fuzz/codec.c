/* A line of an engine (T32): an engine is not trusted, whatever it says is an event or a fault. */
#include "engine/codec.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static struct codec_pieces pieces; /* kept from line to line, as the server does */
    char *line = fuzz_copy(data, n_bytes);
    struct codec_event event;
    struct fault fault = { 0 };
    if (codec_decode(line, n_bytes, &event, &fault) == STATUS_OK) {
        if (event.kind == CODEC_STEP && codec_read_pieces(&event, &pieces, &fault) == STATUS_OK) {
            HOLDS(pieces.count <= CODEC_PIECES_MAX);
            for (size_t i = 0; i < pieces.count; i++) {
                HOLDS(pieces.items[i].id && strlen(pieces.items[i].text) <= pieces.items[i].text_size);
            }
        }
        codec_event_deinit(&event);
    } else {
        HOLDS(fault.text[0]);
    }
    free(line);
    return 0;
}
