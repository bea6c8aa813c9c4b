#include "app/backup.h"

#include "app/http.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "chat/attachment_file.h"
#include "chat/chat.h"
#include "store/store_backup.h"
#include "store/store_file.h"
#include "store/store_lock.h"
#include "store/store_name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- By the server ---- */

/* To another disk, under a name that is not the last one until it is whole. −1 and errno. */
static int copy_file(const char *from_path, const char *to_path) {
    char *part_path = mem_format("%s.part", to_path);
    int result = file_copy(from_path, part_path);
    if (result == 0) {
        result = store_name_take(part_path, to_path);
        int error = errno;
        if (result != 0) {
            unlink(part_path);
        }
        errno = error;
    }
    free(part_path);
    return result;
}

static char *files_of(const char *path) {
    return mem_format("%s" CHAT_BACKUP_FILES, path);
}

/* The folder of a copy goes with it. */
static enum status move_files(const char *from_path, const char *to_path) {
    char *from = files_of(from_path);
    char *to = files_of(to_path);
    enum status status = STATUS_OK;
    if (rename(from, to) != 0 && errno == EXDEV) {
        status = attachment_file_copy_all(from, to);
        if (status == STATUS_OK) {
            attachment_file_remove_all(from);
        }
    } else if (access(from, F_OK) == 0) {
        status = STATUS_IO;
    }
    free(from);
    free(to);
    return status;
}

static enum status move_to(const char *file, struct backup_made *made, struct fault *fault) {
    int result = store_name_take(made->path, file);
    if (result != 0 && errno == EXDEV) {
        result = copy_file(made->path, file);
        if (result == 0) {
            unlink(made->path);
        }
    }
    if (result != 0) {
        return fault_set(fault, errno == EEXIST ? STATUS_CONFLICT : STATUS_IO,
                         "%s, or %s.part before it, cannot be made: %s; the backup is %s", file, file,
                         strerror(errno), made->path);
    }
    if (move_files(made->path, file) != STATUS_OK) {
        return fault_set(fault, STATUS_IO,
                         "%s is there, but the files of its messages are still %s" CHAT_BACKUP_FILES
                         ": move them beside it",
                         file, made->path);
    }
    free(made->path);
    made->path = mem_copy_string(file);
    return file_sync_folder(file) == 0
               ? STATUS_OK
               : fault_set(fault, STATUS_IO, "%s is there, but its name may not last: %s", file,
                           strerror(errno));
}

static enum status take_answer(int code, const struct bytes *body, const char *url, struct backup_made *made,
                               struct fault *fault) {
    json_t *answer = NULL;
    enum status status = json_parse_object(body->data ? body->data : "", body->size, &answer, NULL);
    const char *path = json_string_value(json_object_get(answer, "path"));
    const char *error = json_string_value(json_object_get(answer, "error"));
    if (status == STATUS_OK && code == 200 && path) {
        made->path = mem_copy_string(path);
        made->size_bytes = (uint64_t)json_integer_value(json_object_get(answer, "size"));
    } else {
        status = fault_set(fault, code == 401 ? STATUS_DENIED : STATUS_UNAVAILABLE,
                           "the server at %s made no backup (%d): %.150s%s", url, code,
                           error ? error : "no reason given", code == 401 ? "; give its --token" : "");
    }
    json_decref(answer);
    return status;
}

static enum status ask_server(const char *url, const char *token, const char *file, struct backup_made *made,
                              struct fault *fault) {
    if (url[0] == '\0') {
        return fault_set(fault, STATUS_BUSY,
                         "the server has not begun to listen yet, or another command is at work: try again");
    }
    struct bytes body;
    int code = 0;
    bytes_init(&body, HTTP_ANSWER_BYTES_MAX);
    enum status status = http_ask(url, "POST", "/api/backup", token, "{}", &code, &body, fault);
    if (status == STATUS_OK) {
        status = take_answer(code, &body, url, made, fault);
    }
    bytes_deinit(&body);
    return status == STATUS_OK && file ? move_to(file, made, fault) : status;
}

/* ---- By this process ---- */

static enum status copy_files_here(const char *data, const struct backup_made *made, struct fault *fault) {
    char *from = mem_format("%s/attachments", data);
    char *to = files_of(made->path);
    enum status status = attachment_file_copy_all(from, to);
    if (status) {
        unlink(made->path);
        fault_set(fault, status, "%s cannot be made: %s", to, strerror(errno));
    }
    free(from);
    free(to);
    return status;
}

static enum status copy_here(const char *data, const char *file, struct backup_made *made,
                             struct fault *fault) {
    char *path = mem_format("%s/runnel.db", data);
    made->path = file ? mem_copy_string(file) : store_backup_make_path(path);
    enum status status =
        made->path ? store_backup_copy_file(path, made->path, &made->size_bytes, fault)
                   : fault_set(fault, STATUS_NOT_FOUND, "%s cannot be read: %s", path, strerror(errno));
    free(path);
    return status == STATUS_OK ? copy_files_here(data, made, fault) : status;
}

enum status backup_make(const char *data, const char *token, const char *file, struct backup_made *made,
                        struct fault *fault) {
    char url[STORE_LOCK_URL_BYTES];
    struct stat info;
    int lock = -1;
    enum status status;
    char *files = file ? files_of(file) : NULL;
    bool is_taken = file && (lstat(file, &info) == 0 || lstat(files, &info) == 0);
    free(files);
    if (is_taken) {
        return fault_set(fault, STATUS_CONFLICT,
                         "%s, or %s" CHAT_BACKUP_FILES ", is there already; nothing was changed", file, file);
    }
    if (store_lock_find_owner(data, url)) {
        status = ask_server(url, token, file, made, fault);
    } else {
        status = store_lock_borrow(data, &lock, fault);
        if (status == STATUS_OK) {
            status = copy_here(data, file, made, fault);
        }
    }
    if (lock >= 0) {
        close(lock);
    }
    if (status != STATUS_OK) {
        free(made->path);
        made->path = NULL;
    }
    return status;
}
