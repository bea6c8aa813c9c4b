#include "engine/channel.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/log_lines.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES                                                                                           \
    (32u << 10) /* per wake-up: some hundred lines, so that the loop turns within a millisecond */
#define DRAIN_BYTES_MAX                                                                                      \
    (16u << 20) /* after the end: a grandchild may hold the other side open and write on */
#define OUT_COMPACT_BYTES (64u << 10)

struct channel {
    const struct loop *loop;
    const struct channel_handlers *handlers;
    void *ctx;
    struct child child;
    struct loop_watch *watch_exit;
    struct loop_watch *watch_channel;
    struct loop_watch *watch_log;
    struct loop_timer *resume; /* delivers what was read before a pause, after it */
    struct bytes in;
    size_t n_scanned; /* first bytes of `in` known to hold no line end */
    struct bytes out;
    size_t out_at; /* what of `out` is written already */
    struct log_lines log_lines;
    uint64_t heard_ms;
    bool paused;
    bool muted;
    bool closed; /* nothing more to read */
    bool exited; /* and reaped */
};

static void unwatch(struct channel *channel, struct loop_watch **watch) {
    if (*watch) {
        channel->loop->unwatch(*watch);
        *watch = NULL;
    }
}

/* The next whole line from `at`; NULL when there is none, or none may be delivered. */
static char *find_line_end(struct channel *channel, size_t at) {
    if (channel->muted || (channel->paused && !channel->exited)) {
        return NULL;
    }
    size_t from = at + channel->n_scanned;
    char *end =
        from < channel->in.size ? memchr(channel->in.data + from, '\n', channel->in.size - from) : NULL;
    channel->n_scanned = end ? 0 : channel->in.size - at;
    return end;
}

static void refuse_long_line(struct channel *channel) {
    channel_mute(channel);
    channel->handlers->on_too_long(channel->ctx);
}

static void deliver_lines(struct channel *channel) {
    size_t at = 0;
    for (char *end = find_line_end(channel, at); end; end = find_line_end(channel, at)) {
        char *line = channel->in.data + at;
        size_t n_bytes = (size_t)(end - line);
        if (n_bytes > ENGINE_LINE_BYTES_MAX) {
            refuse_long_line(channel);
            break;
        }
        *end = '\0';
        at += n_bytes + 1;
        channel->handlers->on_line(channel->ctx, line, n_bytes);
    }
    if (channel->muted) {
        at = channel->in.size;
        channel->n_scanned = 0;
    }
    bytes_drop(&channel->in, at);
    if (channel->n_scanned > ENGINE_LINE_BYTES_MAX) {
        refuse_long_line(channel);
        bytes_clear(&channel->in);
    }
}

/* Reads once. Returns the number of bytes; 0: nothing there now, or never again (`closed`). */
static size_t read_some(struct channel *channel) {
    char *room = bytes_reserve(&channel->in, READ_BYTES);
    if (room == NULL) {
        return 0;
    }
    ssize_t n = recv(channel->child.fd_channel, room, READ_BYTES, MSG_DONTWAIT);
    if (n > 0) {
        channel->in.size += (size_t)n;
        channel->in.data[channel->in.size] = '\0';
        channel->heard_ms = clock_now_ms();
        return (size_t)n;
    }
    channel->closed = n == 0 || (errno != EAGAIN && errno != EINTR);
    return 0;
}

static void on_readable(void *ctx) {
    struct channel *channel = ctx;
    if (channel->paused || channel->closed) {
        return;
    }
    if (read_some(channel) > 0) {
        deliver_lines(channel);
    }
    if (channel->closed) {
        unwatch(channel, &channel->watch_channel);
        channel->handlers->on_closed(channel->ctx);
    }
}

static void on_resume(void *ctx) {
    deliver_lines(ctx);
}

/* Writes what goes without blocking. */
static void flush_out(struct channel *channel) {
    while (channel->out_at < channel->out.size) {
        ssize_t n = send(channel->child.fd_channel, channel->out.data + channel->out_at,
                         channel->out.size - channel->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            channel->out_at += (size_t)n;
        } else if (errno == EAGAIN) {
            if (channel->watch_channel) {
                channel->loop->want_write(channel->watch_channel);
            }
            break;
        } else if (errno != EINTR) {
            channel->out_at = channel->out.size; /* nobody reads any more: on_gone is on the way */
        }
    }
    if (channel->out_at == channel->out.size) {
        bytes_deinit(&channel->out);
        channel->out_at = 0;
    } else if (channel->out_at > OUT_COMPACT_BYTES && channel->out_at > channel->out.size / 2) {
        bytes_drop(&channel->out, channel->out_at);
        channel->out_at = 0;
    }
}

static void on_writable(void *ctx) {
    flush_out(ctx);
}

/* Copies what standard error holds into the log; false when there is nothing now. */
static bool copy_log(struct channel *channel) {
    char data[4096];
    ssize_t n = read(channel->child.fd_log, data, sizeof data);
    if (n > 0) {
        log_lines_add(&channel->log_lines, data, (size_t)n);
    } else if (n == 0) {
        unwatch(channel, &channel->watch_log); /* a closed pipe stays readable */
    }
    return n > 0;
}

static void on_log(void *ctx) {
    copy_log(ctx);
}

