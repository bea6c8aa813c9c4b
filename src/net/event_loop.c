#include "net/event_loop.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define NS_PER_MS   1000000u
#define WAIT_MS_MAX 3600000 /* what is left of a longer time is waited for in the next turn */
#define NOT_RUNNING SIZE_MAX

struct loop_watch {
    struct event_source source;
    struct event_loop *loop;
    bool reads;
    bool writes; /* on_writable is still owed */
    bool is_out; /* hung up and not read: out of the set, which would tell of it without an end */
    void (*on_readable)(void *ctx);
    void (*on_writable)(void *ctx);
    void *ctx;
};

struct loop_timer {
    struct event_loop *loop;
    size_t place; /* in `timers`, or NOT_RUNNING */
    uint64_t due_ns;
    uint64_t number; /* of the setting: what is due at the same time runs in this order */
    void (*on_time)(void *ctx);
    void *ctx;
};

struct event_loop {
    struct loop face;
    int epoll;
    struct event_source wake;
    struct epoll_event events[EVENT_LOOP_EVENTS_MAX]; /* of this turn; a removed source's are NULL */
    int n_events;
    struct loop_watch *current; /* whose upcall runs; NULL once it is unwatched */
    struct loop_timer **timers; /* a binary heap, the next one first */
    size_t n_timers;
    size_t timers_capacity;
    uint64_t n_settings;
};

/* ---- Sources ---- */

static bool control(struct event_loop *loop, int operation, struct event_source *source, uint32_t events) {
    struct epoll_event event = { .events = events, .data.ptr = source };
    source->events = events;
    return epoll_ctl(loop->epoll, operation, source->fd, &event) == 0;
}

bool event_loop_add(struct event_loop *loop, struct event_source *source, uint32_t events) {
    return control(loop, EPOLL_CTL_ADD, source, events);
}

void event_loop_change(struct event_loop *loop, struct event_source *source, uint32_t events) {
    if (source->events != events) {
        control(loop, EPOLL_CTL_MOD, source, events);
    }
}

void event_loop_remove(struct event_loop *loop, struct event_source *source) {
    control(loop, EPOLL_CTL_DEL, source, 0);
    for (int i = 0; i < loop->n_events; i++) {
        if (loop->events[i].data.ptr == source) {
            loop->events[i].data.ptr = NULL;
        }
    }
}

/* ---- Watches ---- */

static uint32_t wanted_events(const struct loop_watch *watch) {
    return (watch->reads ? (uint32_t)EPOLLIN : 0u) | (watch->writes ? (uint32_t)EPOLLOUT : 0u);
}

static void update(struct loop_watch *watch) {
    uint32_t events = wanted_events(watch);
    if (!watch->is_out) {
        event_loop_change(watch->loop, &watch->source, events);
    } else if (events) {
        watch->is_out = !event_loop_add(watch->loop, &watch->source, events);
    }
}

static void on_watch_events(struct event_source *source, uint32_t events) {
    struct loop_watch *watch = CONTAINER_OF(source, struct loop_watch, source);
    struct event_loop *loop = watch->loop;
    bool hung_up = events & (EPOLLHUP | EPOLLERR);
    loop->current = watch;
    if (watch->writes && (hung_up || events & EPOLLOUT)) {
        watch->writes = false;
        update(watch);
        watch->on_writable(watch->ctx);
    }
    if (loop->current && watch->reads && (hung_up || events & EPOLLIN)) {
        watch->on_readable(watch->ctx);
    }
    if (loop->current && hung_up && wanted_events(watch) == 0) {
        event_loop_remove(loop, source);
        watch->is_out = true;
    }
    loop->current = NULL;
}

static struct loop_watch *watch_fd(void *self, int fd, void (*on_readable)(void *ctx),
                                   void (*on_writable)(void *ctx), void *ctx) {
    struct loop_watch *watch = mem_alloc(sizeof *watch);
    *watch = (struct loop_watch){ .source = { .fd = fd, .on_events = on_watch_events },
                                  .loop = self,
                                  .reads = true,
                                  .on_readable = on_readable,
                                  .on_writable = on_writable,
                                  .ctx = ctx };
    if (!event_loop_add(self, &watch->source, EPOLLIN)) {
        free(watch);
        return NULL;
    }
    return watch;
}

static void want_read(struct loop_watch *watch, bool wanted) {
    watch->reads = wanted;
    update(watch);
}

static void want_write(struct loop_watch *watch) {
    watch->writes = true;
    update(watch);
}

static void unwatch(struct loop_watch *watch) {
    if (watch == NULL) {
        return;
    }
    if (!watch->is_out) {
        event_loop_remove(watch->loop, &watch->source);
    }
    if (watch->loop->current == watch) {
        watch->loop->current = NULL;
    }
    free(watch);
}

/* ---- Timers ---- */

static bool is_before(const struct loop_timer *a, const struct loop_timer *b) {
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->number < b->number;
}

static void put(struct event_loop *loop, size_t place, struct loop_timer *timer) {
    loop->timers[place] = timer;
    timer->place = place;
}

