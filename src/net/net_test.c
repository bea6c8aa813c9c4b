/* net_test.c - HTTP, over real sockets. */
#include "net/net_world.h"

#include "base/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_a_body_comes_back(void **state) {
    char *answer =
        world_ask(*state, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nriver", "river");
    assert_non_null(strstr(answer, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(answer, "Content-Length: 5\r\n"));
}

static void test_a_socket_is_kept_for_the_next_request(void **state) {
    int fd = world_dial(*state);
    for (int i = 0; i < 3; i++) {
        const char *request = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nriver";
        world_put(fd, request, strlen(request));
        assert_non_null(strstr(world_get_until(fd, "river"), "200 OK"));
        request = "GET /a?name=b%20c HTTP/1.1\r\nHost: a\r\n\r\n";
        world_put(fd, request, strlen(request));
        assert_non_null(strstr(world_get_until(fd, "b c"), "200 OK"));
    }
    close(fd);
}

static void test_an_empty_body_is_a_request_too(void **state) {
    assert_non_null(strstr(
        world_ask(*state, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "\r\n\r\n"), "200"));
}

static void test_head_gets_no_body(void **state) {
    char *answer =
        world_ask(*state, "HEAD /a?name=river HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", NULL);
    assert_non_null(strstr(answer, "Content-Length: 5\r\n"));
    assert_null(strstr(answer, "river"));
}

static void test_a_large_answer_arrives_whole(void **state) {
    char *answer = world_ask(*state, "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", NULL);
    char *body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(strlen(body + 4), 3u << 20);
}

/* [W6] */
static void test_too_large_a_body_is_413_and_the_client_sees_it(void **state) {
    struct net_world *world = *state;
    int fd = world_dial(world);
    const char *request = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n";
    world_put(fd, request, strlen(request));
    char *piece = mem_alloc(100000);
    for (int i = 0; i < 100; i++) {
        world_put(fd, piece, 100000);
    }
    free(piece);
    assert_non_null(strstr(world_get_until(fd, "1 MiB"), "413"));
    close(fd);
    assert_non_null(
        strstr(world_ask(world, "GET /a?name=b HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\nb"), "200"));
}

#define CHUNKS "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

static void test_a_body_in_chunks_comes_back_and_the_socket_goes_on(void **state) {
    static const char request[] = CHUNKS "2\r\nri\r\n3\r\nver\r\n0\r\nA: b\r\n\r\n";
    int fd = world_dial(*state);
    for (size_t i = 0; i < 3; i++) {
        world_put(fd, request, sizeof request - 1);
        char *answer = world_get_until(fd, "river");
        assert_non_null(strstr(answer, "200 OK"));
        assert_non_null(strstr(answer, "Content-Length: 5\r\n"));
        assert_null(strstr(answer, "Connection: close"));
    }
    for (const char *byte = request; *byte; byte++) {
        world_put(fd, byte, 1);
    }
    assert_non_null(strstr(world_get_until(fd, "river"), "200 OK"));
    close(fd);
    assert_non_null(
        strstr(world_ask(*state, CHUNKS "0\r\n\r\nGET /name?name=b HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\nb"),
               "Content-Length: 0\r\n"));
}

static void test_chunks_that_are_none_are_400_and_the_socket_ends(void **state) {
    char *answer = world_ask(*state, CHUNKS "2\r\nriver\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", NULL);
    assert_int_equal(strncmp(answer, "HTTP/1.1 400 Bad Request\r\n", 26), 0);
    assert_non_null(strstr(answer, "Connection: close"));
    assert_int_equal(world_count_of(answer, "HTTP/1.1"), 1);
}

/* [W6]: counted as they come, and a size that is too large when it begins. */
static void test_too_many_chunks_are_413(void **state) {
    int fd = world_dial(*state);
    world_put(fd, CHUNKS, sizeof CHUNKS - 1);
    char *piece = mem_alloc(65536 + 9);
    memcpy(piece, "010000\r\n", 8);
    memset(piece + 8, 'x', 65536);
    piece[8 + 65536] = '\r';
    for (size_t i = 0; i < 16; i++) {
        world_put(fd, piece, 8 + 65536 + 1);
        world_put(fd, "\n", 1);
    }
    world_put(fd, "1\r\nx", 4);
    assert_non_null(strstr(world_get_until(fd, "1 MiB"), "413"));
    close(fd);
    free(piece);
    assert_non_null(strstr(world_ask(*state, CHUNKS "100001\r\nx", "1 MiB"), "413"));
}

static void test_a_mebibyte_in_chunks_is_a_body(void **state) {
    int fd = world_dial(*state);
    static const char head[] = CHUNKS "100000\r\n";
    char *body = mem_alloc(1u << 20);
    memset(body, 'x', 1u << 20);
    world_put(fd, head, sizeof head - 1);
    world_put(fd, body, 1u << 20);
    world_put(fd, "\r\n0\r\n\r\n", 7);
    free(body);
    char *answer = strstr(world_get_until(fd, "\r\n\r\nx"), "\r\n\r\n");
    assert_non_null(answer);
    for (size_t n = strlen(answer + 4); n < 1u << 20;) {
        char more[4096];
        ssize_t got = recv(fd, more, sizeof more, 0);
        assert_true(got > 0);
        n += (size_t)got;
    }
    close(fd);
}

/* RFC 9112 section 2.2. However it is cut, one is skipped and a second is not. */
static void test_an_empty_line_before_a_request_is_skipped(void **state) {
    static const char request[] = "GET /a?name=b HTTP/1.1\r\nHost: a\r\n\r\n";
    static const char *const cuts[][3] = { { "\r\n", "", "" }, { "\r", "\n", "" }, { "", "\r", "\n" } };
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        int fd = world_dial(*state);
        for (size_t again = 0; again < 2; again++) {
            for (size_t k = 0; k < 3; k++) {
                world_put(fd, cuts[i][k], strlen(cuts[i][k]));
                world_turn(*state);
            }
            world_put(fd, request, sizeof request - 1);
            assert_non_null(strstr(world_get_until(fd, "\r\n\r\nb"), "200"));
        }
        for (size_t k = 0; k < 2; k++) {
            world_put(fd, "\r\n", 2);
            world_turn(*state);
        }
        world_put(fd, request, sizeof request - 1);
        assert_non_null(strstr(world_get_until(fd, NULL), "400"));
        close(fd);
    }
}

