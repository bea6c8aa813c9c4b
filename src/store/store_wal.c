#include "store/store_wal.h"

#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER_BYTES       32
#define FRAME_HEADER_BYTES 24
#define PAGE_BYTES_MIN     512
#define PAGE_BYTES_MAX     65536
#define MAGIC              0x377f0682u /* the last bit: the words of the checksum begin with the high byte */

struct walk {
    int fd;
    bool is_high_first;
    uint32_t page_bytes;
    uint32_t sums[2];
    unsigned char salts[8];
    unsigned char frame[FRAME_HEADER_BYTES + PAGE_BYTES_MAX];
};

static uint32_t read_high_first(const unsigned char *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint32_t read_low_first(const unsigned char *bytes) {
    return (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
}

static void add_to_sums(struct walk *walk, const unsigned char *bytes, size_t size) {
    for (size_t at = 0; at < size; at += 8) {
        uint32_t first = walk->is_high_first ? read_high_first(bytes + at) : read_low_first(bytes + at);
        uint32_t second =
            walk->is_high_first ? read_high_first(bytes + at + 4) : read_low_first(bytes + at + 4);
        walk->sums[0] += first + walk->sums[1];
        walk->sums[1] += second + walk->sums[0];
    }
}

static bool has_sums(const struct walk *walk, const unsigned char *bytes) {
    return read_high_first(bytes) == walk->sums[0] && read_high_first(bytes + 4) == walk->sums[1];
}

static bool begin(struct walk *walk, const unsigned char header[HEADER_BYTES]) {
    uint32_t magic = read_high_first(header);
    walk->is_high_first = magic & 1;
    walk->page_bytes = read_high_first(header + 8);
    memcpy(walk->salts, header + 16, sizeof walk->salts);
    add_to_sums(walk, header, 24);
    return (magic & ~1u) == MAGIC && walk->page_bytes >= PAGE_BYTES_MIN &&
           walk->page_bytes <= PAGE_BYTES_MAX && walk->page_bytes % PAGE_BYTES_MIN == 0 &&
           has_sums(walk, header + 24);
}

static bool is_next(struct walk *walk) {
    if (memcmp(walk->frame + 8, walk->salts, sizeof walk->salts) != 0) {
        return false;
    }
    add_to_sums(walk, walk->frame, 8);
    add_to_sums(walk, walk->frame + FRAME_HEADER_BYTES, walk->page_bytes);
    return has_sums(walk, walk->frame + 16);
}

/* STATUS_NOT_FOUND: there are no more. */
static enum status read_all(int fd, void *bytes, size_t size, off_t at) {
    ssize_t n = pread(fd, bytes, size, at);
    return n < 0 ? STATUS_IO : n == (ssize_t)size ? STATUS_OK : STATUS_NOT_FOUND;
}

static enum status write_all(int fd, const void *bytes, size_t size, off_t at) {
    return pwrite(fd, bytes, size, at) == (ssize_t)size ? STATUS_OK : STATUS_IO;
}

static enum status rewrite_frame(struct walk *walk, uint32_t i) {
    size_t size = FRAME_HEADER_BYTES + walk->page_bytes;
    off_t at = HEADER_BYTES + (off_t)i * (off_t)size;
    enum status status = read_all(walk->fd, walk->frame, size, at);
    if (status == STATUS_OK && !is_next(walk)) {
        status = STATUS_NOT_FOUND;
    }
    return status == STATUS_OK ? write_all(walk->fd, walk->frame, size, at) : status;
}

static enum status rewrite_header(struct walk *walk) {
    unsigned char header[HEADER_BYTES];
    enum status status = read_all(walk->fd, header, sizeof header, 0);
    if (status == STATUS_OK && !begin(walk, header)) {
        status = STATUS_NOT_FOUND;
    }
    return status == STATUS_OK ? write_all(walk->fd, header, sizeof header, 0) : status;
}

enum status store_wal_rewrite(int fd, uint32_t n_frames, uint32_t *n_written) {
    struct walk *walk = mem_alloc(sizeof *walk);
    walk->fd = fd;
    *n_written = 0;
    enum status status = rewrite_header(walk);
    while (status == STATUS_OK && (n_frames == 0 || *n_written < n_frames)) {
        status = rewrite_frame(walk, *n_written);
        *n_written += status == STATUS_OK;
    }
    free(walk);
    if (status == STATUS_NOT_FOUND) {
        return n_frames == 0 ? STATUS_OK : STATUS_CORRUPT;
    }
    return status;
}
