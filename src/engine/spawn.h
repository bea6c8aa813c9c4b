/* spawn.h - an engine program as a child process.
 *
 * Its standard input and output are one end of a socketpair, its standard error is a pipe. It inherits no other descriptor, of the
 * environment only what a compute library looks for (spawn.c has the list), blocks and ignores no signal, leaves no core file, and is killed by the
 * kernel when the thread that spawned it ends: spawn from the thread that lives as long as the server.
 *
 * Owner   the caller owns the three descriptors and reaps the process.
 * Limits  SPAWN_READS_MAX paths.
 */
#ifndef RUNNEL_ENGINE_SPAWN_H
#define RUNNEL_ENGINE_SPAWN_H

#include "base/status.h"

#include <stdbool.h>
#include <sys/types.h>

#define SPAWN_EXIT_NOT_RUN 127 /* the exit code of a child that could not become the program */
#define SPAWN_READS_MAX    16

struct spawn_options {
    const char *program;
    const char *log_level;
    /* The program shuts itself in ([E51]): of people's files it reads these, files or folders, and writes below `writes`. */
    bool is_sandboxed;
    const char *reads[SPAWN_READS_MAX + 1]; /* NULL ends the list */
    const char *writes;                     /* NULL: nowhere */
};

struct child {
    pid_t pid;
    int fd_exit;    /* a pidfd: readable once the process ended */
    int fd_channel; /* our end of the socketpair */
    int fd_log;     /* what it writes to standard error; does not block */
};

/* spawn_child starts `program --log LEVEL [--sandbox [--read PATH]… [--write PATH]]`. On failure there is no child, and the fault names the program. */
MUST_CHECK enum status spawn_child(const struct spawn_options *options, struct child *out,
                                   struct fault *fault);

#endif