/* What the process wrote before its end is worth as much as what it wrote before. */
static void drain(struct channel *channel) {
    size_t n_log = 0;
    while (copy_log(channel) && n_log++ < DRAIN_BYTES_MAX / 4096) {
    }
    log_lines_flush(&channel->log_lines);
    deliver_lines(channel); /* left by a pause */
    for (size_t n_drained = 0; n_drained < DRAIN_BYTES_MAX && !channel->closed;) {
        size_t n = read_some(channel);
        if (n == 0) {
            break;
        }
        n_drained += n;
        deliver_lines(channel);
    }
    channel->closed = true;
}

static void on_child_exit(void *ctx) {
    struct channel *channel = ctx;
    int wait_status = 0;
    if (waitpid(channel->child.pid, &wait_status, WNOHANG) == 0) {
        return;
    }
    channel->exited = true;
    unwatch(channel, &channel->watch_exit);
    drain(channel);
    unwatch(channel, &channel->watch_channel);
    unwatch(channel, &channel->watch_log);
    channel->handlers->on_gone(channel->ctx, wait_status); /* may close the channel */
}

struct channel *channel_open(const struct channel_options *options, struct fault *fault) {
    struct child child;
    if (spawn_child(options->spawn, &child, fault)) {
        return NULL;
    }
    const struct loop *loop = options->loop;
    struct channel *channel = mem_alloc(sizeof *channel);
    channel->loop = loop;
    channel->handlers = options->handlers;
    channel->ctx = options->ctx;
    channel->child = child;
    channel->log_lines.pid = child.pid;
    channel->heard_ms = clock_now_ms();
    bytes_init(&channel->in, ENGINE_LINE_BYTES_MAX + 2 * READ_BYTES);
    bytes_init(&channel->out,
               2 * ENGINE_OUT_BYTES_MAX); /* written bytes are dropped late; channel_send keeps the limit */
    channel->resume = loop->timer_new(loop->self, on_resume, channel);
    channel->watch_exit = loop->watch_fd(loop->self, child.fd_exit, on_child_exit, NULL, channel);
    channel->watch_channel = loop->watch_fd(loop->self, child.fd_channel, on_readable, on_writable, channel);
    channel->watch_log = loop->watch_fd(loop->self, child.fd_log, on_log, NULL, channel);
    if (channel->watch_exit == NULL || channel->watch_channel == NULL || channel->watch_log == NULL) {
        fault_set(fault, STATUS_FULL, "the engine program %s cannot be started: too many open files",
                  options->spawn->program);
        channel_close(channel);
        return NULL;
    }
    LOG_INFO("engine_spawn", "pid=%d program=%s", (int)child.pid, options->spawn->program);
    return channel;
}

static void kill_and_reap(struct channel *channel) {
    channel_kill(channel);
    struct pollfd pollfd = { .fd = channel->child.fd_exit, .events = POLLIN };
    while (poll(&pollfd, 1, CHANNEL_REAP_MS) < 0 && errno == EINTR) {
    }
    if (waitpid(channel->child.pid, NULL, WNOHANG) == 0) {
        LOG_WARN("engine_left", "pid=%d text=it was killed but does not end", (int)channel->child.pid);
    }
}

void channel_close(struct channel *channel) {
    if (channel == NULL) {
        return;
    }
    if (!channel->exited) {
        kill_and_reap(channel);
    }
    unwatch(channel, &channel->watch_exit);
    unwatch(channel, &channel->watch_channel);
    unwatch(channel, &channel->watch_log);
    channel->loop->timer_free(channel->resume);
    close(channel->child.fd_exit);
    close(channel->child.fd_channel);
    close(channel->child.fd_log);
    bytes_deinit(&channel->in);
    bytes_deinit(&channel->out);
    free(channel);
}

enum status channel_send(struct channel *channel, enum channel_urgency urgency, const char *data,
                         size_t n_bytes) {
    size_t limit = ENGINE_OUT_BYTES_MAX - (urgency == CHANNEL_SHORT ? 0 : CHANNEL_OUT_BYTES_RESERVED);
    size_t waiting = channel->out.size - channel->out_at;
    if (waiting > limit || n_bytes > limit - waiting) {
        return STATUS_FULL;
    }
    if (channel->exited) {
        return STATUS_OK;
    }
    enum status status = bytes_add(&channel->out, data, n_bytes);
    assert(status == STATUS_OK);
    if (waiting == 0) {
        flush_out(channel);
    }
    return status;
}

void channel_kill(struct channel *channel) {
    if (!channel->exited) {
        kill(channel->child.pid, SIGKILL);
    }
}

void channel_mute(struct channel *channel) {
    channel->muted = true;
}

void channel_pause(struct channel *channel, bool paused) {
    if (channel->paused == paused) {
        return;
    }
    channel->paused = paused;
    if (channel->watch_channel) {
        channel->loop->want_read(channel->watch_channel, !paused);
    }
    channel->loop->timer_set(channel->resume, paused ? -1 : 0);
}

pid_t channel_pid(const struct channel *channel) {
    return channel->exited ? 0 : channel->child.pid;
}

uint64_t channel_heard_ms(const struct channel *channel) {
    return channel->heard_ms;
}
