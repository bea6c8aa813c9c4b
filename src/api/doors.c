/* doors.c - who may come in: [W3] to [W6] of docs/protocol.md, in that order. */
#include "api/api_internal.h"

#include <string.h>
#include <strings.h>

bool doors_is_content_type(const char *header, const char *wanted) {
    size_t length = strcspn(header, "; \t");
    return length == strlen(wanted) && strncasecmp(header, wanted, length) == 0;
}

/* What a POST may be besides JSON. The handlers of these have a limit of their own. */
static const struct {
    const char *path;
    const char *types[4];
    const char *refusal;
} uploads[] = {
    { "/api/upload", { "multipart/form-data" }, "the file must be sent as multipart/form-data" },
    { "/api/attachments",
      { "multipart/form-data", "application/octet-stream" },
      "the file must be sent as multipart/form-data, or as application/octet-stream with ?name=" },
    { "/api/import",
      { "multipart/form-data", "application/json", "text/plain", "application/octet-stream" },
      "the file must be sent as multipart/form-data, or as application/json or text/plain" },
};

static int find_upload(const char *path) {
    for (size_t i = 0; i < sizeof uploads / sizeof uploads[0]; i++) {
        if (strcmp(path, uploads[i].path) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static bool type_is_good(const char *type, int upload) {
    if (upload < 0) {
        return doors_is_content_type(type, "application/json");
    }
    for (size_t i = 0; i < 4 && uploads[upload].types[i]; i++) {
        if (doors_is_content_type(type, uploads[upload].types[i])) {
            return true;
        }
    }
    return false;
}

static bool body_check(struct net_conn *net) {
    const char *encoding = net_conn_header(net, NET_HEADER_CONTENT_ENCODING);
    if (*encoding && strcasecmp(encoding, "identity") != 0) {
        reply_error(net, 415, "send the body uncompressed");
        return false;
    }
    const char *type = net_conn_header(net, NET_HEADER_CONTENT_TYPE);
    int upload = find_upload(net_conn_path(net));
    if (upload < 0 && net_conn_body_announced(net) > NET_BODY_BYTES_MAX) {
        reply_error(net, 413, "the body is too large: the limit is 1 MiB");
        return false;
    }
    /* An empty body needs no type. */
    bool needs_type = *type || upload >= 0 || net_conn_has_body(net);
    /* Ollama's examples for curl say no type. A page of another origin does not come this far [W4]. */
    if (net_conn_tag(net) == API_DOOR_OLLAMA && upload < 0) {
        return true;
    }
    if (net_conn_method(net) == NET_POST && needs_type && !type_is_good(type, upload)) {
        reply_error(net, 415,
                    upload >= 0 ? uploads[upload].refusal
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
