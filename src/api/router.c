#include "api/api_internal.h"

#include <stdio.h>
#include <string.h>

typedef void (*handler)(struct api *api, struct net_conn *net);

#define GET    (1u << NET_GET)
#define POST   (1u << NET_POST)
#define DELETE (1u << NET_DELETE)

#ifdef RUNNEL_FAULTS
static void router_list_handle(struct api *api, struct net_conn *net);
#endif

struct route {
    const char *path; /* ends in '/': whatever follows is the handler's to read */
    unsigned methods;
    handler handle;
    enum scope reads;   /* what GET needs [W45] */
    enum scope changes; /* what the other methods need */
    bool is_websocket;
    bool begins_answer; /* a POST does [W47] */
    handler on_head;    /* NULL: the body is collected first */
};

static const struct route routes[] = {
    { "/ws", GET, ws_native_handle, .reads = SCOPE_READ, .is_websocket = true },
    { "/ws/chat/stream", GET, ws_chat_handle, .reads = SCOPE_CHAT, .is_websocket = true },
    { "/ws/conversation/watch/", GET, ws_watch_handle, .reads = SCOPE_READ, .is_websocket = true },
    { "/api/chat", POST, rest_chat_handle, .changes = SCOPE_CHAT, .begins_answer = true },
    { "/api/chat/stream", GET | POST, rest_chat_stream_handle, .reads = SCOPE_READ, .changes = SCOPE_CHAT,
      .begins_answer = true },
    { "/api/chat/continue", POST, rest_chat_continue_handle, .changes = SCOPE_CHAT, .begins_answer = true },
    { "/api/chat/cancel", POST, rest_chat_cancel_handle, .changes = SCOPE_CHAT },
    { "/api/generations/", GET, rest_generations_handle, .reads = SCOPE_READ },
    { "/api/conversations", GET, rest_conversations_handle, .reads = SCOPE_READ },
    { "/api/conversations/bulk", POST, rest_bulk_handle, .changes = SCOPE_CHAT },
    { "/api/conversations/", POST | DELETE, rest_conversation_handle, .changes = SCOPE_CHAT },
    { "/api/conversation/", GET | POST | DELETE, rest_conversation_handle, .reads = SCOPE_READ,
      .changes = SCOPE_CHAT },
    { "/api/messages/", POST | DELETE, rest_messages_handle, .changes = SCOPE_CHAT },
    { "/api/folders", GET, rest_folders_handle, .reads = SCOPE_READ },
    { "/api/folders/rename", POST, rest_folders_rename_handle, .changes = SCOPE_CHAT },
    { "/api/search", GET, rest_search_handle, .reads = SCOPE_READ },
    { "/api/export", GET, rest_export_handle, .reads = SCOPE_READ },
    { "/api/import", POST, rest_import_handle, .changes = SCOPE_CHAT, .on_head = rest_import_head },
    { "/api/attachments", POST, rest_attachments_handle, .changes = SCOPE_CHAT,
      .on_head = rest_attachments_head },
    { "/api/attachments/", GET | POST, rest_attachment_handle, .reads = SCOPE_READ, .changes = SCOPE_CHAT },
    { "/api/config", GET | POST, rest_config_handle, .reads = SCOPE_READ, .changes = SCOPE_ADMIN },
    { "/api/models", GET | DELETE, rest_models_handle, .reads = SCOPE_READ, .changes = SCOPE_ADMIN },
    { "/api/models/load", POST, rest_model_load_handle, .changes = SCOPE_ADMIN },
    { "/api/models/unload", POST, rest_model_unload_handle, .changes = SCOPE_ADMIN },
    { "/api/models/pin", POST, rest_model_pin_handle, .changes = SCOPE_ADMIN },
    { "/api/models/default", POST, rest_model_default_handle, .changes = SCOPE_ADMIN },
    { "/api/model/status", GET, rest_model_status_handle, .reads = SCOPE_READ },
    { "/api/model/load", POST, rest_model_load_handle, .changes = SCOPE_ADMIN },
    { "/api/model/unload", POST, rest_model_unload_handle, .changes = SCOPE_ADMIN },
    { "/api/model/pin", POST, rest_model_pin_handle, .changes = SCOPE_ADMIN },
    { "/api/model/info", GET, rest_model_info_handle, .reads = SCOPE_READ },
    { "/api/model/history", GET | POST, rest_model_history_handle, .reads = SCOPE_READ,
      .changes = SCOPE_ADMIN },
    { "/api/browse", GET, rest_browse_handle, .reads = SCOPE_READ },
    { "/api/upload", POST, rest_upload_handle, .changes = SCOPE_ADMIN, .on_head = rest_upload_head },
    { "/api/system/usage", GET, rest_system_usage_handle, .reads = SCOPE_METRICS },
    { "/api/downloads", GET | POST, rest_downloads_handle, .reads = SCOPE_READ, .changes = SCOPE_ADMIN },
    { "/api/downloads/", POST, rest_download_handle, .changes = SCOPE_ADMIN },
    { "/api/stats", GET, rest_stats_handle, .reads = SCOPE_METRICS },
    { "/api/logs", GET, rest_log_lines_handle, .reads = SCOPE_ADMIN },
    { "/api/backup", POST, rest_backup_handle, .changes = SCOPE_ADMIN },
    { "/api/logs/frontend", POST, rest_logs_handle, .changes = SCOPE_READ },
    { "/api/login", GET | POST, rest_login_handle, .reads = SCOPE_PUBLIC, .changes = SCOPE_PUBLIC },
    { "/api/logout", POST, rest_logout_handle, .changes = SCOPE_PUBLIC },
    { "/health", GET, rest_health_handle, .reads = SCOPE_PUBLIC },
    { "/metrics", GET, rest_metrics_handle, .reads = SCOPE_METRICS },
    { "/v1/models", GET, openai_models_handle, .reads = SCOPE_READ },
    { "/v1/models/", GET, openai_models_handle, .reads = SCOPE_READ },
    { "/v1/completions", POST, openai_completions_handle, .changes = SCOPE_CHAT, .begins_answer = true },
    { "/tokenize", POST, llama_tokenize_handle, .changes = SCOPE_CHAT },
    { "/detokenize", POST, llama_detokenize_handle, .changes = SCOPE_CHAT },
    { "/apply-template", POST, llama_template_handle, .changes = SCOPE_CHAT },
    { "/completion", POST, llama_completion_handle, .changes = SCOPE_CHAT, .begins_answer = true },
    { "/completions", POST, llama_completion_handle, .changes = SCOPE_CHAT, .begins_answer = true },
    { "/v1/stream", GET | DELETE, llama_stream_handle, .reads = SCOPE_READ, .changes = SCOPE_CHAT },
    { "/v1/streams/lookup", POST, llama_lookup_handle, .changes = SCOPE_READ },
    { "/infill", POST, llama_infill_handle, .changes = SCOPE_CHAT, .begins_answer = true },
    { "/chat/completions", POST, openai_chat_handle, .changes = SCOPE_CHAT, .begins_answer = true },
    { "/models", GET, openai_models_handle, .reads = SCOPE_READ },
    { "/v1/health", GET, rest_health_handle, .reads = SCOPE_PUBLIC },
    { "/lora-adapters", GET | POST, llama_adapters_handle, .reads = SCOPE_READ, .changes = SCOPE_ADMIN },
    { "/props", GET | POST, llama_props_handle, .reads = SCOPE_READ, .changes = SCOPE_ADMIN },
    { "/slots", GET, llama_slots_handle, .reads = SCOPE_READ },
    { "/v1/embeddings", POST, openai_embeddings_handle, .changes = SCOPE_CHAT },
    { "/api/generate", POST, ollama_generate_handle, .changes = SCOPE_CHAT, .begins_answer = true },
    { "/api/tags", GET, ollama_tags_handle, .reads = SCOPE_READ },
    { "/api/ps", GET, ollama_ps_handle, .reads = SCOPE_READ },
    { "/api/show", POST, ollama_show_handle, .changes = SCOPE_READ },
    { "/api/version", GET, ollama_version_handle, .reads = SCOPE_READ },
    { "/api/embed", POST, ollama_embed_handle, .changes = SCOPE_CHAT },
    { "/api/embeddings", POST, ollama_embed_handle, .changes = SCOPE_CHAT },
    { "/api/pull", POST, ollama_pull_handle, .changes = SCOPE_ADMIN },
    { "/api/copy", POST, ollama_copy_handle, .changes = SCOPE_ADMIN },
    { "/api/delete", DELETE, ollama_delete_handle, .changes = SCOPE_ADMIN },
    { "/v1/messages", POST, anthropic_handle, .changes = SCOPE_CHAT, .begins_answer = true },
    { "/v1/messages/count_tokens", POST, anthropic_count_handle, .changes = SCOPE_CHAT },
    { "/v1/responses", POST, responses_handle, .changes = SCOPE_CHAT, .begins_answer = true },
    { "/v1/responses/", GET | POST | DELETE, responses_read_handle, .reads = SCOPE_READ,
      .changes = SCOPE_CHAT },
    { "/v1/chat/completions", POST, openai_chat_handle, .changes = SCOPE_CHAT, .begins_answer = true },
#ifdef RUNNEL_FAULTS
    { "/__echo", GET, ws_echo_handle, .reads = SCOPE_READ, .is_websocket = true },
    { "/__routes", GET, router_list_handle, .reads = SCOPE_PUBLIC },
#endif
};

