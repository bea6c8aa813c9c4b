#include "faults.h"

#include "base/log.h"
#include "base/mem.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool faults_gate_is_open(const char *file) {
    return file == NULL || access(file, F_OK) == 0;
}

/* True for the first engine process that comes here with this file. */
static bool is_first(const char *file) {
    int fd = open(file, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static void hang(void) {
    for (;;) {
        pause();
    }
}

static void crash(int number) {
    signal(number, SIG_DFL);
    raise(number);
    _exit(1); /* the signal was one that does not end a process */
}

static void write_longline(struct channel *channel) {
    size_t size = ENGINE_LINE_BYTES_MAX + 1;
    char *line = mem_alloc(size + 1);
    memset(line, 'x', size);
    line[size] = '\n';
    channel_write(channel, line, size + 1);
    free(line);
}

static void sleep_ms(int ms) {
    struct timespec rest = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
    while (nanosleep(&rest, &rest) != 0) {
    }
}

static void act(const struct script_fault *fault, struct channel *channel) {
    static const char garbage[] = "this is not JSON\n";
    LOG_INFO("fault", "point=%d number=%d action=%d", (int)fault->point, fault->number, (int)fault->action);
    switch (fault->action) {
    case SCRIPT_CRASH:
        crash(fault->signal);
        break;
    case SCRIPT_ABORT:
        abort();
    case SCRIPT_EXIT:
        _exit(fault->code);
    case SCRIPT_HANG:
        hang();
        break;
    case SCRIPT_GARBAGE:
        channel_write(channel, garbage, sizeof garbage - 1);
        break;
    case SCRIPT_LONGLINE:
        write_longline(channel);
        break;
    case SCRIPT_SLEEP:
        sleep_ms(fault->ms);
        break;
    case SCRIPT_GATE:
    case SCRIPT_ERROR:
        break;
    }
}

enum faults_outcome faults_do(const struct script *script, struct channel *channel, enum script_point point,
                              int number, const char *message, size_t *next) {
    for (; *next < script->n_faults; (*next)++) {
        const struct script_fault *fault = &script->faults[*next];
        bool is_meant = fault->point == point && fault->number == number &&
                        (fault->when == NULL || strstr(message, fault->when));
        if (!is_meant) {
            continue;
        }
        if (fault->action == SCRIPT_GATE && !faults_gate_is_open(fault->gate)) {
            return FAULTS_WAIT;
        }
        if (fault->once && !is_first(fault->once)) {
            continue;
        }
        act(fault, channel);
        if (fault->action == SCRIPT_ERROR) {
            *next = 0;
            return FAULTS_ERROR;
        }
    }
    *next = 0; /* for the next token */
    return FAULTS_DONE;
}
