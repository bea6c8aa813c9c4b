/* net_test.c - a server in a thread of its own, and a client of plain sockets. */
#include "net/net.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct server {
    struct net *net;
    pthread_t thread;
    atomic_bool stop;
    atomic_int n_closed;
    int n_frames_left;      /* of the stream under way */
    struct net_conn *gated; /* its stream waits behind its first frame for /open */
};

/* ---- The server: /echo answers with the body, /stream sends three frames, /gate two of them after /open, /refused is refused, WebSockets echo
 * whatever is not "bye", "stop", or "big", which gets three mebibytes ---- */

static void reply_text(struct net_conn *conn, int status, const char *text, size_t n_bytes) {
    net_reply(conn, &(struct net_reply){
                        .status = status, .content_type = "text/plain", .body = text, .n_bytes = n_bytes });
}

static void on_head(void *ctx, struct net_conn *conn) {
    (void)ctx;
    if (strcmp(net_conn_path(conn), "/refused") == 0) {
        reply_text(conn, 403, "refused", 7);
    }
}

static void begin_stream(struct server *server, struct net_conn *conn) {
    server->n_frames_left = 3;
    net_stream_begin(conn, "text/event-stream", "Cache-Control: no-store\r\n");
    net_conn_want_write(conn);
}

static void on_request(void *ctx, struct net_conn *conn) {
    struct server *server = ctx;
    size_t n_bytes;
    const char *body = net_conn_body(conn, &n_bytes);
    char name[32];
    if (strcmp(net_conn_path(conn), "/stream") == 0) {
        begin_stream(server, conn);
    } else if (strcmp(net_conn_path(conn), "/gate") == 0) {
        server->gated = conn;
        begin_stream(server, conn);
    } else if (strcmp(net_conn_path(conn), "/open") == 0) {
        net_conn_want_write(server->gated);
        reply_text(conn, 200, "", 0);
    } else if (net_conn_query(conn, "name", name, sizeof name) != NET_QUERY_ABSENT) {
        reply_text(conn, 200, name, strlen(name));
    } else if (strcmp(net_conn_path(conn), "/unchanged") == 0) {
        reply_text(conn, 304, "", 0);
    } else if (strcmp(net_conn_path(conn), "/big") == 0) {
        char *big = mem_alloc(3u << 20);
        memset(big, 'x', 3u << 20);
        reply_text(conn, 200, big, 3u << 20);
        free(big);
    } else {
        reply_text(conn, 200, body, n_bytes);
    }
}

static void write_big(struct net_conn *conn) {
    char *big = mem_alloc(3u << 20);
    memset(big, 'x', 3u << 20);
    net_conn_write(conn, big, 3u << 20);
    free(big);
}

static void on_writable(void *ctx, struct net_conn *conn) {
    struct server *server = ctx;
    if (net_conn_is_websocket(conn)) {
        write_big(conn);
        return;
    }
    net_conn_write(conn, "frame\n", 6);
    server->n_frames_left--;
    if (server->n_frames_left == 0) {
        net_stream_end(conn);
    } else if (server->n_frames_left == 2 && conn == server->gated) {
        return;
    } else {
        net_conn_want_write(conn);
    }
}

static void on_open(void *ctx, struct net_conn *conn) {
    (void)ctx;
    net_conn_send(conn, "hello", 5);
}

static void on_message(void *ctx, struct net_conn *conn, const char *text, size_t n_bytes) {
    if (n_bytes == 3 && memcmp(text, "bye", 3) == 0) {
        net_conn_close(conn, NET_CLOSE_DENIED, "as asked");
    } else if (n_bytes == 3 && memcmp(text, "big", 3) == 0) {
        net_conn_want_write(conn);
    } else if (n_bytes == 4 && memcmp(text, "stop", 4) == 0) {
        net_stop(((struct server *)ctx)->net);
    } else {
        net_conn_send(conn, text, n_bytes);
    }
}

static void on_silence(void *ctx, struct net_conn *conn) {
    (void)ctx;
    net_conn_send(conn, "ping", 4);
}

static void on_close(void *ctx, struct net_conn *conn) {
    (void)conn;
    atomic_fetch_add(&((struct server *)ctx)->n_closed, 1);
}

static void *run(void *ctx) {
    struct server *server = ctx;
    while (!atomic_load(&server->stop)) {
        net_run_once(server->net);
    }
    return NULL;
}

