#include "api/model_list.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* The files' answers come whatever happens to the connection: the last of all to end frees it. */
struct listing {
    struct api_conn conn;
    size_t n_asked;
    bool is_closed;
};

/* ---- One model ---- */

static json_t *copy_or_null(const json_t *info, const char *key) {
    json_t *value = json_object_get(info, key);
    return value ? json_incref(value) : json_null();
}

static const char *state_of(const struct engine *engine) {
    if (engine == NULL || engine_state(engine) == ENGINE_STOPPED) {
        return "none";
    }
    return engine_state(engine) == ENGINE_READY    ? "ready"
           : engine_state(engine) == ENGINE_FAILED ? "failed"
                                                   : "loading";
}

static json_t *encode_memory(const struct models *models, const char *path, const json_t *info) {
    const json_t *memory = json_object_get(info, "memory");
    json_int_t token_bytes = json_integer_value(json_object_get(memory, "token_bytes"));
    int64_t context_size = models_context_size(models, info);
    uint64_t needs = models_need_bytes(models, path);
    uint64_t has = models_budget_bytes(models);
    json_t *out =
        json_pack("{s:o, s:I, s:I, s:b}", "weights", copy_or_null(memory, "weights_bytes"), "context_size",
                  (json_int_t)context_size, "needs", (json_int_t)needs, "fits", needs <= has);
    json_object_set_new(out, "kv", memory ? json_integer(token_bytes * context_size) : json_null());
    json_object_set_new(out, "has", has == UINT64_MAX ? json_null() : json_integer((json_int_t)has));
    return out;
}

static void add_state(json_t *out, const struct models *models, const char *path) {
    const struct engine *engine = models_find_engine(models, path);
    const char *state = state_of(engine);
    json_object_set_new(out, "state", json_string(state));
    json_object_set_new(out, "loaded", json_boolean(strcmp(state, "ready") == 0));
    json_object_set_new(out, "progress", json_real(engine ? engine_load_progress(engine) : 0));
    json_object_set_new(out, "pinned", json_boolean(models_is_pinned(models, path)));
    if (strcmp(state, "failed") == 0) {
        json_object_set_new(out, "error", json_string(engine_fault_text(engine)));
    }
}

/* NULL: a name that is no UTF-8 cannot be said in JSON. */
static json_t *encode(const struct models *models, const struct model_file *file, const char *chosen) {
    static const char *const told[] = { "architecture", "parameters", "file_type", "context_length" };
    const json_t *info = models_known(models, file->path);
    json_t *out =
        json_pack("{s:s, s:s, s:I, s:b}", "path", file->path, "name", file->id, "size",
                  (json_int_t)models_file_bytes(file->path), "default", strcmp(file->path, chosen) == 0);
    for (size_t i = 0; out && i < sizeof told / sizeof told[0]; i++) {
        json_object_set_new(out, told[i], copy_or_null(info, told[i]));
    }
    if (out) {
        json_object_set_new(out, "error", copy_or_null(info, "error"));
        json_object_set_new(out, "memory", encode_memory(models, file->path, info));
        add_state(out, models, file->path);
    }
    return out;
}

/* ---- All of them ---- */

static void reply(struct listing *listing) {
    const struct models *models = chat_models(listing->conn.api->chat);
    char chosen[PATH_MAX] = "";
    size_t n;
    struct model_file *files = models_list(models, &n);
    json_t *list = json_array();
    if (models_resolve(models, NULL, chosen, NULL) != STATUS_OK) {
        chosen[0] = '\0';
    }
    for (size_t i = 0; i < n; i++) {
        json_t *model = models_is_later_part(files[i].path) ? NULL : encode(models, &files[i], chosen);
        if (model) {
            json_array_append_new(list, model);
        }
    }
    free(files);
    reply_json(listing->conn.net, 200,
               json_pack("{s:o, s:o}", "models", list, "folders", models_folders(models)));
}

static void on_inspected(void *ctx, enum status status, const json_t *info, const char *text) {
    struct listing *listing = ctx;
    (void)status;
    (void)info;
    (void)text;
    listing->n_asked--;
    if (listing->n_asked == 0 && listing->is_closed) {
        free(listing);
    } else if (listing->n_asked == 0) {
        reply(listing);
    }
}

static void on_close(struct api_conn *conn) {
    struct listing *listing = (struct listing *)conn;
    listing->is_closed = true;
    if (listing->n_asked == 0) {
        free(listing);
    }
}

static void ask(struct listing *listing, struct models *models) {
    size_t n;
    struct model_file *files = models_list(models, &n);
    for (size_t i = 0; i < n; i++) {
        bool is_known = models_is_later_part(files[i].path) || models_known(models, files[i].path);
        if (!is_known && models_inspect(models, files[i].path, on_inspected, listing) == STATUS_OK) {
            listing->n_asked++;
        }
    }
    free(files);
}

void model_list_reply(struct api *api, struct net_conn *net) {
    static const struct api_conn_ops ops = { .on_close = on_close };
    struct listing *listing = mem_alloc(sizeof *listing);
    api_conn_attach(&listing->conn, &ops, api, net);
    ask(listing, chat_models(api->chat));
    if (listing->n_asked == 0) {
        reply(listing);
    }
}
