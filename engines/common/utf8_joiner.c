#include "common/utf8_joiner.h"

#include "base/utf8.h"

#include <assert.h>
#include <string.h>

static const char replacement[] = "\xEF\xBF\xBD";

/* Appends whole characters and replacements; returns the number of bytes used. The rest is an unfinished character. */
static size_t join(const char *data, size_t n_bytes, struct bytes *out) {
    size_t at = 0;
    while (at < n_bytes) {
        int step = utf8_step(data + at, n_bytes - at);
        if (step == 0) {
            break;
        }
        if (step > 0) {
            bytes_add(out, data + at, (size_t)step);
        } else {
            bytes_add(out, replacement, sizeof replacement - 1);
        }
        at += (size_t)(step > 0 ? step : -step);
    }
    return at;
}

static void hold(struct utf8_joiner *joiner, const char *data, size_t n_bytes) {
    assert(n_bytes <= UTF8_JOINER_HELD_MAX);
    memmove(joiner->held, data, n_bytes);
    joiner->n_held = n_bytes;
}

void utf8_joiner_add(struct utf8_joiner *joiner, const char *data, size_t n_bytes, struct bytes *out) {
    /* The held character is decided with at most 3 more bytes; the rest is read in place. */
    while (joiner->n_held > 0 && n_bytes > 0) {
        char head[UTF8_JOINER_HELD_MAX + 1];
        memcpy(head, joiner->held, joiner->n_held);
        head[joiner->n_held] = data[0];
        size_t n_head = joiner->n_held + 1;
        data++;
        n_bytes--;
        size_t used = join(head, n_head, out);
        hold(joiner, head + used, n_head - used);
    }
    size_t used = join(data, n_bytes, out);
    if (used < n_bytes) {
        hold(joiner, data + used, n_bytes - used);
    }
}

void utf8_joiner_finish(struct utf8_joiner *joiner, struct bytes *out) {
    if (joiner->n_held > 0) {
        bytes_add(out, replacement, sizeof replacement - 1);
        joiner->n_held = 0;
    }
}
