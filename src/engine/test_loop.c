#include "engine/test_loop.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define WATCHES_MAX 64

struct loop_watch {
    struct list_node node;
    int fd;
    bool is_dead; /* unwatched; freed after the turn */
    bool wants_read;
    bool wants_write;
    void (*on_readable)(void *ctx);
    void (*on_writable)(void *ctx);
    void *ctx;
};

struct loop_timer {
    struct list_node node; /* in none: not running */
    struct test_loop *test_loop;
    uint64_t due_ms;
    void (*on_time)(void *ctx);
    void *ctx;
};

struct test_loop {
    struct loop loop;
    struct list_node watches;
    struct list_node timers;
    size_t n_timers;
};

static struct loop_watch *watch_fd(void *self, int fd, void (*on_readable)(void *ctx),
                                   void (*on_writable)(void *ctx), void *ctx) {
    struct test_loop *test_loop = self;
    struct loop_watch *watch = mem_alloc(sizeof *watch);
    watch->fd = dup(fd);
    watch->wants_read = true;
    watch->on_readable = on_readable;
    watch->on_writable = on_writable;
    watch->ctx = ctx;
    list_append(&test_loop->watches, &watch->node);
    return watch;
}

static void want_read(struct loop_watch *watch, bool wanted) {
    watch->wants_read = wanted;
}

static void want_write(struct loop_watch *watch) {
    watch->wants_write = true;
}

static void unwatch(struct loop_watch *watch) {
    watch->is_dead = true;
}

static struct loop_timer *timer_new(void *self, void (*on_time)(void *ctx), void *ctx) {
    struct test_loop *test_loop = self;
    struct loop_timer *timer = mem_alloc(sizeof *timer);
    timer->test_loop = test_loop;
    timer->on_time = on_time;
    timer->ctx = ctx;
    test_loop->n_timers++;
    return timer;
}

static void timer_set(struct loop_timer *timer, int64_t delay_ms) {
    list_remove(&timer->node);
    if (delay_ms >= 0) {
        timer->due_ms = clock_now_ms() + (uint64_t)delay_ms;
        list_append(&timer->test_loop->timers, &timer->node);
    }
}

static void timer_free(struct loop_timer *timer) {
    if (timer) {
        list_remove(&timer->node);
        timer->test_loop->n_timers--;
        free(timer);
    }
}

struct test_loop *test_loop_new(void) {
    struct test_loop *test_loop = mem_alloc(sizeof *test_loop);
    list_init(&test_loop->watches);
    list_init(&test_loop->timers);
    test_loop->loop = (struct loop){
        .self = test_loop,
        .watch_fd = watch_fd,
        .want_read = want_read,
        .want_write = want_write,
        .unwatch = unwatch,
        .timer_new = timer_new,
        .timer_set = timer_set,
        .timer_free = timer_free,
    };
    return test_loop;
}

static struct loop_watch *watch_of(struct list_node *node) {
    return CONTAINER_OF(node, struct loop_watch, node);
}

static void bury(struct test_loop *test_loop) {
    LIST_EACH(node, &test_loop->watches) {
        struct loop_watch *watch = watch_of(node);
        if (watch->is_dead) {
            list_remove(node);
            close(watch->fd);
            free(watch);
        }
    }
}

void test_loop_free(struct test_loop *test_loop) {
    bury(test_loop);
    assert(list_is_empty(&test_loop->watches));
    assert(test_loop->n_timers == 0);
    free(test_loop);
}

const struct loop *test_loop_get(struct test_loop *test_loop) {
    return &test_loop->loop;
}

/* The running timer that is due first; NULL: none. */
static struct loop_timer *next_timer(struct test_loop *test_loop) {
    struct loop_timer *first = NULL;
    LIST_EACH(node, &test_loop->timers) {
        struct loop_timer *timer = CONTAINER_OF(node, struct loop_timer, node);
        if (first == NULL || timer->due_ms < first->due_ms) {
            first = timer;
        }
    }
    return first;
}

static void run_timers(struct test_loop *test_loop) {
    uint64_t now = clock_now_ms();
    for (struct loop_timer *timer = next_timer(test_loop); timer && timer->due_ms <= now;
         timer = next_timer(test_loop)) {
        list_remove(&timer->node);
        timer->on_time(timer->ctx); /* may free it */
    }
}

static void call(struct loop_watch *watch, short events) {
    if ((events & (POLLIN | POLLHUP)) && watch->wants_read && !watch->is_dead) {
        watch->on_readable(watch->ctx);
    }
    if ((events & POLLOUT) && watch->wants_write && !watch->is_dead) {
        watch->wants_write = false;
        watch->on_writable(watch->ctx);
    }
}

void test_loop_turn(struct test_loop *test_loop, int timeout_ms) {
    bury(test_loop);
    struct pollfd pollfds[WATCHES_MAX];
    struct loop_watch *watches[WATCHES_MAX];
    nfds_t n = 0;
    LIST_EACH(node, &test_loop->watches) {
        struct loop_watch *watch = watch_of(node);
        assert(n < WATCHES_MAX);
        short events = (short)((watch->wants_read ? POLLIN : 0) | (watch->wants_write ? POLLOUT : 0));
        watches[n] = watch;
        pollfds[n++] = (struct pollfd){ .fd = events ? watch->fd : -1, .events = events };
    }
    const struct loop_timer *timer = next_timer(test_loop);
    uint64_t now = clock_now_ms();
    int until_timer_ms = timer == NULL ? timeout_ms : timer->due_ms > now ? (int)(timer->due_ms - now) : 0;
    poll(pollfds, n, until_timer_ms < timeout_ms ? until_timer_ms : timeout_ms);
    run_timers(test_loop);
    for (nfds_t i = 0; i < n; i++) {
        if (pollfds[i].revents) {
            call(watches[i], pollfds[i].revents);
        }
    }
    bury(test_loop);
}

bool test_loop_run(struct test_loop *test_loop, bool (*is_done)(void *ctx), void *ctx, int timeout_ms) {
    uint64_t end_ms = clock_now_ms() + (uint64_t)timeout_ms;
    while (!is_done(ctx)) {
        uint64_t now = clock_now_ms();
        if (now >= end_ms) {
            return false;
        }
        test_loop_turn(test_loop, (int)(end_ms - now));
    }
    return true;
}
