/* openai_models.c - [O1] */
#include "api/api_internal.h"
#include "api/openai.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX "/v1/models/"

/* OpenAI's members and Anthropic's: both ask at this address. */
static json_t *encode(const struct model_file *file) {
    char created_at[CLOCK_ISO_BYTES];
    clock_format_iso(file->changed_s * 1000, created_at);
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s}", "id", file->id, "object", "model", "created",
                     (json_int_t)file->changed_s, "owned_by", "runnel", "type", "model", "display_name",
                     file->id, "created_at", created_at);
}

/* A file that is in two folders is the first one's: that is what its id means. */
static bool is_repeated(const struct model_file *files, size_t i) {
    return i > 0 && strcmp(files[i].id, files[i - 1].id) == 0;
}

static void reply_list(struct net_conn *net, const struct model_file *files, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *model = is_repeated(files, i) ? NULL : encode(&files[i]);
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

static void reply_one(struct net_conn *net, const struct model_file *files, size_t n, const char *id) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(files[i].id, id) == 0) {
            reply_json(net, 200, encode(&files[i]));
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
    struct model_file *files = models_list(chat_models(api->chat), &n);
    const char *path = net_conn_path(net);
    if (strncmp(path, PREFIX, sizeof PREFIX - 1) == 0) {
        reply_one(net, files, n, path + sizeof PREFIX - 1);
    } else {
        reply_list(net, files, n);
    }
    free(files);
}
