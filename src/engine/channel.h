/* channel.h - one engine process: lines in, lines out, and its end.
 *
 * Owner   an engine or an inspection. Close it from inside on_gone or from outside any upcall.
 * Thread  the loop thread only.
 * Memory  a line is valid during its upcall.
 * Limits  ENGINE_LINE_BYTES_MAX per line; ENGINE_OUT_BYTES_MAX waiting to be written.
 */
#ifndef RUNNEL_ENGINE_CHANNEL_H
#define RUNNEL_ENGINE_CHANNEL_H

#include "base/loop.h"
#include "base/status.h"
#include "engine/spawn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Kept free for short commands: what was asked for by a person who waits (cancel) is not refused behind long prompts. */
#define CHANNEL_OUT_BYTES_RESERVED (1u << 20)

struct channel;

struct channel_handlers {
    /* One line without its end. Nothing follows a channel_mute. */
    void (*on_line)(void *ctx, const char *line, size_t n_bytes);
    /* The process wrote a line that is too long; nothing more is read from it. */
    void (*on_too_long)(void *ctx);
    /* The process closed its output: its end should follow. */
    void (*on_closed)(void *ctx);
    /* The process ended and was reaped; all it wrote was delivered. The last upcall. */
    void (*on_gone)(void *ctx, int wait_status);
};

struct channel_options {
    const struct loop *loop;
    const struct spawn_options *spawn;
    const struct channel_handlers *handlers;
    void *ctx;
};

/* channel_open spawns the program; there is no upcall from inside. NULL: the fault says why. */
struct channel *channel_open(const struct channel_options *options, struct fault *fault);

/* channel_close kills the process if it still runs and waits for its end, at most CHANNEL_REAP_MS. NULL is fine. */
#define CHANNEL_REAP_MS 2000
void channel_close(struct channel *channel);

enum channel_urgency { CHANNEL_NORMAL, CHANNEL_SHORT /* may use the reserve */ };

/* channel_send queues bytes and writes what goes at once. STATUS_FULL: nothing was queued. To a process that is gone
 * it is OK and lost: on_gone is on the way. */
MUST_CHECK enum status channel_send(struct channel *channel, enum channel_urgency urgency, const char *data,
                                    size_t n_bytes);

/* channel_kill sends SIGKILL; on_gone follows. */
void channel_kill(struct channel *channel);

/* channel_mute: from now on what the process writes is read and thrown away. */
void channel_mute(struct channel *channel);

/* channel_pause stops and starts on_line. What is left when the process ends is delivered in any case: it is at most
 * one line and what the kernel's buffer holds. */
void channel_pause(struct channel *channel, bool paused);

pid_t channel_pid(const struct channel *channel); /* 0: ended */
uint64_t channel_heard_ms(
    const struct channel *channel); /* clock_now_ms of the last bytes, or of the start */

#endif
