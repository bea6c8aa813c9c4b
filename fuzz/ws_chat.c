/* What a client says on /ws/chat/stream [W12]: one frame a line. Whatever it is, only JSON objects come back, and nothing stays behind. */
#include "api/ws_world.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    char *text = fuzz_string(data, n_bytes);
    void *state = NULL;
    HOLDS(ws_world_set_up(&state) == 0);
    world_connect(ws_chat_handle);
    for (char *line = text; line && world->close_code == 0;) {
        char *end = strchr(line, '\n');
        if (end) {
            *end = '\0';
        }
        world_say(line);
        world_pump();
        line = end ? end + 1 : NULL;
    }
    world_disconnect();
    HOLDS(ws_world_tear_down(&state) == 0);
    free(text);
    return 0;
}
