#include "engine/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Both ends of what connects parent and child; −1: not open. */
struct ends {
    int fd_channel;
    int fd_channel_child;
    int fd_log;
    int fd_log_child;
};

static void close_fd(int fd) {
    if (fd >= 0) {
        close(fd);
    }
}

static void close_ends(struct ends *ends) {
    close_fd(ends->fd_channel);
    close_fd(ends->fd_channel_child);
    close_fd(ends->fd_log);
    close_fd(ends->fd_log_child);
}

static enum status open_ends(struct ends *ends) {
    *ends = (struct ends){ -1, -1, -1, -1 };
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return STATUS_IO;
    }
    ends->fd_channel = pair[0];
    ends->fd_channel_child = pair[1];
    if (pipe2(pair, O_CLOEXEC) != 0) {
        return STATUS_IO;
    }
    ends->fd_log = pair[0];
    ends->fd_log_child = pair[1];
    return fcntl(ends->fd_log, F_SETFL, O_NONBLOCK) == 0 ? STATUS_OK : STATUS_IO;
}

/* The child between fork and exec: only calls that are safe when another thread of the parent held a lock. */
_Noreturn static void become(char *const *args, const struct ends *ends, pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0); /* what a terminal sends to the group is the server's to answer */
    if (getppid() != parent) {
        _exit(SPAWN_EXIT_NOT_RUN); /* the parent ended before the line above */
    }
    for (int number = 1; number < NSIG; number++) {
        signal(number, SIG_DFL); /* exec keeps what is ignored; SIGKILL and SIGSTOP refuse, which is fine */
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(ends->fd_channel_child, STDIN_FILENO) >= 0 && dup2(ends->fd_channel_child, STDOUT_FILENO) >= 0 &&
        dup2(ends->fd_log_child, STDERR_FILENO) >= 0) {
        close_range(3, ~0U, 0);
        execv(args[0], args);
    }
    _exit(SPAWN_EXIT_NOT_RUN);
}

/* Signals wait during the fork, so that no handler of the server ever runs in the child. */
static pid_t fork_quietly(char *const *args, const struct ends *ends) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        become(args, ends, parent);
    }
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return pid;
}

enum status spawn_child(const char *program, const char *log_level, struct child *out, struct fault *fault) {
    struct ends ends = { -1, -1, -1, -1 };
    enum status status = STATUS_IO;
    pid_t pid = -1;
    int fd_exit = -1;
    char *args[] = { (char *)program, (char *)"--log", (char *)log_level, NULL };
    if (access(program, X_OK) != 0) {
        status = fault_set(fault, STATUS_NOT_FOUND, "the engine program %s cannot be started: %s", program,
                           strerror(errno));
        goto out;
    }
    if (open_ends(&ends)) {
        goto out;
    }
    pid = fork_quietly(args, &ends);
    if (pid < 0) {
        goto out;
    }
    fd_exit = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd_exit < 0) {
        int error = errno;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        errno = error;
        goto out;
    }
    *out = (struct child){
        .pid = pid, .fd_exit = fd_exit, .fd_channel = ends.fd_channel, .fd_log = ends.fd_log
    };
    ends.fd_channel = ends.fd_log = -1;
    status = STATUS_OK;
out:
    if (status == STATUS_IO) {
        fault_set(fault, status, "the engine program %s cannot be started: %s", program, strerror(errno));
    }
    close_ends(&ends);
    return status;
}
