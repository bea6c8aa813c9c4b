/* model_infos.c - what model files say about themselves, remembered as long as they do not change: a list of many models is read once. */
#include "base/file.h"
#include "base/mem.h"
#include "chat/models_internal.h"

#include <stdlib.h>
#include <string.h>

/* The callback comes whatever becomes of the models: inspector_free brings it at the latest. */
struct asking {
    struct models *models;
    struct file_stamp stamp; /* before the file was read */
    inspector_on_answer on_answer;
    void *ctx;
    char path[];
};

static json_t *encode(const struct file_stamp *stamp, json_t *info) {
    return json_pack("{s:I, s:I, s:I, s:o}", "inode", (json_int_t)stamp->inode, "size",
                     (json_int_t)stamp->size, "changed_ns", (json_int_t)stamp->changed_ns, "info", info);
}

static bool is_fresh(const json_t *entry, const struct file_stamp *now) {
    return json_integer_value(json_object_get(entry, "inode")) == (json_int_t)now->inode &&
           json_integer_value(json_object_get(entry, "size")) == (json_int_t)now->size &&
           json_integer_value(json_object_get(entry, "changed_ns")) == (json_int_t)now->changed_ns;
}

/* Those that are gone are forgotten when there are too many. A file whose reading failed for another reason than its bytes is asked again. */
static void remember(const struct asking *asking, enum status status, const json_t *info, const char *text) {
    json_t *infos = asking->models->infos;
    if (status && status != STATUS_CORRUPT) {
        return;
    }
    json_t *kept = status ? json_pack("{s:s}", "error", text) : json_deep_copy(info);
    json_object_del(kept, "chat_template");
    if (json_object_size(infos) >= MODELS_MAX) {
        json_object_clear(infos);
    }
    json_object_set_new(infos, asking->path, encode(&asking->stamp, kept));
}

static void on_answer(void *ctx, enum status status, const json_t *info, const char *text) {
    struct asking *asking = ctx;
    remember(asking, status, info, text);
    asking->on_answer(asking->ctx, status, info, text);
    free(asking);
}

enum status models_inspect(struct models *models, const char *path, inspector_on_answer callback, void *ctx) {
    size_t path_bytes = strlen(path) + 1;
    struct asking *asking = mem_alloc(sizeof *asking + path_bytes);
    *asking =
        (struct asking){ .models = models, .stamp = file_stamp_of(path), .on_answer = callback, .ctx = ctx };
    memcpy(asking->path, path, path_bytes);
    enum status status = inspector_ask(models->inspector, path, on_answer, asking);
    if (status) {
        free(asking);
    }
    return status;
}

const json_t *models_known(const struct models *models, const char *path) {
    const json_t *entry = json_object_get(models->infos, path);
    struct file_stamp now = file_stamp_of(path);
    return entry && is_fresh(entry, &now) ? json_object_get(entry, "info") : NULL;
}
