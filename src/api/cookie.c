/* cookie.c - the cookie of a browser that has signed in. [W46]
 *
 * Ports share cookies (RFC 6265 section 8.5), so the name has the port: two servers of one machine do not sign each other's users out. With
 * TLS the prefix __Host- keeps other names of the same domain from setting it.
 */
#include "api/api_internal.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define COOKIE_NAME_BYTES 40

static void make_name(const struct net_conn *net, char out[COOKIE_NAME_BYTES]) {
    snprintf(out, COOKIE_NAME_BYTES, "%srunnel_%u", net_conn_is_tls(net) ? "__Host-" : "",
             net_conn_port(net));
}

/* RFC 6265 section 4.2.1: name=value; name=value. The first of the name counts. */
bool cookie_take(const struct net_conn *net, char *out, size_t out_bytes) {
    char name[COOKIE_NAME_BYTES];
    make_name(net, name);
    size_t n_name = strlen(name);
    const char *at = net_conn_header(net, NET_HEADER_COOKIE);
    while (*at) {
        at += strspn(at, "; ");
        size_t n_pair = strcspn(at, ";");
        if (n_pair > n_name && strncmp(at, name, n_name) == 0 && at[n_name] == '=') {
            size_t n_value = n_pair - n_name - 1;
            snprintf(out, out_bytes, "%.*s", (int)(n_value < out_bytes ? n_value : 0), at + n_name + 1);
            return true;
        }
        at += n_pair;
    }
    return false;
}

char *cookie_header(const struct net_conn *net, const char *value, int64_t max_age_s) {
    char name[COOKIE_NAME_BYTES];
    make_name(net, name);
    return mem_format("Set-Cookie: %s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%lld%s\r\n", name, value,
                      (long long)max_age_s, net_conn_is_tls(net) ? "; Secure" : "");
}
