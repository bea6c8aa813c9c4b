/* watch.c - file descriptors and timers of other parts, in the library's own loop.
 *
 * A watched descriptor is adopted as a "raw file". The library closes what it adopts, so it gets a duplicate.
 */
#include "base/mem.h"
#include "net/net_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct loop_watch {
    struct lws *wsi;
    lws_sorted_usec_list_t write_soon;
    struct net *net;
    bool is_writing;                /* inside on_writable */
    void (*on_readable)(void *ctx); /* NULL once unwatched: only the free is outstanding */
    void (*on_writable)(void *ctx);
    void *ctx;
};

struct loop_timer {
    lws_sorted_usec_list_t entry;
    struct net *net;
    void (*on_time)(void *ctx);
    void *ctx;
};

int watch_on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length) {
    (void)user;
    (void)in;
    (void)length;
    struct loop_watch *watch = lws_get_opaque_user_data(wsi);
    if (watch == NULL) {
        return 0;
    }
    switch (reason) {
    case LWS_CALLBACK_RAW_RX_FILE:
        if (watch->on_readable == NULL) {
            return -1;
        }
        watch->on_readable(watch->ctx);
        return 0;
    case LWS_CALLBACK_RAW_WRITEABLE_FILE:
        if (watch->on_writable) {
            watch->is_writing = true;
            watch->on_writable(watch->ctx);
            watch->is_writing = false;
        }
        return 0;
    case LWS_CALLBACK_RAW_CLOSE_FILE:
        watch->wsi = NULL;
        lws_set_opaque_user_data(wsi, NULL);
        if (watch->on_readable == NULL) {
            free(watch);
        }
        return 0;
    default:
        return 0;
    }
}

static struct loop_watch *watch_fd(void *self, int fd, void (*on_readable)(void *ctx),
                                   void (*on_writable)(void *ctx), void *ctx) {
    struct net *net = self;
    lws_sock_file_fd_type descriptor = { .filefd = dup(fd) };
    if (descriptor.filefd < 0) {
        return NULL;
    }
    struct lws *wsi =
        lws_adopt_descriptor_vhost(net->files, LWS_ADOPT_RAW_FILE_DESC, descriptor, WATCH_PROTOCOL, NULL);
    if (wsi == NULL) {
        return NULL;
    }
    struct loop_watch *watch = mem_alloc(sizeof *watch);
    *watch = (struct loop_watch){
        .net = net, .wsi = wsi, .on_readable = on_readable, .on_writable = on_writable, .ctx = ctx
    };
    lws_set_opaque_user_data(wsi, watch);
    return watch;
}

static void want_read(struct loop_watch *watch, bool wanted) {
    if (watch->wsi) {
        lws_rx_flow_control(watch->wsi, wanted);
    }
}

static void on_write_soon(lws_sorted_usec_list_t *entry) {
    struct loop_watch *watch = lws_container_of(entry, struct loop_watch, write_soon);
    if (watch->wsi) {
        lws_callback_on_writable(watch->wsi);
    }
}

static void want_write(struct loop_watch *watch) {
    if (watch->wsi && watch->is_writing) {
        /* The library drops a request from inside the callback: it clears POLLOUT after it. */
        lws_sul_schedule(watch->net->context, 0, &watch->write_soon, on_write_soon, 1);
    } else if (watch->wsi) {
        lws_callback_on_writable(watch->wsi);
    }
}

static void unwatch(struct loop_watch *watch) {
    if (watch == NULL) {
        return;
    }
    watch->on_readable = NULL;
    watch->on_writable = NULL;
    lws_sul_cancel(&watch->write_soon);
    if (watch->wsi == NULL) {
        free(watch);
        return;
    }
    lws_set_timeout(watch->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

static void on_timer(lws_sorted_usec_list_t *entry) {
    struct loop_timer *timer = lws_container_of(entry, struct loop_timer, entry);
    timer->on_time(timer->ctx);
}

static struct loop_timer *timer_new(void *self, void (*on_time)(void *ctx), void *ctx) {
    struct loop_timer *timer = mem_alloc(sizeof *timer);
    timer->net = self;
    timer->on_time = on_time;
    timer->ctx = ctx;
    return timer;
}

static void timer_set(struct loop_timer *timer, int64_t delay_ms) {
    if (delay_ms < 0) {
        lws_sul_cancel(&timer->entry);
        return;
    }
    lws_sul_schedule(timer->net->context, 0, &timer->entry, on_timer, (lws_usec_t)delay_ms * 1000);
}

static void timer_free(struct loop_timer *timer) {
    if (timer) {
        lws_sul_cancel(&timer->entry);
        free(timer);
    }
}

void watch_init_loop(struct net *net) {
    net->loop = (struct loop){
        .self = net,
        .watch_fd = watch_fd,
        .want_read = want_read,
        .want_write = want_write,
        .unwatch = unwatch,
        .timer_new = timer_new,
        .timer_set = timer_set,
        .timer_free = timer_free,
    };
}
