#include "net/head.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum head_state parse(const char *text, struct head *head) {
    size_t n_seen = 0;
    return head_parse(text, strlen(text), &n_seen, head);
}

static void test_a_request_is_taken_apart(void **state) {
    (void)state;
    static const char text[] =
        "POST /a%2Fb/c?x=1&&y=%26+%3d&z%3D=2 HTTP/1.1\r\nHost: localhost:1\r\nACCEPT: a\r\n"
        "accept:\t b \r\nContent-Length: 12\r\nConnection: keep-alive, Close\r\n\r\nriver";
    struct head head;
    assert_int_equal(parse(text, &head), HEAD_GOOD);
    assert_string_equal(text + head.n_bytes, "river");
    assert_int_equal(head.method, NET_POST);
    assert_int_equal(head.n_body, 12);
    assert_true(head.closes);
    assert_false(head.is_chunked || head.is_http_1_0 || head.is_upgrade);
    char *path = head_path(&head);
    assert_string_equal(path, "/a/b/c");
    free(path);
    char *query = head_query(&head);
    assert_memory_equal(query, "x=1\0y=& =\0z_=2\0", 16);
    free(query);
    char *accept = head_field(&head, "accept");
    assert_string_equal(accept, "a, b");
    free(accept);
    assert_null(head_field(&head, "origin"));
}

/* However the bytes are cut, the verdict is the same. */
static void test_a_head_may_come_byte_by_byte(void **state) {
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    struct head head;
    size_t n_seen = 0;
    for (size_t n = 0; n < sizeof text - 1; n++) {
        assert_int_equal(head_parse(text, n, &n_seen, &head), HEAD_INCOMPLETE);
    }
    assert_int_equal(head_parse(text, sizeof text - 1, &n_seen, &head), HEAD_GOOD);
    assert_int_equal(head.n_bytes, sizeof text - 1);
}

#define LINE  "GET / HTTP/1.1\r\n"
#define HOST  LINE "Host: a\r\n"
#define POSTS "POST / HTTP/1.1\r\nHost: a\r\n"
#define WS    HOST "Upgrade: websocket\r\nConnection: Upgrade\r\n"

