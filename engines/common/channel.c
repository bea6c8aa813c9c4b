#include "common/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES      (64u << 10)
#define READ_ROUNDS_MAX 64 /* a fast writer must not keep the engine from its work */

void channel_init(struct channel *channel, int fd_in, int fd_out) {
    *channel = (struct channel){ .fd_in = fd_in, .fd_out = fd_out };
    bytes_init(&channel->in, ENGINE_LINE_BYTES_MAX + READ_BYTES);
    struct stat info;
    channel->is_live = fstat(fd_in, &info) == 0 && S_ISSOCK(info.st_mode);
}

void channel_deinit(struct channel *channel) {
    bytes_deinit(&channel->in);
}

void channel_wait(struct channel *channel, int fd_wake, int timeout_ms) {
    struct pollfd fds[2] = {
        { .fd = channel->at_end ? -1 : channel->fd_in, .events = POLLIN },
        { .fd = fd_wake, .events = POLLIN },
    };
    poll(fds, 2, timeout_ms); /* EINTR: the caller looks and waits again */
}

/* Readable is asked first instead of O_NONBLOCK: that flag would belong to whoever shares the descriptor, a terminal too. */
static bool is_readable(int fd) {
    struct pollfd pollfd = { .fd = fd, .events = POLLIN };
    return poll(&pollfd, 1, 0) > 0;
}

/* Keeps the buffer to one line: drops what was consumed, and the known part of a line that is too long. */
static void make_room(struct channel *channel) {
    bytes_drop(&channel->in, channel->at);
    channel->at = 0;
    if (channel->n_scanned > ENGINE_LINE_BYTES_MAX) {
        channel->skipping = true;
    }
    if (channel->skipping) {
        bytes_drop(&channel->in, channel->n_scanned);
        channel->n_scanned = 0;
    }
}

static bool has_line(struct channel *channel) {
    size_t from = channel->at + channel->n_scanned;
    if (from < channel->in.size && memchr(channel->in.data + from, '\n', channel->in.size - from)) {
        return true;
    }
    channel->n_scanned = channel->in.size - channel->at;
    return false;
}

/* The last line of a file may lack its end. */
static void finish_input(struct channel *channel) {
    channel->at_end = true;
    if (channel->in.size > channel->at) {
        bytes_add_char(&channel->in, '\n');
    }
}

void channel_read(struct channel *channel) {
    for (int round = 0; round < READ_ROUNDS_MAX && !channel->at_end && !has_line(channel); round++) {
        if (!is_readable(channel->fd_in)) {
            return;
        }
        make_room(channel);
        char *room = bytes_reserve(&channel->in, READ_BYTES);
        ssize_t n = room ? read(channel->fd_in, room, READ_BYTES) : 0;
        if (n > 0) {
            channel->in.size += (size_t)n;
            channel->in.data[channel->in.size] = '\0';
        } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
            finish_input(channel);
        }
    }
}

enum channel_line channel_next_line(struct channel *channel, char **line, size_t *n_bytes) {
    if (!has_line(channel)) {
        return CHANNEL_NONE;
    }
    char *begin = channel->in.data + channel->at;
    char *end = memchr(begin + channel->n_scanned, '\n', channel->in.size - channel->at - channel->n_scanned);
    *end = '\0';
    *line = begin;
    *n_bytes = (size_t)(end - begin);
    channel->at += *n_bytes + 1;
    channel->n_scanned = 0;
    bool too_long = channel->skipping || *n_bytes > ENGINE_LINE_BYTES_MAX;
    channel->skipping = false;
    return too_long ? CHANNEL_TOO_LONG : CHANNEL_LINE;
}

bool channel_write(struct channel *channel, const char *data, size_t n_bytes) {
    while (n_bytes > 0) {
        ssize_t n = write(channel->fd_out, data, n_bytes);
        if (n >= 0) {
            data += n;
            n_bytes -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd pollfd = { .fd = channel->fd_out, .events = POLLOUT };
            poll(&pollfd, 1, -1);
        } else if (errno != EINTR) {
            channel->at_end = true;
            channel->is_live = true; /* nobody reads: finishing the work has no use */
            return false;
        }
    }
    return true;
}
