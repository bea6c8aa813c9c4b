#include "file_pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

uint64_t file_pages_own_bytes(void) {
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return 0;
    }
    char line[256] = "";
    char *at = line;
    if (fgets(line, sizeof line, file)) {
        strtoull(at, &at, 10);
    }
    fclose(file);
    uint64_t n_resident = strtoull(at, &at, 10);
    uint64_t n_shared = strtoull(at, &at, 10);
    return n_resident > n_shared ? (n_resident - n_shared) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

/* One line of proc(5), maps: "begin-end mode offset device inode   /path". Only what cannot be written: the file still has all of it. */
static uint64_t drop_if_of(char *line, const char *path) {
    line[strcspn(line, "\n")] = '\0';
    char *name = strchr(line, '/');
    char *at = NULL;
    uintptr_t begin = (uintptr_t)strtoull(line, &at, 16);
    if (name == NULL || strcmp(name, path) != 0 || *at != '-') {
        return 0;
    }
    uintptr_t end = (uintptr_t)strtoull(at + 1, &at, 16);
    if (strncmp(at, " r--", 4) != 0 || end <= begin) {
        return 0;
    }
    return madvise((void *)begin, end - begin, MADV_DONTNEED) == 0 ? end - begin : 0;
}

uint64_t file_pages_drop(const char *path) {
    char *real = realpath(path, NULL);
    FILE *file = fopen("/proc/self/maps", "re");
    uint64_t n_bytes = 0;
    char *line = NULL;
    size_t size = 0;
    while (real && file && getline(&line, &size, file) > 0) {
        n_bytes += drop_if_of(line, real);
    }
    free(line);
    free(real);
    if (file) {
        fclose(file);
    }
    return n_bytes;
}
