#include "api/anthropic.h"

#include "api/api_internal.h"

#include <string.h>

#define PREFIX "/v1/messages"

bool anthropic_is_path(const char *path) {
    size_t length = sizeof PREFIX - 1;
    return strncmp(path, PREFIX, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static const char *type_of(int status) {
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 413:
        return "request_too_large";
    case 429:
        return "rate_limit_error";
    case 503:
        return "overloaded_error";
    default:
        return status >= 500 ? "api_error" : "invalid_request_error";
    }
}

json_t *anthropic_error_json(int status, const char *text) {
    return json_pack("{s:s, s:{s:s, s:s}}", "type", "error", "error", "type", type_of(status), "message",
                     text);
}

/* The path decides about the form. */
void anthropic_error_reply(struct net_conn *net, int status, const char *text) {
    reply_error(net, status, text);
}
