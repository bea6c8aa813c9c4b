/* The doors alone: the net is a struct that the test fills in. */
#include "access/key_file.h"
#include "api/api_internal.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct net_conn {
    enum net_method method;
    const char *path;
    const char *query_token;
    const char *headers[NET_HEADER_COUNT];
    bool is_websocket;
    bool has_body;
    int tag;
    uint64_t mark;
    int close_code;
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

const uint8_t *net_conn_peer(const struct net_conn *conn) {
    static const uint8_t peer[NET_PEER_BYTES] = { 0x20, 1 };
    (void)conn;
    return peer;
}

int net_conn_tag(const struct net_conn *conn) {
    return conn->tag;
}

void net_conn_set_mark(struct net_conn *conn, uint64_t mark) {
    conn->mark = mark;
}

uint64_t net_conn_mark(const struct net_conn *conn) {
    return conn->mark;
}

uint64_t net_conn_number(const struct net_conn *conn) {
    (void)conn;
    return 1;
}

void net_conn_close(struct net_conn *conn, enum net_close code, const char *reason) {
    (void)reason;
    conn->close_code = (int)code;
}

static struct net_conn *opened;
static size_t n_opened;

void net_each_conn(struct net *net, void (*visit)(void *ctx, struct net_conn *conn), void *ctx) {
    (void)net;
    for (size_t i = 0; i < n_opened; i++) {
        visit(ctx, &opened[i]);
    }
}

/* ---- The keys: each is called as its scope is, and its text is that too ---- */

static char folder[64];

static void put_keys(const char *const *names) {
    struct fault fault;
    struct key_file file = { 0 };
    for (; *names; names++) {
        struct key key = { .hash = secret_hash_of(*names) };
        snprintf(key.name, sizeof key.name, "%s", *names);
        assert_true(scope_parse(*names, &key.scope));
        key_file_add(&file, &key);
    }
    assert_int_equal(key_file_write(folder, &file, &fault), STATUS_OK);
    key_file_deinit(&file);
}

static struct access *open_access(const char *token) {
    struct fault fault;
    struct access *access;
    assert_int_equal(
        access_open(&(struct access_options){ .directory = folder, .token = token }, &access, &fault),
        STATUS_OK);
    return access;
}

static struct api *guarded(struct api *api) {
    put_keys((const char *[]){ "metrics", "read", "chat", "admin", NULL });
    access_close(api->access);
    api->access = open_access("secret");
    return api;
}

static struct api *api_of(void **state) {
    return *state;
}

static int set_up(void **state) {
    static struct api api;
    api = (struct api){
        .options = { .allow_hosts = { "runnel.lan" }, .allow_origins = { "http://dev.lan:4000" } },
    };
    snprintf(folder, sizeof folder, "/tmp/runnel-doors-XXXXXX");
    assert_non_null(mkdtemp(folder));
    api.access = open_access(NULL);
    *state = &api;
    return 0;
}

