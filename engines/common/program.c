#include "common/program.h"

#include "base/log.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2

static void print_help(const char *engine) {
    printf(
        "runnel-engine-%s: one model behind the Runnel engine protocol (docs/engine-protocol.md)\n"
        "\n"
        "Reads commands from standard input and writes events to standard output, one JSON object per line:\n"
        "    runnel-engine-%s < script.jsonl\n"
        "\n"
        "  --log LEVEL   error, warn, info (default), debug or trace, on standard error\n"
        "  --sandbox     first give up what computing does not need: see [E51]\n"
        "  --read PATH   in the sandbox: a file or folder that may be read (up to %d times)\n"
        "  --write PATH  in the sandbox: a folder that may be written to\n"
        "  --version     print the version and exit\n"
        "  --help        print this and exit\n",
        engine, engine, SANDBOX_READS_MAX);
}

/* An option with a value; false: it is none, or there is no value. */
static bool take_value(struct sandbox *sandbox, const char *name, const char *value) {
    enum log_level level;
    if (value == NULL) {
        return false;
    }
    if (strcmp(name, "--log") == 0 && log_parse_level(value, &level)) {
        log_set_level(level);
        return true;
    }
    if (strcmp(name, "--read") == 0 && sandbox->n_reads < SANDBOX_READS_MAX) {
        sandbox->reads[sandbox->n_reads++] = value;
        return true;
    }
    if (strcmp(name, "--write") == 0 && sandbox->writes == NULL) {
        sandbox->writes = value;
        return true;
    }
    return false;
}

/* False: the program ends now. */
static bool read_args(struct sandbox *sandbox, const char *engine, int n_args, char **args, int *exit_code) {
    *exit_code = 0;
    for (int i = 1; i < n_args; i++) {
        if (strcmp(args[i], "--help") == 0) {
            print_help(engine);
            return false;
        }
        if (strcmp(args[i], "--version") == 0) {
            printf("runnel-engine-%s %s\n", engine, RUNNEL_VERSION);
            return false;
        }
        if (strcmp(args[i], "--sandbox") == 0) {
            sandbox->is_wanted = true;
            continue;
        }
        if (take_value(sandbox, args[i], args[i + 1])) {
            i++;
            continue;
        }
        fprintf(stderr, "runnel-engine-%s: do not understand \"%s\"; try --help\n", engine, args[i]);
        *exit_code = EXIT_USAGE;
        return false;
    }
    return true;
}

bool program_init(struct program *program, const char *engine, int n_args, char **args, int *exit_code) {
    if (!read_args(&program->sandbox, engine, n_args, args, exit_code)) {
        return false;
    }
    signal(SIGPIPE, SIG_IGN); /* a server that is gone is seen as a failed write */
    signal(SIGXFSZ, SIG_IGN); /* so is a file that may not grow */
    /* Events go to a private descriptor, so that a library that prints to standard output cannot break the protocol. */
    int fd_out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (fd_out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        perror("standard output");
        *exit_code = EXIT_USAGE;
        return false;
    }
    channel_init(&program->channel, STDIN_FILENO, fd_out);
    events_init(&program->events, &program->channel);
    inbox_init(&program->inbox, &program->channel, &program->events);
    events_hello(&program->events, engine, RUNNEL_VERSION);
    return true;
}

void program_deinit(struct program *program) {
    inbox_deinit(&program->inbox);
    events_deinit(&program->events);
    channel_deinit(&program->channel);
    close(program->channel.fd_out);
}