static void test_an_expectation_of_http_1_0_is_not_answered(void **state) {
    char *answer =
        world_ask(*state, "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", NULL);
    assert_int_equal(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17), 0);
}

static void test_a_host_in_the_target_counts_instead_of_the_field(void **state) {
    char *answer = world_ask(*state, "GET http://b:1/host HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\nb:1");
    assert_non_null(strstr(answer, "\r\n\r\nb:1"));
    assert_non_null(
        strstr(world_ask(*state, "GET /host HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\na"), "\r\n\r\na"));
}

static void test_without_a_length_there_is_no_body(void **state) {
    char *answer = world_ask(*state, "POST /echo HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n");
    assert_non_null(strstr(answer, "200 OK"));
    assert_non_null(strstr(answer, "Content-Length: 0\r\n\r\n"));
}

static void test_an_ampersand_that_was_encoded_belongs_to_its_argument(void **state) {
    char *answer = world_ask(*state, "GET /a?x=1%26name=c&name=a%26b%3D&name=d HTTP/1.1\r\nHost: a\r\n\r\n",
                             "\r\n\r\na&b=");
    assert_non_null(strstr(answer, "\r\n\r\na&b="));
}

static void test_a_304_has_no_length(void **state) {
    assert_null(strstr(world_ask(*state, "GET /unchanged HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n"),
                       "Content-Length"));
}

