#include "base/machine.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define LINE_BYTES 512

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* The number that a text begins with, behind white space. */
static bool read_number(const char *text, uint64_t *out) {
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    *out = number;
    return end > text && errno == 0 && strchr(text, '-') == NULL;
}

/* The number behind a word at the beginning of a line; false: there is no such line. */
static bool find_number(const char *path, const char *word, uint64_t *out) {
    char line[LINE_BYTES];
    size_t length = strlen(word);
    bool is_found = false;
    FILE *file = fopen(path, "re");
    while (file && !is_found && fgets(line, sizeof line, file)) {
        is_found = strncmp(line, word, length) == 0 && read_number(line + length, out);
    }
    if (file) {
        fclose(file);
    }
    return is_found;
}

static uint64_t memory_left(const char *root) {
    char path[PATH_MAX];
    uint64_t kib;
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    return find_number(path, "MemAvailable:", &kib) ? kib * 1024 : UINT64_MAX;
}

/* What one control group leaves: its limit without what it uses, but for pages of files. */
static uint64_t group_left(const char *folder, const char *limit_name, const char *usage_name) {
    char path[PATH_MAX + 64];
    uint64_t limit;
    uint64_t usage;
    uint64_t n_file_bytes = 0;
    uint64_t n = 0;
    snprintf(path, sizeof path, "%s/%s", folder, limit_name);
    if (!find_number(path, "", &limit)) { /* "max": there is none */
        return UINT64_MAX;
    }
    snprintf(path, sizeof path, "%s/%s", folder, usage_name);
    if (!find_number(path, "", &usage)) {
        return UINT64_MAX;
    }
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    if (find_number(path, "inactive_file ", &n)) {
        n_file_bytes += n;
    }
    if (find_number(path, "active_file ", &n)) {
        n_file_bytes += n;
    }
    usage = usage > n_file_bytes ? usage - n_file_bytes : 0;
    return limit > usage ? limit - usage : 0;
}

/* The group and all above it. */
static uint64_t groups_left(const char *root, const char *base, char *group, const char *limit_name,
                            const char *usage_name) {
    char folder[PATH_MAX];
    uint64_t left = UINT64_MAX;
    for (;;) {
        snprintf(folder, sizeof folder, "%s%s%s", root, base, group);
        left = least(left, group_left(folder, limit_name, usage_name));
        char *slash = strrchr(group, '/');
        if (slash == NULL) {
            return left;
        }
        *slash = '\0';
    }
}

static uint64_t control_groups_left(const char *root) {
    char path[PATH_MAX];
    char line[LINE_BYTES];
    uint64_t left = UINT64_MAX;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *group = strstr(line, ":/");
        if (strncmp(line, "0::", 3) == 0 && group) {
            left =
                least(left, groups_left(root, "/sys/fs/cgroup", group + 1, "memory.max", "memory.current"));
        } else if (strstr(line, ":memory:") && group) {
            left = least(left, groups_left(root, "/sys/fs/cgroup/memory", group + 1, "memory.limit_in_bytes",
                                           "memory.usage_in_bytes"));
        }
    }
    if (file) {
        fclose(file);
    }
    return left;
}

uint64_t machine_available_bytes(const char *root) {
    return least(memory_left(root), control_groups_left(root));
}

uint64_t machine_address_bytes(void) {
    struct rlimit limit;
    uint64_t kib;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        !find_number("/proc/self/status", "VmSize:", &kib)) {
        return UINT64_MAX;
    }
    return limit.rlim_cur > kib * 1024 ? limit.rlim_cur - kib * 1024 : 0;
}

static uint64_t process_bytes(pid_t pid, const char *word) {
    char path[64];
    uint64_t kib;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    return find_number(path, word, &kib) ? kib * 1024 : 0;
}

uint64_t machine_private_bytes(pid_t pid) {
    return process_bytes(pid, "RssAnon:");
}

uint64_t machine_resident_bytes(pid_t pid) {
    return process_bytes(pid, "VmRSS:");
}
