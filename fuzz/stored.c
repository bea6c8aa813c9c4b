/* The packed events of an ended generation, as a damaged database may give them: two bytes of last_seq, one of flags, then the blob. */
#include "store/store_events.h"

#include "fuzz.h"

#define TEXT_SIZE_MAX 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    if (n_bytes < 3) {
        return 0;
    }
    size_t n = (size_t)data[0] << 8 | data[1];
    bool has_end = data[2] & 1;
    char *blob = fuzz_copy(data + 3, n_bytes - 3);
    size_t n_blob = n_bytes - 3;
    size_t n_least = has_end ? 2 : 1;
    if (n >= n_least && n - n_least <= n_blob) { /* what its callers look at first */
        uint32_t *ends = calloc(n, sizeof *ends);
        int32_t *tokens = calloc(n, sizeof *tokens);
        HOLDS(ends && tokens);
        if (store_events_unpack_sizes(blob, n_blob, TEXT_SIZE_MAX, ends, n, has_end)) {
            for (size_t i = 1; i < n; i++) {
                HOLDS(ends[i] >= ends[i - 1] && ends[i] <= TEXT_SIZE_MAX);
            }
        }
        if (store_events_unpack_tokens(blob, n_blob, tokens, n, has_end)) {
            HOLDS(tokens[0] == -1 && (!has_end || tokens[n - 1] == -1));
        }
        free(ends);
        free(tokens);
    }
    free(blob);
    return 0;
}
