#include "store/store_copies.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_check.h"
#include "store/store_name.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FOUND_MAX  10000
#define LINE_BYTES 600

struct copy {
    char *path;
    int64_t made_ms;
};

struct copies {
    struct copy *list;
    size_t n;
    size_t capacity;
};

static void add(void *ctx, const char *path) {
    struct copies *copies = ctx;
    struct stat info;
    if (copies->n == FOUND_MAX || lstat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        return;
    }
    copies->list =
        mem_grow_array(copies->list, copies->n, &copies->capacity, sizeof copies->list[0], FOUND_MAX);
    copies->list[copies->n++] = (struct copy){
        .path = mem_copy_string(path),
        .made_ms = (int64_t)info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000,
    };
}

static int newest_first(const void *a, const void *b) {
    const struct copy *first = a, *second = b;
    return (first->made_ms < second->made_ms) - (first->made_ms > second->made_ms);
}

size_t store_copies_say(const char *directory, void (*say)(void *ctx, const char *line), void *ctx) {
    struct copies copies = { 0 };
    char *backups = mem_format("%s/backups", directory);
    store_name_each(backups, "*.db", add, &copies);
    store_name_each(directory, "runnel.db.before-*", add, &copies);
    free(backups);
    if (copies.n) {
        qsort(copies.list, copies.n, sizeof copies.list[0], newest_first);
    }
    size_t n_good = 0;
    for (size_t i = 0; i < copies.n; i++) {
        struct store_check check = { 0 };
        bool is_looked_at = i < STORE_COPIES_LOOKED && n_good < STORE_COPIES_SAID;
        if (is_looked_at && store_check_file(copies.list[i].path, &check, NULL) == STATUS_OK) {
            char line[LINE_BYTES], when[CLOCK_ISO_BYTES];
            clock_format_iso(copies.list[i].made_ms, when);
            snprintf(line, sizeof line, "good copy of %s: %lld conversations, %lld messages: %s", when,
                     (long long)check.n_conversations, (long long)check.n_messages, copies.list[i].path);
            say(ctx, line);
            n_good++;
        }
        free(copies.list[i].path);
    }
    free(copies.list);
    return n_good;
}
