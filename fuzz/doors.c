/* Host and Origin [W3] [W4]: two lines. Who comes in named this server, and comes from a page of this server. */
#include "api/api_internal.h"

#include "fuzz.h"
#include <strings.h>

struct net_conn {
    const char *host;
    const char *origin;
    int status;
};

/* ---- The net that the doors ask ---- */

uint64_t net_conn_body_announced(const struct net_conn *conn) {
    (void)conn;
    return 0;
}

bool net_conn_has_body(const struct net_conn *conn) {
    (void)conn;
    return false;
}

int net_conn_tag(const struct net_conn *conn) {
    (void)conn;
    return 0;
}

enum net_method net_conn_method(const struct net_conn *conn) {
    (void)conn;
    return NET_GET;
}

const char *net_conn_path(const struct net_conn *conn) {
    (void)conn;
    return "/api/config";
}

const char *net_conn_header(const struct net_conn *conn, enum net_header header) {
    return header == NET_HEADER_HOST ? conn->host : header == NET_HEADER_ORIGIN ? conn->origin : "";
}

bool net_conn_is_answered(const struct net_conn *conn) {
    return conn->status != 0;
}

void net_reply(struct net_conn *conn, const struct net_reply *reply) {
    conn->status = reply->status;
}

uint16_t net_conn_port(const struct net_conn *conn) {
    (void)conn;
    return 8000;
}

bool net_conn_is_tls(const struct net_conn *conn) {
    (void)conn;
    return false;
}

bool net_conn_address(const struct net_conn *conn, char out[NET_ADDRESS_BYTES]) {
    (void)conn;
    (void)out;
    return false;
}

/* Who it is comes behind the doors. */
bool gate_check(struct api *api, struct net_conn *net, enum scope needed) {
    (void)api, (void)net, (void)needed;
    return true;
}

bool chat_is_stopping(const struct chat *chat) {
    (void)chat;
    return false;
}

/* ---- What is true of who came in, said in another way ---- */

static bool is_any(const char *text, const char *const *names) {
    for (; *names; names++) {
        if (strcasecmp(text, *names) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_allowed_host(const char *host) {
    size_t n = strlen("runnel.lan");
    if (strncasecmp(host, "runnel.lan", n) != 0) {
        return false;
    }
    size_t n_digits = host[n] == ':' ? strspn(host + n + 1, "0123456789") : 0;
    return host[n] == '\0' || (n_digits > 0 && host[n + 1 + n_digits] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static const char *const own_hosts[] = { "localhost:8000", "127.0.0.1:8000", "[::1]:8000", NULL };
    static const char *const own_origins[] = { "http://localhost:8000", "http://127.0.0.1:8000",
                                               "http://[::1]:8000", "http://dev.lan:4000", NULL };
    struct api api = {
        .options = { .allow_hosts = { "runnel.lan" }, .allow_origins = { "http://dev.lan:4000" } },
    };
    char *text = fuzz_string(data, n_bytes);
    char *end = strchr(text, '\n');
    if (end) {
        *end = '\0';
    }
    struct net_conn conn = { .host = text, .origin = end ? end + 1 : "" };
    bool came_in = doors_check(&api, &conn, SCOPE_READ);
    HOLDS(came_in == (conn.status == 0));
    if (came_in) {
        const char *rest = strstr(conn.origin, "://");
        bool is_same = rest && is_allowed_host(text) && strcasecmp(rest + 3, text) == 0;
        /* A port may be written with zeroes in front. */
        HOLDS(is_any(text, own_hosts) || is_allowed_host(text) || strstr(text, ":08000") ||
              strstr(text, ":008000"));
        HOLDS(*conn.origin == '\0' || is_any(conn.origin, own_origins) || is_same);
    }
    free(text);
    return 0;
}
