#include "inspect.h"

#include "backend.h"

#include <errno.h>
#include <gguf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum status inspect_check_file(const char *path, int64_t *size_bytes, struct engine_error *error) {
    struct stat info;
    char magic[4];
    if (stat(path, &info) != 0) {
        engine_error_set(error, ERROR_MODEL_NOT_FOUND, "cannot open %.240s: %s", path, strerror(errno));
        return STATUS_NOT_FOUND;
    }
    if (!S_ISREG(info.st_mode)) {
        engine_error_set(error, ERROR_MODEL_NOT_FOUND, "%.240s is not a file: give the path of a .gguf file",
                         path);
        return STATUS_NOT_FOUND;
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        engine_error_set(error, ERROR_MODEL_NOT_FOUND, "cannot open %.240s: %s", path, strerror(errno));
        return STATUS_NOT_FOUND;
    }
    size_t n_read = fread(magic, 1, sizeof magic, file);
    fclose(file);
    if (n_read != sizeof magic || memcmp(magic, GGUF_MAGIC, sizeof magic) != 0) {
        engine_error_set(error, ERROR_MODEL_CORRUPT, "%.240s is not a GGUF file", path);
        return STATUS_CORRUPT;
    }
    if (size_bytes) {
        *size_bytes = info.st_size;
    }
    return STATUS_OK;
}

static const char *find_text(const struct gguf_context *gguf, const char *key) {
    int64_t index = gguf_find_key(gguf, key);
    return index >= 0 && gguf_get_kv_type(gguf, index) == GGUF_TYPE_STRING ? gguf_get_val_str(gguf, index)
                                                                           : NULL;
}

static json_t *text_or_null(const char *text) {
    json_t *value = text ? json_string(text) : NULL; /* NULL too when it is no UTF-8 */
    return value ? value : json_null();
}

static json_t *number_or_null(const struct gguf_context *gguf, const char *key) {
    int64_t index = gguf_find_key(gguf, key);
    switch (index >= 0 ? gguf_get_kv_type(gguf, index) : GGUF_TYPE_COUNT) {
    case GGUF_TYPE_UINT8:
        return json_integer(gguf_get_val_u8(gguf, index));
    case GGUF_TYPE_UINT16:
        return json_integer(gguf_get_val_u16(gguf, index));
    case GGUF_TYPE_UINT32:
        return json_integer(gguf_get_val_u32(gguf, index));
    case GGUF_TYPE_INT32:
        return json_integer(gguf_get_val_i32(gguf, index));
    case GGUF_TYPE_UINT64:
        return json_integer((json_int_t)gguf_get_val_u64(gguf, index));
    case GGUF_TYPE_INT64:
        return json_integer(gguf_get_val_i64(gguf, index));
    default:
        return json_null();
    }
}

/* A number under the architecture's own prefix: "llama.block_count". */
static json_t *own_number(const struct gguf_context *gguf, const char *architecture, const char *name) {
    char key[160];
    snprintf(key, sizeof key, "%.80s.%s", architecture ? architecture : "", name);
    return number_or_null(gguf, key);
}

static int64_t count_parameters(const struct gguf_context *gguf) {
    int64_t n = 0;
    for (int64_t i = 0; i < gguf_get_n_tensors(gguf); i++) {
        const int64_t *ne = gguf_get_tensor_ne(gguf, i);
        n += ne[0] * ne[1] * ne[2] * ne[3];
    }
    return n;
}

static json_t *count_vocabulary(const struct gguf_context *gguf) {
    int64_t index = gguf_find_key(gguf, "tokenizer.ggml.tokens");
    bool is_array = index >= 0 && gguf_get_kv_type(gguf, index) == GGUF_TYPE_ARRAY;
    return is_array ? json_integer((json_int_t)gguf_get_arr_n(gguf, index)) : json_null();
}

static json_t *file_type(const struct gguf_context *gguf) {
    int64_t index = gguf_find_key(gguf, "general.file_type");
    if (index < 0 || gguf_get_kv_type(gguf, index) != GGUF_TYPE_UINT32) {
        return json_null();
    }
    return text_or_null(llama_ftype_name((enum llama_ftype)gguf_get_val_u32(gguf, index)));
}

static json_t *describe(const struct gguf_context *gguf, int64_t size_bytes) {
    const char *architecture = find_text(gguf, "general.architecture");
    json_t *info = json_object();
    json_object_set_new(info, "architecture", text_or_null(architecture));
    json_object_set_new(info, "name", text_or_null(find_text(gguf, "general.name")));
    json_object_set_new(info, "context_length", own_number(gguf, architecture, "context_length"));
    json_object_set_new(info, "block_count", own_number(gguf, architecture, "block_count"));
    json_object_set_new(info, "embedding_length", own_number(gguf, architecture, "embedding_length"));
    json_object_set_new(info, "file_type", file_type(gguf));
    json_object_set_new(info, "parameters", json_integer(count_parameters(gguf)));
    json_object_set_new(info, "size_bytes", json_integer(size_bytes));
    json_object_set_new(info, "tokenizer", text_or_null(find_text(gguf, "tokenizer.ggml.model")));
    json_object_set_new(info, "vocab_size", count_vocabulary(gguf));
    json_object_set_new(info, "chat_template", text_or_null(find_text(gguf, "tokenizer.chat_template")));
    return info;
}

enum status inspect_model(const char *path, json_t **out, struct engine_error *error) {
    int64_t size_bytes = 0;
    enum status status = inspect_check_file(path, &size_bytes, error);
    if (status) {
        return status;
    }
    struct gguf_context *gguf = gguf_init_from_file(path, (struct gguf_init_params){ .no_alloc = true });
    if (gguf == NULL) {
        engine_error_set(error, ERROR_MODEL_CORRUPT, "%.200s cannot be read: %.150s", path,
                         backend_last_error());
        return STATUS_CORRUPT;
    }
    *out = json_pack("{s:s, s:s, s:o}", "ev", "inspect", "model", path, "info", describe(gguf, size_bytes));
    gguf_free(gguf);
    return STATUS_OK;
}
