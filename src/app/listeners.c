#include "app/listeners.h"

#include "api/api.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/tls.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum status listeners_prepare(const struct config *config, struct listeners *out, struct fault *fault) {
    *out = (struct listeners){ 0 };
    return config->tls_cert ? tls_open(config->tls_cert, config->tls_key, &out->tls, fault) : STATUS_OK;
}

static char *make_url(const struct listeners *listeners, const struct config *config, const struct net *net) {
    bool is_v6 = strchr(config->host, ':') != NULL;
    return mem_format(is_v6 ? "%s://[%s]:%u" : "%s://%s:%u", listeners->tls ? "https" : "http", config->host,
                      net_port(net));
}

/* The sub-commands may be started elsewhere. */
static char *absolute(const char *path) {
    char folder[PATH_MAX];
    return path[0] == '/' || getcwd(folder, sizeof folder) == NULL ? mem_copy_string(path)
                                                                   : mem_format("%s/%s", folder, path);
}

static enum status open_socket(struct listeners *listeners, const struct config *config, struct net *net,
                               struct fault *fault) {
    char *path =
        config->socket ? mem_copy_string(config->socket) : mem_format("%s/runnel.sock", config->data);
    enum status status = net_listen(net, &(struct net_options){ .path = path, .tag = API_DOOR_OWNER }, fault);
    if (status == STATUS_OK) {
        char *whole = absolute(path);
        free(listeners->control_url);
        listeners->control_url = mem_format("unix:%s", whole);
        free(whole);
    } else if (config->socket == NULL) {
        LOG_WARN("socket_missing", "error=\"%s\"", fault->text);
        status = STATUS_OK;
    }
    free(path);
    return status;
}

enum status listeners_open(struct listeners *listeners, const struct config *config, struct net *net,
                           struct fault *fault) {
    struct net_options options = {
        .host = config->host, .port = config->port, .tls = listeners->tls, .tag = API_DOOR_NET
    };
    enum status status = net_listen(net, &options, fault);
    if (status) {
        return status;
    }
    listeners->url = make_url(listeners, config, net);
    options.port = config->ollama;
    options.tag = API_DOOR_OLLAMA;
    status = config->ollama ? net_listen(net, &options, fault) : STATUS_OK;
    if (status) {
        return status;
    }
    listeners->control_url = mem_copy_string(listeners->url);
    return open_socket(listeners, config, net, fault);
}

void listeners_close(struct listeners *listeners) {
    tls_close(listeners->tls);
    free(listeners->url);
    free(listeners->control_url);
    *listeners = (struct listeners){ 0 };
}
