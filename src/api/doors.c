/* doors.c - who may come in: [W3] to [W6] of docs/protocol.md, in that order. */
#include "api/api_internal.h"

#include <string.h>
#include <strings.h>

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
    /* Ollama's examples for curl say no type. A page of another origin does not come this far [W4]. */
    bool is_any_type = net_conn_tag(net) == API_DOOR_OLLAMA && !is_upload;
    if (is_any_type) {
        return true;
    }
    if (net_conn_method(net) == NET_POST && needs_type && !doors_is_content_type(type, wanted)) {
        reply_error(net, 415,
                    is_upload ? "the file must be sent as multipart/form-data"
                              : "send the body as JSON, with the header Content-Type: application/json");
        return false;
    }
    return true;
}

bool doors_check(struct api *api, struct net_conn *net, enum scope needed) {
    if (!doors_host_is_good(api, net)) {
        reply_error(net, 421, "this server does not answer to that name: start it with --allow-host NAME");
        return false;
    }
    if (!doors_origin_is_good(api, net)) {
        reply_error(net, 403,
                    "pages of another origin may not use this server: start it with --allow-origin ORIGIN");
        return false;
    }
    return gate_check(api, net, needed) && body_check(net);
}
