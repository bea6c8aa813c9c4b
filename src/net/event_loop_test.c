#include "net/event_loop.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define N_MANY 1000

static struct event_loop *loop;
static const struct loop *face;

static int set_up(void **state) {
    (void)state;
    struct fault fault;
    assert_int_equal(event_loop_open(&loop, &fault), STATUS_OK);
    face = event_loop_face(loop);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    event_loop_close(loop);
    return 0;
}

static void nothing(void *ctx) {
    (void)ctx;
}

/* ---- Timers ---- */

struct alarm {
    struct loop_timer *timer;
    uint64_t due_ns; /* at the earliest, and at the latest */
    uint64_t latest_ns;
    size_t number;
    size_t n_times;
};

static size_t n_rung;
static struct alarm *last_rung;

static void on_alarm(void *ctx) {
    struct alarm *alarm = ctx;
    assert_true(clock_now_ns() >= alarm->due_ns);
    n_rung++;
    alarm->n_times++;
    last_rung = alarm;
}

static void set_alarm(struct alarm *alarm, int64_t delay_ms) {
    alarm->due_ns = clock_now_ns() + (uint64_t)delay_ms * 1000000;
    face->timer_set(alarm->timer, delay_ms);
    alarm->latest_ns = clock_now_ns() + (uint64_t)delay_ms * 1000000;
}

static struct alarm *make_alarms(size_t n) {
    struct alarm *alarms = calloc(n, sizeof *alarms);
    assert_non_null(alarms);
    for (size_t i = 0; i < n; i++) {
        alarms[i] = (struct alarm){ .timer = face->timer_new(face->self, on_alarm, &alarms[i]), .number = i };
    }
    n_rung = 0;
    last_rung = NULL;
    return alarms;
}

static void free_alarms(struct alarm *alarms, size_t n) {
    for (size_t i = 0; i < n; i++) {
        face->timer_free(alarms[i].timer);
    }
    free(alarms);
}

static void on_ordered(void *ctx) {
    struct alarm *alarm = ctx;
    if (last_rung) {
        assert_true(last_rung->due_ns <= alarm->latest_ns);
    }
    on_alarm(alarm);
}

/* A third is stopped again, a third is set to another time. */
static void test_timers_run_once_in_order_and_none_early(void **state) {
    (void)state;
    struct alarm *alarms = make_alarms(N_MANY);
    srand(7);
    for (size_t i = 0; i < N_MANY; i++) {
        face->timer_free(alarms[i].timer);
        alarms[i].timer = face->timer_new(face->self, on_ordered, &alarms[i]);
        set_alarm(&alarms[i], rand() % 50);
    }
    for (size_t i = 0; i < N_MANY; i++) {
        if (i % 3 == 0) {
            face->timer_set(alarms[i].timer, -1);
        } else if (i % 3 == 1) {
            set_alarm(&alarms[i], rand() % 50);
        }
    }
    while (n_rung < N_MANY - (N_MANY + 2) / 3) {
        event_loop_run_once(loop);
    }
    for (size_t i = 0; i < N_MANY; i++) {
        assert_int_equal(alarms[i].n_times, i % 3 != 0);
    }
    free_alarms(alarms, N_MANY);
}

static void on_next(void *ctx) {
    assert_int_equal(((struct alarm *)ctx)->number, n_rung);
    on_alarm(ctx);
}

static void test_what_is_due_at_once_runs_in_the_order_it_was_set(void **state) {
    (void)state;
    struct alarm *alarms = make_alarms(100);
    for (size_t i = 0; i < 100; i++) {
        face->timer_free(alarms[i].timer);
        alarms[i].timer = face->timer_new(face->self, on_next, &alarms[i]);
        set_alarm(&alarms[i], 0);
    }
    event_loop_run_once(loop);
    assert_int_equal(n_rung, 100);
    free_alarms(alarms, 100);
}

static void on_again(void *ctx) {
    on_alarm(ctx);
    set_alarm(ctx, 0);
}

