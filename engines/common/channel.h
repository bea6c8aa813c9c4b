/* channel.h - lines in, lines out, over the engine's standard input and output ([E1]).
 *
 * Input and output may be the same socket or two different files. Reading never blocks (channel_wait does, for as long as
 * it is told); writing blocks until the whole line is gone, which is the back-pressure of [E18].
 *
 * Owner   the engine's main loop.
 * Thread  reading and writing belong to one thread.
 * Memory  a line is valid until the next channel_read or channel_next_line.
 * Limits  ENGINE_LINE_BYTES_MAX per line; a longer one is skipped to its end and reported as CHANNEL_TOO_LONG.
 */
#ifndef RUNNEL_ENGINES_COMMON_CHANNEL_H
#define RUNNEL_ENGINES_COMMON_CHANNEL_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>

#define ENGINE_LINE_BYTES_MAX (8u << 20)

enum channel_line { CHANNEL_NONE, CHANNEL_LINE, CHANNEL_TOO_LONG };

struct channel {
    int fd_in;
    int fd_out;
    struct bytes in;
    size_t at;        /* where the next line begins in `in` */
    size_t n_scanned; /* bytes after `at` known to hold no line end */
    bool skipping;    /* inside a line that is too long */
    bool at_end;      /* end of input, or the other side is gone */
    bool is_live;     /* the input is a socket: its end means "go at once" ([E4]) */
};

void channel_init(struct channel *channel, int fd_in, int fd_out);
void channel_deinit(struct channel *channel);

/* channel_wait blocks until there is something to read, `timeout_ms` passed (−1: no limit), or `fd_wake` (−1: none) can be
 * read. At the end of input only fd_wake and the time count. */
void channel_wait(struct channel *channel, int fd_wake, int timeout_ms);

/* channel_read takes what the input has, without blocking. */
void channel_read(struct channel *channel);

/* channel_next_line gives the next whole line without its end. */
enum channel_line channel_next_line(struct channel *channel, char **line, size_t *n_bytes);

/* channel_write sends all bytes. False: the other side is gone; at_end is set. */
bool channel_write(struct channel *channel, const char *data, size_t n_bytes);

#endif
