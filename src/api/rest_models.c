/* rest_models.c - [W21] [W22] [W23] [W66]: the models that answer, what is in their files, and those that did before. */
#include "api/api_internal.h"
#include "api/model_list.h"
#include "api/request.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void rest_model_status_handle(struct api *api, struct net_conn *net) {
    reply_json(net, 200, models_status(chat_models(api->chat)));
}

/* The file of "model_path", or the configured one. False: it has been answered; 400 outside the folders. */
static bool resolve(struct api *api, struct net_conn *net, const char *given, char path[PATH_MAX]) {
    struct fault fault;
    enum status status = models_resolve(chat_models(api->chat), given, path, &fault);
    if (status) {
        reply_error(net, status == STATUS_DENIED ? 400 : reply_http_status(status), fault.text);
    }
    return status == STATUS_OK;
}

/* ---- Loading ---- */

struct load {
    struct api_call call;
    struct api_watcher watcher;
    char path[PATH_MAX];
};

static void on_load_close(struct api_conn *conn) {
    struct load *load = (struct load *)conn;
    list_remove(&load->watcher.node);
    api_call_on_close(conn);
}

static void reply_loaded(struct load *load, int status, const char *message) {
    json_t *body = json_pack("{s:b, s:s, s:o}", "success", status == 200, "message", message, "status",
                             models_status(chat_models(load->call.conn.api->chat)));
    if (status != 200) {
        json_object_set_new(body, "error", json_string(message));
    }
    list_remove(&load->watcher.node);
    reply_json(load->call.conn.net, status, body);
}

static int failed_http_status(const char *code) {
    if (strcmp(code, "model_not_found") == 0) {
        return 404;
    }
    return strcmp(code, "model_corrupt") == 0 || strcmp(code, "bad_request") == 0 ? 400 : 503;
}

static void on_model_change(void *ctx) {
    struct load *load = ctx;
    const struct engine *engine = models_find_engine(chat_models(load->call.conn.api->chat), load->path);
    if (engine == NULL) {
        reply_loaded(load, 503, "the model was unloaded meanwhile: load it again if it is still wanted");
        return;
    }
    switch (engine_state(engine)) {
    case ENGINE_STARTING:
    case ENGINE_LOADING:
        return;
    case ENGINE_READY:
        reply_loaded(load, 200, "the model is loaded");
        return;
    case ENGINE_FAILED:
    case ENGINE_WAITING:
        reply_loaded(load, failed_http_status(engine_fault_code(engine)), engine_fault_text(engine));
        return;
    case ENGINE_STOPPED:
        reply_loaded(load, 503, "the model was unloaded meanwhile: load it again if it is still wanted");
    }
}

