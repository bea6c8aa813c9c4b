/* openai_models.c - [O1] */
#include "api/api_internal.h"
#include "api/openai.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX "/v1/models/"

static void take(json_t *meta, const char *name, const json_t *info, const char *key) {
    json_t *value = json_object_get(info, key);
    if (value && !json_is_null(value)) {
        json_object_set(meta, name, value);
    }
}

/* llama-server's: what the file, or the loaded model, is known to say. NULL: nothing yet. */
static json_t *meta_of(const struct models *models, const char *path) {
    const struct engine *engine = models_find_engine(models, path);
    bool is_ready = engine && engine_state(engine) == ENGINE_READY;
    const json_t *known = models_known(models, path);
    const json_t *loaded = is_ready ? engine_model_info(engine) : NULL;
    json_t *meta = json_object();
    take(meta, "n_ctx_train", known, "context_length");
    take(meta, "n_ctx_train", loaded, "context_train");
    take(meta, "n_embd", known, "embedding_length");
    for (int i = 0; i < 2; i++) {
        take(meta, "n_vocab", i ? loaded : known, "vocab_size");
        take(meta, "n_params", i ? loaded : known, "parameters");
        take(meta, "size", i ? loaded : known, "size_bytes");
    }
    if (is_ready) {
        json_object_set_new(meta, "n_ctx", json_integer((json_int_t)engine_context_size(engine)));
    }
    if (json_object_size(meta) == 0) {
        json_decref(meta);
        return NULL;
    }
    return meta;
}

/* OpenAI's members and Anthropic's: both ask at this address. */
static json_t *encode(const struct models *models, const struct model_file *file) {
    char created_at[CLOCK_ISO_BYTES];
    clock_format_iso(file->changed_s * 1000, created_at);
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:o*}", "id", file->id, "object", "model",
                     "created", (json_int_t)file->changed_s, "owned_by", "runnel", "type", "model",
                     "display_name", file->id, "created_at", created_at, "meta", meta_of(models, file->path));
}

/* A file that is in two folders is the first one's: that is what its id means. */
static bool is_repeated(const struct model_file *files, size_t i) {
    return i > 0 && strcmp(files[i].id, files[i - 1].id) == 0;
}

static void reply_list(struct net_conn *net, const struct models *models, const struct model_file *files,
                       size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *model = is_repeated(files, i) ? NULL : encode(models, &files[i]);
        /* A name that is no UTF-8 cannot be said in JSON. */
        if (model) {
            json_array_append_new(list, model);
        }
    }
    json_t *first = json_object_get(json_array_get(list, 0), "id");
    json_t *last = json_object_get(json_array_get(list, json_array_size(list) - 1), "id");
    reply_json(net, 200,
               json_pack("{s:s, s:o, s:b, s:O?, s:O?}", "object", "list", "data", list, "has_more", false,
                         "first_id", first, "last_id", last));
}

static void reply_one(struct net_conn *net, const struct models *models, const struct model_file *files,
                      size_t n, const char *id) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(files[i].id, id) == 0) {
            reply_json(net, 200, encode(models, &files[i]));
            return;
        }
    }
    struct openai_error error;
    openai_error_set(&error, 404, "model_not_found", "model",
                     "there is no model \"%.200s\": GET /v1/models lists those there are", id);
    openai_error_reply(net, &error);
}

void openai_models_handle(struct api *api, struct net_conn *net) {
    size_t n;
    const struct models *models = chat_models(api->chat);
    struct model_file *files = models_list(models, &n);
    const char *path = net_conn_path(net);
    if (strncmp(path, PREFIX, sizeof PREFIX - 1) == 0) {
        reply_one(net, models, files, n, path + sizeof PREFIX - 1);
    } else {
        reply_list(net, models, files, n);
    }
    free(files);
}
