#include "store/store_backup.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/store_file.h"
#include "store/store_name.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A step of 512 KiB takes about a millisecond: so long tokens wait. */
#define STEP_PAGES 128

struct store_backup {
    char *path;
    char *part_path;
    int fd; /* of part_path */
    bool is_named;
    sqlite3 *copy;
    sqlite3_backup *work;
};

char *store_backup_make_path(const char *database_path) {
    char real[PATH_MAX], when[CLOCK_ISO_BYTES];
    if (realpath(database_path, real) == NULL) {
        return NULL;
    }
    *strrchr(real, '/') = '\0';
    char *folder = mem_format("%s/backups", real);
    /* When it cannot be made, neither can the file. */
    if (mkdir(folder, 0700) == 0 && file_sync_folder(folder) != 0) {
        LOG_WARN("store_backup", "folder=%s error=%s", folder, strerror(errno));
    }
    clock_format_dashes(clock_wall_ms(), when);
    char *path = mem_format("%s/runnel-%s.db", folder, when);
    free(folder);
    return path;
}

static enum status refuse(const struct store_backup *backup, int result, struct fault *fault) {
    return fault_set(fault, (result & 0xFF) == SQLITE_CORRUPT ? STATUS_CORRUPT : STATUS_IO,
                     "%s cannot be made: %s", backup->part_path, sqlite3_errstr(result));
}

static enum status open_part(struct store_backup *backup, struct fault *fault) {
    struct stat info;
    if (lstat(backup->path, &info) == 0) {
        return fault_set(fault, STATUS_CONFLICT, "%s is there already; nothing was changed", backup->path);
    }
    backup->fd = open(backup->part_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (backup->fd < 0 && errno == EEXIST) {
        return fault_set(fault, STATUS_CONFLICT,
                         "%s is there already. A copy that was cut off leaves such a file: remove it, or "
                         "choose another name",
                         backup->part_path);
    }
    return backup->fd >= 0
               ? STATUS_OK
               : fault_set(fault, STATUS_IO, "%s cannot be made: %s", backup->part_path, strerror(errno));
}

enum status store_backup_begin(sqlite3 *source, const char *path, struct store_backup **out,
                               struct fault *fault) {
    struct store_backup *backup = mem_alloc(sizeof *backup);
    *out = NULL;
    backup->fd = -1;
    backup->path = mem_copy_string(path);
    backup->part_path = mem_format("%s.part", path);
    enum status status = open_part(backup, fault);
    if (status == STATUS_OK) {
        int result = sqlite3_open_v2(backup->part_path, &backup->copy,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
        if (result == SQLITE_OK) {
            /* What is half done is thrown away, so nothing needs to be undone or on disk before the end. */
            result = sqlite3_exec(backup->copy, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL,
                                  NULL, NULL);
        }
        if (result == SQLITE_OK) {
            backup->work = sqlite3_backup_init(backup->copy, "main", source, "main");
            result = backup->work ? SQLITE_OK : sqlite3_errcode(backup->copy);
        }
        status = result == SQLITE_OK ? STATUS_OK : refuse(backup, result, fault);
    }
    if (status != STATUS_OK) {
        store_backup_free(backup);
        return status;
    }
    *out = backup;
    return STATUS_OK;
}

/* The copy becomes one file that says of itself that it is a copy. */
static int seal(struct store_backup *backup) {
    int result = sqlite3_backup_finish(backup->work);
    backup->work = NULL;
    if (result == SQLITE_OK) {
        result =
            sqlite3_exec(backup->copy, "PRAGMA journal_mode = DELETE; DELETE FROM meta WHERE name = 'epoch'",
                         NULL, NULL, NULL);
    }
    return result;
}

enum status store_backup_step(struct store_backup *backup, bool *is_last, struct fault *fault) {
    int result = sqlite3_backup_step(backup->work, STEP_PAGES);
    *is_last = result == SQLITE_DONE;
    if (result == SQLITE_OK) {
        /* The disk begins now, so that the wait at the end is short. */
        sync_file_range(backup->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
        return STATUS_OK;
    }
    result = *is_last ? seal(backup) : result;
    enum status status = result == SQLITE_OK ? STATUS_OK : refuse(backup, result, fault);
    if (status == STATUS_OK) {
        sqlite3_close(backup->copy);
        backup->copy = NULL;
    }
    return status;
}

enum status store_backup_finish(struct store_backup *backup, uint64_t *size_bytes, struct fault *fault) {
    struct stat info;
    backup->is_named = fsync(backup->fd) == 0 && fstat(backup->fd, &info) == 0 &&
                       store_name_take(backup->part_path, backup->path) == 0;
    if (!backup->is_named || file_sync_folder(backup->path) != 0) {
        enum status status = fault_set(fault, errno == EEXIST ? STATUS_CONFLICT : STATUS_IO,
                                       "%s cannot be written: %s", backup->path, strerror(errno));
        if (backup->is_named) {
            unlink(backup->path);
        }
        return status;
    }
    *size_bytes = (uint64_t)info.st_size;
    return STATUS_OK;
}

void store_backup_free(struct store_backup *backup) {
    if (backup == NULL) {
        return;
    }
    sqlite3_backup_finish(backup->work);
    sqlite3_close(backup->copy);
    if (backup->fd >= 0) {
        close(backup->fd);
        if (!backup->is_named) {
            unlink(backup->part_path);
        }
    }
    free(backup->path);
    free(backup->part_path);
    free(backup);
}

enum status store_backup_copy(sqlite3 *source, const char *path, uint64_t *size_bytes, struct fault *fault) {
    struct store_backup *backup = NULL;
    enum status status = store_backup_begin(source, path, &backup, fault);
    for (bool is_last = false; status == STATUS_OK && !is_last;) {
        status = store_backup_step(backup, &is_last, fault);
    }
    if (status == STATUS_OK) {
        status = store_backup_finish(backup, size_bytes, fault);
    }
    store_backup_free(backup);
    return status;
}

enum status store_backup_copy_file(const char *database_path, const char *path, uint64_t *size_bytes,
                                   struct fault *fault) {
    sqlite3 *source = NULL;
    enum status status = store_file_open(database_path, &source, fault);
    if (status == STATUS_OK) {
        status = store_backup_copy(source, path, size_bytes, fault);
    }
    store_file_close(source);
    return status;
}
