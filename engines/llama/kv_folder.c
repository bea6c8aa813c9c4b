#include "kv_folder.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SUFFIX      ".kv"
#define NAME_LENGTH (KV_ID_TEXT_BYTES - 1 + sizeof SUFFIX - 1)
#define TEMP_AGE_MS 60000 /* a temporary file of this age has nobody who writes it */
#define PATH_ROOM   (PATH_MAX + 128)
#define FOUND_MAX   (2 * KV_TREE_ENTRIES_MAX)

static void kind_path(const char *folder, const struct kv_id *kind, char out[PATH_ROOM]) {
    char text[KV_ID_TEXT_BYTES];
    kv_id_text(kind, text);
    snprintf(out, PATH_ROOM, "%s/%s", folder, text);
}

static void file_path(const char *folder, const struct kv_head *head, char out[PATH_ROOM]) {
    char kind[KV_ID_TEXT_BYTES];
    char key[KV_ID_TEXT_BYTES];
    kv_id_text(&head->kind, kind);
    kv_id_text(&head->key, key);
    snprintf(out, PATH_ROOM, "%s/%s/%s" SUFFIX, folder, kind, key);
}

enum status kv_folder_open(const char *folder, struct fault *fault) {
    if (strlen(folder) >= PATH_MAX || (mkdir(folder, 0700) != 0 && errno != EEXIST) ||
        access(folder, W_OK | X_OK) != 0) {
        return fault_set(fault, STATUS_IO, "cannot use the folder %.200s: %s", folder, strerror(errno));
    }
    return STATUS_OK;
}

uint64_t kv_folder_free_bytes(const char *folder) {
    struct statvfs info;
    return statvfs(folder, &info) == 0 ? (uint64_t)info.f_bavail * info.f_frsize : 0;
}

/* ---- Bytes ---- */