static int tear_down(void **state) {
    static const char *const names[] = { "keys.json", "sessions.json" };
    access_close(api_of(state)->access);
    for (size_t i = 0; i < 2; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

/* The status of the answer; 0: it may come in. */
static int knock(struct api *api, struct net_conn conn) {
    conn.path = conn.path ? conn.path : "/api/config";
    conn.headers[NET_HEADER_HOST] =
        conn.headers[NET_HEADER_HOST] ? conn.headers[NET_HEADER_HOST] : "localhost:8000";
    bool came_in = doors_check(api, &conn, SCOPE_ADMIN);
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

static int ask(struct api *api, enum scope needed, struct net_conn conn) {
    conn.path = conn.path ? conn.path : "/api/config";
    conn.headers[NET_HEADER_HOST] = "localhost:8000";
    bool came_in = doors_check(api, &conn, needed);
    assert_int_equal(came_in, conn.status == 0);
    assert_true(conn.mark == 0 || came_in);
    return conn.status;
}

/* [W5] */
static void test_a_key_is_asked_for_unless_everybody_may(void **state) {
    struct api *api = guarded(*state);
    struct net_conn none = { 0 };
    assert_int_equal(ask(api, SCOPE_METRICS, none), 401);
    assert_int_equal(ask(api, SCOPE_PUBLIC, none), 0);
    struct net_conn with = none;
    with.headers[NET_HEADER_AUTHORIZATION] = "bearer secret";
    assert_int_equal(ask(api, SCOPE_ADMIN, with), 0);
    const char *bad[] = { "Bearer secre",  "Bearer secrets", "Bearer ",
                          "Bearer Secret", "Basic secret",   "secret" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        with.headers[NET_HEADER_AUTHORIZATION] = bad[i];
        assert_int_equal(ask(api, SCOPE_METRICS, with), 401);
    }
    struct net_conn key = none;
    key.headers[NET_HEADER_X_API_KEY] = "secret";
    assert_int_equal(ask(api, SCOPE_ADMIN, key), 0);
    with.headers[NET_HEADER_AUTHORIZATION] = "Bearer wrong"; /* what was said first counts */
    with.headers[NET_HEADER_X_API_KEY] = "secret";
    assert_int_equal(ask(api, SCOPE_METRICS, with), 401);
    with.headers[NET_HEADER_AUTHORIZATION] = "Basic dXNlcg=="; /* a proxy's own */
    assert_int_equal(ask(api, SCOPE_METRICS, with), 0);
}

static void test_a_websocket_may_bring_its_key_in_the_query(void **state) {
    struct api *api = guarded(*state);
    struct net_conn query = { .query_token = "secret" };
    assert_int_equal(ask(api, SCOPE_READ, query), 401); /* it is no WebSocket */
    query.path = "/ws/chat/stream";
    query.is_websocket = true;
    assert_int_equal(ask(api, SCOPE_READ, query), 0);
    query.query_token = "wrong";
    assert_int_equal(ask(api, SCOPE_READ, query), 401);
    query.query_token = NULL;
    assert_int_equal(ask(api, SCOPE_READ, query), 401);
    /* /ws may bring it in its first frame, but a wrong one is refused at once. */
    query.path = "/ws";
    assert_int_equal(ask(api, SCOPE_READ, query), 0);
    query.query_token = "wrong";
    assert_int_equal(ask(api, SCOPE_READ, query), 401);
    char *endless = mem_alloc(5000);
    memset(endless, 'x', 4999);
    query.query_token = endless;
    assert_int_equal(ask(api, SCOPE_READ, query), 401);
    free(endless);
}

/* [W45] */
static void test_a_key_is_good_for_its_scope_and_no_more(void **state) {
    struct api *api = guarded(*state);
    for (int has = SCOPE_METRICS; has <= SCOPE_ADMIN; has++) {
        struct net_conn conn = { .headers = { [NET_HEADER_X_API_KEY] = scope_name((enum scope)has) } };
        for (int needed = SCOPE_PUBLIC; needed <= SCOPE_ADMIN; needed++) {
            assert_int_equal(ask(api, (enum scope)needed, conn), has >= needed ? 0 : 403);
        }
    }
}

/* [W46] */
static void test_a_cookie_is_as_good_as_its_key_where_none_was_said(void **state) {
    struct api *api = guarded(*state);
    char session[SECRET_HEX_BYTES];
    uint32_t wait_s;
    char cookie[256];
    assert_int_not_equal(access_sign_in(api->access, "chat", net_conn_peer(NULL), session, &wait_s),
                         ACCESS_NOBODY);
    struct net_conn conn = { .headers = { [NET_HEADER_COOKIE] = cookie } };
    const char *good[] = { "runnel_8000=%s", "a=b; runnel_8000=%s", "a=b;runnel_8000=%s; c=d" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(cookie, sizeof cookie, good[i], session);
        assert_int_equal(ask(api, SCOPE_CHAT, conn), 0);
        assert_int_equal(ask(api, SCOPE_ADMIN, conn), 403);
    }
    conn.headers[NET_HEADER_X_API_KEY] = "wrong";
    assert_int_equal(ask(api, SCOPE_CHAT, conn), 401);
    conn.headers[NET_HEADER_X_API_KEY] = NULL;
    const char *bad[] = { "runnel_8001=%s", "xrunnel_8000=%s", "runnel_8000=%sx", "runnel_8000 =%s",
                          "runnel_8000=; a=%s" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(cookie, sizeof cookie, bad[i], session);
        assert_int_equal(ask(api, SCOPE_METRICS, conn), 401);
    }
    conn.headers[NET_HEADER_COOKIE] = NULL; /* a cookie is no key, and a key no cookie */
    conn.headers[NET_HEADER_X_API_KEY] = session;
    assert_int_equal(ask(api, SCOPE_METRICS, conn), 401);
    conn.headers[NET_HEADER_X_API_KEY] = NULL;
    conn.headers[NET_HEADER_COOKIE] = "runnel_8000=chat";
    assert_int_equal(ask(api, SCOPE_METRICS, conn), 401);
}

static void test_the_users_own_programs_need_no_key(void **state) {
    struct api *api = guarded(*state);
    struct net_conn conn = { .tag = API_DOOR_OWNER, .headers = { [NET_HEADER_X_API_KEY] = "wrong" } };
    assert_int_equal(ask(api, SCOPE_ADMIN, conn), 0);
}

/* T10 */
static void test_what_a_key_has_opened_ends_with_it(void **state) {
    struct api *api = guarded(*state);
    char session[SECRET_HEX_BYTES];
    uint32_t wait_s;
    uint64_t number = access_sign_in(api->access, "chat", net_conn_peer(NULL), session, &wait_s);
    struct net_conn conns[] = { { .mark = access_by_key(api->access, "chat", net_conn_peer(NULL), &wait_s) },
                                { .mark = number },
                                { .mark =
                                      access_by_key(api->access, "secret", net_conn_peer(NULL), &wait_s) },
                                { .mark = ACCESS_NOBODY } };
    opened = conns;
    n_opened = 4;
    gate_refresh(api);
    assert_int_equal(conns[0].close_code, 0);
    put_keys((const char *[]){ "metrics", "read", "admin", NULL });
    gate_refresh(api);
    assert_int_equal(conns[0].close_code, NET_CLOSE_REVOKED);
    assert_int_equal(conns[1].close_code, NET_CLOSE_REVOKED);
    assert_int_equal(conns[2].close_code, 0);
    assert_int_equal(conns[3].close_code, 0);
    n_opened = 0;
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_host_is_a_loopback_name_with_the_port_or_an_allowed_one),
        TEST(test_origin_is_the_servers_own_or_an_allowed_one),
        TEST(test_a_key_is_asked_for_unless_everybody_may),
        TEST(test_a_websocket_may_bring_its_key_in_the_query),
        TEST(test_a_key_is_good_for_its_scope_and_no_more),
        TEST(test_a_cookie_is_as_good_as_its_key_where_none_was_said),
        TEST(test_the_users_own_programs_need_no_key),
        TEST(test_what_a_key_has_opened_ends_with_it),
        TEST(test_a_body_is_plain_json_or_for_uploads_multipart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
