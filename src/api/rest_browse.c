/* rest_browse.c - [W23] the files under the model folders. */
#include "api/api_internal.h"
#include "base/mem.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BROWSE_FILES_MAX 10000

struct entry {
    char *name;
    bool is_directory;
    int64_t size_bytes;
};

/* Folders first, each by name. */
static int by_kind_and_name(const void *a, const void *b) {
    const struct entry *left = a;
    const struct entry *right = b;
    if (left->is_directory != right->is_directory) {
        return right->is_directory - left->is_directory;
    }
    return strcmp(left->name, right->name);
}

/* A link that leads out of the model folders is not shown. */
static bool describe(const struct models *models, const char *folder, const char *name, struct entry *out) {
    char real[PATH_MAX];
    struct stat info;
    char *path = mem_format("%s/%s", folder, name);
    bool is_shown = name[0] != '.' && models_is_allowed(models, path, real) && stat(real, &info) == 0 &&
                    (S_ISDIR(info.st_mode) || S_ISREG(info.st_mode));
    free(path);
    if (is_shown) {
        *out = (struct entry){ mem_copy_string(name), S_ISDIR(info.st_mode), (int64_t)info.st_size };
    }
    return is_shown;
}

static struct entry *read_folder(const struct models *models, const char *folder, DIR *directory, size_t *n) {
    struct entry *entries = NULL;
    size_t capacity = 0;
    *n = 0;
    for (struct dirent *at = readdir(directory); at && *n < BROWSE_FILES_MAX; at = readdir(directory)) {
        entries = mem_grow_array(entries, *n, &capacity, sizeof *entries, BROWSE_FILES_MAX);
        *n += describe(models, folder, at->d_name, &entries[*n]);
    }
    if (*n) {
        qsort(entries, *n, sizeof *entries, by_kind_and_name);
    }
    return entries;
}

static json_t *list_folder(const struct models *models, const char *folder, DIR *directory) {
    size_t n;
    struct entry *entries = read_folder(models, folder, directory, &n);
    json_t *files = json_array();
    for (size_t i = 0; i < n; i++) {
        char *path = mem_format("%s/%s", folder, entries[i].name);
        json_t *file = json_pack("{s:s, s:s, s:b, s:I}", "name", entries[i].name, "path", path,
                                 "is_directory", entries[i].is_directory, "size",
                                 (json_int_t)(entries[i].is_directory ? 0 : entries[i].size_bytes));
        /* A name that is no UTF-8 cannot be said in JSON. */
        if (file) {
            json_array_append_new(files, file);
        }
        free(path);
        free(entries[i].name);
    }
    free(entries);
    return files;
}

void rest_browse_handle(struct api *api, struct net_conn *net) {
    const struct models *models = chat_models(api->chat);
    char given[PATH_MAX];
    char real[PATH_MAX];
    char parent[PATH_MAX];
    if (net_conn_query(net, "path", given, sizeof given) == NET_QUERY_TOO_LONG) {
        reply_error(net, 400, REPLY_LONG_PATH_TEXT);
        return;
    }
    if (!models_is_allowed(models, given[0] ? given : models_folder(models), real)) {
        reply_error(net, 403,
                    "only the model folders can be looked at: leave \"path\" away for the first of them");
        return;
    }
    DIR *directory = opendir(real);
    if (directory == NULL) {
        reply_error(net, 400, "\"path\" must be a folder that can be read");
        return;
    }
    char *above = mem_format("%s/..", real);
    bool has_parent = models_is_allowed(models, above, parent);
    free(above);
    reply_json(net, 200,
               json_pack("{s:o, s:s, s:s?}", "files", list_folder(models, real, directory), "current_path",
                         real, "parent_path", has_parent ? parent : NULL));
    closedir(directory);
}
