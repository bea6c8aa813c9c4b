/* ws_test.c - WebSockets, over real sockets. */
#include "net/net_world.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void test_a_websocket_echoes_whole_messages(void **state) {
    int fd = world_dial_websocket(*state);
    unsigned opcode;
    world_put_frame(fd, 0x81, "river", 5);
    assert_string_equal(world_get_frame(fd, &opcode), "river");
    assert_int_equal(opcode, 1);
    world_put_frame(fd, 0x01, "ri", 2);
    world_put_frame(fd, 0x00, "v", 1);
    world_put_frame(fd, 0x80, "er", 2);
    assert_string_equal(world_get_frame(fd, &opcode), "river");
    char *large = mem_alloc(60000);
    memset(large, 'y', 60000);
    world_put_frame(fd, 0x81, large, 60000);
    assert_int_equal(strlen(world_get_frame(fd, &opcode)), 60000);
    free(large);
    close(fd);
}

static void test_a_message_right_behind_the_opening_arrives(void **state) {
    int fd = world_dial(*state);
    static const char request[] =
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        "\x81\x85\0\0\0\0river";
    world_put(fd, request, sizeof request - 1);
    char head[1024] = "";
    for (size_t n = 0; strstr(head, "\r\n\r\n") == NULL; n++) {
        assert_int_equal(world_get_exactly(fd, head + n, 1), 1);
    }
    assert_null(strstr(head, "xtensions"));
    unsigned opcode;
    assert_string_equal(world_get_frame(fd, &opcode), "hello");
    assert_string_equal(world_get_frame(fd, &opcode), "river");
    close(fd);
}

static void test_a_websocket_upgrade_can_be_refused(void **state) {
    char *answer =
        world_ask(*state,
                  "GET /refused HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                  "refused");
    assert_non_null(strstr(answer, "403"));
}

static void test_too_large_a_message_is_closed_with_4009(void **state) {
    int fd = world_dial_websocket(*state);
    char *large = mem_alloc(1100000);
    memset(large, 'y', 1100000);
    world_put_frame(fd, 0x81, large, 1100000);
    free(large);
    world_expect_close(fd, 4009);
}

static void test_a_binary_message_is_closed_with_1003(void **state) {
    int fd = world_dial_websocket(*state);
    world_put_frame(fd, 0x82, "x", 1);
    world_expect_close(fd, 1003);
}

static void test_bad_utf8_is_closed_with_1007(void **state) {
    int fd = world_dial_websocket(*state);
    world_put_frame(fd, 0x81, "\xff\xfe", 2);
    world_expect_close(fd, 1007);
}

static void test_a_frame_without_a_mask_is_closed_with_1002(void **state) {
    int fd = world_dial_websocket(*state);
    world_put(fd, "\x81\x05river", 7);
    world_expect_close(fd, 1002);
}

/* What the close does not wait for is thrown away, so that no reset overtakes it. */
static void test_a_close_is_seen_by_who_goes_on_talking(void **state) {
    int fd = world_dial_websocket(*state);
    world_put_frame(fd, 0x82, "x", 1);
    char *more = mem_alloc(1000000);
    for (int i = 0; i < 10; i++) {
        world_put(fd, more, 1000000);
    }
    free(more);
    world_expect_close(fd, 1003);
}

static void test_a_close_of_the_client_is_answered_with_its_code(void **state) {
    int fd = world_dial_websocket(*state);
    world_put_frame(fd, 0x81, "river", 5);
    world_put_frame(fd, 0x88, "\x0f\xa5gone", 6);
    unsigned opcode;
    char *payload = world_get_frame(fd, &opcode); /* what was asked before is not what it waits for */
    if (opcode == 1) {
        payload = world_get_frame(fd, &opcode);
    }
    assert_int_equal(opcode, 8);
    assert_memory_equal(payload, "\x0f\xa5", 2);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
}

static void test_a_large_frame_arrives_whole_and_an_answer_behind_it(void **state) {
    int fd = world_dial_websocket(*state);
    world_put_frame(fd, 0x81, "big", 3);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_PEEK),
                     1); /* it has begun, and more waits than the kernel takes */
    world_put_frame(fd, 0x81, "river", 5);
    unsigned opcode;
    assert_int_equal(strspn(world_get_frame(fd, &opcode), "x"), 3u << 20);
    assert_string_equal(world_get_frame(fd, &opcode), "river");
    close(fd);
}

