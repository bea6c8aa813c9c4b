#include "parts.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FIRST       "-00001-of-"
#define SUFFIX      ".gguf"
#define TAIL_LENGTH (sizeof FIRST - 1 + 5 + sizeof SUFFIX - 1)

int parts_count(const char *path) {
    size_t length = strlen(path);
    if (length < TAIL_LENGTH) {
        return 1;
    }
    const char *tail = path + length - TAIL_LENGTH;
    const char *digits = tail + sizeof FIRST - 1;
    int n = 0;
    if (strncmp(tail, FIRST, sizeof FIRST - 1) != 0 || strspn(digits, "0123456789") != 5 ||
        strcmp(digits + 5, SUFFIX) != 0) {
        return 1;
    }
    for (int i = 0; i < 5; i++) {
        n = 10 * n + digits[i] - '0';
    }
    return n >= 1 && n <= PARTS_MAX ? n : 1;
}

void parts_path(const char *path, int part, char *out, size_t out_bytes) {
    int n_parts = parts_count(path);
    if (n_parts == 1) {
        snprintf(out, out_bytes, "%s", path);
        return;
    }
    snprintf(out, out_bytes, "%.*s-%05d-of-%05d" SUFFIX, (int)(strlen(path) - TAIL_LENGTH), path, part + 1,
             n_parts);
}

uint64_t parts_bytes(const char *path) {
    struct stat info;
    char part[PATH_MAX];
    uint64_t n_bytes = 0;
    int n_parts = parts_count(path);
    for (int i = 0; i < n_parts; i++) {
        parts_path(path, i, part, sizeof part);
        n_bytes += stat(part, &info) == 0 ? (uint64_t)info.st_size : 0;
    }
    return n_bytes;
}
