#include "store/store_file.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "store/store_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define URI_BYTES_MAX 20000

static bool has_log(const char *path) {
    struct stat info;
    char *log_path = mem_format("%s-wal", path);
    bool has_log = stat(log_path, &info) == 0 && info.st_size > 0;
    free(log_path);
    return has_log;
}

/* As a URI, because only there can be said that nobody changes the file: without a log SQLite would make one. */
static void add_uri(struct bytes *uri, const char *path) {
    bytes_add_text(uri, "file:");
    for (; *path; path++) {
        if (strchr("?#%", *path)) {
            bytes_add_format(uri, "%%%02X", (unsigned char)*path);
        } else {
            bytes_add_char(uri, *path);
        }
    }
    bytes_add_text(uri, "?immutable=1");
}

static int open_plain(const char *path, sqlite3 **out) {
    struct bytes uri;
    bytes_init(&uri, URI_BYTES_MAX);
    add_uri(&uri, path);
    int result =
        sqlite3_open_v2(uri.data, out, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    bytes_deinit(&uri);
    return result;
}

/* Exclusive: the index of the log is then in memory, and not in a file beside it. */
static int open_with_log(const char *path, sqlite3 **out) {
    int result = sqlite3_open_v2(path, out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (result == SQLITE_OK) {
        sqlite3_db_config(*out, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
        result = sqlite3_exec(*out, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
    }
    return result;
}

/* Without its log: has it everything but an epoch? */
static bool is_copy(const char *path) {
    sqlite3 *sqlite = NULL;
    sqlite3_stmt *row = NULL;
    bool is_copy =
        open_plain(path, &sqlite) == SQLITE_OK &&
        sqlite3_prepare_v2(sqlite, "SELECT 1 FROM meta WHERE name = 'epoch'", -1, &row, NULL) == SQLITE_OK &&
        sqlite3_step(row) == SQLITE_DONE;
    sqlite3_finalize(row);
    sqlite3_close(sqlite);
    return is_copy;
}

enum status store_file_check_log(const char *path, struct fault *fault) {
    struct stat info;
    if (!has_log(path)) {
        return STATUS_OK;
    }
    if (stat(path, &info) != 0 || info.st_size == 0) {
        return fault_set(fault, STATUS_CONFLICT,
                         "%s is not there, but its log %s-wal is; nothing was changed. Put the database "
                         "back, or move its log away",
                         path, path);
    }
    return is_copy(path) ? fault_set(fault, STATUS_CONFLICT,
                                     "%s is a copy, and the log %s-wal beside it belongs to the database "
                                     "that was there before; nothing "
                                     "was changed. Move the log away",
                                     path, path)
                         : STATUS_OK;
}

enum status store_file_open(const char *path, sqlite3 **out, struct fault *fault) {
    struct stat info;
    *out = NULL;
    if (stat(path, &info) != 0) {
        return fault_set(fault, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s cannot be read: %s", path,
                         strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        return fault_set(fault, STATUS_INVALID, "%s is no file", path);
    }
    if (store_place_is_waiting(path)) {
        return fault_set(fault, STATUS_CONFLICT,
                         "%s: a salvage was cut off just before its end. \"runnel salvage\" or a start of "
                         "the server finishes it",
                         path);
    }
    enum status status = store_file_check_log(path, fault);
    if (status != STATUS_OK) {
        return status;
    }
    int result = has_log(path) ? open_with_log(path, out) : open_plain(path, out);
    if (result == SQLITE_OK) {
        sqlite3_extended_result_codes(*out, 1);
        result = sqlite3_exec(*out, "PRAGMA query_only = ON; PRAGMA cell_size_check = ON", NULL, NULL, NULL);
    }
    if (result != SQLITE_OK) {
        status = fault_set(fault, STATUS_IO, "%s cannot be read: %s", path,
                           *out ? sqlite3_errmsg(*out) : sqlite3_errstr(result));
        store_file_close(*out);
        *out = NULL;
        return status;
    }
    return STATUS_OK;
}

void store_file_close(sqlite3 *sqlite) {
    sqlite3_close(sqlite);
}
