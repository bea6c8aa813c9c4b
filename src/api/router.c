#include "api/api_internal.h"

#include <stdio.h>
#include <string.h>

typedef void (*handler)(struct api *api, struct net_conn *net);

#define GET    (1u << NET_GET)
#define POST   (1u << NET_POST)
#define DELETE (1u << NET_DELETE)

struct route {
    const char *path; /* ends in '/': whatever follows is the handler's to read */
    unsigned methods;
    handler handle;
    bool is_websocket;
    handler on_head; /* NULL: the body is collected first */
};

static const struct route routes[] = {
    { "/ws", GET, ws_native_handle, true, NULL },
    { "/ws/chat/stream", GET, ws_chat_handle, true, NULL },
    { "/ws/conversation/watch/", GET, ws_watch_handle, true, NULL },
    { "/api/chat", POST, rest_chat_handle, false, NULL },
    { "/api/chat/stream", GET | POST, rest_chat_stream_handle, false, NULL },
    { "/api/chat/continue", POST, rest_chat_continue_handle, false, NULL },
    { "/api/chat/cancel", POST, rest_chat_cancel_handle, false, NULL },
    { "/api/generations/", GET, rest_generations_handle, false, NULL },
    { "/api/conversations", GET, rest_conversations_handle, false, NULL },
    { "/api/conversations/", DELETE, rest_conversation_handle, false, NULL },
    { "/api/conversation/", GET | POST | DELETE, rest_conversation_handle, false, NULL },
    { "/api/config", GET | POST, rest_config_handle, false, NULL },
    { "/api/model/status", GET, rest_model_status_handle, false, NULL },
    { "/api/model/load", POST, rest_model_load_handle, false, NULL },
    { "/api/model/unload", POST, rest_model_unload_handle, false, NULL },
    { "/api/model/info", GET, rest_model_info_handle, false, NULL },
    { "/api/model/history", GET | POST, rest_model_history_handle, false, NULL },
    { "/api/browse", GET, rest_browse_handle, false, NULL },
    { "/api/upload", POST, rest_upload_handle, false, rest_upload_head },
    { "/api/system/usage", GET, rest_system_usage_handle, false, NULL },
    { "/api/backup", POST, rest_backup_handle, false, NULL },
    { "/api/logs/frontend", POST, rest_logs_handle, false, NULL },
    { "/health", GET, rest_health_handle, false, NULL },
    { "/v1/models", GET, openai_models_handle, false, NULL },
    { "/v1/models/", GET, openai_models_handle, false, NULL },
    { "/v1/chat/completions", POST, openai_chat_handle, false, NULL },
#ifdef RUNNEL_FAULTS
    { "/__echo", GET, ws_echo_handle, true, NULL },
#endif
};

static const struct route page_route = { "/", GET, static_files_handle, false, NULL };

bool router_is_page(const char *path) {
    static const char *const prefixes[] = { "/api", "/v1", "/ws", "/health", "/__echo" };
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t length = strlen(prefixes[i]);
        if (strncmp(path, prefixes[i], length) == 0 && (path[length] == '/' || path[length] == '\0')) {
            return false;
        }
    }
    return true;
}

static bool fits(const struct route *route, const char *path) {
    size_t length = strlen(route->path);
    return route->path[length - 1] == '/' ? strncmp(path, route->path, length) == 0
                                          : strcmp(path, route->path) == 0;
}

static const struct route *find(const char *path) {
    if (router_is_page(path)) {
        return &page_route;
    }
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (fits(&routes[i], path)) {
            return &routes[i];
        }
    }
    return NULL;
}

/* HEAD is asked of the same handlers as GET: the net leaves the body away. */
static bool allows(const struct route *route, enum net_method method) {
    return (route->methods & (1u << (method == NET_HEAD ? NET_GET : method))) != 0;
}

static void refuse_method(const struct route *route, struct net_conn *net) {
    char allow[48];
    snprintf(allow, sizeof allow, "%s%s%s", route->methods & GET ? ", GET, HEAD" : "",
             route->methods & POST ? ", POST" : "", route->methods & DELETE ? ", DELETE" : "");
    reply_not_allowed(net, allow + 2);
}

void router_on_head(void *ctx, struct net_conn *net) {
    struct api *api = ctx;
    if (!doors_check(api, net)) {
        return;
    }
    const struct route *route = find(net_conn_path(net));
    if (route == NULL || (net_conn_is_websocket(net) && !route->is_websocket)) {
        reply_error(net, 404, REPLY_NOT_FOUND_TEXT);
    } else if (!allows(route, net_conn_method(net))) {
        refuse_method(route, net);
    } else if (route->is_websocket && !net_conn_is_websocket(net)) {
        reply_error(net, 400, "this address is a WebSocket: connect to it with ws://");
    } else if (route->is_websocket) {
        route->handle(api, net);
    } else if (route->on_head) {
        route->on_head(api, net);
    }
}

void router_on_request(void *ctx, struct net_conn *net) {
    find(net_conn_path(net))->handle(ctx, net);
}
