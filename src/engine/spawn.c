#include "engine/spawn.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX  (2 * SPAWN_READS_MAX + 8)
#define FILES_MAX 1024 /* descriptors: the drivers of a graphics card open dozens */

/* What an engine may know of the environment: where programs and libraries are, how people write, and what compute libraries, their drivers
 * and sanitizers look for. No secret is among it: a token of the server, a key of some service. */
static const char *const environment_names[] = { "PATH=",   "HOME=", "LANG=",  "LC_",   "LD_",    "TZ=",
                                                 "TMPDIR=", "OMP_",  "GOMP_",  "GGML_", "LLAMA_", "CUDA_",
                                                 "NVIDIA_", "VK_",   "MESA_",  "RADV_", "HSA_",   "HIP_",
                                                 "ROCR_",   "ASAN_", "UBSAN_", "LSAN_", "TSAN_" };

/* What a child is made of; borrowed. */
struct plan {
    char *args[ARGS_MAX];
    char **environment;
};

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

/* No more than it has already. */
static void limit(__rlimit_resource_t what, rlim_t most) {
    struct rlimit now;
    if (getrlimit(what, &now) == 0 && (now.rlim_max == RLIM_INFINITY || now.rlim_max > most)) {
        setrlimit(what, &(struct rlimit){ most, most });
    }
}

/* The child between fork and exec: only calls that are safe when another thread of the parent held a lock. */
_Noreturn static void become(const struct plan *plan, const struct ends *ends, pid_t parent) {
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
        limit(RLIMIT_CORE, 0);
        limit(RLIMIT_NOFILE, FILES_MAX);
        execve(plan->args[0], plan->args, plan->environment);
    }
    _exit(SPAWN_EXIT_NOT_RUN);
}

/* Signals wait during the fork, so that no handler of the server ever runs in the child. */
static pid_t fork_quietly(const struct plan *plan, const struct ends *ends) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        become(plan, ends, parent);
    }
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return pid;
}

static bool is_for_engines(const char *variable) {
    for (size_t i = 0; i < sizeof environment_names / sizeof environment_names[0]; i++) {
        if (strncmp(variable, environment_names[i], strlen(environment_names[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* The strings stay where they are. Free the array. */
static char **make_environment(void) {
    size_t n = 0;
    for (char **at = environ; *at; at++) {
        n++;
    }
    char **kept = mem_alloc((n + 1) * sizeof *kept);
    n = 0;
    for (char **at = environ; *at; at++) {
        if (is_for_engines(*at)) {
            kept[n++] = *at;
        }
    }
    return kept;
}

static void add_args(const struct spawn_options *options, char **args) {
    size_t n = 0;
    args[n++] = (char *)options->program;
    args[n++] = (char *)"--log";
    args[n++] = (char *)options->log_level;
    if (options->is_sandboxed) {
        args[n++] = (char *)"--sandbox";
        for (size_t i = 0; options->reads[i]; i++) {
            args[n++] = (char *)"--read";
            args[n++] = (char *)options->reads[i];
        }
        if (options->writes) {
            args[n++] = (char *)"--write";
            args[n++] = (char *)options->writes;
        }
    }
    args[n] = NULL;
}

enum status spawn_child(const struct spawn_options *options, struct child *out, struct fault *fault) {
    const char *program = options->program;
    struct ends ends = { -1, -1, -1, -1 };
    enum status status = STATUS_IO;
    pid_t pid = -1;
    int fd_exit = -1;
    struct plan plan = { .environment = make_environment() };
    add_args(options, plan.args);
    if (access(program, X_OK) != 0) {
        status = fault_set(fault, STATUS_NOT_FOUND, "the engine program %s cannot be started: %s", program,
                           strerror(errno));
        goto out;
    }
    if (open_ends(&ends)) {
        goto out;
    }
    pid = fork_quietly(&plan, &ends);
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
    free(plan.environment);
    return status;
}
