#include "chat/attachment_file.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INCOMING "incoming-"

int attachment_file_create(const char *folder, char **path) {
    char id[ID_HEX_BYTES];
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        *path = NULL;
        return -1;
    }
    id_make_hex(id);
    *path = mem_format("%s/" INCOMING "%s", folder, id);
    return open(*path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

void attachment_file_tidy(const char *folder) {
    DIR *directory = opendir(folder);
    for (const struct dirent *entry; directory && (entry = readdir(directory));) {
        if (strncmp(entry->d_name, INCOMING, sizeof INCOMING - 1) == 0) {
            unlinkat(dirfd(directory), entry->d_name, 0);
        }
    }
    if (directory) {
        closedir(directory);
    }
}

static bool begins_with(const struct bytes *file, size_t at, const char *magic, size_t n) {
    return file->size >= at + n && memcmp(file->data + at, magic, n) == 0;
}

static const char *picture_type(const struct bytes *file) {
    return begins_with(file, 0, "\x89PNG\r\n", 6)                                     ? "image/png"
           : begins_with(file, 0, "\xFF\xD8\xFF", 3)                                  ? "image/jpeg"
           : begins_with(file, 0, "GIF8", 4)                                          ? "image/gif"
           : begins_with(file, 0, "RIFF", 4) && begins_with(file, 8, "WEBP", 4)       ? "image/webp"
           : begins_with(file, 4, "ftypavif", 8) || begins_with(file, 4, "ftyphe", 6) ? "image/avif"
                                                                                      : NULL;
}

static enum status take_text(const struct bytes *file, struct store_attachment *out, struct fault *fault) {
    size_t skip =
        begins_with(file, 0, "\xEF\xBB\xBF", 3) ? 3 : 0; /* a byte order mark says nothing in UTF-8 */
    const char *text = file->data + skip;
    size_t size = file->size - skip;
    if (memchr(text, '\0', size) || !utf8_is_valid(text, size)) {
        return fault_set(fault, STATUS_INVALID,
                         "this file is no text that can be read: send text or code in UTF-8, or a PDF");
    }
    if (size > STORE_ATTACHED_TEXT_MAX) {
        return fault_set(fault, STATUS_TOO_LARGE,
                         "this file has %zu KiB of text: a message takes %u, so send a part of it",
                         size >> 10, STORE_ATTACHED_TEXT_MAX >> 10);
    }
    out->type = mem_copy_string("text/plain");
    out->text = mem_copy_bytes(text, size);
    out->text_size = size;
    return STATUS_OK;
}

static enum status classify(const struct bytes *file, struct store_attachment *out, struct fault *fault) {
    if (file->size == 0) {
        return fault_set(fault, STATUS_INVALID, "this file is empty: choose another");
    }
    if (picture_type(file)) {
        return fault_set(fault, STATUS_INVALID,
                         "this is a picture, and no model here can see: send what is in it as text");
    }
    if (begins_with(file, 0, "%PDF-", 5)) {
        out->type = mem_copy_string("application/pdf");
        return STATUS_OK;
    }
    return take_text(file, out, fault);
}

static void hash(const struct bytes *file, char id[STORE_HASH_BYTES]) {
    SHA2_CTX sha256;
    SHA256Init(&sha256);
    SHA256Update(&sha256, (const uint8_t *)file->data, file->size);
    SHA256End(&sha256, id);
}

static enum status sync_file(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int result = fd >= 0 ? fdatasync(fd) : -1;
    if (fd >= 0) {
        close(fd);
    }
    return result == 0 ? STATUS_OK : STATUS_IO;
}

enum status attachment_file_look(const char *path, struct store_attachment *out, struct fault *fault) {
    struct bytes file;
    bytes_init(&file, ATTACHMENT_BYTES_MAX + 1);
    enum status status = file_read(path, &file, fault);
    status = status ? status : classify(&file, out, fault);
    if (status == STATUS_OK) {
        hash(&file, out->id);
        out->size_bytes = (int64_t)file.size;
        status = sync_file(path);
    }
    if (status == STATUS_IO) {
        status = fault_set(fault, status, "the file cannot be kept now: look at the log");
    }
    bytes_deinit(&file);
    return status;
}

static char *path_of(const char *folder, const char *id) {
    return mem_format("%s/%.2s/%s", folder, id, id);
}

enum status attachment_file_keep(const char *folder, const char *path, const char *id) {
    char *shelf = mem_format("%s/%.2s", folder, id);
    char *to = path_of(folder, id);
    bool is_kept = mkdir(shelf, 0700) == 0 || errno == EEXIST;
    is_kept = is_kept && rename(path, to) == 0 && file_sync_folder(to) == 0 && file_sync_folder(shelf) == 0 &&
              file_sync_folder(folder) == 0;
    free(to);
    free(shelf);
    return is_kept ? STATUS_OK : STATUS_IO;
}

void attachment_file_remove(const char *folder, const char *id) {
    char *path = path_of(folder, id);
    unlink(path);
    free(path);
}

int attachment_file_open(const char *folder, const char *id) {
    char *path = path_of(folder, id);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    free(path);
    return fd;
}

enum status attachment_file_verify(const char *folder, const char *id) {
    char is[STORE_HASH_BYTES];
    struct bytes file;
    struct fault fault;
    char *path = path_of(folder, id);
    bytes_init(&file, ATTACHMENT_BYTES_MAX + 1);
    enum status status = file_read(path, &file, &fault);
    if (status == STATUS_OK) {
        hash(&file, is);
        status = strcmp(is, id) == 0 ? STATUS_OK : STATUS_CORRUPT;
    }
    bytes_deinit(&file);
    free(path);
    return status;
}

/* ---- All of them ---- */

static bool is_shelf(const char *name) {
    return strlen(name) == 2 && strspn(name, "0123456789abcdef") == 2;
}

static bool is_id(const char *name) {
    return strlen(name) == STORE_HASH_BYTES - 1 && strspn(name, "0123456789abcdef") == STORE_HASH_BYTES - 1;
}

/* Each name in a folder that `is_wanted`, as a path; false: one was refused, or the folder cannot be read. */
static bool each_in(const char *folder, bool (*is_wanted)(const char *name),
                    bool (*on_path)(const char *path, const char *name, const char *to), const char *to) {
    DIR *directory = opendir(folder);
    bool is_good = directory != NULL;
    for (const struct dirent *entry; is_good && (entry = readdir(directory));) {
        if (is_wanted(entry->d_name)) {
            char *path = mem_format("%s/%s", folder, entry->d_name);
            is_good = on_path(path, entry->d_name, to);
            free(path);
        }
    }
    if (directory) {
        closedir(directory);
    }
    return is_good;
}

static bool copy_one(const char *path, const char *name, const char *to) {
    char *target = mem_format("%s/%s", to, name);
    bool is_there = link(path, target) == 0 || file_copy(path, target) == 0;
    free(target);
    return is_there;
}

static bool copy_shelf(const char *path, const char *name, const char *to) {
    char *shelf = mem_format("%s/%s", to, name);
    char *inside = mem_format("%s/.", shelf);
    bool is_copied =
        mkdir(shelf, 0700) == 0 && each_in(path, is_id, copy_one, shelf) && file_sync_folder(inside) == 0;
    free(inside);
    free(shelf);
    return is_copied;
}

static bool remove_one(const char *path, const char *name, const char *to) {
    (void)name;
    (void)to;
    return unlink(path) == 0;
}

static bool remove_shelf(const char *path, const char *name, const char *to) {
    (void)name;
    return each_in(path, is_id, remove_one, to) && rmdir(path) == 0;
}

void attachment_file_remove_all(const char *folder) {
    each_in(folder, is_shelf, remove_shelf, NULL);
    rmdir(folder);
}

enum status attachment_file_copy_all(const char *folder, const char *to) {
    if (access(folder, F_OK) != 0) {
        return STATUS_OK;
    }
    if (mkdir(to, 0700) != 0) {
        return errno == EEXIST ? STATUS_CONFLICT : STATUS_IO;
    }
    char *inside = mem_format("%s/.", to);
    bool is_copied = each_in(folder, is_shelf, copy_shelf, to) && file_sync_folder(inside) == 0 &&
                     file_sync_folder(to) == 0;
    free(inside);
    if (!is_copied) {
        attachment_file_remove_all(to);
    }
    return is_copied ? STATUS_OK : STATUS_IO;
}
