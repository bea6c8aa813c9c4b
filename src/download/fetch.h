/* fetch.h - the thread that downloads: one file after the other, into a part file beside where it will be.
 *
 * A connection that breaks is made again by itself, with growing pauses, and goes on where it was; only one that brings nothing FETCH_TRIES times in a row is
 * given up. What is on the disk for certain is told (`safe`): after a crash of the machine a part is good up to there.
 *
 * Owner   downloads.c.
 * Thread  the loop's, but for what fetch_main runs.
 * Memory  jobs and news are copies, one heap object each; news are freed by whoever took them, with free().
 * Limits  FETCH_JOBS_MAX; FETCH_BYTES_MAX for a file; FETCH_RESERVE_BYTES of the disk are left.
 */
#ifndef RUNNEL_DOWNLOAD_FETCH_H
#define RUNNEL_DOWNLOAD_FETCH_H

#include "base/mailbox.h"
#include "download/transfer_library.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define FETCH_JOBS_MAX      64
#define FETCH_NEWS_MAX      4096
#define FETCH_TRIES         10
#define FETCH_STALL_S       30
#define FETCH_BYTES_MAX     (1ull << 40)
#define FETCH_RESERVE_BYTES (64ull << 20)
#define FETCH_SYNC_BYTES    (16ull << 20)
#define FETCH_URL_BYTES     4096
#define FETCH_TOKEN_BYTES   512

enum fetch_order {
    FETCH_BEGIN,   /* download, and compare the hash */
    FETCH_STOP,    /* whatever is done for this number */
    FETCH_INSTALL, /* give the part its name, durably */
};

struct fetch_job {
    struct mail mail;
    enum fetch_order order;
    uint64_t number;  /* comes back with each of its news */
    bool needs_magic; /* a GGUF file says so in its first four bytes */
    bool is_hub;      /* its word for the hash counts */
    uint64_t safe;    /* bytes of the part that are good; with a validator */
    uint64_t total;   /* 0: not known yet */
    char validator[TRANSFER_VALIDATOR_BYTES];
    char sha256[TRANSFER_HASH_BYTES]; /* what it must be; "": anything */
    char token[FETCH_TOKEN_BYTES];    /* for the host of the address alone; "": none */
    char url[FETCH_URL_BYTES];
    char path[PATH_MAX]; /* where it will be */
    char part[PATH_MAX];
};

enum fetch_kind {
    FETCH_HEAD,     /* total, validator and sha256 are known; done is what was kept of the part */
    FETCH_PROGRESS, /* done, safe */
    FETCH_RETRYING, /* text says what went wrong */
    FETCH_VERIFYING,
    /* The last of a job: */
    FETCH_COMPLETE, /* of BEGIN: whole, and what it must be. Of INSTALL: it has its name */
    FETCH_STOPPED,
    FETCH_FAILED, /* text says why; the part is kept where it may be of use */
};

struct fetch_news {
    struct mail mail;
    enum fetch_kind kind;
    uint64_t number;
    uint64_t done;
    uint64_t total;
    uint64_t safe;
    bool is_useless; /* of FAILED: the part was thrown away */
    char validator[TRANSFER_VALIDATOR_BYTES];
    char sha256[TRANSFER_HASH_BYTES];
    char text[TRANSFER_TEXT_BYTES];
};

struct fetch;

/* fetch_open starts the thread. `wake` is called from it when there is news. NULL: it cannot be started. */
struct fetch *fetch_open(void (*wake)(void *ctx), void *ctx);
/* fetch_stop ends what is under way, as STOP does, and the thread; within a second or so. What it had to say can still be taken, until fetch_free. */
void fetch_stop(struct fetch *fetch);
void fetch_free(struct fetch *fetch);

/* fetch_post takes the job over. STATUS_FULL: it does not. */
MUST_CHECK enum status fetch_post(struct fetch *fetch, struct fetch_job *job);
/* fetch_take returns all news as a list by mail.next; NULL: none. */
struct fetch_news *fetch_take(struct fetch *fetch);

#endif
