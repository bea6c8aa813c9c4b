#include "download/fetch_file.h"

#include "base/file.h"
#include "base/mem.h"
#include "download/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PIECE_BYTES (1u << 20)
#define MB          1000000

static enum status set_io_fault(struct fault *fault) {
    bool is_full = errno == ENOSPC || errno == EDQUOT;
    return is_full ? fault_set(fault, STATUS_FULL, "the disk is full: make room, and resume")
                   : fault_set(fault, STATUS_IO, "the model folder cannot be written: %s", strerror(errno));
}

static enum status prepare(int fd, uint64_t safe, uint64_t *n_bytes, struct fault *fault) {
    struct stat info;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return fault_set(fault, STATUS_BUSY, "another server downloads a file of this name: wait for it");
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        return fault_set(fault, STATUS_IO, "what is there of this file is no file: remove it");
    }
    *n_bytes = (uint64_t)info.st_size < safe ? (uint64_t)info.st_size : safe;
    bool is_cut = ftruncate(fd, (off_t)*n_bytes) == 0 && lseek(fd, 0, SEEK_END) >= 0;
    return is_cut ? STATUS_OK : set_io_fault(fault);
}

int fetch_file_open(const char *path, uint64_t safe, uint64_t *n_bytes, struct fault *fault) {
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0) {
        (void)set_io_fault(fault);
        return -1;
    }
    if (prepare(fd, safe, n_bytes, fault) != STATUS_OK) {
        close(fd);
        return -1;
    }
    return fd;
}

enum status fetch_file_write(int fd, const char *bytes, size_t n_bytes, struct fault *fault) {
    while (n_bytes > 0) {
        ssize_t n = write(fd, bytes, n_bytes);
        if (n < 0 && errno != EINTR) {
            return set_io_fault(fault);
        }
        size_t n_written = n < 0 ? 0 : (size_t)n;
        bytes += n_written;
        n_bytes -= n_written;
    }
    return STATUS_OK;
}

enum status fetch_file_check_room(int fd, uint64_t n_more_bytes, struct fault *fault) {
    struct statvfs disk;
    if (fstatvfs(fd, &disk) != 0) {
        return STATUS_OK; /* the write will say */
    }
    uint64_t n_free = (uint64_t)disk.f_bavail * disk.f_frsize;
    return n_more_bytes + FETCH_RESERVE_BYTES <= n_free
               ? STATUS_OK
               : fault_set(fault, STATUS_FULL,
                           "it needs %llu MB more, and the disk has %llu MB: make room, and resume",
                           (unsigned long long)(n_more_bytes + FETCH_RESERVE_BYTES) / MB,
                           (unsigned long long)n_free / MB);
}

enum status fetch_file_hash(int fd, bool (*on_tick)(void *ctx, uint64_t done), void *ctx, char out[65],
                            struct fault *fault) {
    enum status status = STATUS_OK;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    uint8_t *piece = mem_alloc(PIECE_BYTES);
    uint64_t done = 0;
    ssize_t n = 0;
    SHA2_CTX sha256;
    SHA256Init(&sha256);
    while (status == STATUS_OK && (n = pread(fd, piece, PIECE_BYTES, (off_t)done)) > 0) {
        SHA256Update(&sha256, piece, (size_t)n);
        done += (uint64_t)n;
        status = on_tick(ctx, done) ? STATUS_OK : STATUS_CLOSED;
    }
    free(piece);
    SHA256Final(digest, &sha256);
    for (size_t i = 0; i < sizeof digest; i++) {
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    }
    return n < 0 ? fault_set(fault, STATUS_IO, "the file cannot be read again: %s", strerror(errno)) : status;
}

enum status fetch_file_install(const char *part, const char *path, struct fault *fault) {
    if (!file_take_name(part, path)) {
        return errno == EEXIST
                   ? fault_set(fault, STATUS_CONFLICT,
                               "there is a file of this name by now: remove one of the two, and resume")
                   : set_io_fault(fault);
    }
    return file_sync_folder(path) == 0 ? STATUS_OK : set_io_fault(fault);
}