/* Brings the timer from `place` to where it belongs. */
static void settle(struct event_loop *loop, size_t place, struct loop_timer *timer) {
    while (place > 0 && is_before(timer, loop->timers[(place - 1) / 2])) {
        put(loop, place, loop->timers[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (size_t child = 2 * place + 1; child < loop->n_timers; child = 2 * place + 1) {
        if (child + 1 < loop->n_timers && is_before(loop->timers[child + 1], loop->timers[child])) {
            child++;
        }
        if (!is_before(loop->timers[child], timer)) {
            break;
        }
        put(loop, place, loop->timers[child]);
        place = child;
    }
    put(loop, place, timer);
}

static void stop(struct loop_timer *timer) {
    struct event_loop *loop = timer->loop;
    size_t place = timer->place;
    if (place == NOT_RUNNING) {
        return;
    }
    timer->place = NOT_RUNNING;
    struct loop_timer *last = loop->timers[--loop->n_timers];
    if (last != timer) {
        settle(loop, place, last);
    }
}

static struct loop_timer *timer_new(void *self, void (*on_time)(void *ctx), void *ctx) {
    struct loop_timer *timer = mem_alloc(sizeof *timer);
    *timer = (struct loop_timer){ .loop = self, .place = NOT_RUNNING, .on_time = on_time, .ctx = ctx };
    return timer;
}

static void timer_set(struct loop_timer *timer, int64_t delay_ms) {
    struct event_loop *loop = timer->loop;
    stop(timer);
    if (delay_ms < 0) {
        return;
    }
    timer->due_ns = clock_now_ns() + (uint64_t)delay_ms * NS_PER_MS;
    timer->number = loop->n_settings++;
    loop->timers = mem_grow_array(loop->timers, loop->n_timers, &loop->timers_capacity,
                                  sizeof(struct loop_timer *), EVENT_LOOP_TIMERS_MAX);
    settle(loop, loop->n_timers++, timer);
}

static void timer_free(struct loop_timer *timer) {
    if (timer) {
        stop(timer);
        free(timer);
    }
}

/* What an upcall sets has its turn in the next turn, so that no timer keeps the descriptors waiting. */
static void run_timers(struct event_loop *loop) {
    uint64_t now_ns = clock_now_ns();
    uint64_t n_settings = loop->n_settings;
    while (loop->n_timers > 0 && loop->timers[0]->due_ns <= now_ns && loop->timers[0]->number < n_settings) {
        struct loop_timer *timer = loop->timers[0];
        stop(timer);
        timer->on_time(timer->ctx);
    }
}

static int wait_ms(const struct event_loop *loop) {
    if (loop->n_timers == 0) {
        return -1;
    }
    uint64_t now_ns = clock_now_ns();
    uint64_t due_ns = loop->timers[0]->due_ns;
    uint64_t left_ms = due_ns <= now_ns ? 0 : (due_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
    return left_ms < WAIT_MS_MAX ? (int)left_ms : WAIT_MS_MAX;
}

/* ---- The loop ---- */

static void on_wake(struct event_source *source, uint32_t events) {
    (void)events;
    eventfd_t n_wakes;
    (void)eventfd_read(source->fd, &n_wakes);
}

void event_loop_wake(struct event_loop *loop) {
    int error = errno; /* of whatever a signal handler came in between */
    (void)eventfd_write(loop->wake.fd, 1);
    errno = error;
}

enum status event_loop_open(struct event_loop **out, struct fault *fault) {
    struct event_loop *loop = mem_alloc(sizeof *loop);
    loop->face = (struct loop){ .self = loop,
                                .watch_fd = watch_fd,
                                .want_read = want_read,
                                .want_write = want_write,
                                .unwatch = unwatch,
                                .timer_new = timer_new,
                                .timer_set = timer_set,
                                .timer_free = timer_free };
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wake = (struct event_source){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .on_events = on_wake };
    if (loop->epoll < 0 || loop->wake.fd < 0 || !event_loop_add(loop, &loop->wake, EPOLLIN)) {
        fault_set(fault, STATUS_IO, "the event loop could not be made: %s", strerror(errno));
        event_loop_close(loop);
        *out = NULL;
        return STATUS_IO;
    }
    *out = loop;
    return STATUS_OK;
}

void event_loop_close(struct event_loop *loop) {
    if (loop == NULL) {
        return;
    }
    assert(loop->n_timers == 0);
    if (loop->wake.fd >= 0) {
        close(loop->wake.fd);
    }
    if (loop->epoll >= 0) {
        close(loop->epoll);
    }
    free(loop->timers);
    free(loop);
}

void event_loop_run_once(struct event_loop *loop) {
    int n = epoll_wait(loop->epoll, loop->events, EVENT_LOOP_EVENTS_MAX, wait_ms(loop));
    loop->n_events = n > 0 ? n : 0;
    for (int i = 0; i < loop->n_events; i++) {
        struct event_source *source = loop->events[i].data.ptr;
        if (source) {
            source->on_events(source, loop->events[i].events);
        }
    }
    loop->n_events = 0;
    run_timers(loop);
}

const struct loop *event_loop_face(const struct event_loop *loop) {
    return &loop->face;
}