static void test_a_timer_that_sets_itself_again_keeps_no_turn_from_ending(void **state) {
    (void)state;
    struct alarm *alarms = make_alarms(1);
    face->timer_free(alarms->timer);
    alarms->timer = face->timer_new(face->self, on_again, alarms);
    set_alarm(alarms, 0);
    for (size_t i = 1; i <= 5; i++) {
        event_loop_run_once(loop);
        assert_int_equal(alarms->n_times, i);
    }
    free_alarms(alarms, 1);
}

static void free_both(void *ctx) {
    struct loop_timer **timers = ctx;
    face->timer_free(timers[0]);
    face->timer_free(timers[1]);
    n_rung++;
}

static void test_a_timer_may_free_itself_and_another_that_is_due(void **state) {
    (void)state;
    n_rung = 0;
    struct loop_timer *timers[2];
    for (size_t i = 0; i < 2; i++) {
        timers[i] = face->timer_new(face->self, free_both, timers);
        face->timer_set(timers[i], 0);
    }
    event_loop_run_once(loop);
    assert_int_equal(n_rung, 1);
}

/* ---- Descriptors ---- */

struct end {
    int fd;
    int peer;
    struct loop_watch *watch;
    struct end *other; /* is closed when something can be read here */
    size_t n_reads;
    size_t n_writes;
};

static void close_end(struct end *end) {
    face->unwatch(end->watch);
    end->watch = NULL;
    if (end->fd >= 0) {
        close(end->fd);
        end->fd = -1;
    }
    if (end->peer >= 0) {
        close(end->peer);
        end->peer = -1;
    }
}

static void on_readable(void *ctx) {
    struct end *end = ctx;
    char byte;
    end->n_reads++;
    (void)!recv(end->fd, &byte, 1, MSG_DONTWAIT);
    if (end->other) {
        close_end(end->other);
        close_end(end);
    }
}

static void on_writable(void *ctx) {
    ((struct end *)ctx)->n_writes++;
}

static struct end make_end(struct end *self) {
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct end end = { .fd = fds[0], .peer = fds[1] };
    end.watch = face->watch_fd(face->self, end.fd, on_readable, on_writable, self);
    assert_non_null(end.watch);
    return end;
}

static void say(struct end *end) {
    assert_int_equal(send(end->peer, "x", 1, 0), 1);
}

/* Runs turns for some time; how many there were. */
static size_t run_for(int64_t ms) {
    struct alarm *alarm = make_alarms(1);
    set_alarm(alarm, ms);
    size_t n_turns = 0;
    for (; alarm->n_times == 0; n_turns++) {
        event_loop_run_once(loop);
    }
    free_alarms(alarm, 1);
    return n_turns;
}

static void test_what_is_not_read_is_told_again(void **state) {
    (void)state;
    struct end end = make_end(&end);
    say(&end);
    say(&end);
    event_loop_run_once(loop);
    event_loop_run_once(loop);
    assert_int_equal(end.n_reads, 2);
    close_end(&end);
}

static void test_an_end_that_is_closed_by_another_is_not_told_of_what_was_under_way(void **state) {
    (void)state;
    struct end one = make_end(&one);
    struct end two = make_end(&two);
    one.other = &two;
    two.other = &one;
    say(&one);
    say(&two);
    event_loop_run_once(loop);
    assert_int_equal(one.n_reads + two.n_reads, 1);
}

struct twin {
    struct event_source source;
    struct twin *other;
};

static void close_twin(struct twin *twin) {
    event_loop_remove(loop, &twin->source);
    close(twin->source.fd);
    free(twin);
}

static void on_twin(struct event_source *source, uint32_t events) {
    struct twin *twin = (struct twin *)(void *)source;
    assert_true(events & EPOLLIN);
    close_twin(twin->other);
    close_twin(twin);
    n_rung++;
}

