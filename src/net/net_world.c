#include "net/net_world.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- The server ---- */

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

static void begin_stream(struct net_world *world, struct net_conn *conn) {
    world->n_frames_left = 3;
    net_stream_begin(conn, "text/event-stream", "Cache-Control: no-store\r\n");
    net_conn_want_write(conn);
}

static void on_request(void *ctx, struct net_conn *conn) {
    struct net_world *world = ctx;
    size_t n_bytes;
    const char *body = net_conn_body(conn, &n_bytes);
    char name[32];
    if (strcmp(net_conn_path(conn), "/stream") == 0) {
        begin_stream(world, conn);
    } else if (strcmp(net_conn_path(conn), "/gate") == 0) {
        world->gated = conn;
        begin_stream(world, conn);
    } else if (strcmp(net_conn_path(conn), "/open") == 0) {
        net_conn_want_write(world->gated);
        reply_text(conn, 200, "", 0);
    } else if (net_conn_query(conn, "name", name, sizeof name) != NET_QUERY_ABSENT) {
        reply_text(conn, 200, name, strlen(name));
    } else if (strcmp(net_conn_path(conn), "/host") == 0) {
        const char *host = net_conn_header(conn, NET_HEADER_HOST);
        reply_text(conn, 200, host, strlen(host));
    } else if (strcmp(net_conn_path(conn), "/where") == 0) {
        char address[NET_ADDRESS_BYTES] = "none";
        bool has_address = net_conn_address(conn, address);
        char peer[NET_ADDRESS_BYTES];
        net_format_peer(net_conn_peer(conn), peer);
        char *text = mem_format("tag %d port %d address %s %d peer %s.", net_conn_tag(conn),
                                net_conn_port(conn) != 0, address, has_address, peer);
        reply_text(conn, 200, text, strlen(text));
        free(text);
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
    struct net_world *world = ctx;
    if (net_conn_is_websocket(conn)) {
        write_big(conn);
        return;
    }
    net_conn_write(conn, "frame\n", 6);
    world->n_frames_left--;
    if (world->n_frames_left == 0) {
        net_stream_end(conn);
    } else if (world->n_frames_left == 2 && conn == world->gated) {
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
        net_stop(((struct net_world *)ctx)->net);
    } else {
        net_conn_send(conn, text, n_bytes);
    }
}

static void on_silence(void *ctx, struct net_conn *conn) {
    (void)ctx;
    net_conn_send(conn, WORLD_SILENCE, strlen(WORLD_SILENCE));
}

static void on_close(void *ctx, struct net_conn *conn) {
    (void)conn;
    atomic_fetch_add(&((struct net_world *)ctx)->n_closed, 1);
}

static void *run(void *ctx) {
    struct net_world *world = ctx;
    while (!atomic_load(&world->stop)) {
        net_run_once(world->net);
    }
    return NULL;
}

static void listen_everywhere(struct net_world *world) {
    struct fault fault;
    snprintf(world->path, sizeof world->path, "/tmp/runnel-net-%d.sock", (int)getpid());
    assert_int_equal(
        net_listen(world->net, &(struct net_options){ .path = world->path, .tag = WORLD_UNIX }, &fault),
        STATUS_OK);
    assert_int_equal(
        net_listen(world->net, &(struct net_options){ .host = "127.0.0.1", .tag = WORLD_V4 }, &fault),
        STATUS_OK);
    uint16_t port = net_port(world->net);
    struct net_options v6 = { .host = "::1", .port = port, .tag = WORLD_V6 };
    world->v6_port = net_listen(world->net, &v6, &fault) == STATUS_OK ? port : 0;
}

int world_set_up(void **state) {
    static const struct net_handlers handlers = {
        .on_head = on_head,
        .on_request = on_request,
        .on_open = on_open,
        .on_message = on_message,
        .on_writable = on_writable,
        .on_silence = on_silence,
        .on_close = on_close,
    };
    struct net_world *world = mem_alloc(sizeof *world);
    struct fault fault;
    assert_int_equal(net_open(&world->net, &fault), STATUS_OK);
    net_serve(world->net, &handlers, world, 0);
    listen_everywhere(world);
    pthread_create(&world->thread, NULL, run, world);
    *state = world;
    return 0;
}

int world_tear_down(void **state) {
    struct net_world *world = *state;
    atomic_store(&world->stop, true);
    net_wake(world->net);
    pthread_join(world->thread, NULL);
    net_drop_clients(world->net);
    net_close(world->net);
    free(world);
    return 0;
}

/* ---- The client ---- */

int world_dial_tag(struct net_world *world, int tag) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un path;
    } address = { 0 };
    if (tag == WORLD_V4) {
        address.v4 = (struct sockaddr_in){ .sin_family = AF_INET,
                                           .sin_port = htons(net_port(world->net)),
                                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    } else if (tag == WORLD_V6) {
        address.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
                                            .sin6_port = htons(world->v6_port),
                                            .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    } else {
        address.path.sun_family = AF_UNIX;
        snprintf(address.path.sun_path, sizeof address.path.sun_path, "%s", world->path);
    }
    int fd = socket(address.any.sa_family, SOCK_STREAM, 0);
    struct timeval limit = { .tv_sec = 20 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    assert_int_equal(connect(fd, &address.any, sizeof address.path), 0);
    return fd;
}

int world_dial(struct net_world *world) {
    return world_dial_tag(world, WORLD_V4);
}

void world_put(int fd, const void *bytes, size_t n_bytes) {
    assert_int_equal(send(fd, bytes, n_bytes, MSG_NOSIGNAL), (ssize_t)n_bytes);
}

char *world_get_until(int fd, const char *text) {
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

void world_turn(struct net_world *world) {
    int fd = world_dial(world);
    const char *request = "GET /a?name=turn HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    world_put(fd, request, strlen(request));
    assert_non_null(strstr(world_get_until(fd, NULL), "turn"));
    close(fd);
}

char *world_ask(struct net_world *world, const char *request, const char *until) {
    int fd = world_dial(world);
    world_put(fd, request, strlen(request));
    char *answer = world_get_until(fd, until);
    close(fd);
    return answer;
}

size_t world_make_head(unsigned char head[14], unsigned char first, size_t n_bytes) {
    size_t n_length = n_bytes < 126 ? 0 : n_bytes < 65536 ? 2 : 8;
    memset(head, 0, 14);
    head[0] = first;
    head[1] = (unsigned char)(0x80 | (n_length == 0 ? n_bytes : n_length == 2 ? 126 : 127));
    for (size_t i = 0; i < n_length; i++) {
        head[2 + i] = (unsigned char)((uint64_t)n_bytes >> 8 * (n_length - 1 - i));
    }
    return 2 + n_length + 4;
}

void world_put_frame(int fd, unsigned char first, const char *payload, size_t n_bytes) {
    unsigned char head[14];
    world_put(fd, head, world_make_head(head, first, n_bytes));
    world_put(fd, payload, n_bytes);
}

size_t world_get_exactly(int fd, void *out, size_t n_bytes) {
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

char *world_get_any_frame(int fd, unsigned *opcode) {
    static char payload[(3u << 20) + 1];
    unsigned char head[10] = { 0 };
    *opcode = 0;
    if (world_get_exactly(fd, head, 2) != 2) {
        return payload;
    }
    size_t n_bytes = head[1];
    size_t n_length = n_bytes == 127 ? 8 : n_bytes == 126 ? 2 : 0;
    assert_int_equal(world_get_exactly(fd, head + 2, n_length), n_length);
    for (size_t i = 0; i < n_length; i++) {
        n_bytes = (i == 0 ? 0 : n_bytes << 8) | head[2 + i];
    }
    assert_true(n_bytes < sizeof payload);
    assert_int_equal(world_get_exactly(fd, payload, n_bytes), n_bytes);
    payload[n_bytes] = '\0';
    *opcode = head[0] & 0x0f;
    return payload;
}

char *world_get_frame(int fd, unsigned *opcode) {
    char *payload;
    do {
        payload = world_get_any_frame(fd, opcode);
    } while (*opcode == 1 && strcmp(payload, WORLD_SILENCE) == 0);
    return payload;
}

int world_dial_websocket(struct net_world *world) {
    int fd = world_dial(world);
    const char *request =
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    world_put(fd, request, strlen(request));
    char head[1024] = "";
    for (size_t n = 0; strstr(head, "\r\n\r\n") == NULL; n++) {
        assert_int_equal(world_get_exactly(fd, head + n, 1), 1);
    }
    assert_non_null(strstr(head, "101"));
    assert_non_null(strstr(head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    unsigned opcode;
    assert_string_equal(world_get_frame(fd, &opcode), "hello");
    return fd;
}

void world_expect_close(int fd, unsigned code) {
    unsigned opcode;
    char *payload = world_get_frame(fd, &opcode);
    assert_int_equal(opcode, 8);
    assert_int_equal((unsigned char)payload[0] << 8 | (unsigned char)payload[1], code);
    close(fd);
}

size_t world_count_of(const char *text, const char *wanted) {
    size_t n = 0;
    for (const char *at = strstr(text, wanted); at; at = strstr(at + 1, wanted)) {
        n++;
    }
    return n;
}