/* Most wrong files can be told without an engine. */
static bool is_model_file(const struct models *models, const char *path) {
    char magic[4] = { 0 };
    if (strcmp(models_suffix(models), ".gguf") != 0) {
        return true;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool is_gguf = fd < 0 || (read(fd, magic, sizeof magic) == sizeof magic && memcmp(magic, "GGUF", 4) == 0);
    if (fd >= 0) {
        close(fd);
    }
    return is_gguf;
}

static void begin_load(struct api *api, struct net_conn *net, const char *path) {
    static const struct api_conn_ops ops = { .on_close = on_load_close };
    struct models *models = chat_models(api->chat);
    struct fault fault;
    if (models_is_loading(models)) {
        reply_error(net, 409, "a model is being loaded: wait for it, or unload it");
        return;
    }
    if (!is_model_file(models, path)) {
        reply_status(net,
                     fault_set(&fault, STATUS_INVALID, "%.200s is no GGUF file: choose another",
                               models_file_name(path)),
                     fault.text);
        return;
    }
    enum status status = chat_load_model(api->chat, path, &fault);
    if (status) {
        reply_status(net, status, fault.text);
        return;
    }
    struct load *load = api_call_begin(sizeof *load, api, net);
    api_conn_attach(&load->call.conn, &ops, api, net);
    memcpy(load->path, path, strlen(path) + 1);
    load->watcher.on_change = on_model_change;
    load->watcher.ctx = load;
    list_append(&api->model_watchers, &load->watcher.node);
    on_model_change(load);
}

static void reply_unloaded(struct api *api, struct net_conn *net, const char *path) {
    bool was_there = chat_unload_model(api->chat, path);
    reply_json(net, 200,
               json_pack("{s:b, s:s, s:o}", "success", true, "message",
                         was_there ? "the model is unloaded" : "no model was loaded", "status",
                         models_status(chat_models(api->chat))));
}

/* The requests of [W66] name a model by "path", those of [W22] by "model_path". */
static enum status take_path(const json_t *body, const char **given, struct fault *fault) {
    *given = NULL;
    enum status status = json_take_string(body, "model_path", given, fault);
    return status || *given ? status : json_take_string(body, "path", given, fault);
}

static enum status need_path(const struct net_conn *net, const json_t *body, const char **given,
                             struct fault *fault) {
    bool is_plural = strncmp(net_conn_path(net), "/api/models", strlen("/api/models")) == 0;
    enum status status = take_path(body, given, fault);
    return status || *given ? status : request_missing(is_plural ? "path" : "model_path", fault);
}

/* The model that "model_path" names; without one the configured one, or all of them: `act` gets NULL. */
static void on_path(struct api *api, struct net_conn *net, bool takes_all,
                    void (*act)(struct api *api, struct net_conn *net, const char *path)) {
    json_t *body = request_body(net);
    const char *given = NULL;
    char path[PATH_MAX];
    struct fault fault;
    if (body == NULL) {
        return;
    }
    if (take_path(body, &given, &fault) != STATUS_OK) {
        reply_error(net, 400, fault.text);
    } else if (given == NULL && takes_all) {
        act(api, net, NULL);
    } else if (resolve(api, net, given, path)) {
        act(api, net, path);
    }
    json_decref(body);
}

void rest_model_load_handle(struct api *api, struct net_conn *net) {
    on_path(api, net, false, begin_load);
}

void rest_model_unload_handle(struct api *api, struct net_conn *net) {
    on_path(api, net, true, reply_unloaded);
}

void rest_model_pin_handle(struct api *api, struct net_conn *net) {
    json_t *body = request_body(net);
    const char *given;
    char path[PATH_MAX];
    bool is_pinned = true;
    struct fault fault;
    if (body == NULL) {
        return;
    }
    if (need_path(net, body, &given, &fault) != STATUS_OK ||
        json_take_bool(body, "pinned", &is_pinned, &fault) != STATUS_OK) {
        reply_error(net, 400, fault.text);
    } else if (resolve(api, net, given, path)) {
        struct models *models = chat_models(api->chat);
        enum status status = models_pin(models, path, is_pinned, &fault);
        if (status) {
            reply_status(net, status, fault.text);
        } else {
            reply_json(net, 200, json_pack("{s:b, s:o}", "success", true, "pinned", models_pins(models)));
        }
    }
    json_decref(body);
}

/* ---- Which one is meant, and deleting ---- */

/* One that must be named. */
static void on_named(struct api *api, struct net_conn *net,
                     void (*act)(struct api *api, struct net_conn *net, const char *path)) {
    json_t *body = request_body(net);
    const char *given;
    char path[PATH_MAX];
    struct fault fault;
    if (body == NULL) {
        return;
    }
    if (need_path(net, body, &given, &fault) != STATUS_OK) {
        reply_error(net, 400, fault.text);
    } else if (resolve(api, net, given, path)) {
        act(api, net, path);
    }
    json_decref(body);
}

static void make_default(struct api *api, struct net_conn *net, const char *path) {
    struct fault fault;
    json_t *choice = json_pack("{s:s}", "model_path", path);
    enum status status = chat_change_settings(api->chat, choice, &fault);
    json_decref(choice);
    if (status) {
        reply_status(net, status, fault.text);
    } else {
        reply_json(net, 200, json_pack("{s:b, s:s}", "success", true, "default", path));
    }
}

void rest_model_default_handle(struct api *api, struct net_conn *net) {
    on_named(api, net, make_default);
}

static void delete_model(struct api *api, struct net_conn *net, const char *path) {
    struct fault fault;
    enum status status = chat_delete_model(api->chat, path, &fault);
    if (status) {
        reply_status(net, status, fault.text);
    } else {
        reply_json(net, 200, json_pack("{s:b}", "success", true));
    }
}

void rest_models_handle(struct api *api, struct net_conn *net) {
    if (net_conn_method(net) == NET_DELETE) {
        on_named(api, net, delete_model);
    } else {
        model_list_reply(api, net);
    }
}

/* ---- Metadata ---- */

/* The engine's answer comes whatever happens to the connection: the second of the two to end frees it. */
struct inspection {
    struct api_conn conn;
    bool is_closed;
    bool is_answered;
};

static void on_inspect_close(struct api_conn *conn) {
    struct inspection *self = (struct inspection *)conn;
    self->is_closed = true;
    if (self->is_answered) {
        free(self);
    }
}

static void on_inspected(void *ctx, enum status status, const json_t *info, const char *error_text) {
    struct inspection *self = ctx;
    self->is_answered = true;
    if (self->is_closed) {
        free(self);
    } else if (status) {
        reply_error(self->conn.net,
                    status == STATUS_NOT_FOUND                            ? 404
                    : status == STATUS_IO || status == STATUS_UNAVAILABLE ? 503
                                                                          : 400,
                    error_text);
    } else {
        reply_json(self->conn.net, 200, json_deep_copy(info));
    }
}

void rest_model_info_handle(struct api *api, struct net_conn *net) {
    static const struct api_conn_ops ops = { .on_close = on_inspect_close };
    char given[PATH_MAX];
    char path[PATH_MAX];
    enum net_query found = net_conn_query(net, "model_path", given, sizeof given);
    if (found == NET_QUERY_ABSENT) {
        found = net_conn_query(net, "path", given, sizeof given);
    }
    if (found == NET_QUERY_TOO_LONG) {
        reply_error(net, 400, REPLY_LONG_PATH_TEXT);
        return;
    }
    if (!resolve(api, net, found == NET_QUERY_FOUND ? given : NULL, path)) {
        return;
    }
    struct inspection *self = mem_alloc(sizeof *self);
    if (models_inspect(chat_models(api->chat), path, on_inspected, self)) {
        free(self);
        reply_error(net, 503, "many model files are being read already: try again in a moment");
        return;
    }
    api_conn_attach(&self->conn, &ops, api, net);
}

/* ---- History ---- */

void rest_model_history_handle(struct api *api, struct net_conn *net) {
    struct models *models = chat_models(api->chat);
    if (net_conn_method(net) != NET_POST) {
        reply_json(net, 200, models_history(models));
        return;
    }
    json_t *body = request_body(net);
    const char *given;
    char path[PATH_MAX];
    struct fault fault;
    if (body == NULL) {
        return;
    }
    if (request_need_string(body, "model_path", &given, &fault) != STATUS_OK) {
        reply_error(net, 400, fault.text);
    } else if (resolve(api, net, given, path)) {
        models_remember(models, path);
        reply_json(net, 200, json_pack("{s:b}", "success", true));
    }
    json_decref(body);
}
