/* model_files.c - which model files there are, and which one is meant. */
#include "base/file.h"
#include "base/mem.h"
#include "chat/models_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *models_folder(const struct models *models) {
    return models->chat->options.model_folders[0];
}

json_t *models_folders(const struct models *models) {
    json_t *list = json_array();
    for (const char *const *folder = models->chat->options.model_folders; *folder; folder++) {
        json_array_append_new(list, json_string(*folder));
    }
    return list;
}

const char *models_suffix(const struct models *models) {
    return models->suffix;
}

const char *models_file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool models_has_suffix(const struct models *models, const char *name) {
    size_t name_length = strlen(name);
    size_t suffix_length = strlen(models->suffix);
    return name_length > suffix_length && strcmp(name + name_length - suffix_length, models->suffix) == 0;
}

/* ---- Models in several files ---- */

#define PART_OF       "-of-"
#define PART_DIGITS   5
#define PART_OF_CHARS 4
#define N_PARTS_MAX   99999

static bool are_digits(const char *text) {
    for (size_t i = 0; i < PART_DIGITS; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
    }
    return true;
}

/* Where "-00001-of-00003" begins in a path, and its two numbers; NULL: it is one file. */
static const char *find_part(const char *path, unsigned long *number, unsigned long *n_parts) {
    const char *of = strstr(models_file_name(path), PART_OF);
    const char *name = models_file_name(path);
    if (of == NULL || of - name < PART_DIGITS + 1 || of[-PART_DIGITS - 1] != '-' ||
        !are_digits(of - PART_DIGITS) || !are_digits(of + PART_OF_CHARS)) {
        return NULL;
    }
    *number = strtoul(of - PART_DIGITS, NULL, 10);
    *n_parts = strtoul(of + PART_OF_CHARS, NULL, 10);
    return *n_parts > 0 && *n_parts <= N_PARTS_MAX ? of - PART_DIGITS - 1 : NULL;
}

bool models_is_later_part(const char *path) {
    unsigned long number;
    unsigned long n_parts;
    return find_part(path, &number, &n_parts) && number > 1;
}

/* Part `number` of the model that begins at `path`, new memory. */
static char *part_path(const char *path, const char *mark, unsigned long number) {
    return mem_format("%.*s-%05lu%s", (int)(mark - path), path, number, mark + PART_DIGITS + 1);
}

uint64_t models_file_bytes(const char *path) {
    struct stat info;
    unsigned long number;
    unsigned long n_parts;
    const char *mark = find_part(path, &number, &n_parts);
    if (mark == NULL) {
        return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
    }
    uint64_t n_bytes = 0;
    bool is_there = true;
    for (number = 1; is_there && number <= n_parts; number++) {
        char *name = part_path(path, mark, number);
        is_there = stat(name, &info) == 0;
        n_bytes += is_there ? (uint64_t)info.st_size : 0;
        free(name);
    }
    return n_bytes;
}

static enum status remove_file(const char *path, struct fault *fault) {
    return unlink(path) == 0 || errno == ENOENT ? STATUS_OK
                                                : fault_set(fault, STATUS_IO, "%.200s cannot be deleted: %s",
                                                            models_file_name(path), strerror(errno));
}

enum status models_remove(struct models *models, const char *path, struct fault *fault) {
    unsigned long number;
    unsigned long n_parts;
    const char *mark = find_part(path, &number, &n_parts);
    if (models_find_engine(models, path)) {
        return fault_set(fault, STATUS_BUSY, "%.200s is loaded: unload it first", models_file_name(path));
    }
    /* The first part goes last: while it is there the model can be named, and the rest deleted by trying again. */
    enum status status = STATUS_OK;
    for (unsigned long part = mark ? n_parts : 0; status == STATUS_OK && part > 0; part--) {
        char *name = part_path(path, mark, part);
        status = remove_file(name, fault);
        free(name);
    }
    status = status || mark ? status : remove_file(path, fault);
    if (status == STATUS_OK) {
        model_room_unpin(models, path);
        models_tell(models);
    }
    return status;
}

/* The path of a model called `name` beside another; new memory. */
static char *path_beside(const struct models *models, const char *path, const char *name) {
    const char *file = models_file_name(path);
    return mem_format("%.*s%s%s", (int)(file - path), path, name, models->suffix);
}

static enum status link_file(const char *from, const char *to, struct fault *fault) {
    if (link(from, to) == 0) {
        return STATUS_OK;
    }
    return errno == EEXIST
               ? fault_set(fault, STATUS_CONFLICT, "there is a file %.200s already: choose another name",
                           models_file_name(to))
               : fault_set(fault, STATUS_IO, "%.200s cannot get another name here: %s",
                           models_file_name(from), strerror(errno));
}

enum status models_copy(struct models *models, const char *path, const char *name, struct fault *fault) {
    unsigned long number;
    unsigned long n_parts;
    const char *safe = file_safe_name(name);
    if (safe != name) {
        return fault_set(fault, STATUS_INVALID,
                         "the new name must be one that a file may have: no / in it, no point before it");
    }
    if (model_files_is_inline(models, path) || find_part(path, &number, &n_parts)) {
        return fault_set(fault, STATUS_INVALID, "only a model that is one file can have a second name");
    }
    char *to = path_beside(models, path, name);
    enum status status = link_file(path, to, fault);
    free(to);
    if (status == STATUS_OK) {
        models_tell(models);
    }
    return status;
}

bool model_files_is_inline(const struct models *models, const char *path) {
    return strcmp(models->suffix, ".json") == 0 && strncmp(path, "fake:", 5) == 0;
}