static const struct route page_route = { "/", GET, static_files_handle, .reads = SCOPE_PUBLIC };

bool router_is_page(const char *path) {
    static const char *const prefixes[] = { "/api",
                                            "/v1",
                                            "/ws",
                                            "/health",
                                            "/metrics",
                                            "/props",
                                            "/slots",
                                            "/models",
                                            "/tokenize",
                                            "/detokenize",
                                            "/apply-template",
                                            "/completion",
                                            "/completions",
                                            "/infill",
                                            "/lora-adapters",
                                            "/chat/completions",
                                            "/__echo",
                                            "/__routes" };
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

/* Numbers: 0 what is not there, 1 the page, and then the table. */
enum { KIND_NOTHING, KIND_PAGE, KIND_FIRST };

static size_t number_of(const struct route *route) {
    return route == NULL          ? KIND_NOTHING
           : route == &page_route ? KIND_PAGE
                                  : KIND_FIRST + (size_t)(route - routes);
}

size_t router_n_kinds(void) {
    return KIND_FIRST + sizeof routes / sizeof routes[0];
}

const char *router_kind_name(size_t kind) {
    return kind == KIND_NOTHING ? "none"
           : kind == KIND_PAGE  ? page_route.path
                                : routes[kind - KIND_FIRST].path;
}

static void refuse_method(const struct route *route, struct net_conn *net) {
    char allow[48];
    snprintf(allow, sizeof allow, "%s%s%s", route->methods & GET ? ", GET, HEAD" : "",
             route->methods & POST ? ", POST" : "", route->methods & DELETE ? ", DELETE" : "");
    reply_not_allowed(net, allow + 2);
}

/* What is not there, or cannot be asked so, is told only to those who may come in at all. */
static enum scope scope_of(const struct route *route, enum net_method method) {
    if (route == NULL || !allows(route, method)) {
        return route == &page_route ? SCOPE_PUBLIC : SCOPE_METRICS;
    }
    return method == NET_GET || method == NET_HEAD ? route->reads : route->changes;
}

/* An event stream that is taken up again begins no answer. */
static bool limit_check(struct api *api, const struct route *route, struct net_conn *net) {
    bool begins = route->begins_answer && net_conn_method(net) == NET_POST &&
                  *net_conn_header(net, NET_HEADER_LAST_EVENT_ID) == '\0';
    uint32_t wait_s = 0;
    struct fault fault;
    if (begins && gate_begin_answer(api, net, &wait_s, &fault) != STATUS_OK) {
        reply_too_many(net, wait_s, fault.text);
        return false;
    }
    return true;
}

void router_on_head(void *ctx, struct net_conn *net) {
    struct api *api = ctx;
    const struct route *route = find(net_conn_path(net));
    net_conn_set_kind(net, number_of(route));
    if (!doors_check(api, net, scope_of(route, net_conn_method(net)))) {
        return;
    }
    if (route == NULL || (net_conn_is_websocket(net) && !route->is_websocket)) {
        reply_error(net, 404, REPLY_NOT_FOUND_TEXT);
    } else if (!allows(route, net_conn_method(net))) {
        refuse_method(route, net);
    } else if (route->is_websocket && !net_conn_is_websocket(net)) {
        reply_error(net, 400, "this address is a WebSocket: connect to it with ws://");
    } else if (!limit_check(api, route, net)) {
        return;
    } else if (route->is_websocket) {
        route->handle(api, net);
    } else if (route->on_head) {
        route->on_head(api, net);
    }
}

void router_on_request(void *ctx, struct net_conn *net) {
    find(net_conn_path(net))->handle(ctx, net);
}

#ifdef RUNNEL_FAULTS
/* The table itself, for the test that knocks at every door with every key. */
static void router_list_handle(struct api *api, struct net_conn *net) {
    static const struct {
        unsigned bit;
        const char *name;
    } methods[] = { { GET, "GET" }, { POST, "POST" }, { DELETE, "DELETE" } };
    json_t *list = json_array();
    (void)api;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
            if (routes[i].methods & methods[m].bit) {
                enum scope scope = methods[m].bit == GET ? routes[i].reads : routes[i].changes;
                json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b}", "path", routes[i].path,
                                                      "method", methods[m].name, "scope", scope_name(scope),
                                                      "websocket", routes[i].is_websocket));
            }
        }
    }
    reply_json(net, 200, json_pack("{s:o}", "routes", list));
}
#endif
