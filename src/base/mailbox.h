/* mailbox.h - how a thread hands work to another, with the only lock that threads wait for work at.
 *
 * A message is a heap object that begins with a struct mail. Posting gives it away; taking receives it.
 * Messages carry ids and copies, never pointers to what another thread may change (I5).
 *
 * Wake-ups coalesce: `wake` is called once for a box that was empty, so the reader drains all.
 *
 * Thread  mailbox_post, mailbox_close, mailbox_count any; the take and wait functions the reader; new and
 *         free when no other thread uses the box.
 * Limits  n_max messages; a post beyond it is STATUS_FULL and the sender keeps the message.
 */
#ifndef RUNNEL_BASE_MAILBOX_H
#define RUNNEL_BASE_MAILBOX_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mail {
    struct mail *next;
};

struct mailbox;

struct mailbox_options {
    size_t n_max;
    void (*wake)(void *ctx); /* optional: called from the posting thread after a post into an empty box */
    void *ctx;
};

struct mailbox *mailbox_new(const struct mailbox_options *options);

/* mailbox_free requires that the box is empty: the owner knows how to free its messages. NULL is fine. */
void mailbox_free(struct mailbox *box);

MUST_CHECK enum status mailbox_post(struct mailbox *box, struct mail *mail);

/* mailbox_take_all returns the messages in the order posted, as a list by `next`; NULL: none. Never blocks. */
struct mail *mailbox_take_all(struct mailbox *box);

/* mailbox_wait_all blocks until there is a message, the box is closed, or timeout_ms passed (−1: no limit).
 * NULL: closed and empty, or the time is over. */
struct mail *mailbox_wait_all(struct mailbox *box, int64_t timeout_ms);

/* mailbox_close wakes the reader for good; later posts are STATUS_CLOSED. */
void mailbox_close(struct mailbox *box);
bool mailbox_is_closed(struct mailbox *box);

size_t mailbox_count(struct mailbox *box);

#endif