static bool describe(const char *folder, const char *name, const char *suffix, struct model_file *out) {
    struct stat info;
    int length = snprintf(out->path, sizeof out->path, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof out->path || stat(out->path, &info) != 0 ||
        !S_ISREG(info.st_mode)) {
        return false;
    }
    snprintf(out->id, sizeof out->id, "%.*s", (int)(strlen(name) - strlen(suffix)), name);
    out->size_bytes = (uint64_t)info.st_size;
    out->changed_s = info.st_mtime;
    return true;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct model_file *)a)->id, ((const struct model_file *)b)->id);
}

struct model_file *models_list(const struct models *models, size_t *n) {
    struct model_file *files = NULL;
    size_t capacity = 0;
    *n = 0;
    for (const char *const *folder = models->chat->options.model_folders; *folder; folder++) {
        DIR *directory = opendir(*folder);
        if (directory == NULL) {
            continue;
        }
        for (struct dirent *entry = readdir(directory); entry && *n < MODELS_MAX;
             entry = readdir(directory)) {
            if (!models_has_suffix(models, entry->d_name)) {
                continue;
            }
            files = mem_grow_array(files, *n, &capacity, sizeof *files, MODELS_MAX);
            *n += describe(*folder, entry->d_name, models->suffix, &files[*n]);
        }
        closedir(directory);
    }
    if (*n) {
        qsort(files, *n, sizeof *files, by_name);
    }
    return files;
}

/* The canonical form of a folder; of a file, its folder's canonical form and its own name: a link that somebody put into a
 * model folder is meant. */
static bool canonical(const char *path, char real[PATH_MAX]) {
    struct stat info;
    const char *slash = strrchr(path, '/');
    if (stat(path, &info) != 0) {
        return false;
    }
    if (S_ISDIR(info.st_mode) || slash == NULL || slash == path) {
        return realpath(path, real) != NULL;
    }
    char *folder = mem_copy_bytes(path, (size_t)(slash - path));
    bool is_real = realpath(folder, real) != NULL && strlen(real) + strlen(slash) < PATH_MAX;
    free(folder);
    if (is_real) {
        memcpy(real + strlen(real), slash, strlen(slash) + 1);
    }
    return is_real;
}

bool models_is_allowed(const struct models *models, const char *path, char real[PATH_MAX]) {
    if (!canonical(path, real)) {
        return false;
    }
    for (const char *const *folder = models->chat->options.model_folders; *folder; folder++) {
        char base[PATH_MAX];
        size_t length = realpath(*folder, base) ? strlen(base) : 0;
        if (length && strncmp(real, base, length) == 0 && (real[length] == '/' || real[length] == '\0')) {
            return true;
        }
    }
    return false;
}

static enum status resolve_default(const struct models *models, char out[PATH_MAX], struct fault *fault) {
    const char *path = models_configured(models);
    if (path) {
        snprintf(out, PATH_MAX, "%s", path);
        return STATUS_OK;
    }
    size_t n;
    struct model_file *files = models_list(models, &n);
    if (n) {
        snprintf(out, PATH_MAX, "%s", files[0].path);
    }
    free(files);
    return n ? STATUS_OK
             : fault_set(fault, STATUS_UNAVAILABLE, "there is no model yet: put a %s file into %s",
                         models->suffix, models_folder(models));
}

/* By the id, or by the name of the file. */
static bool find_listed(const struct models *models, const char *wanted, bool by_file, char out[PATH_MAX]) {
    size_t n;
    struct model_file *files = models_list(models, &n);
    bool is_found = false;
    for (size_t i = 0; i < n && !is_found; i++) {
        is_found = strcmp(by_file ? models_file_name(files[i].path) : files[i].id, wanted) == 0;
        if (is_found) {
            snprintf(out, PATH_MAX, "%s", files[i].path);
        }
    }
    free(files);
    return is_found;
}

enum status models_resolve(const struct models *models, const char *id_or_path, char out[PATH_MAX],
                           struct fault *fault) {
    if (id_or_path == NULL || *id_or_path == '\0' || strcmp(id_or_path, "default") == 0) {
        return resolve_default(models, out, fault);
    }
    const char *path = models_configured(models);
    if (model_files_is_inline(models, id_or_path) || (path && strcmp(path, id_or_path) == 0)) {
        snprintf(out, PATH_MAX, "%s", id_or_path);
        return STATUS_OK;
    }
    if (find_listed(models, id_or_path, false, out)) {
        return STATUS_OK;
    }
    if (strchr(id_or_path, '/') == NULL) {
        return fault_set(fault, STATUS_NOT_FOUND,
                         "there is no model \"%.200s\" in %.150s: copy it there, or choose another",
                         id_or_path, models_folder(models));
    }
    if (!models_is_allowed(models, id_or_path, out)) {
        struct stat info;
        return stat(id_or_path, &info) == 0
                   ? fault_set(fault, STATUS_DENIED, "models are loaded from %s only: copy the file there",
                               models_folder(models))
                   : fault_set(fault, STATUS_NOT_FOUND, "there is no file %.200s: look at the path",
                               id_or_path);
    }
    if (!models_has_suffix(models, out)) {
        return fault_set(fault, STATUS_INVALID, "%.200s is no %s file: choose another", id_or_path,
                         models->suffix);
    }
    return STATUS_OK;
}

bool models_find(const struct models *models, const char *file_name, char out[PATH_MAX]) {
    const char *path = models_configured(models);
    if (path && strcmp(models_file_name(path), file_name) == 0) {
        snprintf(out, PATH_MAX, "%s", path);
        return true;
    }
    return find_listed(models, file_name, true, out);
}