static bool read_all(int fd, uint8_t *data, size_t n_bytes) {
    while (n_bytes > 0) {
        ssize_t n = read(fd, data, n_bytes);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return false;
        }
        data += n > 0 ? n : 0;
        n_bytes -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool write_all(int fd, const uint8_t *data, size_t n_bytes) {
    while (n_bytes > 0) {
        ssize_t n = write(fd, data, n_bytes);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        data += n > 0 ? n : 0;
        n_bytes -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* The head and its tokens; the tokens in new memory. */
static enum status read_head(int fd, struct kv_head *head, int32_t **tokens) {
    uint8_t fixed[KV_FILE_HEAD_BYTES];
    int n_tokens;
    if (!read_all(fd, fixed, sizeof fixed) || kv_file_peek_tokens(fixed, sizeof fixed, &n_tokens)) {
        return STATUS_CORRUPT;
    }
    size_t n_bytes = kv_file_head_bytes(n_tokens);
    uint8_t *data = mem_alloc(n_bytes);
    memcpy(data, fixed, sizeof fixed);
    *tokens = mem_alloc((size_t)n_tokens * sizeof **tokens);
    enum status status = read_all(fd, data + sizeof fixed, n_bytes - sizeof fixed)
                             ? kv_file_decode(data, n_bytes, head, *tokens)
                             : STATUS_CORRUPT;
    free(data);
    if (status) {
        free(*tokens);
        *tokens = NULL;
    }
    return status;
}

/* ---- Scanning ---- */

struct scan {
    const char *folder;
    const struct kv_id *kind; /* NULL: none is read */
    struct kv_found *found;
    size_t n;
    size_t capacity;
};

static int64_t changed_ms(const struct stat *info) {
    return (int64_t)info->st_mtim.tv_sec * 1000 + info->st_mtim.tv_nsec / 1000000;
}

/* Is it what its name and place say, with all its bytes? */
static bool is_whole(const struct kv_head *head, const struct kv_id *kind, const struct kv_id *key,
                     off_t size) {
    return kv_id_equals(&head->kind, kind) && kv_id_equals(&head->key, key) &&
           (uint64_t)size == kv_file_head_bytes(head->n_tokens) + head->payload_bytes;
}

static void add_own(struct scan *scan, const char *path, struct kv_found *found) {
    struct kv_id key = found->head.key;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return; /* that says nothing of the file */
    }
    bool is_good = read_head(fd, &found->head, &found->tokens) == STATUS_OK;
    close(fd);
    if (is_good && !is_whole(&found->head, scan->kind, &key, (off_t)found->file_bytes)) {
        free(found->tokens);
        is_good = false;
    }
    if (is_good) {
        scan->found = mem_grow_array(scan->found, scan->n, &scan->capacity, sizeof *found, FOUND_MAX);
        scan->found[scan->n++] = *found;
    } else {
        LOG_WARN("kv_file_removed", "file=%s reason=it is damaged or of another version", path);
        unlink(path);
    }
}

static void look_at_file(struct scan *scan, const char *path, const char *name, const struct kv_id *kind) {
    struct stat info;
    struct kv_found found = { .head.kind = *kind };
    size_t length = strlen(name);
    if (lstat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        return;
    }
    bool is_temp =
        length > NAME_LENGTH && strcmp(name + length - 4, ".tmp") == 0 && kv_id_parse(name, &found.head.key);
    if (is_temp && clock_wall_ms() - changed_ms(&info) > TEMP_AGE_MS) {
        unlink(path);
    }
    if (length != NAME_LENGTH || strcmp(name + length - strlen(SUFFIX), SUFFIX) != 0 ||
        scan->n == FOUND_MAX || !kv_id_parse(name, &found.head.key)) {
        return;
    }
    found.file_bytes = (uint64_t)info.st_size;
    found.used_ms = changed_ms(&info);
    if (scan->kind && kv_id_equals(kind, scan->kind)) {
        add_own(scan, path, &found);
    } else {
        scan->found = mem_grow_array(scan->found, scan->n, &scan->capacity, sizeof found, FOUND_MAX);
        scan->found[scan->n++] = found;
    }
}

static void scan_kind(struct scan *scan, const struct kv_id *kind) {
    char path[PATH_ROOM];
    char file[PATH_ROOM + NAME_MAX + 2];
    kind_path(scan->folder, kind, path);
    DIR *directory = opendir(path);
    for (struct dirent *entry = directory ? readdir(directory) : NULL; entry; entry = readdir(directory)) {
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        look_at_file(scan, file, entry->d_name, kind);
    }
    if (directory) {
        closedir(directory);
    }
}

static int by_place_and_age(const void *a, const void *b) {
    const struct kv_found *left = a;
    const struct kv_found *right = b;
    if (left->head.n_before != right->head.n_before) {
        return left->head.n_before < right->head.n_before ? -1 : 1;
    }
    return left->used_ms < right->used_ms ? -1 : left->used_ms > right->used_ms;
}

struct kv_found *kv_folder_scan(const char *folder, const struct kv_id *kind, size_t *n) {
    struct scan scan = { .folder = folder, .kind = kind };
    DIR *directory = opendir(folder);
    for (struct dirent *entry = directory ? readdir(directory) : NULL; entry; entry = readdir(directory)) {
        struct kv_id id;
        if (strlen(entry->d_name) == KV_ID_TEXT_BYTES - 1 && kv_id_parse(entry->d_name, &id)) {
            scan_kind(&scan, &id);
        }
    }
    if (directory) {
        closedir(directory);
    }
    if (scan.n > 0) {
        qsort(scan.found, scan.n, sizeof *scan.found, by_place_and_age);
    }
    *n = scan.n;
    return scan.found;
}

void kv_folder_free_found(struct kv_found *found, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(found[i].tokens);
    }
    free(found);
}

/* ---- One file ---- */

static enum status write_file(const char *path, const uint8_t *data, size_t n_bytes) {
    char temp[PATH_ROOM + 32];
    snprintf(temp, sizeof temp, "%.*s.%d.tmp", (int)(strlen(path) - strlen(SUFFIX)), path, (int)getpid());
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool is_good = fd >= 0 && write_all(fd, data, n_bytes);
    int error = errno;
    if (fd >= 0 && close(fd) != 0 && is_good) {
        is_good = false;
        error = errno;
    }
    if (is_good && rename(temp, path) != 0) {
        is_good = false;
        error = errno;
    }
    if (!is_good) {
        unlink(temp);
    }
    bool is_full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    return is_good ? STATUS_OK : is_full ? STATUS_FULL : STATUS_IO;
}

enum status kv_folder_write(const char *folder, struct kv_head *head, const int32_t *tokens, uint8_t *data,
                            size_t n_bytes) {
    char path[PATH_ROOM];
    size_t n_head = kv_file_head_bytes(head->n_tokens);
    if (kv_folder_free_bytes(folder) < KV_FOLDER_RESERVE_BYTES + n_bytes) {
        return STATUS_FULL;
    }
    kind_path(folder, &head->kind, path);
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return errno == ENOSPC || errno == EDQUOT ? STATUS_FULL : STATUS_IO;
    }
    head->payload_bytes = n_bytes - n_head;
    head->payload_hash = kv_file_hash(data + n_head, n_bytes - n_head);
    kv_file_encode(head, tokens, data);
    file_path(folder, head, path);
    return write_file(path, data, n_bytes);
}

