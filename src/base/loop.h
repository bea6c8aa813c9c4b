/* loop.h - what a part may ask of the event loop without knowing which one it is.
 *
 * net/event_loop.c implements it over epoll; tests implement it by hand.
 *
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_BASE_LOOP_H
#define RUNNEL_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop_watch;
struct loop_timer;

struct loop {
    void *self;

    /* watch_fd calls on_readable whenever `fd` can be read or has ended, and on_writable once after each want_write.
     * The loop owns neither fd nor ctx; unwatch before closing the fd. NULL: the loop could not take it. */
    struct loop_watch *(*watch_fd)(void *self, int fd, void (*on_readable)(void *ctx),
                                   void (*on_writable)(void *ctx), void *ctx);
    void (*want_read)(struct loop_watch *watch,
                      bool wanted); /* on at first; off is how back-pressure is applied */
    void (*want_write)(struct loop_watch *watch);
    void (*unwatch)(struct loop_watch *watch);

    /* timer_new makes a timer that is not running. timer_set runs it once after delay_ms, again when called
     * again; < 0 stops it. */
    struct loop_timer *(*timer_new)(void *self, void (*on_time)(void *ctx), void *ctx);
    void (*timer_set)(struct loop_timer *timer, int64_t delay_ms);
    void (*timer_free)(struct loop_timer *timer);
};

#endif
