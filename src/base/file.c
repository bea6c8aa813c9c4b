#include "base/file.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_PIECE_BYTES 4096
#define COPY_BYTES       (64u << 10)
#define NS_PER_S         1000000000

enum status file_read(const char *path, struct bytes *out, struct fault *fault) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fault_set(fault, errno == ENOENT || errno == ENOTDIR ? STATUS_NOT_FOUND : STATUS_IO,
                         "cannot read %.200s: %s", path, strerror(errno));
    }
    char piece[FILE_PIECE_BYTES];
    ssize_t n;
    do {
        n = read(fd, piece, sizeof piece);
    } while (n > 0 && bytes_add(out, piece, (size_t)n) == STATUS_OK);
    int error = errno;
    close(fd);
    if (n < 0) {
        return fault_set(fault, STATUS_IO, "cannot read %.200s: %s", path, strerror(error));
    }
    return out->failed ? fault_set(fault, STATUS_TOO_LARGE, "%.200s is larger than %zu KiB", path,
                                   out->size_max / 1024)
                       : STATUS_OK;
}

/* ---- Replacing ---- */

static bool write_all(int fd, const char *bytes, size_t n_bytes) {
    while (n_bytes > 0) {
        ssize_t n = write(fd, bytes, n_bytes);
        if (n <= 0) {
            return false;
        }
        bytes += n;
        n_bytes -= (size_t)n;
    }
    return true;
}

static bool make(const char *path, const char *bytes, size_t n_bytes, bool is_durable) {
    unlink(path); /* of one that was killed */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool is_made = fd >= 0 && write_all(fd, bytes, n_bytes) && (!is_durable || fsync(fd) == 0);
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = error;
    return is_made;
}

int file_sync_folder(const char *path) {
    char *copy = mem_copy_string(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    free(copy);
    errno = error;
    return result;
}

enum status file_replace(const char *path, const char *bytes, size_t n_bytes, bool is_durable,
                         struct fault *fault) {
    char *fresh = mem_format("%s.new", path);
    bool is_done = make(fresh, bytes, n_bytes, is_durable) && rename(fresh, path) == 0 &&
                   (!is_durable || file_sync_folder(path) == 0);
    int error = errno;
    if (!is_done) {
        unlink(fresh);
    }
    free(fresh);
    return is_done ? STATUS_OK
                   : fault_set(fault, STATUS_IO, "cannot write %.200s: %s", path, strerror(error));
}

/* ---- Names ---- */

static int copy_bytes(int from, int to) {
    char *piece = mem_alloc(COPY_BYTES);
    ssize_t n;
    errno = ENOSPC; /* a write that is cut short says no more */
    while ((n = read(from, piece, COPY_BYTES)) > 0 && write(to, piece, (size_t)n) == n) {
    }
    free(piece);
    return n == 0 ? fsync(to) : -1;
}

int file_copy(const char *from_path, const char *to_path) {
    int from = open(from_path, O_RDONLY | O_CLOEXEC);
    int to = from < 0 ? -1 : open(to_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int result = to < 0 ? -1 : copy_bytes(from, to);
    int error = errno;
    if (from >= 0) {
        close(from);
    }
    if (to >= 0) {
        close(to);
    }
    if (to >= 0 && result != 0) {
        unlink(to_path);
    }
    errno = error;
    return result;
}

bool file_write(int fd, const void *bytes, size_t n_bytes) {
    const char *at = bytes;
    while (n_bytes > 0) {
        ssize_t n = write(fd, at, n_bytes);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        size_t n_written = n < 0 ? 0 : (size_t)n;
        at += n_written;
        n_bytes -= n_written;
    }
    return true;
}

const char *file_plain_name(const char *given) {
    const char *name = given;
    for (const char *at = given; *at; at++) {
        name = *at == '/' || *at == '\\' ? at + 1 : name;
        if ((unsigned char)*at < 0x20 || *at == 0x7F) {
            return NULL;
        }
    }
    size_t length = strlen(name);
    bool is_good = length > 0 && length <= FILE_NAME_BYTES_MAX && utf8_is_valid(name, length);
    return is_good ? name : NULL;
}

const char *file_safe_name(const char *given) {
    const char *name = file_plain_name(given);
    return name && name[0] != '.' ? name : NULL;
}

/* renameat2 refuses to replace where the file system can; elsewhere a look just before must do. */
bool file_take_name(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
        return true;
    }
    return errno == EINVAL && access(to, F_OK) != 0 && rename(from, to) == 0;
}

/* ---- Changes ---- */

struct file_stamp file_stamp_of(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) {
        return (struct file_stamp){ 0 };
    }
    return (struct file_stamp){ .device = info.st_dev,
                                .inode = info.st_ino,
                                .size = info.st_size,
                                .changed_ns =
                                    (int64_t)info.st_mtim.tv_sec * NS_PER_S + info.st_mtim.tv_nsec };
}

bool file_stamp_is_same(const struct file_stamp *a, const struct file_stamp *b) {
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed_ns == b->changed_ns;
}
