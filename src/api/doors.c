/* doors.c - who may come in: [W3] to [W6] of docs/protocol.md, in that order. */
#include "api/api_internal.h"

#include <string.h>
#include <strings.h>

bool doors_token_is_good(const struct api *api, const char *token) {
    const char *wanted = api->options.token;
    if (wanted == NULL) {
        return true;
    }
    /* Every byte is looked at, whatever the first difference is: time tells nothing. */
    size_t n_wanted = strlen(wanted);
    size_t n_given = strlen(token);
    unsigned difference = n_wanted != n_given;
    for (size_t i = 0; i < n_given; i++) {
        difference |= (unsigned char)(token[i] ^ wanted[i < n_wanted ? i : 0]);
    }
    return difference == 0;
}

#define TOKEN_BYTES 512

/* Copies the token that came with the request; false: none did. */
static bool take_token(const struct net_conn *net, char token[TOKEN_BYTES]) {
    const char *bearer = net_conn_header(net, NET_HEADER_AUTHORIZATION);
    const char *key = net_conn_header(net, NET_HEADER_X_API_KEY);
    const char *given = key;
    if (strncasecmp(bearer, "Bearer ", 7) == 0) {
        given = bearer + 7;
        given += strspn(given, " ");
    } else if (*key == '\0') {
        /* A browser cannot set headers of a WebSocket. One that is too long is a wrong one: "" is none that was set. */
        return net_conn_is_websocket(net) &&
               net_conn_query(net, "token", token, TOKEN_BYTES) != NET_QUERY_ABSENT;
    }
    size_t length = strnlen(given, TOKEN_BYTES - 1);
    memcpy(token, given, length);
    token[length] = '\0';
    return true;
}

bool doors_request_has_token(const struct api *api, const struct net_conn *net) {
    char token[TOKEN_BYTES];
    return api->options.token == NULL || (take_token(net, token) && doors_token_is_good(api, token));
}

static bool token_check(const struct api *api, struct net_conn *net) {
    const char *path = net_conn_path(net);
    if (strcmp(path, "/health") == 0 || router_is_page(path) || doors_request_has_token(api, net)) {
        return true;
    }
    char token[TOKEN_BYTES];
    /* The first frame of /ws may bring it. */
    if (net_conn_is_websocket(net) && strcmp(path, "/ws") == 0 && !take_token(net, token)) {
        return true;
    }
    reply_error(net, 401, "a token is needed: send the header Authorization: Bearer TOKEN");
    return false;
}

bool doors_is_content_type(const char *header, const char *wanted) {
    size_t length = strcspn(header, "; \t");
    return length == strlen(wanted) && strncasecmp(header, wanted, length) == 0;
}

static bool body_check(struct net_conn *net) {
    const char *encoding = net_conn_header(net, NET_HEADER_CONTENT_ENCODING);
    if (*encoding && strcasecmp(encoding, "identity") != 0) {
        reply_error(net, 415, "send the body uncompressed");
        return false;
    }
    const char *type = net_conn_header(net, NET_HEADER_CONTENT_TYPE);
    bool is_upload = strcmp(net_conn_path(net), "/api/upload") == 0;
    if (!is_upload && net_conn_body_announced(net) > NET_BODY_BYTES_MAX) {
        reply_error(net, 413, "the body is too large: the limit is 1 MiB");
        return false;
    }
    const char *wanted = is_upload ? "multipart/form-data" : "application/json";
    /* An empty body needs no type. */
    bool needs_type = *type || is_upload || net_conn_has_body(net);
    if (net_conn_method(net) == NET_POST && needs_type && !doors_is_content_type(type, wanted)) {
        reply_error(net, 415,
                    is_upload ? "the file must be sent as multipart/form-data"
                              : "send the body as JSON, with the header Content-Type: application/json");
        return false;
    }
    return true;
}

bool doors_check(struct api *api, struct net_conn *net) {
    if (!doors_host_is_good(api, net)) {
        reply_error(net, 421, "this server does not answer to that name: start it with --allow-host NAME");
        return false;
    }
    if (!doors_origin_is_good(api, net)) {
        reply_error(net, 403,
                    "pages of another origin may not use this server: start it with --allow-origin ORIGIN");
        return false;
    }
    return token_check(api, net) && body_check(net);
}