static const struct {
    const char *text;
    int status;
} refused[] = {
    { "\r\n\r\n", 400 },
    { "GET / HTTP/1.1\n", 400 },
    { "GET / HTTP/1.1\r\r\n", 400 },
    { "GET /\x01 HTTP/1.1\r\n", 400 },
    { "GET /\r\n\r\n", 400 },
    { "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400 },
    { "GET / x HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "get / HTTP/1.1\r\nHost: a\r\n\r\n", 501 },
    { "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501 },
    { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
    { "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505 },
    { "GET / http/1.1\r\nHost: a\r\n\r\n", 400 },
    { "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400 },
    { "GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "GET http://?b HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "GET http:/a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "GET a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "GET http://a/ HTTP/1.1\r\n\r\n", 400 },
    { "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "GET /%0 HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
    { LINE "\r\n", 400 },
    { HOST "Host: a\r\n\r\n", 400 },
    { HOST "Accept : b\r\n\r\n", 400 },
    { HOST " Accept: b\r\n\r\n", 400 },
    { HOST "Accept: b\r\n c\r\n\r\n", 400 },
    { HOST "Accept\r\n\r\n", 400 },
    { HOST ": b\r\n\r\n", 400 },
    { HOST "A: b\x7f\r\n\r\n", 400 },
    { HOST "A: b\rc\r\n\r\n", 400 },
    { HOST "A: b\nc: d\r\n\r\n", 400 },
    { POSTS "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400 },
    { POSTS "Content-Length: +1\r\n\r\n", 400 },
    { POSTS "Content-Length: -1\r\n\r\n", 400 },
    { POSTS "Content-Length: 0x1\r\n\r\n", 400 },
    { POSTS "Content-Length: 1, 1\r\n\r\n", 400 },
    { POSTS "Content-Length: 1 1\r\n\r\n", 400 },
    { POSTS "Content-Length:\r\n\r\n", 400 },
    { POSTS "Content-Length: 18446744073709551617\r\n\r\n", 400 },
    { POSTS "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
    { POSTS "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400 },
    { POSTS "Transfer-Encoding: gzip, chunked\r\n\r\n", 501 },
    { POSTS "Transfer-Encoding: gzip,deflate ,CHUNKED\r\n\r\n", 501 },
    { POSTS "Transfer-Encoding: gzip\r\n\r\n", 400 },
    { POSTS "Transfer-Encoding: chunked, gzip\r\n\r\n", 400 },
    { POSTS "Transfer-Encoding: chunked, chunked\r\n\r\n", 400 },
    { POSTS "Transfer-Encoding: chunked,\r\n\r\n", 400 },
    { POSTS "Transfer-Encoding: , chunked\r\n\r\n", 400 },
    { POSTS "Transfer-Encoding: chunked;a=b\r\n\r\n", 400 },
    { POSTS "Transfer-Encoding: \"chunked\"\r\n\r\n", 400 },
    { POSTS "Transfer-Encoding:\r\n\r\n", 400 },
    { POSTS "Transfer-Encoding: xchunked\r\n\r\n", 400 },
    { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
    { POSTS "Expect: 200-ok\r\n\r\n", 417 },
    { WS "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 12\r\n\r\n", 426 },
    { WS "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 426 },
    { WS "Sec-WebSocket-Key: short==\r\nSec-WebSocket-Version: 13\r\n\r\n", 400 },
    { WS "Sec-WebSocket-Version: 13\r\n\r\n", 400 },
    { WS
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nContent-Length: 1\r\n\r\n",
      400 },
};

static void test_what_another_reader_could_take_for_something_else_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct head head;
        enum head_state verdict = parse(refused[i].text, &head);
        if (verdict != HEAD_BAD || head.status != refused[i].status || head.error == NULL) {
            fail_msg("state %d status %d, not %d: %s", verdict, head.status, refused[i].status,
                     refused[i].text);
        }
    }
}

static void check_target(const char *target, const char *host, const char *wanted_path,
                         const char *wanted_query) {
    char *text = mem_format("GET %s HTTP/1.1\r\nHost: other\r\n\r\n", target);
    struct head head;
    assert_int_equal(parse(text, &head), HEAD_GOOD);
    assert_int_equal(head.host.n, strlen(host));
    assert_memory_equal(head.host.n ? head.host.at : "", host, head.host.n);
    char *path = head_path(&head);
    assert_string_equal(path, wanted_path);
    free(path);
    char *query = head_query(&head);
    assert_string_equal(query, wanted_query);
    free(query);
    free(text);
}

/* RFC 9112 section 3.2.2 */
static void test_a_target_may_name_the_host(void **state) {
    (void)state;
    check_target("/a?b=c", "", "/a", "b=c");
    check_target("http://localhost:1/a%20b?b=c", "localhost:1", "/a b", "b=c");
    check_target("HTTP://[::1]:80?b=/", "[::1]:80", "/", "b=/");
    check_target("http://a", "a", "/", "");
    check_target("http://b@a//http://c/", "b@a", "//http://c/", "");
    check_target("/http://a/", "", "/http://a/", "");
}

static void test_chunks_and_expectations_are_of_1_1(void **state) {
    (void)state;
    struct head head;
    assert_int_equal(parse(POSTS "Transfer-Encoding: \tChunked \r\n\r\n", &head), HEAD_GOOD);
    assert_true(head.is_chunked);
    assert_int_equal(parse(POSTS "Expect: 100-Continue\r\n\r\n", &head), HEAD_GOOD);
    assert_true(head.expects_continue);
    assert_int_equal(parse("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", &head), HEAD_GOOD);
    assert_false(head.expects_continue);
    assert_int_equal(parse("POST / HTTP/1.0\r\nExpect: a cake\r\n\r\n", &head), HEAD_GOOD);
}

static void test_a_websocket_opening_is_known_by_two_fields(void **state) {
    (void)state;
    struct head head;
    assert_int_equal(
        parse(WS "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", &head),
        HEAD_GOOD);
    assert_true(head.is_upgrade);
    assert_memory_equal(head.websocket_key.at, "dGhlIHNhbXBsZSBub25jZQ==", 24);
    assert_int_equal(parse(HOST "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n", &head), HEAD_GOOD);
    assert_false(head.is_upgrade);
    assert_int_equal(parse(HOST "Upgrade: websocket\r\n\r\n", &head), HEAD_GOOD);
    assert_false(head.is_upgrade);
}

static void check_size(size_t n_fields, size_t n_filler, int status) {
    char *text = calloc(1, HEAD_BYTES_MAX * 2);
    assert_non_null(text);
    size_t n = (size_t)snprintf(text, HEAD_BYTES_MAX, HOST);
    for (size_t i = 0; i < n_fields; i++) {
        n += (size_t)snprintf(text + n, HEAD_BYTES_MAX, "F%zu: 1\r\n", i);
    }
    n += (size_t)snprintf(text + n, HEAD_BYTES_MAX, "X: ");
    memset(text + n, 'x', n_filler);
    memcpy(text + n + n_filler, "\r\n\r\n", 4);
    struct head head;
    assert_int_equal(parse(text, &head), status ? HEAD_BAD : HEAD_GOOD);
    assert_int_equal(head.status, status);
    free(text);
}

/* [W6] */
static void test_too_much_is_431(void **state) {
    (void)state;
    check_size(98, 1, 0);
    check_size(99, 1, 431);
    size_t n_rest = strlen(HOST "X: \r\n\r\n");
    check_size(0, HEAD_BYTES_MAX - n_rest, 0);
    check_size(0, HEAD_BYTES_MAX - n_rest + 1, 431);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_is_taken_apart),
        cmocka_unit_test(test_a_head_may_come_byte_by_byte),
        cmocka_unit_test(test_what_another_reader_could_take_for_something_else_is_refused),
        cmocka_unit_test(test_a_target_may_name_the_host),
        cmocka_unit_test(test_chunks_and_expectations_are_of_1_1),
        cmocka_unit_test(test_a_websocket_opening_is_known_by_two_fields),
        cmocka_unit_test(test_too_much_is_431),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
