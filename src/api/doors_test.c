/* The doors alone: the net is a struct that the test fills in. */
#include "api/api_internal.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct net_conn {
    enum net_method method;
    const char *path;
    const char *query_token;
    const char *headers[NET_HEADER_COUNT];
    bool is_websocket;
    bool has_body;
    int status; /* of the answer; 0: none */
};

bool net_conn_has_body(const struct net_conn *conn) {
    return conn->has_body;
}

uint64_t net_conn_body_announced(const struct net_conn *conn) {
    (void)conn;
    return 0;
}

enum net_method net_conn_method(const struct net_conn *conn) {
    return conn->method;
}

const char *net_conn_path(const struct net_conn *conn) {
    return conn->path;
}

bool net_conn_is_websocket(const struct net_conn *conn) {
    return conn->is_websocket;
}

const char *net_conn_header(const struct net_conn *conn, enum net_header header) {
    return conn->headers[header] ? conn->headers[header] : "";
}

enum net_query net_conn_query(const struct net_conn *conn, const char *name, char *out, size_t out_bytes) {
    assert_string_equal(name, "token");
    out[0] = '\0';
    if (conn->query_token == NULL) {
        return NET_QUERY_ABSENT;
    }
    if (strlen(conn->query_token) >= out_bytes) {
        return NET_QUERY_TOO_LONG;
    }
    memcpy(out, conn->query_token, strlen(conn->query_token) + 1);
    return NET_QUERY_FOUND;
}

bool chat_is_stopping(const struct chat *chat) {
    (void)chat;
    return false;
}

bool net_conn_is_answered(const struct net_conn *conn) {
    return conn->status != 0;
}

const char *net_conn_body(const struct net_conn *conn, size_t *n_bytes) {
    (void)conn;
    *n_bytes = 0;
    return "";
}

