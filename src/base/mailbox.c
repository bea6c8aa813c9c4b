#include "base/mailbox.h"

#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct mailbox {
    struct mailbox_options options;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct mail *first;
    struct mail *last;
    size_t n;
    bool closed;
};

struct mailbox *mailbox_new(const struct mailbox_options *options) {
    struct mailbox *box = mem_alloc(sizeof *box);
    box->options = *options;
    pthread_mutex_init(&box->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&box->filled, &attributes);
    pthread_condattr_destroy(&attributes);
    return box;
}

void mailbox_free(struct mailbox *box) {
    if (box == NULL) {
        return;
    }
    assert(box->first == NULL);
    pthread_cond_destroy(&box->filled);
    pthread_mutex_destroy(&box->lock);
    free(box);
}

enum status mailbox_post(struct mailbox *box, struct mail *mail) {
    mail->next = NULL;
    pthread_mutex_lock(&box->lock);
    enum status status = box->closed ? STATUS_CLOSED : box->n >= box->options.n_max ? STATUS_FULL : STATUS_OK;
    bool was_empty = box->first == NULL;
    if (status == STATUS_OK) {
        *(was_empty ? &box->first : &box->last->next) = mail;
        box->last = mail;
        box->n++;
        pthread_cond_signal(&box->filled);
    }
    pthread_mutex_unlock(&box->lock);
    if (status == STATUS_OK && was_empty && box->options.wake) {
        box->options.wake(box->options.ctx);
    }
    return status;
}

static struct mail *take_all_locked(struct mailbox *box) {
    struct mail *first = box->first;
    box->first = NULL;
    box->last = NULL;
    box->n = 0;
    return first;
}

struct mail *mailbox_take_all(struct mailbox *box) {
    pthread_mutex_lock(&box->lock);
    struct mail *first = take_all_locked(box);
    pthread_mutex_unlock(&box->lock);
    return first;
}

struct mail *mailbox_wait_all(struct mailbox *box, int64_t timeout_ms) {
    uint64_t until_ns = clock_now_ns() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000u;
    struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000u),
                              .tv_nsec = (long)(until_ns % 1000000000u) };
    int result = 0;
    pthread_mutex_lock(&box->lock);
    while (box->first == NULL && !box->closed && result != ETIMEDOUT) {
        result = timeout_ms < 0 ? pthread_cond_wait(&box->filled, &box->lock)
                                : pthread_cond_timedwait(&box->filled, &box->lock, &until);
    }
    struct mail *first = take_all_locked(box);
    pthread_mutex_unlock(&box->lock);
    return first;
}

void mailbox_close(struct mailbox *box) {
    pthread_mutex_lock(&box->lock);
    box->closed = true;
    pthread_cond_broadcast(&box->filled);
    pthread_mutex_unlock(&box->lock);
}

bool mailbox_is_closed(struct mailbox *box) {
    pthread_mutex_lock(&box->lock);
    bool closed = box->closed;
    pthread_mutex_unlock(&box->lock);
    return closed;
}

size_t mailbox_count(struct mailbox *box) {
    pthread_mutex_lock(&box->lock);
    size_t n = box->n;
    pthread_mutex_unlock(&box->lock);
    return n;
}
