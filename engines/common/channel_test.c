/* [E1] [E4] [E18]: lines over a socket pair. */
#include "common/channel.h"

#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct pair {
    struct channel channel;
    int engine_fd;
    int server_fd;
};

static void open_pair(struct pair *pair) {
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    pair->engine_fd = fds[0];
    pair->server_fd = fds[1];
    channel_init(&pair->channel, fds[0], fds[0]);
}

static void close_pair(struct pair *pair) {
    channel_deinit(&pair->channel);
    close(pair->engine_fd);
    if (pair->server_fd >= 0) {
        close(pair->server_fd);
    }
}

static void send_text(const struct pair *pair, const char *text) {
    assert_int_equal(write(pair->server_fd, text, strlen(text)), strlen(text));
}

static void expect_line(struct pair *pair, const char *wanted) {
    char *line;
    size_t n_bytes;
    channel_read(&pair->channel);
    assert_int_equal(channel_next_line(&pair->channel, &line, &n_bytes), CHANNEL_LINE);
    assert_string_equal(line, wanted);
    assert_int_equal(n_bytes, strlen(wanted));
}

static void expect_none(struct pair *pair) {
    char *line;
    size_t n_bytes;
    channel_read(&pair->channel);
    assert_int_equal(channel_next_line(&pair->channel, &line, &n_bytes), CHANNEL_NONE);
}

static void test_lines_come_whole_however_they_are_cut(void **state) {
    (void)state;
    struct pair pair;
    open_pair(&pair);
    expect_none(&pair);
    send_text(&pair, "one\ntw");
    expect_line(&pair, "one");
    expect_none(&pair);
    send_text(&pair, "o\n\nfour\n");
    expect_line(&pair, "two");
    expect_line(&pair, "");
    expect_line(&pair, "four");
    expect_none(&pair);
    assert_false(pair.channel.at_end);
    close_pair(&pair);
}

static void *send_long_line(void *ctx) {
    const struct pair *pair = ctx;
    size_t size = ENGINE_LINE_BYTES_MAX + 100000;
    char *text = mem_alloc(size + 1);
    memset(text, 'x', size);
    text[size] = '\n';
    for (size_t at = 0; at < size + 1;) {
        ssize_t n = write(pair->server_fd, text + at, size + 1 - at);
        assert(n > 0);
        at += (size_t)n;
    }
    free(text);
    return NULL;
}

static void test_a_line_too_long_is_skipped_and_the_next_one_works(void **state) {
    (void)state;
    struct pair pair;
    pthread_t thread;
    char *line;
    size_t n_bytes;
    open_pair(&pair);
    assert_int_equal(pthread_create(&thread, NULL, send_long_line, &pair), 0);
    enum channel_line kind;
    do {
        channel_wait(&pair.channel, -1, 10000);
        channel_read(&pair.channel);
        kind = channel_next_line(&pair.channel, &line, &n_bytes);
    } while (kind == CHANNEL_NONE);
    assert_int_equal(kind, CHANNEL_TOO_LONG);
    pthread_join(thread, NULL);
    send_text(&pair, "short\n");
    expect_line(&pair, "short");
    close_pair(&pair);
}

static void test_the_end_of_a_socket_is_live(void **state) {
    (void)state;
    struct pair pair;
    open_pair(&pair);
    send_text(&pair, "last\nno end");
    close(pair.server_fd);
    pair.server_fd = -1;
    expect_line(&pair, "last");
    expect_line(&pair, "no end"); /* a file may lack its last line end */
    expect_none(&pair);
    assert_true(pair.channel.at_end);
    assert_true(pair.channel.is_live);
    close_pair(&pair);
}

static void test_the_end_of_a_file_is_not_live(void **state) {
    (void)state;
    FILE *file = tmpfile();
    struct channel channel;
    char *line;
    size_t n_bytes;
    fputs("a\n", file);
    rewind(file);
    channel_init(&channel, fileno(file), -1);
    channel_read(&channel);
    assert_int_equal(channel_next_line(&channel, &line, &n_bytes), CHANNEL_LINE);
    channel_read(&channel);
    assert_true(channel.at_end);
    assert_false(channel.is_live);
    channel_deinit(&channel);
    fclose(file);
}

#define FLOOD_BYTES (4u << 20)

static void *flood(void *ctx) {
    struct pair *pair = ctx;
    char *text = mem_alloc(FLOOD_BYTES);
    memset(text, 'y', FLOOD_BYTES);
    bool sent = channel_write(&pair->channel, text, FLOOD_BYTES);
    free(text);
    return sent ? pair : NULL;
}

static void test_a_full_socket_makes_the_writer_wait(void **state) {
    (void)state;
    struct pair pair;
    pthread_t thread;
    void *sent;
    char buffer[65536];
    open_pair(&pair);
    assert_int_equal(pthread_create(&thread, NULL, flood, &pair), 0);
    size_t n_total = 0;
    while (n_total < FLOOD_BYTES) {
        ssize_t n = read(pair.server_fd, buffer, sizeof buffer);
        assert_true(n > 0);
        n_total += (size_t)n;
    }
    pthread_join(thread, &sent);
    assert_ptr_equal(sent, &pair);
    close_pair(&pair);
}

static void test_writing_to_nobody_is_the_end(void **state) {
    (void)state;
    struct pair pair;
    open_pair(&pair);
    close(pair.server_fd);
    pair.server_fd = -1;
    assert_false(channel_write(&pair.channel, "x\n", 2));
    assert_true(pair.channel.at_end);
    close_pair(&pair);
}

static int ignore_sigpipe(void **state) {
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_come_whole_however_they_are_cut),
        cmocka_unit_test(test_a_line_too_long_is_skipped_and_the_next_one_works),
        cmocka_unit_test(test_the_end_of_a_socket_is_live),
        cmocka_unit_test(test_the_end_of_a_file_is_not_live),
        cmocka_unit_test(test_a_full_socket_makes_the_writer_wait),
        cmocka_unit_test(test_writing_to_nobody_is_the_end),
    };
    return cmocka_run_group_tests(tests, ignore_sigpipe, NULL);
}
