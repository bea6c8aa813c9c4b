#include "access/key_file.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define KEY_FILE_VERSION 1

bool key_name_is_good(const char *name) {
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    size_t length = strspn(name, good);
    return length > 0 && length < KEY_NAME_BYTES && name[length] == '\0';
}

struct key *key_file_find(const struct key_file *file, const char *name) {
    for (size_t i = 0; i < file->n_keys; i++) {
        if (strcmp(file->keys[i].name, name) == 0) {
            return &file->keys[i];
        }
    }
    return NULL;
}

void key_file_add(struct key_file *file, const struct key *key) {
    assert(file->n_keys < KEY_FILE_KEYS_MAX && key_file_find(file, key->name) == NULL);
    file->keys = mem_resize(file->keys, (file->n_keys + 1) * sizeof *file->keys);
    file->keys[file->n_keys++] = *key;
}

void key_file_remove(struct key_file *file, struct key *key) {
    *key = file->keys[--file->n_keys];
}

void key_file_deinit(struct key_file *file) {
    free(file->keys);
    *file = (struct key_file){ 0 };
}

static char *path_of(const char *directory) {
    return mem_format("%s/" KEY_FILE_NAME, directory);
}

/* ---- Reading ---- */

static enum status parse_key(const json_t *row, struct key *out, struct fault *fault) {
    const char *name = "";
    const char *hash = "";
    const char *scope = "";
    const char *rate = "";
    int64_t concurrent = 0;
    *out = (struct key){ 0 };
    enum status status = json_take_string(row, "name", &name, fault);
    status = status ? status : json_take_string(row, "hash", &hash, fault);
    status = status ? status : json_take_string(row, "scope", &scope, fault);
    status = status ? status : json_take_string(row, "rate", &rate, fault);
    status = status ? status : json_take_int(row, "created", 0, INT64_MAX, &out->created_s, fault);
    status = status ? status : json_take_int(row, "expires", 1, INT64_MAX, &out->expires_s, fault);
    status = status ? status : json_take_int(row, "concurrent", 0, KEY_CONCURRENT_MAX, &concurrent, fault);
    if (status) {
        return status;
    }
    if (!key_name_is_good(name) || !secret_parse_hash(hash, &out->hash) || !scope_parse(scope, &out->scope) ||
        (*rate && !rate_parse(rate, &out->rate))) {
        return fault_set(fault, STATUS_INVALID, "a key has a name, hash, scope or rate that is none");
    }
    snprintf(out->name, sizeof out->name, "%s", name);
    out->concurrent = (uint32_t)concurrent;
    return STATUS_OK;
}

static enum status parse_keys(const json_t *object, struct key_file *out, struct fault *fault) {
    const json_t *rows = json_object_get(object, "keys");
    if (json_integer_value(json_object_get(object, "version")) != KEY_FILE_VERSION || !json_is_array(rows) ||
        json_array_size(rows) > KEY_FILE_KEYS_MAX) {
        return fault_set(fault, STATUS_INVALID, "it is of another version, or no list of at most %d keys",
                         KEY_FILE_KEYS_MAX);
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        struct key key;
        enum status status = parse_key(json_array_get(rows, i), &key, fault);
        if (status) {
            return status;
        }
        if (key_file_find(out, key.name)) {
            return fault_set(fault, STATUS_INVALID, "two keys have the name %s", key.name);
        }
        key_file_add(out, &key);
    }
    return STATUS_OK;
}

static enum status parse(const char *path, const struct bytes *text, struct key_file *out,
                         struct fault *fault) {
    struct fault why;
    json_t *object = NULL;
    enum status status = json_parse_object(text->data ? text->data : "", text->size, &object, &why);
    if (status == STATUS_OK) {
        status = parse_keys(object, out, &why);
    }
    json_decref(object);
    return status ? fault_set(fault, STATUS_CORRUPT,
                              "%.150s cannot be used: %.100s: put a good copy in its place, or remove it and "
                              "make new keys",
                              path, why.text)
                  : STATUS_OK;
}

enum status key_file_read(const char *directory, struct key_file *out, struct fault *fault) {
    struct bytes text;
    *out = (struct key_file){ 0 };
    bytes_init(&text, KEY_FILE_BYTES_MAX);
    char *path = path_of(directory);
    enum status status = file_read(path, &text, fault);
    if (status == STATUS_OK) {
        status = parse(path, &text, out, fault);
        out->is_there = true;
    } else if (status == STATUS_NOT_FOUND) {
        status = STATUS_OK;
    }
    if (status) {
        key_file_deinit(out);
    }
    bytes_deinit(&text);
    free(path);
    return status;
}

/* ---- Writing ---- */

static json_t *key_json(const struct key *key) {
    char hash[SECRET_HEX_BYTES];
    char rate[RATE_TEXT_BYTES];
    secret_format_hash(&key->hash, hash);
    rate_format(&key->rate, rate);
    json_t *expires = key->expires_s ? json_integer(key->expires_s) : json_null();
    return json_pack("{s:s, s:s, s:s, s:I, s:o, s:s, s:I}", "name", key->name, "hash", hash, "scope",
                     scope_name(key->scope), "created", (json_int_t)key->created_s, "expires", expires,
                     "rate", rate, "concurrent", (json_int_t)key->concurrent);
}

enum status key_file_write(const char *directory, const struct key_file *file, struct fault *fault) {
    json_t *rows = json_array();
    for (size_t i = 0; i < file->n_keys; i++) {
        json_array_append_new(rows, key_json(&file->keys[i]));
    }
    json_t *object = json_pack("{s:i, s:o}", "version", KEY_FILE_VERSION, "keys", rows);
    char *text = json_text(object);
    char *path = path_of(directory);
    enum status status = file_replace(path, text, strlen(text), true, fault);
    json_decref(object);
    free(path);
    free(text);
    return status;
}

/* The folder itself is locked: the file is another one after each change. */
enum status key_file_lock(const char *directory, int *out, struct fault *fault) {
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX) != 0) {
        int error = errno;
        if (fd >= 0) {
            close(fd);
        }
        return fault_set(fault, STATUS_IO, "the folder %.200s cannot be used: %s", directory,
                         strerror(error));
    }
    *out = fd;
    return STATUS_OK;
}
