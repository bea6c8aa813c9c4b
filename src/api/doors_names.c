/* doors_names.c - the names that this server answers to, and the pages that may use it: [W3] and [W4] of docs/protocol.md.
 *
 * A page of another origin can make a browser send requests to this server, and a name of its own can be made to point here (DNS
 * rebinding). Host and Origin are what such a page cannot choose. An address in the place of a name is safe where it is the one that was
 * dialled: there is nothing to rebind.
 */
#include "api/api_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOST_NAME_BYTES 256
#define ORIGIN_BYTES    (HOST_NAME_BYTES + 16)
#define OWN_NAMES_MAX   4

/* The names of the server itself; the last is the address that was dialled. */
struct own_names {
    const char *names[OWN_NAMES_MAX];
    size_t n;
    char address[NET_ADDRESS_BYTES];
};

static void find_own_names(const struct net_conn *net, struct own_names *own) {
    *own = (struct own_names){ .names = { "localhost", "127.0.0.1", "[::1]" }, .n = 3 };
    if (net_conn_address(net, own->address)) {
        own->names[own->n++] = own->address;
    }
}

static unsigned default_port(const struct net_conn *net) {
    return net_conn_is_tls(net) ? 443 : 80;
}

/* Splits "name:port" or "[v6]:port". */
static bool split_host(const char *host, char name[HOST_NAME_BYTES], unsigned *port) {
    size_t length = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (length == 0 || length >= HOST_NAME_BYTES || length > strlen(host)) {
        return false;
    }
    memcpy(name, host, length);
    name[length] = '\0';
    if (host[length] == '\0') {
        return true;
    }
    const char *digits = host + length + 1;
    size_t n_digits = strspn(digits, "0123456789");
    *port = (unsigned)strtoul(digits, NULL, 10);
    return host[length] == ':' && n_digits >= 1 && n_digits <= 5 && digits[n_digits] == '\0';
}

/* Whoever comes by the Unix socket has dialled no port: any will do. */
static bool is_own_name(const struct net_conn *net, const char *name, unsigned port) {
    struct own_names own;
    find_own_names(net, &own);
    bool is_own = false;
    for (size_t i = 0; i < own.n; i++) {
        is_own = is_own || strcasecmp(name, own.names[i]) == 0;
    }
    return is_own && (port == net_conn_port(net) || net_conn_port(net) == 0);
}

/* A name of --allow-host may be reached through a proxy, whose port is its own. */
static bool is_extra_name(const struct api *api, const char *name) {
    for (size_t i = 0; i < API_NAMES_MAX && api->options.allow_hosts[i]; i++) {
        if (strcasecmp(name, api->options.allow_hosts[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool doors_host_is_good(const struct api *api, const struct net_conn *net) {
    char name[HOST_NAME_BYTES];
    unsigned port = default_port(net);
    return split_host(net_conn_header(net, NET_HEADER_HOST), name, &port) &&
           (is_own_name(net, name, port) || is_extra_name(api, name));
}

/* To the letter: scheme, name and port, which is left away where it is the scheme's own (RFC 6454 section 6.2). */
static bool is_own_origin(const struct net_conn *net, const char *origin) {
    struct own_names own;
    find_own_names(net, &own);
    unsigned port = net_conn_port(net);
    bool is_own = false;
    for (size_t i = 0; i < own.n; i++) {
        char text[ORIGIN_BYTES];
        snprintf(text, sizeof text, port == default_port(net) ? "%s://%s" : "%s://%s:%u",
                 net_conn_is_tls(net) ? "https" : "http", own.names[i], port);
        is_own = is_own || strcmp(origin, text) == 0;
    }
    return is_own;
}

/* `origin` is the scheme and the Host, which was looked at before. A proxy before this server may be the one that speaks TLS. */
static bool is_origin_of_host(const struct api *api, const struct net_conn *net, const char *origin) {
    const char *host = net_conn_header(net, NET_HEADER_HOST);
    char name[HOST_NAME_BYTES];
    unsigned port;
    if (!split_host(host, name, &port) || !is_extra_name(api, name)) {
        return false;
    }
    const char *rest = strncmp(origin, "https://", 8) == 0                           ? origin + 8
                       : strncmp(origin, "http://", 7) == 0 && !net_conn_is_tls(net) ? origin + 7
                                                                                     : NULL;
    return rest && strcasecmp(rest, host) == 0;
}

bool doors_origin_is_good(const struct api *api, const struct net_conn *net) {
    const char *origin = net_conn_header(net, NET_HEADER_ORIGIN);
    if (*origin == '\0') {
        return true;
    }
    for (size_t i = 0; i < API_NAMES_MAX && api->options.allow_origins[i]; i++) {
        if (strcmp(origin, api->options.allow_origins[i]) == 0) {
            return true;
        }
    }
    return is_own_origin(net, origin) || is_origin_of_host(api, net, origin);
}