#define PING_BYTES 125

/* As long as a ping may be; it begins with its number. */
static void make_ping(char out[6 + PING_BYTES], size_t number) {
    unsigned char head[14];
    assert_int_equal(world_make_head(head, 0x89, PING_BYTES), 6);
    memcpy(out, head, 6);
    memset(out + 6, '.', PING_BYTES);
    snprintf(out + 6, PING_BYTES, "ping number %zu", number);
}

static void expect_pong(int fd, size_t number) {
    char wanted[6 + PING_BYTES];
    make_ping(wanted, number);
    unsigned opcode;
    const char *payload = world_get_frame(fd, &opcode);
    assert_int_equal(opcode, 10);
    assert_memory_equal(payload, wanted + 6, PING_BYTES);
}

/* Returns how many were sent; they may end in the middle of the last. */
static size_t put_pings(int fd, size_t n_pings, size_t *n_sent) {
    char *all = mem_alloc(n_pings * (6 + PING_BYTES));
    for (size_t i = 0; i < n_pings; i++) {
        make_ping(all + i * (6 + PING_BYTES), i);
    }
    for (*n_sent = 0; *n_sent < n_pings * (6 + PING_BYTES);) {
        ssize_t n = send(fd, all + *n_sent, n_pings * (6 + PING_BYTES) - *n_sent, MSG_NOSIGNAL);
        if (n < 0) {
            break;
        }
        *n_sent += (size_t)n;
    }
    free(all);
    return (*n_sent + 6 + PING_BYTES - 1) / (6 + PING_BYTES);
}

static void test_each_of_many_pings_at_once_is_answered(void **state) {
    int fd = world_dial_websocket(*state);
    size_t n_sent;
    assert_int_equal(put_pings(fd, 1000, &n_sent), 1000);
    for (size_t i = 0; i < 1000; i++) {
        expect_pong(fd, i);
    }
    close(fd);
}

/* It is not read while its pongs wait, and then on: the kernel's buffers fill up, and ours do not. */
static void test_a_client_that_does_not_take_its_pongs_is_read_no_further(void **state) {
    int fd = world_dial_websocket(*state);
    struct timeval limit = { .tv_usec = 500000 };
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    size_t n_sent;
    size_t n_pings = put_pings(fd, 400000, &n_sent);
    assert_true(n_pings < 400000); /* 52 MB are more than the kernel takes */
    limit = (struct timeval){ .tv_sec = 20 };
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    for (size_t i = 0; i < n_pings; i++) {
        char ping[6 + PING_BYTES];
        make_ping(ping, i);
        if (i + 1 == n_pings) {
            world_put(fd, ping + n_sent % sizeof ping,
                      n_sent % sizeof ping ? sizeof ping - n_sent % sizeof ping : 0);
        }
        expect_pong(fd, i);
    }
    world_put_frame(fd, 0x81, "river", 5);
    unsigned opcode;
    assert_string_equal(world_get_frame(fd, &opcode), "river");
    close(fd);
}

static void test_who_is_open_when_the_server_stops_gets_what_waits_and_1001(void **state) {
    int fd = world_dial_websocket(*state);
    const char both[] = "\x81\x83\0\0\0\0big\x81\x84\0\0\0\0stop";
    world_put(fd, both, sizeof both - 1);
    unsigned opcode;
    assert_int_equal(strspn(world_get_frame(fd, &opcode), "x"), 3u << 20);
    world_expect_close(fd, 1001);
}

static void test_a_close_carries_its_code(void **state) {
    int fd = world_dial_websocket(*state);
    world_put_frame(fd, 0x81, "bye", 3);
    world_expect_close(fd, 4001);
}

/* P11 */
static void test_a_silent_websocket_gets_a_ping_within_seven_seconds(void **state) {
    int fd = world_dial_websocket(*state);
    unsigned opcode;
    assert_string_equal(world_get_any_frame(fd, &opcode), WORLD_SILENCE);
    close(fd);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
    const struct CMUnitTest tests[] = {
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
