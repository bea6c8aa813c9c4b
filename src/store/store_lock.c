#include "store/store_lock.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define OWNER_BYTES    (STORE_LOCK_URL_BYTES + 32)
#define OWNER_WAIT_MS  500 /* for the owner to write who it is */
#define OWNER_PAUSE_MS 10

/* 0: the text names no process that lives; it is not the owner's, who has yet to write it or writes none. */
static pid_t read_owner(int fd) {
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;
    bool is_alive = pid > 0 && pid <= INT_MAX && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
    return is_alive ? (pid_t)pid : 0;
}

/* Who looks for the owner holds the lock for a moment too: so it is tried for a while, unless the owner is known. */
static enum status lock(int fd, const char *directory, const char *path, struct fault *fault) {
    pid_t owner = 0;
    for (int waited_ms = 0; owner == 0 && waited_ms < OWNER_WAIT_MS; waited_ms += OWNER_PAUSE_MS) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return STATUS_OK;
        }
        if (errno != EWOULDBLOCK) {
            return fault_set(fault, STATUS_IO, "%s cannot be locked: %s", path, strerror(errno));
        }
        owner = read_owner(fd);
        if (owner == 0) {
            nanosleep(&(struct timespec){ .tv_nsec = OWNER_PAUSE_MS * 1000000L }, NULL);
        }
    }
    return owner
               ? fault_set(fault, STATUS_BUSY,
                           "the data directory %s is in use by another Runnel, process %ld", directory,
                           (long)owner)
               : fault_set(fault, STATUS_BUSY,
                           "the data directory %s is in use by another Runnel or a command of it", directory);
}

enum status store_lock_take(const char *directory, int *out, struct fault *fault) {
    char *path = mem_format("%s/lock", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    enum status status = fd < 0
                             ? fault_set(fault, STATUS_IO, "%s cannot be opened: %s", path, strerror(errno))
                             : lock(fd, directory, path, fault);
    if (status == STATUS_OK) {
        char owner[32];
        int n = snprintf(owner, sizeof owner, "%ld\n", (long)getpid());
        if (ftruncate(fd, 0) != 0 || pwrite(fd, owner, (size_t)n, 0) != n) {
            status = fault_set(fault, STATUS_IO, "%s cannot be written: %s", path, strerror(errno));
        }
    }
    if (status != STATUS_OK && fd >= 0) {
        close(fd);
        fd = -1;
    }
    *out = fd;
    free(path);
    return status;
}

enum status store_lock_borrow(const char *directory, int *out, struct fault *fault) {
    char *path = mem_format("%s/lock", directory);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum status status = STATUS_OK;
    if (fd < 0 && errno != ENOENT) {
        status = fault_set(fault, STATUS_IO, "%s cannot be opened: %s", path, strerror(errno));
    } else if (fd >= 0) {
        status = lock(fd, directory, path, fault);
    }
    if (status != STATUS_OK && fd >= 0) {
        close(fd);
        fd = -1;
    }
    *out = fd;
    free(path);
    return status;
}

void store_lock_publish(int fd, const char *url) {
    char owner[OWNER_BYTES];
    int n = snprintf(owner, sizeof owner, "%ld\n%s\n", (long)getpid(), url);
    if (n < 0 || (size_t)n >= sizeof owner || pwrite(fd, owner, (size_t)n, 0) != n) {
        LOG_WARN("store_lock", "url=%s error=%s", url, strerror(errno));
    }
}

bool store_lock_find_owner(const char *directory, char url[STORE_LOCK_URL_BYTES]) {
    char owner[OWNER_BYTES] = "";
    url[0] = '\0';
    char *path = mem_format("%s/lock", directory);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    if (fd < 0) {
        return false;
    }
    bool is_owned = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (is_owned && pread(fd, owner, sizeof owner - 1, 0) > 0) {
        const char *line = owner + strcspn(owner, "\n");
        line += *line == '\n';
        size_t length = strcspn(line, "\n");
        if (length < STORE_LOCK_URL_BYTES) {
            memcpy(url, line, length);
            url[length] = '\0';
        }
    }
    close(fd);
    return is_owned;
}
