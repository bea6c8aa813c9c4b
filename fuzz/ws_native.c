/* What a client says on /ws, behind its hello: one frame a line. Whatever it is, only JSON objects come back, and nothing stays behind. */
#include "lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    return fuzz_say_lines(ws_native_handle, "{\"type\":\"hello\",\"protocol\":1}", data, n_bytes);
}
