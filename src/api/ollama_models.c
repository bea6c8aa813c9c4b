/* ollama_models.c - [W87] which models there are, as Ollama's clients ask. */
#include "api/ollama.h"
#include "api/openai_call.h"
#include "api/request.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_BYTES 65
/* Ollama's clients want a time also of a model that stays: a hundred years are "forever" to them. */
#define FOREVER_MS 3155760000000

/* 64 hex digits that name this version of the file: its name, size and time. Clients show and compare them. */
static void make_digest(const struct model_file *file, char out[DIGEST_BYTES]) {
    char *text = mem_format("%s:%llu:%lld", file->id, (unsigned long long)file->size_bytes,
                            (long long)file->changed_s);
    for (unsigned part = 0; part < 4; part++) {
        uint64_t hash = 14695981039346656037u + part;
        for (const char *at = text; *at; at++) {
            hash = (hash ^ (unsigned char)*at) * 1099511628211u;
        }
        snprintf(out + (size_t)part * 16, 17, "%016llx", (unsigned long long)hash);
    }
    free(text);
}

static json_t *details(void) {
    return json_pack("{s:s, s:s, s:s, s:[], s:s, s:s}", "parent_model", "", "format", "gguf", "family", "",
                     "families", "parameter_size", "", "quantization_level", "");
}

static json_t *encode(const struct model_file *file) {
    char digest[DIGEST_BYTES];
    char changed[CLOCK_ISO_BYTES];
    make_digest(file, digest);
    clock_format_iso(file->changed_s * 1000, changed);
    return json_pack("{s:s, s:s, s:s, s:I, s:s, s:o}", "name", file->id, "model", file->id, "modified_at",
                     changed, "size", (json_int_t)file->size_bytes, "digest", digest, "details", details());
}

static bool is_repeated(const struct model_file *files, size_t i) {
    return i > 0 && strcmp(files[i].id, files[i - 1].id) == 0;
}

void ollama_tags_handle(struct api *api, struct net_conn *net) {
    size_t n;
    struct model_file *files = models_list(chat_models(api->chat), &n);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *model = is_repeated(files, i) ? NULL : encode(&files[i]);
        if (model) {
            json_array_append_new(list, model); /* a name that is no UTF-8 cannot be said in JSON */
        }
    }
    free(files);
    reply_json(net, 200, json_pack("{s:o}", "models", list));
}

static void add_loaded(json_t *list, const struct api *api, const struct model_file *file) {
    struct engine *engine = models_find_engine(chat_models(api->chat), file->path);
    json_t *model = engine && engine_state(engine) == ENGINE_READY ? encode(file) : NULL;
    if (model) {
        char expires[CLOCK_ISO_BYTES];
        int64_t left_ms = models_idle_left_ms(chat_models(api->chat), engine);
        clock_format_iso(clock_wall_ms() + (left_ms < 0 ? FOREVER_MS : left_ms), expires);
        json_object_set_new(model, "expires_at", json_string(expires));
        json_object_set_new(model, "size", json_integer((json_int_t)engine_memory_bytes(engine)));
        json_object_set_new(model, "size_vram", json_integer(0));
        json_object_set_new(model, "context_length", json_integer(engine_context_size(engine)));
        json_array_append_new(list, model);
    }
}

void ollama_ps_handle(struct api *api, struct net_conn *net) {
    size_t n;
    struct model_file *files = models_list(chat_models(api->chat), &n);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        add_loaded(list, api, &files[i]);
    }
    free(files);
    reply_json(net, 200, json_pack("{s:o}", "models", list));
}

void ollama_version_handle(struct api *api, struct net_conn *net) {
    reply_json(net, 200, json_pack("{s:s}", "version", api->options.version));
}

/* ---- show ---- */

/* The file's answer comes whatever happens to the connection: the second of the two to end frees it. */
struct showing {
    struct api_conn conn;
    bool is_closed;
    bool is_answered;
};

static void on_close(struct api_conn *conn) {
    struct showing *self = (struct showing *)conn;
    self->is_closed = true;
    if (self->is_answered) {
        free(self);
    }
}

static void set_info(json_t *out, const char *prefix, const char *key, const json_t *value) {
    if (value && !json_is_null(value)) {
        char *name = mem_format("%s.%s", prefix, key);
        json_object_set(out, name, (json_t *)value);
        free(name);
    }
}

static json_t *show(const json_t *info) {
    static const char *const own[] = { "context_length", "block_count", "embedding_length", "vocab_size" };
    const char *architecture = json_get_text(info, "architecture", "unknown");
    const char *template = json_get_text(info, "chat_template", "");
    json_t *model_info = json_pack("{s:s}", "general.architecture", architecture);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        set_info(model_info, architecture, own[i], json_object_get(info, own[i]));
    }
    set_info(model_info, "general", "parameter_count", json_object_get(info, "parameters"));
    set_info(model_info, "general", "file_type", json_object_get(info, "file_type"));
    set_info(model_info, "tokenizer.ggml", "model", json_object_get(info, "tokenizer"));
    json_t *about = details();
    json_object_set_new(about, "family", json_string(architecture));
    json_object_set_new(about, "families", json_pack("[s]", architecture));
    json_object_set_new(about, "quantization_level", json_string(json_get_text(info, "file_type", "")));
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:[s, s]}", "modelfile", "", "parameters", "", "template",
                     template, "details", about, "model_info", model_info, "capabilities", "completion",
                     "tools");
}

static void on_inspected(void *ctx, enum status status, const json_t *info, const char *text) {
    struct showing *self = ctx;
    self->is_answered = true;
    if (self->is_closed) {
        free(self);
    } else if (status) {
        reply_status(self->conn.net, status == STATUS_CORRUPT ? STATUS_INVALID : status, text);
    } else {
        reply_json(self->conn.net, 200, show(info));
    }
}

void ollama_show_handle(struct api *api, struct net_conn *net) {
    static const struct api_conn_ops ops = { .on_close = on_close };
    json_t *body = request_body(net);
    struct openai_error error;
    char name[NAME_MAX + 1];
    char path[PATH_MAX];
    if (body == NULL) {
        return;
    }
    bool is_good = ollama_take_model(api, body, name, &error) && openai_call_resolve(api, name, path, &error);
    json_decref(body);
    if (!is_good) {
        reply_error(net, error.status, error.text);
        return;
    }
    struct showing *self = mem_alloc(sizeof *self);
    if (models_inspect(chat_models(api->chat), path, on_inspected, self)) {
        free(self);
        reply_error(net, 503, "many model files are being read already: try again in a moment");
        return;
    }
    api_conn_attach(&self->conn, &ops, api, net);
}