static enum status read_file(int fd, const struct kv_head *head, uint8_t **data, size_t n_bytes) {
    struct stat info;
    struct kv_head found;
    if (fstat(fd, &info) != 0 || (uint64_t)info.st_size != n_bytes) {
        return STATUS_CORRUPT;
    }
    *data = mem_try_alloc(n_bytes);
    if (*data == NULL) {
        return STATUS_NOMEM;
    }
    if (!read_all(fd, *data, n_bytes) || n_bytes < kv_file_head_bytes(head->n_tokens)) {
        return STATUS_CORRUPT;
    }
    int n_tokens;
    if (kv_file_peek_tokens(*data, n_bytes, &n_tokens) || n_tokens != head->n_tokens) {
        return STATUS_CORRUPT;
    }
    int32_t *tokens = mem_alloc((size_t)n_tokens * sizeof *tokens);
    enum status status = kv_file_decode(*data, n_bytes, &found, tokens);
    free(tokens);
    if (status || !is_whole(&found, &head->kind, &head->key, info.st_size)) {
        return STATUS_CORRUPT;
    }
    const uint8_t *payload = *data + kv_file_head_bytes(n_tokens);
    return kv_file_hash(payload, found.payload_bytes) == found.payload_hash ? STATUS_OK : STATUS_CORRUPT;
}

enum status kv_folder_read(const char *folder, const struct kv_head *head, uint8_t **data, size_t n_bytes) {
    char path[PATH_ROOM];
    *data = NULL;
    file_path(folder, head, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return STATUS_IO;
    }
    enum status status = read_file(fd, head, data, n_bytes);
    close(fd);
    if (status) {
        free(*data);
        *data = NULL;
    }
    if (status == STATUS_CORRUPT) {
        LOG_WARN("kv_file_removed", "file=%s reason=it is damaged", path);
        unlink(path);
    }
    return status;
}

void kv_folder_remove(const char *folder, const struct kv_head *head) {
    char path[PATH_ROOM];
    file_path(folder, head, path);
    unlink(path);
}

void kv_folder_touch(const char *folder, const struct kv_head *head) {
    char path[PATH_ROOM];
    file_path(folder, head, path);
    utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
}

/* Writes the head again, with another owner. */
static bool rewrite_owner(int fd, const struct kv_id *owner) {
    struct kv_head head;
    int32_t *tokens;
    if (read_head(fd, &head, &tokens) != STATUS_OK) {
        return false;
    }
    size_t n_bytes = kv_file_head_bytes(head.n_tokens);
    uint8_t *data = mem_alloc(n_bytes);
    head.owner = *owner;
    kv_file_encode(&head, tokens, data);
    bool is_good = lseek(fd, 0, SEEK_SET) == 0 && write_all(fd, data, n_bytes);
    free(data);
    free(tokens);
    return is_good;
}

void kv_folder_set_owner(const char *folder, const struct kv_head *head) {
    char path[PATH_ROOM];
    file_path(folder, head, path);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return;
    }
    if (!rewrite_owner(fd, &head->owner)) {
        unlink(path);
    }
    close(fd);
}

/* ---- Forgetting ---- */

static void on_remove(void *ctx, const struct kv_entry *entry) {
    kv_folder_remove(ctx, &entry->head);
}

static void on_owner(void *ctx, const struct kv_entry *entry) {
    kv_folder_set_owner(ctx, &entry->head);
}

static void forget_kind(const char *folder, const struct kv_id *kind, const struct kv_id *owner) {
    struct scan scan = { .folder = folder, .kind = kind };
    scan_kind(&scan, kind);
    struct kv_tree tree;
    kv_tree_init(&tree);
    if (scan.n > 0) {
        qsort(scan.found, scan.n, sizeof *scan.found, by_place_and_age);
    }
    kv_tree_add_found(&tree, scan.found, scan.n, on_remove, (void *)(uintptr_t)folder);
    kv_tree_forget(&tree, owner, on_remove, on_owner, (void *)(uintptr_t)folder);
    kv_tree_deinit(&tree);
    kv_folder_free_found(scan.found, scan.n);
}

void kv_folder_forget(const char *folder, const struct kv_id *owner, const struct kv_id *except) {
    DIR *directory = opendir(folder);
    for (struct dirent *entry = directory ? readdir(directory) : NULL; entry; entry = readdir(directory)) {
        struct kv_id kind;
        bool is_kind = strlen(entry->d_name) == KV_ID_TEXT_BYTES - 1 && kv_id_parse(entry->d_name, &kind);
        if (is_kind && !(except && kv_id_equals(&kind, except))) {
            forget_kind(folder, &kind, owner);
        }
    }
    if (directory) {
        closedir(directory);
    }
}
