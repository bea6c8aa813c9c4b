/* spawn.h - an engine program as a child process.
 *
 * Its standard input and output are one end of a socketpair, its standard error is a pipe. It inherits no other
 * descriptor, blocks and ignores no signal, and is killed by the kernel when the thread that spawned it ends: spawn from
 * the thread that lives as long as the server.
 *
 * Owner   the caller owns the three descriptors and reaps the process.
 */
#ifndef RUNNEL_ENGINE_SPAWN_H
#define RUNNEL_ENGINE_SPAWN_H

#include "base/status.h"

#include <sys/types.h>

#define SPAWN_EXIT_NOT_RUN 127 /* the exit code of a child that could not become the program */

struct child {
    pid_t pid;
    int fd_exit;    /* a pidfd: readable once the process ended */
    int fd_channel; /* our end of the socketpair */
    int fd_log;     /* what it writes to standard error; does not block */
};

/* spawn_child starts `program --log <log_level>`. On failure there is no child, and the fault names the program. */
MUST_CHECK enum status spawn_child(const char *program, const char *log_level, struct child *out,
                                   struct fault *fault);

#endif
