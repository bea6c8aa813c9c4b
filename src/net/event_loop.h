/* event_loop.h - one epoll set: descriptors, timers, and a wake-up that any thread may give.
 *
 * A turn waits, hands out what happened, and then runs the timers that are due; one that is set to 0 ms is work put off to the end of
 * the turn. Descriptors are level-triggered: what is not read is told again.
 *
 * Owner   event_loop_open and event_loop_close; a source belongs to whoever added it.
 * Thread  the loop thread, except event_loop_wake (any thread, also signal handlers).
 * Memory  a source, a watch or a timer may be freed in any upcall once it is removed: events that were fetched before do not reach it.
 * Units   milliseconds of CLOCK_MONOTONIC. A timer is never early.
 * Limits  EVENT_LOOP_EVENTS_MAX in one turn, then the timers have theirs; EVENT_LOOP_TIMERS_MAX run at once.
 */
#ifndef RUNNEL_NET_EVENT_LOOP_H
#define RUNNEL_NET_EVENT_LOOP_H

#include "base/loop.h"
#include "base/status.h"

#define EVENT_LOOP_EVENTS_MAX 256
#define EVENT_LOOP_TIMERS_MAX (1u << 20)

struct event_loop;

/* Part of whatever owns the descriptor; `events` is the loop's. */
struct event_source {
    int fd;
    uint32_t events; /* EPOLLIN …, as it is watched for now; EPOLLHUP and EPOLLERR come in any case */
    void (*on_events)(struct event_source *source, uint32_t events);
};

MUST_CHECK enum status event_loop_open(struct event_loop **out, struct fault *fault);

/* event_loop_close: no timer is running any more. NULL is fine. */
void event_loop_close(struct event_loop *loop);

/* event_loop_run_once does one turn. */
void event_loop_run_once(struct event_loop *loop);

/* event_loop_wake ends the wait of the turn that is under way, or of the next one. */
void event_loop_wake(struct event_loop *loop);

/* event_loop_add: false, the system cannot watch it. Remove a source before its descriptor is closed: another process that has a copy
 * of the descriptor would keep it in the set. */
MUST_CHECK bool event_loop_add(struct event_loop *loop, struct event_source *source, uint32_t events);
void event_loop_change(struct event_loop *loop, struct event_source *source, uint32_t events);
void event_loop_remove(struct event_loop *loop, struct event_source *source);

/* event_loop_face is the loop as other parts know it. */
const struct loop *event_loop_face(const struct event_loop *loop);

#endif