static int set_up(void **state) {
    static const struct net_handlers handlers = { on_head,     on_request, on_open, on_message,
                                                  on_writable, on_silence, on_close };
    struct server *server = mem_alloc(sizeof *server);
    struct fault fault;
    assert_int_equal(net_open(&server->net, &fault), STATUS_OK);
    assert_int_equal(
        net_listen(server->net,
                   &(struct net_options){ .host = "127.0.0.1", .handlers = &handlers, .ctx = server },
                   &fault),
        STATUS_OK);
    pthread_create(&server->thread, NULL, run, server);
    *state = server;
    return 0;
}

static int tear_down(void **state) {
    struct server *server = *state;
    atomic_store(&server->stop, true);
    net_wake(server->net);
    pthread_join(server->thread, NULL);
    net_drop_clients(server->net);
    net_close(server->net);
    free(server);
    return 0;
}

/* ---- The client ---- */

static int dial(struct server *server) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(net_port(server->net)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval limit = { .tv_sec = 20 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void put(int fd, const void *bytes, size_t n_bytes) {
    assert_int_equal(send(fd, bytes, n_bytes, MSG_NOSIGNAL), (ssize_t)n_bytes);
}

/* Reads until `text` is in what came, or the end. */
static char *get_until(int fd, const char *text) {
    static char all[4u << 20];
    size_t n = 0;
    all[0] = '\0';
    while (n < sizeof all - 1 && (text == NULL || strstr(all, text) == NULL)) {
        ssize_t got = recv(fd, all + n, sizeof all - 1 - n, 0);
        if (got <= 0) {
            break;
        }
        n += (size_t)got;
        all[n] = '\0';
    }
    return all;
}

static char *ask(struct server *server, const char *request, const char *until) {
    int fd = dial(server);
    put(fd, request, strlen(request));
    char *answer = get_until(fd, until);
    close(fd);
    return answer;
}

/* The head of a frame, with a mask of zeroes, which is a mask. */
static size_t make_head(unsigned char head[14], unsigned char first, size_t n_bytes) {
    size_t n_length = n_bytes < 126 ? 0 : n_bytes < 65536 ? 2 : 8;
    memset(head, 0, 14);
    head[0] = first;
    head[1] = (unsigned char)(0x80 | (n_length == 0 ? n_bytes : n_length == 2 ? 126 : 127));
    for (size_t i = 0; i < n_length; i++) {
        head[2 + i] = (unsigned char)((uint64_t)n_bytes >> 8 * (n_length - 1 - i));
    }
    return 2 + n_length + 4;
}

static void put_frame(int fd, unsigned char first, const char *payload, size_t n_bytes) {
    unsigned char head[14];
    put(fd, head, make_head(head, first, n_bytes));
    put(fd, payload, n_bytes);
}

static size_t get_exactly(int fd, void *out, size_t n_bytes) {
    size_t n = 0;
    while (n < n_bytes) {
        ssize_t got = recv(fd, (char *)out + n, n_bytes - n, 0);
        if (got <= 0) {
            break;
        }
        n += (size_t)got;
    }
    return n;
}

/* The next frame's payload; *opcode 0 when the socket ended. */
static char *get_frame(int fd, unsigned *opcode) {
    static char payload[(3u << 20) + 1];
    unsigned char head[10] = { 0 };
    *opcode = 0;
    if (get_exactly(fd, head, 2) != 2) {
        return payload;
    }
    size_t n_bytes = head[1];
    size_t n_length = n_bytes == 127 ? 8 : n_bytes == 126 ? 2 : 0;
    assert_int_equal(get_exactly(fd, head + 2, n_length), n_length);
    for (size_t i = 0; i < n_length; i++) {
        n_bytes = (i == 0 ? 0 : n_bytes << 8) | head[2 + i];
    }
    assert_true(n_bytes < sizeof payload);
    assert_int_equal(get_exactly(fd, payload, n_bytes), n_bytes);
    payload[n_bytes] = '\0';
    *opcode = head[0] & 0x0f;
    return payload;
}

static int dial_websocket(struct server *server) {
    int fd = dial(server);
    const char *request =
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    put(fd, request, strlen(request));
    char head[1024] = "";
    for (size_t n = 0; strstr(head, "\r\n\r\n") == NULL; n++) {
        assert_int_equal(get_exactly(fd, head + n, 1), 1);
    }
    assert_non_null(strstr(head, "101"));
    assert_non_null(strstr(head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    unsigned opcode;
    assert_string_equal(get_frame(fd, &opcode), "hello");
    return fd;
}

static void expect_close(int fd, unsigned code) {
    unsigned opcode;
    char *payload = get_frame(fd, &opcode);
    assert_int_equal(opcode, 8);
    assert_int_equal((unsigned char)payload[0] << 8 | (unsigned char)payload[1], code);
    close(fd);
}

/* ---- Facts ---- */

static void test_a_body_comes_back(void **state) {
    char *answer = ask(*state, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nriver", "river");
    assert_non_null(strstr(answer, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(answer, "Content-Length: 5\r\n"));
}

static void test_a_socket_is_kept_for_the_next_request(void **state) {
    int fd = dial(*state);
    for (int i = 0; i < 3; i++) {
        const char *request = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nriver";
        put(fd, request, strlen(request));
        assert_non_null(strstr(get_until(fd, "river"), "200 OK"));
        request = "GET /a?name=b%20c HTTP/1.1\r\nHost: a\r\n\r\n";
        put(fd, request, strlen(request));
        assert_non_null(strstr(get_until(fd, "b c"), "200 OK"));
    }
    close(fd);
}

static void test_an_empty_body_is_a_request_too(void **state) {
    assert_non_null(strstr(
        ask(*state, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "\r\n\r\n"), "200"));
}

static void test_head_gets_no_body(void **state) {
    char *answer = ask(*state, "HEAD /a?name=river HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", NULL);
    assert_non_null(strstr(answer, "Content-Length: 5\r\n"));
    assert_null(strstr(answer, "river"));
}

static void test_a_large_answer_arrives_whole(void **state) {
    char *answer = ask(*state, "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", NULL);
    char *body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(strlen(body + 4), 3u << 20);
}

/* [W6] */
static void test_too_large_a_body_is_413_and_the_client_sees_it(void **state) {
    struct server *server = *state;
    int fd = dial(server);
    const char *request = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n";
    put(fd, request, strlen(request));
    char *piece = mem_alloc(100000);
    for (int i = 0; i < 100; i++) {
        put(fd, piece, 100000);
    }
    free(piece);
    assert_non_null(strstr(get_until(fd, "1 MiB"), "413"));
    close(fd);
    assert_non_null(strstr(ask(server, "GET /a?name=b HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\nb"), "200"));
}

static void test_a_body_without_a_length_is_411(void **state) {
    char *answer =
        ask(*state,
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "}");
    assert_non_null(strstr(answer, "411"));
}

static void test_without_a_length_there_is_no_body(void **state) {
    char *answer = ask(*state, "POST /echo HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n");
    assert_non_null(strstr(answer, "200 OK"));
    assert_non_null(strstr(answer, "Content-Length: 0\r\n\r\n"));
}

static void test_an_ampersand_that_was_encoded_belongs_to_its_argument(void **state) {
    char *answer =
        ask(*state, "GET /a?x=1%26name=c&name=a%26b%3D&name=d HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\na&b=");
    assert_non_null(strstr(answer, "\r\n\r\na&b="));
}

static void test_a_304_has_no_length(void **state) {
    assert_null(
        strstr(ask(*state, "GET /unchanged HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n"), "Content-Length"));
}

static void test_a_refusal_comes_before_the_body(void **state) {
    assert_non_null(strstr(
        ask(*state, "POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "refused"), "403"));
}

static void test_what_comes_behind_an_unwanted_body_is_left_unread_and_harms_nobody(void **state) {
    static const char head[] = "POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    static const char rest[] = "helloPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    int fd = dial(*state);
    put(fd, head, sizeof head - 1);
    assert_non_null(strstr(get_until(fd, "refused"), "Connection: close"));
    put(fd, rest, sizeof rest - 1);
    char byte;
    assert_true(read(fd, &byte, 1) <= 0);
    close(fd);
    assert_non_null(strstr(ask(*state, "GET /a?name=b HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\nb"), "200"));
}

static size_t count_of(const char *text, const char *wanted) {
    size_t n = 0;
    for (const char *at = strstr(text, wanted); at; at = strstr(at + 1, wanted)) {
        n++;
    }
    return n;
}

static void test_requests_sent_ahead_are_answered_in_turn(void **state) {
    static const char three[] = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                                "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"
                                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\ndef";
    int fd = dial(*state);
    put(fd, three, sizeof three - 1);
    char *answer = get_until(fd, "def");
    assert_int_equal(count_of(answer, "HTTP/1.1 200 OK"), 3);
    assert_true(strstr(answer, "abc") < strstr(answer, "frame") &&
                strstr(answer, "frame") < strstr(answer, "def"));
    close(fd);
}

static void test_what_is_sent_while_an_answer_is_on_its_way_is_no_part_of_it(void **state) {
    int fd = dial(*state);
    for (const char *byte = "GET /gate HTTP/1.1\r\nHost: a\r\n\r\n"; *byte; byte++) {
        put(fd, byte, 1);
    }
    get_until(fd, "frame\n\r\n"); /* the first of the stream; the others come when the gate opens */
    const char *next = "GET /a?name=next HTTP/1.1\r\nHost: a\r\n\r\n";
    put(fd, next, strlen(next));
    assert_non_null(strstr(ask(*state, "GET /open HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n"), "200"));
    char *answer = get_until(fd, "next");
    assert_int_equal(count_of(answer, "HTTP/1.1 200 OK"), 1);
    assert_int_equal(count_of(answer, "frame"), 2);
    close(fd);
}

static void test_a_body_may_be_asked_for_with_100_continue(void **state) {
    int fd = dial(*state);
    const char *head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    put(fd, head, strlen(head));
    assert_non_null(strstr(get_until(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue"));
    put(fd, "river", 5);
    assert_non_null(strstr(get_until(fd, "river"), "HTTP/1.1 200 OK"));
    close(fd);
}

static void test_a_bad_head_is_refused_and_the_socket_ends(void **state) {
    char *answer =
        ask(*state, "GET /a HTTP/1.1\nHost: a\r\n\r\nGET /a?name=b HTTP/1.1\r\nHost: a\r\n\r\n", NULL);
    assert_int_equal(strncmp(answer, "HTTP/1.1 400 Bad Request\r\n", 26), 0);
    assert_int_equal(count_of(answer, "HTTP/1.1"), 1);
}

static void test_a_client_that_only_sends_no_more_gets_its_answer(void **state) {
    int fd = dial(*state);
    const char *request = "GET /big HTTP/1.1\r\nHost: a\r\n\r\n";
    put(fd, request, strlen(request));
    shutdown(fd, SHUT_WR);
    char *body = strstr(get_until(fd, NULL), "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(strlen(body + 4), 3u << 20);
    close(fd);
}

/* Between its fork and its exec an engine has a copy of every socket: one that is closed here is not gone for the kernel. */
static void test_a_socket_that_a_forked_child_still_has_tells_nothing_more(void **state) {
    int fd = dial(*state);
    const char *request = "GET /name?name=x HTTP/1.1\r\nHost: a\r\n\r\n";
    put(fd, request, strlen(request));
    assert_non_null(strstr(get_until(fd, "\r\n\r\nx"), "200"));
    pid_t child = fork();
    if (child == 0) {
        alarm(20); /* should the test end before it */
        pause();
        _exit(0);
    }
    shutdown(fd, SHUT_RDWR);
    for (int i = 0; i < 20; i++) {
        assert_non_null(strstr(ask(*state, request, "\r\n\r\nx"), "200"));
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(fd);
}

static void test_a_stream_is_chunked_and_ends(void **state) {
    char *answer = ask(*state, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", "0\r\n\r\n");
    assert_non_null(strstr(answer, "Transfer-Encoding: chunked\r\n"));
    assert_non_null(strstr(answer, "6\r\nframe\n\r\n6\r\nframe\n\r\n6\r\nframe\n\r\n0\r\n\r\n"));
}

static void test_a_websocket_echoes_whole_messages(void **state) {
    int fd = dial_websocket(*state);
    unsigned opcode;
    put_frame(fd, 0x81, "river", 5);
    assert_string_equal(get_frame(fd, &opcode), "river");
    assert_int_equal(opcode, 1);
    put_frame(fd, 0x01, "ri", 2);
    put_frame(fd, 0x00, "v", 1);
    put_frame(fd, 0x80, "er", 2);
    assert_string_equal(get_frame(fd, &opcode), "river");
    char *large = mem_alloc(60000);
    memset(large, 'y', 60000);
    put_frame(fd, 0x81, large, 60000);
    assert_int_equal(strlen(get_frame(fd, &opcode)), 60000);
    free(large);
    close(fd);
}

static void test_a_message_right_behind_the_opening_arrives(void **state) {
    int fd = dial(*state);
    static const char request[] =
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        "\x81\x85\0\0\0\0river";
    put(fd, request, sizeof request - 1);
    char head[1024] = "";
    for (size_t n = 0; strstr(head, "\r\n\r\n") == NULL; n++) {
        assert_int_equal(get_exactly(fd, head + n, 1), 1);
    }
    assert_null(strstr(head, "xtensions"));
    unsigned opcode;
    assert_string_equal(get_frame(fd, &opcode), "hello");
    assert_string_equal(get_frame(fd, &opcode), "river");
    close(fd);
}

static void test_a_websocket_upgrade_can_be_refused(void **state) {
    char *answer = ask(*state,
                       "GET /refused HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                       "refused");
    assert_non_null(strstr(answer, "403"));
}

static void test_too_large_a_message_is_closed_with_4009(void **state) {
    int fd = dial_websocket(*state);
    char *large = mem_alloc(1100000);
    memset(large, 'y', 1100000);
    put_frame(fd, 0x81, large, 1100000);
    free(large);
    expect_close(fd, 4009);
}

static void test_a_binary_message_is_closed_with_1003(void **state) {
    int fd = dial_websocket(*state);
    put_frame(fd, 0x82, "x", 1);
    expect_close(fd, 1003);
}

static void test_bad_utf8_is_closed_with_1007(void **state) {
    int fd = dial_websocket(*state);
    put_frame(fd, 0x81, "\xff\xfe", 2);
    expect_close(fd, 1007);
}

static void test_a_frame_without_a_mask_is_closed_with_1002(void **state) {
    int fd = dial_websocket(*state);
    put(fd, "\x81\x05river", 7);
    expect_close(fd, 1002);
}

/* What the close does not wait for is thrown away, so that no reset overtakes it. */
static void test_a_close_is_seen_by_who_goes_on_talking(void **state) {
    int fd = dial_websocket(*state);
    put_frame(fd, 0x82, "x", 1);
    char *more = mem_alloc(1000000);
    for (int i = 0; i < 10; i++) {
        put(fd, more, 1000000);
    }
    free(more);
    expect_close(fd, 1003);
}

static void test_a_close_of_the_client_is_answered_with_its_code(void **state) {
    int fd = dial_websocket(*state);
    put_frame(fd, 0x81, "river", 5);
    put_frame(fd, 0x88, "\x0f\xa5gone", 6);
    unsigned opcode;
    char *payload = get_frame(fd, &opcode); /* what was asked before is not what it waits for */
    if (opcode == 1) {
        payload = get_frame(fd, &opcode);
    }
    assert_int_equal(opcode, 8);
    assert_memory_equal(payload, "\x0f\xa5", 2);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
}

static void test_a_large_frame_arrives_whole_and_an_answer_behind_it(void **state) {
    int fd = dial_websocket(*state);
    put_frame(fd, 0x81, "big", 3);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_PEEK),
                     1); /* it has begun, and more waits than the kernel takes */
    put_frame(fd, 0x81, "river", 5);
    unsigned opcode;
    assert_int_equal(strspn(get_frame(fd, &opcode), "x"), 3u << 20);
    assert_string_equal(get_frame(fd, &opcode), "river");
    close(fd);
}

static size_t make_ping(char out[64], size_t number) {
    char payload[48];
    int n = snprintf(payload, sizeof payload, "ping number %zu", number);
    unsigned char head[14];
    size_t n_head = make_head(head, 0x89, (size_t)n);
    memcpy(out, head, n_head);
    memcpy(out + n_head, payload, (size_t)n);
    return n_head + (size_t)n;
}

static void expect_pong(int fd, size_t number) {
    char wanted[48];
    snprintf(wanted, sizeof wanted, "ping number %zu", number);
    unsigned opcode;
    assert_string_equal(get_frame(fd, &opcode), wanted);
    assert_int_equal(opcode, 10);
}

static void test_each_of_many_pings_at_once_is_answered(void **state) {
    int fd = dial_websocket(*state);
    char *all = mem_alloc(1000 * 64);
    size_t n = 0;
    for (size_t i = 0; i < 1000; i++) {
        n += make_ping(all + n, i);
    }
    put(fd, all, n);
    free(all);
    for (size_t i = 0; i < 1000; i++) {
        expect_pong(fd, i);
    }
    close(fd);
}

/* It is not read while its pongs wait, and then on: the kernel's buffers fill up, and ours do not. */
static void test_a_client_that_does_not_take_its_pongs_is_read_no_further(void **state) {
    int fd = dial_websocket(*state);
    int small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    struct timeval limit = { .tv_sec = 1 };
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    size_t n_pings = 0;
    char ping[64];
    size_t n_ping;
    size_t n_sent;
    do {
        n_ping = make_ping(ping, n_pings++);
        ssize_t n = send(fd, ping, n_ping, MSG_NOSIGNAL);
        n_sent = n < 0 ? 0 : (size_t)n;
    } while (n_sent == n_ping && n_pings < 10000000);
    assert_true(n_pings < 10000000);
    for (size_t i = 0; i < n_pings; i++) {
        if (i + 1 == n_pings) {
            put(fd, ping + n_sent, n_ping - n_sent);
        }
        expect_pong(fd, i);
    }
    put_frame(fd, 0x81, "river", 5);
    unsigned opcode;
    assert_string_equal(get_frame(fd, &opcode), "river");
    close(fd);
}

static void test_who_is_open_when_the_server_stops_gets_what_waits_and_1001(void **state) {
    int fd = dial_websocket(*state);
    const char both[] = "\x81\x83\0\0\0\0big\x81\x84\0\0\0\0stop";
    put(fd, both, sizeof both - 1);
    unsigned opcode;
    assert_int_equal(strspn(get_frame(fd, &opcode), "x"), 3u << 20);
    expect_close(fd, 1001);
}

static void test_a_close_carries_its_code(void **state) {
    int fd = dial_websocket(*state);
    put_frame(fd, 0x81, "bye", 3);
    expect_close(fd, 4001);
}

/* P11 */
static void test_a_silent_websocket_gets_a_ping_within_seven_seconds(void **state) {
    int fd = dial_websocket(*state);
    unsigned opcode;
    assert_string_equal(get_frame(fd, &opcode), "ping");
    close(fd);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_body_comes_back),
        TEST(test_a_socket_is_kept_for_the_next_request),
        TEST(test_an_empty_body_is_a_request_too),
        TEST(test_head_gets_no_body),
        TEST(test_a_large_answer_arrives_whole),
        TEST(test_too_large_a_body_is_413_and_the_client_sees_it),
        TEST(test_a_body_without_a_length_is_411),
        TEST(test_without_a_length_there_is_no_body),
        TEST(test_an_ampersand_that_was_encoded_belongs_to_its_argument),
        TEST(test_a_304_has_no_length),
        TEST(test_a_refusal_comes_before_the_body),
        TEST(test_what_comes_behind_an_unwanted_body_is_left_unread_and_harms_nobody),
        TEST(test_requests_sent_ahead_are_answered_in_turn),
        TEST(test_what_is_sent_while_an_answer_is_on_its_way_is_no_part_of_it),
        TEST(test_a_body_may_be_asked_for_with_100_continue),
        TEST(test_a_bad_head_is_refused_and_the_socket_ends),
        TEST(test_a_client_that_only_sends_no_more_gets_its_answer),
        TEST(test_a_socket_that_a_forked_child_still_has_tells_nothing_more),
        TEST(test_a_stream_is_chunked_and_ends),
        TEST(test_a_websocket_echoes_whole_messages),
        TEST(test_a_message_right_behind_the_opening_arrives),
        TEST(test_a_websocket_upgrade_can_be_refused),
        TEST(test_too_large_a_message_is_closed_with_4009),
        TEST(test_a_binary_message_is_closed_with_1003),
        TEST(test_bad_utf8_is_closed_with_1007),
        TEST(test_a_frame_without_a_mask_is_closed_with_1002),
        TEST(test_a_close_is_seen_by_who_goes_on_talking),
        TEST(test_a_close_of_the_client_is_answered_with_its_code),
        TEST(test_a_large_frame_arrives_whole_and_an_answer_behind_it),
        TEST(test_each_of_many_pings_at_once_is_answered),
        TEST(test_a_client_that_does_not_take_its_pongs_is_read_no_further),
        TEST(test_who_is_open_when_the_server_stops_gets_what_waits_and_1001),
        TEST(test_a_close_carries_its_code),
        TEST(test_a_silent_websocket_gets_a_ping_within_seven_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
