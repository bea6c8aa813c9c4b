#include "model_id.h"

#include "parts.h"

#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is known so far: the hash of all that was added. */
struct chain {
    struct kv_id last;
    uint64_t piece_hash;
};

static void add(struct chain *chain, const void *data, size_t n_bytes) {
    chain->piece_hash = kv_file_hash(data, n_bytes);
    chain->last = kv_id_of(chain, sizeof *chain);
}

static bool add_piece(struct chain *chain, int fd, uint8_t *buffer, uint64_t offset, size_t n_bytes) {
    size_t n_done = 0;
    while (n_done < n_bytes) {
        ssize_t n = pread(fd, buffer + n_done, n_bytes - n_done, (off_t)(offset + n_done));
        if (n <= 0) {
            return false;
        }
        n_done += (size_t)n;
    }
    add(chain, buffer, n_bytes);
    return true;
}

static bool add_contents(struct chain *chain, int fd, uint64_t size) {
    uint8_t *buffer = mem_alloc(MODEL_ID_HEAD_BYTES);
    size_t n_head = size < MODEL_ID_HEAD_BYTES ? (size_t)size : MODEL_ID_HEAD_BYTES;
    bool is_good = add_piece(chain, fd, buffer, 0, n_head);
    uint64_t n_rest = size - n_head;
    for (uint64_t i = 1; i <= MODEL_ID_SAMPLES && n_rest > MODEL_ID_SAMPLE_BYTES && is_good; i++) {
        uint64_t offset = n_head + (n_rest - MODEL_ID_SAMPLE_BYTES) / MODEL_ID_SAMPLES * i;
        is_good = add_piece(chain, fd, buffer, offset, MODEL_ID_SAMPLE_BYTES);
    }
    if (n_rest > 0 && n_rest <= MODEL_ID_SAMPLE_BYTES && is_good) {
        is_good = add_piece(chain, fd, buffer, n_head, (size_t)n_rest);
    }
    free(buffer);
    return is_good;
}

static enum status add_file(struct chain *chain, const char *path) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is_good = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    if (is_good) {
        uint64_t size = (uint64_t)info.st_size;
        add(chain, &size, sizeof size);
        is_good = add_contents(chain, fd, size);
    }
    if (fd >= 0) {
        close(fd);
    }
    return is_good ? STATUS_OK : STATUS_IO;
}

struct kv_id model_id_stamp(const char *path) {
    struct chain chain;
    char part[PATH_MAX];
    memset(&chain, 0, sizeof chain);
    for (int i = 0; i < parts_count(path); i++) {
        parts_path(path, i, part, sizeof part);
        struct file_stamp stamp = file_stamp_of(part);
        add(&chain, &stamp, sizeof stamp);
    }
    return chain.last;
}

enum status model_id_of(const char *path, struct kv_id *out) {
    struct chain chain;
    char part[PATH_MAX];
    memset(&chain, 0, sizeof chain);
    int n_parts = parts_count(path);
    enum status status = STATUS_OK;
    for (int i = 0; i < n_parts && status == STATUS_OK; i++) {
        parts_path(path, i, part, sizeof part);
        status = add_file(&chain, part);
    }
    *out = chain.last;
    return status;
}
