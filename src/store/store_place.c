#include "store/store_place.h"

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/store_name.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READY "runnel.db.salvaged-"

static bool is_empty(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0 && info.st_size == 0;
}

/* An empty one only holds the name (store_name.h): it was never decided. */
static void keep_path(void *ctx, const char *path) {
    char **found = ctx;
    if (*found == NULL && !is_empty(path)) {
        *found = mem_copy_string(path);
    }
}

/* *ready is the caller's to free; NULL: none. */
static void find_ready(const char *directory, char **ready) {
    *ready = NULL;
    store_name_each(directory, READY "*", keep_path, ready);
}

/* A file that is not there has been moved already, or never was. An empty one holds a name since a crash. */
static int move_away(const char *from, const char *to) {
    if (access(from, F_OK) != 0) {
        return errno == ENOENT ? 0 : -1;
    }
    if (is_empty(to)) {
        unlink(to);
    } else if (is_empty(from)) {
        return unlink(from);
    }
    return store_name_take(from, to);
}

/* The names are on disk before the new one comes: it must not meet the old log. */
static int move_all(const char *ready, const char *path, const char *damaged) {
    char *log_path = mem_format("%s-wal", path);
    char *damaged_log = mem_format("%s-wal", damaged);
    int result = move_away(log_path, damaged_log);
    FAULT_POINT("salvage.log_moved");
    if (result == 0) {
        result = move_away(path, damaged);
    }
    if (result == 0) {
        result = file_sync_folder(path);
    }
    FAULT_POINT("salvage.moved");
    if (result == 0) {
        result = store_name_take(ready, path);
    }
    FAULT_POINT("salvage.placed");
    if (result == 0) {
        result = file_sync_folder(path);
    }
    free(log_path);
    free(damaged_log);
    return result;
}

enum status store_place_finish(const char *directory, char **damaged, struct fault *fault) {
    char *ready;
    find_ready(directory, &ready);
    *damaged = NULL;
    if (ready == NULL) {
        return STATUS_OK;
    }
    char *path = mem_format("%s/runnel.db", directory);
    *damaged = mem_format("%s.damaged-%s", path, strrchr(ready, '/') + 1 + strlen(READY));
    enum status status = STATUS_OK;
    if (move_all(ready, path, *damaged) != 0) {
        status =
            fault_set(fault, STATUS_IO, "%s cannot take the place of %s: %s", ready, path, strerror(errno));
        free(*damaged);
        *damaged = NULL;
    }
    LOG_WARN("store_placed", "path=%s from=%s status=%s", path, ready, status_name(status));
    free(path);
    free(ready);
    return status;
}

enum status store_place_put(const char *directory, const char *fresh, char **damaged, struct fault *fault) {
    char when[CLOCK_ISO_BYTES];
    clock_format_dashes(clock_wall_ms(), when);
    char *ready = mem_format("%s/" READY "%s", directory, when);
    FAULT_POINT("salvage.ready");
    enum status status = STATUS_OK;
    *damaged = NULL;
    if (store_name_take(fresh, ready) != 0 || file_sync_folder(ready) != 0) {
        status = fault_set(fault, STATUS_IO, "%s cannot be made: %s", ready, strerror(errno));
    }
    free(ready);
    FAULT_POINT("salvage.decided");
    return status == STATUS_OK ? store_place_finish(directory, damaged, fault) : status;
}

bool store_place_is_waiting(const char *path) {
    char *copy = mem_copy_string(path);
    char *base = mem_copy_string(path);
    char *ready = NULL;
    if (strcmp(basename(base), "runnel.db") == 0) {
        find_ready(dirname(copy), &ready);
    }
    bool is_waiting = ready != NULL;
    free(ready);
    free(base);
    free(copy);
    return is_waiting;
}