static void test_a_refusal_comes_before_the_body(void **state) {
    assert_non_null(
        strstr(world_ask(*state, "POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "refused"),
               "403"));
}

static void test_what_comes_behind_an_unwanted_body_is_left_unread_and_harms_nobody(void **state) {
    static const char head[] = "POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    static const char rest[] = "helloPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    int fd = world_dial(*state);
    world_put(fd, head, sizeof head - 1);
    assert_non_null(strstr(world_get_until(fd, "refused"), "Connection: close"));
    world_put(fd, rest, sizeof rest - 1);
    char byte;
    assert_true(read(fd, &byte, 1) <= 0);
    close(fd);
    assert_non_null(
        strstr(world_ask(*state, "GET /a?name=b HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\nb"), "200"));
}

static void test_requests_sent_ahead_are_answered_in_turn(void **state) {
    static const char three[] = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                                "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"
                                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\ndef";
    int fd = world_dial(*state);
    world_put(fd, three, sizeof three - 1);
    char *answer = world_get_until(fd, "def");
    assert_int_equal(world_count_of(answer, "HTTP/1.1 200 OK"), 3);
    assert_true(strstr(answer, "abc") < strstr(answer, "frame") &&
                strstr(answer, "frame") < strstr(answer, "def"));
    close(fd);
}

static void test_what_is_sent_while_an_answer_is_on_its_way_is_no_part_of_it(void **state) {
    int fd = world_dial(*state);
    for (const char *byte = "GET /gate HTTP/1.1\r\nHost: a\r\n\r\n"; *byte; byte++) {
        world_put(fd, byte, 1);
    }
    world_get_until(fd, "frame\n\r\n"); /* the first of the stream; the others come when the gate opens */
    const char *next = "GET /a?name=next HTTP/1.1\r\nHost: a\r\n\r\n";
    world_put(fd, next, strlen(next));
    assert_non_null(strstr(world_ask(*state, "GET /open HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n"), "200"));
    char *answer = world_get_until(fd, "next");
    assert_int_equal(world_count_of(answer, "HTTP/1.1 200 OK"), 1);
    assert_int_equal(world_count_of(answer, "frame"), 2);
    close(fd);
}

static void test_a_body_may_be_asked_for_with_100_continue(void **state) {
    int fd = world_dial(*state);
    const char *head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    world_put(fd, head, strlen(head));
    assert_non_null(strstr(world_get_until(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue"));
    world_put(fd, "river", 5);
    assert_non_null(strstr(world_get_until(fd, "river"), "HTTP/1.1 200 OK"));
    close(fd);
}

static void test_a_bad_head_is_refused_and_the_socket_ends(void **state) {
    char *answer =
        world_ask(*state, "GET /a HTTP/1.1\nHost: a\r\n\r\nGET /a?name=b HTTP/1.1\r\nHost: a\r\n\r\n", NULL);
    assert_int_equal(strncmp(answer, "HTTP/1.1 400 Bad Request\r\n", 26), 0);
    assert_int_equal(world_count_of(answer, "HTTP/1.1"), 1);
}

static void test_a_client_that_only_sends_no_more_gets_its_answer(void **state) {
    int fd = world_dial(*state);
    const char *request = "GET /big HTTP/1.1\r\nHost: a\r\n\r\n";
    world_put(fd, request, strlen(request));
    shutdown(fd, SHUT_WR);
    char *body = strstr(world_get_until(fd, NULL), "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(strlen(body + 4), 3u << 20);
    close(fd);
}

/* Between its fork and its exec an engine has a copy of every socket: one that is closed here is not gone for the kernel. */
static void test_a_socket_that_a_forked_child_still_has_tells_nothing_more(void **state) {
    int fd = world_dial(*state);
    const char *request = "GET /name?name=x HTTP/1.1\r\nHost: a\r\n\r\n";
    world_put(fd, request, strlen(request));
    assert_non_null(strstr(world_get_until(fd, "\r\n\r\nx"), "200"));
    pid_t child = fork();
    if (child == 0) {
        alarm(20); /* should the test end before it */
        pause();
        _exit(0);
    }
    shutdown(fd, SHUT_RDWR);
    for (int i = 0; i < 20; i++) {
        assert_non_null(strstr(world_ask(*state, request, "\r\n\r\nx"), "200"));
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(fd);
}

static void test_a_stream_is_chunked_and_ends(void **state) {
    char *answer = world_ask(*state, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", "0\r\n\r\n");
    assert_non_null(strstr(answer, "Transfer-Encoding: chunked\r\n"));
    assert_non_null(strstr(answer, "6\r\nframe\n\r\n6\r\nframe\n\r\n6\r\nframe\n\r\n0\r\n\r\n"));
}

static void expect_where(struct net_world *world, int tag, const char *wanted) {
    int fd = world_dial_tag(world, tag);
    const char *request = "GET /where HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    world_put(fd, request, strlen(request));
    assert_non_null(strstr(world_get_until(fd, NULL), wanted));
    close(fd);
}

static void test_a_connection_knows_where_it_came_in(void **state) {
    struct net_world *world = *state;
    expect_where(world, WORLD_V4, "tag 4 port 1 address 127.0.0.1 1 peer 127.0.0.1.");
    expect_where(world, WORLD_UNIX, "tag 8 port 0 address none 0 peer .");
    if (world->v6_port) {
        expect_where(world, WORLD_V6, "tag 6 port 1 address [::1] 1 peer ::1.");
    }
}

static void test_a_place_that_is_taken_is_busy(void **state) {
    struct net_world *world = *state;
    struct net *other;
    struct fault fault;
    struct net_options port = { .host = "127.0.0.1", .port = net_port(world->net) };
    struct net_options path = { .path = world->path };
    struct net_options name = { .host = "localhost" };
    assert_int_equal(net_open(&other, &fault), STATUS_OK);
    assert_int_equal(net_listen(other, &port, &fault), STATUS_BUSY);
    assert_non_null(strstr(fault.text, "--port"));
    assert_int_equal(net_listen(other, &path, &fault), STATUS_BUSY);
    assert_non_null(strstr(fault.text, world->path));
    assert_int_equal(net_listen(other, &name, &fault), STATUS_INVALID);
    net_drop_clients(other);
    net_close(other);
    expect_where(world, WORLD_UNIX, "tag 8"); /* it is still there */
}

/* A server that was killed leaves its socket behind; what is no socket is somebody's. */
static void test_only_a_socket_that_nobody_listens_at_is_replaced(void **state) {
    struct net_world *world = *state;
    struct net *other;
    struct fault fault;
    struct stat info;
    char left[80];
    char file[80];
    snprintf(left, sizeof left, "%s.left", world->path);
    snprintf(file, sizeof file, "%s.file", world->path);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s", left);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    fclose(fopen(file, "w"));
    assert_int_equal(net_open(&other, &fault), STATUS_OK);
    assert_int_equal(net_listen(other, &(struct net_options){ .path = left }, &fault), STATUS_OK);
    assert_int_equal(stat(left, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(net_listen(other, &(struct net_options){ .path = file }, &fault), STATUS_BUSY);
    net_drop_clients(other);
    net_close(other);
    assert_int_equal(stat(file, &info), 0);
    assert_int_not_equal(stat(left, &info), 0); /* it is taken away at the end */
    unlink(file);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_connection_knows_where_it_came_in),
        TEST(test_a_place_that_is_taken_is_busy),
        TEST(test_only_a_socket_that_nobody_listens_at_is_replaced),
        TEST(test_a_body_comes_back),
        TEST(test_a_socket_is_kept_for_the_next_request),
        TEST(test_an_empty_body_is_a_request_too),
        TEST(test_head_gets_no_body),
        TEST(test_a_large_answer_arrives_whole),
        TEST(test_too_large_a_body_is_413_and_the_client_sees_it),
        TEST(test_a_body_in_chunks_comes_back_and_the_socket_goes_on),
        TEST(test_chunks_that_are_none_are_400_and_the_socket_ends),
        TEST(test_too_many_chunks_are_413),
        TEST(test_a_mebibyte_in_chunks_is_a_body),
        TEST(test_an_empty_line_before_a_request_is_skipped),
        TEST(test_an_expectation_of_http_1_0_is_not_answered),
        TEST(test_a_host_in_the_target_counts_instead_of_the_field),
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
