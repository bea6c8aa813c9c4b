/* ollama_files.c - [W103] Ollama's POST /api/copy and DELETE /api/delete: model files get a second name, and go. */
#include "api/ollama.h"
#include "api/openai_call.h"
#include "api/request.h"

static void done(struct net_conn *net) {
    reply_json(net, 200, json_object());
}

/* A name that is taken is as one of a model that is loaded: 409. */
static void refuse(struct net_conn *net, enum status status, const char *text) {
    reply_error(net, status == STATUS_CONFLICT ? 409 : reply_http_status(status), text);
}

static bool find(const struct api *api, struct net_conn *net, const char *name, char path[PATH_MAX]) {
    struct fault fault;
    enum status status = models_resolve(chat_models(api->chat), name, path, &fault);
    if (status) {
        reply_status(net, status == STATUS_UNAVAILABLE ? STATUS_NOT_FOUND : status, fault.text);
    }
    return status == STATUS_OK;
}

void ollama_copy_handle(struct api *api, struct net_conn *net) {
    json_t *body = request_body(net);
    struct openai_error error;
    char source[NAME_MAX + 1];
    char destination[NAME_MAX + 1];
    char path[PATH_MAX];
    struct fault fault;
    if (body == NULL) {
        return;
    }
    bool is_good = ollama_take_name(body, "source", source, &error) &&
                   ollama_take_name(body, "destination", destination, &error);
    json_decref(body);
    if (!is_good) {
        reply_error(net, error.status, error.text);
    } else if (find(api, net, source, path)) {
        enum status status = models_copy(chat_models(api->chat), path, destination, &fault);
        if (status) {
            refuse(net, status, fault.text);
        } else {
            done(net);
        }
    }
}

void ollama_delete_handle(struct api *api, struct net_conn *net) {
    json_t *body = request_body(net);
    struct openai_error error;
    char name[NAME_MAX + 1];
    char path[PATH_MAX];
    struct fault fault;
    if (body == NULL) {
        return;
    }
    bool is_good = ollama_take_model(api, body, name, &error);
    json_decref(body);
    if (!is_good) {
        reply_error(net, error.status, error.text);
    } else if (find(api, net, name, path)) {
        enum status status = chat_delete_model(api->chat, path, &fault);
        if (status) {
            refuse(net, status, fault.text);
        } else {
            done(net);
        }
    }
}
