/* [E2] [E6] [E19]: what the inbox answers by itself, and what it keeps. */
#include "common/inbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct scene {
    int server_fd;
    int engine_fd;
    struct channel channel;
    struct events events;
    struct inbox inbox;
};

static void open_scene(struct scene *scene) {
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    scene->engine_fd = fds[0];
    scene->server_fd = fds[1];
    channel_init(&scene->channel, fds[0], fds[0]);
    events_init(&scene->events, &scene->channel);
    inbox_init(&scene->inbox, &scene->channel, &scene->events);
}

static void close_scene(struct scene *scene) {
    inbox_deinit(&scene->inbox);
    events_deinit(&scene->events);
    channel_deinit(&scene->channel);
    close(scene->engine_fd);
    if (scene->server_fd >= 0) {
        close(scene->server_fd);
    }
}

static void say(struct scene *scene, const char *text) {
    assert_int_equal(write(scene->server_fd, text, strlen(text)), strlen(text));
}

static void expect_answer(struct scene *scene, const char *wanted) {
    char text[1024];
    ssize_t n = recv(scene->server_fd, text, sizeof text - 1, MSG_DONTWAIT);
    assert_true(n > 0);
    text[n] = '\0';
    if (strstr(text, wanted) == NULL) {
        fail_msg("\"%s\" does not have \"%s\"", text, wanted);
    }
}

static void expect_command(struct scene *scene, bool loading, enum command_op op, const char *id) {
    struct command *command = inbox_next(&scene->inbox, loading);
    assert_non_null(command);
    assert_int_equal(command->op, op);
    assert_string_equal(command->id ? command->id : "", id);
    command_free(command);
}

static void test_a_ping_is_answered_during_a_load(void **state) {
    (void)state;
    struct scene scene;
    open_scene(&scene);
    say(&scene, "{\"op\":\"cancel\",\"id\":\"g1\"}\n{\"op\":\"ping\",\"n\":3}\n");
    assert_null(inbox_next(&scene.inbox, true));
    expect_answer(&scene, "{\"ev\":\"pong\",\"n\":3}");
    close_scene(&scene);
}

static void test_commands_of_a_load_come_afterwards_in_their_order(void **state) {
    (void)state;
    struct scene scene;
    open_scene(&scene);
    say(&scene, "{\"op\":\"cancel\",\"id\":\"a\"}\n{\"op\":\"cancel\",\"id\":\"b\"}\n");
    assert_null(inbox_next(&scene.inbox, true));
    say(&scene, "{\"op\":\"cancel\",\"id\":\"c\"}\n");
    expect_command(&scene, false, COMMAND_CANCEL, "a");
    expect_command(&scene, false, COMMAND_CANCEL, "b");
    expect_command(&scene, false, COMMAND_CANCEL, "c");
    assert_null(inbox_next(&scene.inbox, false));
    close_scene(&scene);
}

static void test_unload_comes_through_during_a_load(void **state) {
    (void)state;
    struct scene scene;
    open_scene(&scene);
    say(&scene, "{\"op\":\"cancel\",\"id\":\"a\"}\n{\"op\":\"unload\"}\n");
    expect_command(&scene, true, COMMAND_UNLOAD, "");
    close_scene(&scene);
}

static void test_a_look_in_the_middle_of_a_step_keeps_what_came(void **state) {
    (void)state;
    struct scene scene;
    open_scene(&scene);
    say(&scene,
        "{\"op\":\"cancel\",\"id\":\"a\"}\n{\"op\":\"ping\",\"n\":4}\n{\"op\":\"unload\"}\n{\"op\":\"can");
    inbox_collect(&scene.inbox);
    expect_answer(&scene, "{\"ev\":\"pong\",\"n\":4}");
    assert_int_equal(scene.inbox.n_kept, 2);
    say(&scene, "cel\",\"id\":\"b\"}\n");
    inbox_collect(&scene.inbox);
    assert_int_equal(scene.inbox.n_kept, 3);
    expect_command(&scene, false, COMMAND_CANCEL, "a");
    expect_command(&scene, false, COMMAND_UNLOAD, "");
    expect_command(&scene, false, COMMAND_CANCEL, "b");
    assert_null(inbox_next(&scene.inbox, false));
    close_scene(&scene);
}

static void test_what_is_kept_has_a_limit(void **state) {
    (void)state;
    struct scene scene;
    open_scene(&scene);
    for (int i = 0; i < INBOX_KEPT_MAX + 10; i++) {
        say(&scene, "{\"op\":\"cancel\",\"id\":\"a\"}\n");
        inbox_collect(&scene.inbox);
    }
    assert_int_equal(scene.inbox.n_kept, INBOX_KEPT_MAX);
    for (int i = 0; i < INBOX_KEPT_MAX + 10; i++) {
        expect_command(&scene, false, COMMAND_CANCEL, "a");
    }
    assert_null(inbox_next(&scene.inbox, false));
    close_scene(&scene);
}

static void test_wrong_lines_are_answered_and_do_no_harm(void **state) {
    (void)state;
    struct scene scene;
    open_scene(&scene);
    say(&scene, "what\n");
    assert_null(inbox_next(&scene.inbox, false));
    expect_answer(&scene, "{\"ev\":\"failed\",\"op\":\"\",\"error\":{\"code\":\"bad_request\"");
    say(&scene, "{\"op\":\"generate\",\"id\":\"g\"}\n");
    assert_null(inbox_next(&scene.inbox, false));
    expect_answer(&scene,
                  "{\"ev\":\"end\",\"id\":\"g\",\"reason\":\"error\",\"error\":{\"code\":\"bad_request\"");
    say(&scene, "{\"op\":\"future\"}\n\n{\"op\":\"unload\"}\n");
    expect_command(&scene, false, COMMAND_UNLOAD, "");
    close_scene(&scene);
}

static void test_a_closed_socket_means_go(void **state) {
    (void)state;
    struct scene scene;
    open_scene(&scene);
    assert_null(inbox_next(&scene.inbox, false));
    assert_false(inbox_must_go(&scene.inbox));
    close(scene.server_fd);
    scene.server_fd = -1;
    assert_null(inbox_next(&scene.inbox, false));
    assert_true(inbox_must_go(&scene.inbox));
    assert_true(inbox_is_done(&scene.inbox));
    close_scene(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_ping_is_answered_during_a_load),
        cmocka_unit_test(test_commands_of_a_load_come_afterwards_in_their_order),
        cmocka_unit_test(test_unload_comes_through_during_a_load),
        cmocka_unit_test(test_a_look_in_the_middle_of_a_step_keeps_what_came),
        cmocka_unit_test(test_what_is_kept_has_a_limit),
        cmocka_unit_test(test_wrong_lines_are_answered_and_do_no_harm),
        cmocka_unit_test(test_a_closed_socket_means_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