static void test_a_source_may_be_freed_while_its_events_are_under_way(void **state) {
    (void)state;
    struct twin *twins[2];
    int peers[2];
    for (size_t i = 0; i < 2; i++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        twins[i] = mem_alloc(sizeof *twins[i]);
        twins[i]->source = (struct event_source){ .fd = fds[0], .on_events = on_twin };
        peers[i] = fds[1];
        assert_true(event_loop_add(loop, &twins[i]->source, EPOLLIN));
        assert_int_equal(send(peers[i], "x", 1, 0), 1);
    }
    twins[0]->other = twins[1];
    twins[1]->other = twins[0];
    n_rung = 0;
    event_loop_run_once(loop);
    assert_int_equal(n_rung, 1);
    close(peers[0]);
    close(peers[1]);
}

static void test_on_writable_comes_once_for_each_wish(void **state) {
    (void)state;
    struct end end = make_end(&end);
    face->want_write(end.watch);
    run_for(5);
    assert_int_equal(end.n_writes, 1);
    face->want_write(end.watch);
    run_for(5);
    assert_int_equal(end.n_writes, 2);
    assert_int_equal(end.n_reads, 0);
    close_end(&end);
}

static void test_reading_can_be_put_off(void **state) {
    (void)state;
    struct end end = make_end(&end);
    face->want_read(end.watch, false);
    say(&end);
    run_for(5);
    assert_int_equal(end.n_reads, 0);
    face->want_read(end.watch, true);
    event_loop_run_once(loop);
    assert_int_equal(end.n_reads, 1);
    close_end(&end);
}

/* The kernel tells of a hang-up whether it is asked or not. */
static void test_a_hang_up_that_nobody_reads_costs_no_turns(void **state) {
    (void)state;
    struct end end = make_end(&end);
    face->want_read(end.watch, false);
    close(end.peer);
    end.peer = -1;
    assert_true(run_for(50) < 10);
    assert_int_equal(end.n_reads, 0);
    face->want_write(end.watch);
    assert_true(run_for(50) < 10);
    assert_int_equal(end.n_writes, 1);
    face->want_read(end.watch, true);
    event_loop_run_once(loop);
    assert_int_equal(end.n_reads, 1);
    close_end(&end);
}

static void test_what_cannot_be_watched_is_refused(void **state) {
    (void)state;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_null(face->watch_fd(face->self, fd, nothing, nothing, NULL));
    close(fd);
}

/* ---- Wakes ---- */

static void *wake(void *ctx) {
    (void)ctx;
    event_loop_wake(loop);
    return NULL;
}

static void test_another_thread_ends_the_wait(void **state) {
    (void)state;
    for (size_t i = 0; i < 100; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, wake, NULL);
        event_loop_run_once(loop); /* nothing else could end it */
        pthread_join(thread, NULL);
    }
}

static void test_wakes_before_the_wait_count_as_one(void **state) {
    (void)state;
    event_loop_wake(loop);
    event_loop_wake(loop);
    event_loop_run_once(loop);
    assert_true(run_for(20) < 5);
}

static void on_signal(int number) {
    (void)number;
    event_loop_wake(loop);
}

static void test_a_signal_handler_may_wake(void **state) {
    (void)state;
    struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGUSR1, &action, NULL);
    errno = ENOENT;
    raise(SIGUSR1);
    assert_int_equal(errno, ENOENT);
    event_loop_run_once(loop);
    signal(SIGUSR1, SIG_DFL);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_timers_run_once_in_order_and_none_early),
        TEST(test_what_is_due_at_once_runs_in_the_order_it_was_set),
        TEST(test_a_timer_that_sets_itself_again_keeps_no_turn_from_ending),
        TEST(test_a_timer_may_free_itself_and_another_that_is_due),
        TEST(test_what_is_not_read_is_told_again),
        TEST(test_an_end_that_is_closed_by_another_is_not_told_of_what_was_under_way),
        TEST(test_a_source_may_be_freed_while_its_events_are_under_way),
        TEST(test_on_writable_comes_once_for_each_wish),
        TEST(test_reading_can_be_put_off),
        TEST(test_a_hang_up_that_nobody_reads_costs_no_turns),
        TEST(test_what_cannot_be_watched_is_refused),
        TEST(test_another_thread_ends_the_wait),
        TEST(test_wakes_before_the_wait_count_as_one),
        TEST(test_a_signal_handler_may_wake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
