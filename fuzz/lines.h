/* lines.h - an input as the frames of one WebSocket, one a line. Any answer that is no JSON object ends the run (ws_world). */
#ifndef RUNNEL_FUZZ_LINES_H
#define RUNNEL_FUZZ_LINES_H

#include "api/ws_world.h"
#include "fuzz.h"

/* Says `greeting` first, unless it is NULL. Nothing stays behind. */
static inline int fuzz_say_lines(void (*handle)(struct api *api, struct net_conn *net), const char *greeting,
                                 const uint8_t *data, size_t n_bytes) {
    char *text = fuzz_string(data, n_bytes);
    void *state = NULL;
    HOLDS(ws_world_set_up(&state) == 0);
    world_connect(handle);
    if (greeting) {
        world_say(greeting);
        world_pump();
    }
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

#endif