void net_reply(struct net_conn *conn, const struct net_reply *reply) {
    assert_int_equal(conn->status, 0);
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

bool router_is_page(const char *path) {
    return strncmp(path, "/api/", 5) != 0 && strncmp(path, "/ws", 3) != 0;
}

static struct api *api_of(void **state) {
    return *state;
}

static int set_up(void **state) {
    static struct api api;
    api = (struct api){
        .options = { .allow_hosts = { "runnel.lan" }, .allow_origins = { "http://dev.lan:4000" } },
    };
    *state = &api;
    return 0;
}

/* The status of the answer; 0: it may come in. */
static int knock(struct api *api, struct net_conn conn) {
    conn.path = conn.path ? conn.path : "/api/config";
    conn.headers[NET_HEADER_HOST] =
        conn.headers[NET_HEADER_HOST] ? conn.headers[NET_HEADER_HOST] : "localhost:8000";
    bool came_in = doors_check(api, &conn);
    assert_int_equal(came_in, conn.status == 0);
    return conn.status;
}

static int knock_host(struct api *api, const char *host) {
    return knock(api, (struct net_conn){ .headers = { [NET_HEADER_HOST] = host } });
}

static int knock_origin(struct api *api, const char *host, const char *origin) {
    return knock(api,
                 (struct net_conn){ .headers = { [NET_HEADER_HOST] = host, [NET_HEADER_ORIGIN] = origin } });
}

static void test_host_is_a_loopback_name_with_the_port_or_an_allowed_one(void **state) {
    struct api *api = api_of(state);
    const char *good[] = { "localhost:8000",  "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000",
                           "runnel.lan:8000", "Runnel.lan",     "runnel.lan:443" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(knock_host(api, good[i]), 0);
    }
    const char *bad[] = { "",
                          "localhost",
                          "localhost:8001",
                          "localhost:80000",
                          "localhost:8000x",
                          "localhost:8000:8000",
                          "localhost:",
                          "localhost.:8000",
                          "evil.example:8000",
                          "127.0.0.2:8000",
                          "[::1:8000",
                          "[::1]x8000",
                          ":8000",
                          "localhost:8000, evil.example",
                          "runnel.lan.evil.example" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(knock_host(api, bad[i]), 421);
    }
}

static void test_origin_is_the_servers_own_or_an_allowed_one(void **state) {
    struct api *api = api_of(state);
    assert_int_equal(knock_origin(api, "localhost:8000", "http://localhost:8000"), 0);
    assert_int_equal(knock_origin(api, "localhost:8000", "http://127.0.0.1:8000"), 0);
    assert_int_equal(knock_origin(api, "localhost:8000", "http://dev.lan:4000"), 0);
    assert_int_equal(knock_origin(api, "runnel.lan", "https://runnel.lan"), 0);
    const char *bad[] = { "null",
                          "http://localhost",
                          "http://localhost:8001",
                          "https://localhost:8000",
                          "http://evil.example",
                          "http://localhost:8000.evil.example",
                          "https://runnel.lan",
                          "http://localhost:8000/" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(knock_origin(api, "localhost:8000", bad[i]), 403);
    }
    assert_int_equal(knock_origin(api, "runnel.lan", "https://other.lan"), 403);
}

static void test_a_token_is_asked_for_everywhere_but_for_health_and_the_page(void **state) {
    struct api *api = api_of(state);
    api->options.token = "secret";
    struct net_conn none = { .path = "/api/config" };
    assert_int_equal(knock(api, none), 401);
    assert_int_equal(knock(api, (struct net_conn){ .path = "/health" }), 0);
    assert_int_equal(knock(api, (struct net_conn){ .path = "/assets/x.js" }), 0);
    struct net_conn with = none;
    with.headers[NET_HEADER_AUTHORIZATION] = "bearer secret";
    assert_int_equal(knock(api, with), 0);
    const char *bad[] = { "Bearer secre",  "Bearer secrets", "Bearer ",
                          "Bearer Secret", "Basic secret",   "secret" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        with.headers[NET_HEADER_AUTHORIZATION] = bad[i];
        assert_int_equal(knock(api, with), 401);
    }
    struct net_conn key = none;
    key.headers[NET_HEADER_X_API_KEY] = "secret";
    assert_int_equal(knock(api, key), 0);
    struct net_conn query = { .path = "/api/config", .query_token = "secret" };
    assert_int_equal(knock(api, query), 401);
    query.path = "/ws/chat/stream";
    query.is_websocket = true;
    assert_int_equal(knock(api, query), 0);
    query.query_token = "wrong";
    assert_int_equal(knock(api, query), 401);
    query.query_token = NULL;
    assert_int_equal(knock(api, query), 401);
    /* /ws may bring it in its first frame, but a wrong one is refused at once. */
    query.path = "/ws";
    assert_int_equal(knock(api, query), 0);
    query.query_token = "wrong";
    assert_int_equal(knock(api, query), 401);
    char *endless = mem_alloc(5000);
    memset(endless, 'x', 4999);
    query.query_token = endless;
    assert_int_equal(knock(api, query), 401);
    free(endless);
}

static void test_a_body_is_plain_json_or_for_uploads_multipart(void **state) {
    struct api *api = api_of(state);
    struct net_conn post = { .method = NET_POST };
    assert_int_equal(knock(api, post), 0);
    post.has_body = true;
    assert_int_equal(knock(api, post), 415);
    const char *good[] = { "application/json", "Application/JSON; charset=utf-8",
                           "application/json;charset=utf-8" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        post.headers[NET_HEADER_CONTENT_TYPE] = good[i];
        assert_int_equal(knock(api, post), 0);
    }
    const char *bad[] = { "text/plain", "application/x-www-form-urlencoded", "application/jsonx",
                          "multipart/form-data" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        post.headers[NET_HEADER_CONTENT_TYPE] = bad[i];
        assert_int_equal(knock(api, post), 415);
    }
    struct net_conn upload = { .method = NET_POST, .path = "/api/upload" };
    assert_int_equal(knock(api, upload), 415);
    upload.headers[NET_HEADER_CONTENT_TYPE] = "multipart/form-data; boundary=x";
    assert_int_equal(knock(api, upload), 0);
    post.headers[NET_HEADER_CONTENT_TYPE] = "application/json";
    post.headers[NET_HEADER_CONTENT_ENCODING] = "gzip";
    assert_int_equal(knock(api, post), 415);
    post.headers[NET_HEADER_CONTENT_ENCODING] = "identity";
    assert_int_equal(knock(api, post), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_host_is_a_loopback_name_with_the_port_or_an_allowed_one, set_up),
        cmocka_unit_test_setup(test_origin_is_the_servers_own_or_an_allowed_one, set_up),
        cmocka_unit_test_setup(test_a_token_is_asked_for_everywhere_but_for_health_and_the_page, set_up),
        cmocka_unit_test_setup(test_a_body_is_plain_json_or_for_uploads_multipart, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
