/* rest_config.c - [W20] */
#include "api/api_internal.h"
#include "api/request.h"

static void reply_config(struct api *api, struct net_conn *net) {
    json_t *config = settings_json(chat_settings(api->chat));
    json_object_set_new(config, "model_history", models_history(chat_models(api->chat)));
    reply_json(net, 200, config);
}

void rest_config_handle(struct api *api, struct net_conn *net) {
    if (net_conn_method(net) != NET_POST) {
        reply_config(api, net);
        return;
    }
    json_t *body = request_body(net);
    struct fault fault;
    enum status status = body ? chat_change_settings(api->chat, body, &fault) : STATUS_OK;
    if (status == STATUS_DENIED || status == STATUS_NOT_FOUND) {
        /* A model that cannot be used is a wrong value like any other. */
        reply_error(net, 400, fault.text);
    } else if (status) {
        reply_status(net, status, fault.text);
    } else if (body) {
        reply_config(api, net);
    }
    json_decref(body);
}
