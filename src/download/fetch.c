/* fetch.c - the fetch thread.
 *
 *   BEGIN → open the part → (transfer → broken: wait, again)* → hash → COMPLETE        at any place: STOP → STOPPED, trouble → FAILED
 */
#include "download/fetch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/module.h"
#include "download/fetch_file.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY_NAME   "runnel-transfer.so"
#define PROGRESS_MS    250
#define RETRY_FIRST_MS 250
#define RETRY_MAX_MS   30000

struct fetch {
    struct mailbox *jobs;
    struct mailbox *news;
    pthread_t thread;
    /* The thread's own: */
    const struct transfer_library *library; /* NULL: not loaded yet */
    struct mail *waiting;                   /* jobs that came while one was done, in order */
};

/* One job while it is done. */
struct work {
    struct fetch *fetch;
    const struct fetch_job *job;
    int fd;
    uint64_t done;
    uint64_t safe;
    uint64_t total;
    char validator[TRANSFER_VALIDATOR_BYTES];
    char sha256[TRANSFER_HASH_BYTES];
    uint64_t told_ms;
    uint64_t n_new_bytes; /* of this try */
    bool is_stopped;
    bool is_useless;
    struct fault fault; /* why a callback ended the transfer */
};

/* ---- News ---- */

static void tell(const struct work *work, enum fetch_kind kind, const char *text) {
    struct fetch_news *news = mem_alloc(sizeof *news);
    *news = (struct fetch_news){ .kind = kind,
                                 .number = work->job->number,
                                 .done = work->done,
                                 .total = work->total,
                                 .safe = work->safe,
                                 .is_useless = work->is_useless };
    memcpy(news->validator, work->validator, sizeof news->validator);
    memcpy(news->sha256, work->sha256, sizeof news->sha256);
    snprintf(news->text, sizeof news->text, "%s", text);
    enum status status = mailbox_post(work->fetch->news, &news->mail);
    if (status) {
        /* Closed, or a loop that has not looked for minutes: only progress comes so often. */
        assert(status == STATUS_CLOSED || kind == FETCH_PROGRESS || kind == FETCH_VERIFYING);
        free(news);
    }
}

static void tell_progress(struct work *work, enum fetch_kind kind) {
    uint64_t now_ms = clock_now_ms();
    if (now_ms - work->told_ms >= PROGRESS_MS) {
        work->told_ms = now_ms;
        tell(work, kind, "");
    }
}

/* ---- Orders meanwhile ---- */

static void keep(struct fetch *fetch, struct mail *mail) {
    struct mail **end = &fetch->waiting;
    while (*end) {
        end = &(*end)->next;
    }
    mail->next = NULL;
    *end = mail;
}

static bool is_stop_for(const struct fetch_job *order, const struct fetch_job *job) {
    return order->order == FETCH_STOP && order->number == job->number;
}

/* A STOP ends the work; other orders wait. */
static void take_orders(struct work *work, struct mail *first) {
    for (struct mail *mail = first, *next; mail; mail = next) {
        next = mail->next;
        struct fetch_job *order = (struct fetch_job *)mail;
        if (order->order != FETCH_STOP) {
            keep(work->fetch, mail);
            continue;
        }
        work->is_stopped = work->is_stopped || is_stop_for(order, work->job);
        free(order);
    }
}

static bool may_go_on(struct work *work) {
    take_orders(work, mailbox_take_all(work->fetch->jobs));
    work->is_stopped = work->is_stopped || mailbox_is_closed(work->fetch->jobs);
    return !work->is_stopped;
}

/* ---- The bytes ---- */

static void sync_part(struct work *work) {
    if (work->safe < work->done && fdatasync(work->fd) == 0) {
        work->safe = work->done;
        tell(work, FETCH_PROGRESS, "");
    }
}

static enum status cut(struct work *work, uint64_t n_bytes) {
    if (ftruncate(work->fd, (off_t)n_bytes) != 0 || lseek(work->fd, (off_t)n_bytes, SEEK_SET) < 0) {
        return fault_set(&work->fault, STATUS_IO,
                         "the part that is there cannot be cut: remove it, and resume");
    }
    work->done = n_bytes;
    work->safe = work->safe < n_bytes ? work->safe : n_bytes;
    return STATUS_OK;
}

static enum status check_head(struct work *work, const struct transfer_head *head) {
    if (head->total <= 0) {
        return fault_set(&work->fault, STATUS_INVALID,
                         "the other server does not say how large the file is: get it by other means");
    }
    if ((uint64_t)head->total > FETCH_BYTES_MAX || (uint64_t)head->total < head->offset) {
        return fault_set(&work->fault, STATUS_TOO_LARGE, "the other server says that the file has %lld bytes",
                         (long long)head->total);
    }
    return fetch_file_check_room(work->fd, (uint64_t)head->total - head->offset, &work->fault);
}

static bool on_head(void *ctx, const struct transfer_head *head) {
    struct work *work = ctx;
    if (check_head(work, head) != STATUS_OK || cut(work, head->offset) != STATUS_OK) {
        return false;
    }
    work->total = (uint64_t)head->total;
    memcpy(work->validator, head->validator, sizeof work->validator);
    if (work->job->is_hub && head->sha256[0] && work->job->sha256[0] == '\0') {
        memcpy(work->sha256, head->sha256, sizeof work->sha256);
    }
    tell(work, FETCH_HEAD, "");
    return true;
}

/* Looks at those of the first four bytes that are in this piece: a page that says why there is no file is no model. */
static bool is_magic(const struct work *work, const char *bytes, size_t n_bytes) {
    static const char magic[4] = { 'G', 'G', 'U', 'F' };
    for (size_t i = 0; i < n_bytes && work->done + i < sizeof magic; i++) {
        if (bytes[i] != magic[work->done + i]) {
            return false;
        }
    }
    return true;
}

static bool on_bytes(void *ctx, const char *bytes, size_t n_bytes) {
    struct work *work = ctx;
    if (work->job->needs_magic && !is_magic(work, bytes, n_bytes)) {
        work->is_useless = true;
        fault_set(&work->fault, STATUS_INVALID, "what is at this address is no model in the GGUF format");
        return false;
    }
    if (fetch_file_write(work->fd, bytes, n_bytes, &work->fault) != STATUS_OK) {
        return false;
    }
    work->done += n_bytes;
    work->n_new_bytes += n_bytes;
    if (work->done - work->safe >= FETCH_SYNC_BYTES) {
        sync_part(work);
    }
    return true;
}

static bool on_tick(void *ctx) {
    struct work *work = ctx;
    tell_progress(work, FETCH_PROGRESS);
    return may_go_on(work);
}

static bool on_hashed(void *ctx, uint64_t done) {
    struct work *work = ctx;
    (void)done;
    tell_progress(work, FETCH_VERIFYING);
    return may_go_on(work);
}

/* ---- One download ---- */

static const struct transfer_library *need_library(struct fetch *fetch, struct fault *fault) {
    if (fetch->library == NULL) {
        fetch->library = module_load(LIBRARY_NAME, TRANSFER_LIBRARY_SYMBOL, "a download", fault);
    }
    return fetch->library;
}

static enum transfer_end transfer_once(struct work *work, char *text) {
    work->n_new_bytes = 0;
    work->fault = (struct fault){ 0 };
    bool may_resume = work->validator[0] != '\0' && work->done > 0;
    if (!may_resume && cut(work, 0) != STATUS_OK) {
        return TRANSFER_STOPPED;
    }
    return work->fetch->library->run(&(struct transfer_request){ .url = work->job->url,
                                                                 .token = work->job->token,
                                                                 .offset = work->done,
                                                                 .validator = work->validator,
                                                                 .stall_s = FETCH_STALL_S,
                                                                 .on_head = on_head,
                                                                 .on_bytes = on_bytes,
                                                                 .on_tick = on_tick,
                                                                 .ctx = work },
                                     text);
}

/* False: it was told to stop. */
static bool wait_before(struct work *work, unsigned n_failed) {
    int64_t wait_ms = RETRY_FIRST_MS;
    for (unsigned i = 1; i < n_failed && wait_ms < RETRY_MAX_MS; i++) {
        wait_ms *= 2;
    }
    uint64_t until_ms = clock_now_ms() + (uint64_t)(wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS);
    while (may_go_on(work) && clock_now_ms() < until_ms) {
        take_orders(work, mailbox_wait_all(work->fetch->jobs, (int64_t)(until_ms - clock_now_ms())));
    }
    return !work->is_stopped;
}

/* Until all bytes are there. False: work->fault, or it was stopped. */
static bool transfer_all(struct work *work) {
    unsigned n_failed = 0;
    while (work->total == 0 || work->done < work->total) {
        char text[TRANSFER_TEXT_BYTES] = "";
        enum transfer_end end = transfer_once(work, text);
        bool is_short = end == TRANSFER_DONE && work->done < work->total;
        if (work->is_stopped || work->fault.status) {
            return false;
        }
        if (end == TRANSFER_REFUSED) {
            fault_set(&work->fault, STATUS_INVALID, "%s", text);
            return false;
        }
        if (end == TRANSFER_STALE) {
            work->validator[0] = '\0';
        }
        if (end != TRANSFER_DONE || is_short) {
            n_failed = work->n_new_bytes > 0 ? 1 : n_failed + 1;
            const char *why = is_short ? "the file came to its end too early" : text;
            if (n_failed >= FETCH_TRIES) {
                fault_set(&work->fault, STATUS_IO, "%.250s: resume to try again", why);
                return false;
            }
            tell(work, FETCH_RETRYING, why);
            if (!wait_before(work, n_failed)) {
                return false;
            }
        }
    }
    return true;
}

static bool verify(struct work *work) {
    char is[TRANSFER_HASH_BYTES];
    if (work->sha256[0] == '\0') {
        return true;
    }
    tell(work, FETCH_VERIFYING, "");
    if (fetch_file_hash(work->fd, on_hashed, work, is, &work->fault) != STATUS_OK) {
        return false;
    }
    work->is_useless = strcmp(is, work->sha256) != 0;
    if (work->is_useless) {
        fault_set(&work->fault, STATUS_CORRUPT,
                  "the file is not the one that was asked for: its SHA-256 is %s", is);
    }
    return !work->is_useless;
}

static bool flush(struct work *work) {
    if (fdatasync(work->fd) != 0) {
        fault_set(&work->fault, STATUS_IO, "the file cannot be written to the disk: look at it, and resume");
        return false;
    }
    work->safe = work->done;
    return true;
}

static void download(struct work *work) {
    const struct fetch_job *job = work->job;
    bool is_good =
        job->validator[0] || job->safe == job->total; /* what is there can be gone on with, or is all */
    if (need_library(work->fetch, &work->fault)) {
        work->fd = fetch_file_open(job->part, is_good ? job->safe : 0, &work->done, &work->fault);
    }
    work->safe = work->done;
    if (work->fd < 0 || (transfer_all(work) && verify(work) && flush(work))) {
        tell(work, work->fd < 0 ? FETCH_FAILED : FETCH_COMPLETE, work->fault.text);
    } else {
        sync_part(work);
        tell(work, work->fault.status ? FETCH_FAILED : FETCH_STOPPED, work->fault.text);
    }
    if (work->fd >= 0) {
        close(work->fd);
    }
    if (work->is_useless) {
        unlink(job->part);
    }
}

static void install(struct work *work) {
    enum status status = fetch_file_install(work->job->part, work->job->path, &work->fault);
    tell(work, status ? FETCH_FAILED : FETCH_COMPLETE, work->fault.text);
}

/* ---- The thread ---- */

static void do_job(struct fetch *fetch, struct fetch_job *job) {
    struct work *work = mem_alloc(sizeof *work);
    *work = (struct work){
        .fetch = fetch, .job = job, .fd = -1, .done = job->safe, .safe = job->safe, .total = job->total
    };
    memcpy(work->validator, job->validator, sizeof work->validator);
    memcpy(work->sha256, job->sha256, sizeof work->sha256);
    struct mail *behind = fetch->waiting; /* perhaps its own STOP */
    fetch->waiting = NULL;
    take_orders(work, behind);
    if (job->order == FETCH_BEGIN && work->is_stopped) {
        tell(work, FETCH_STOPPED, "");
    } else if (job->order == FETCH_BEGIN) {
        download(work);
    } else if (job->order == FETCH_INSTALL) {
        install(work);
    }
    free(work);
    free(job);
}

static void *fetch_main(void *ctx) {
    struct fetch *fetch = ctx;
    while (!mailbox_is_closed(fetch->jobs)) {
        for (struct mail *mail = mailbox_wait_all(fetch->jobs, fetch->waiting ? 0 : -1), *next; mail;
             mail = next) {
            next = mail->next;
            keep(fetch, mail);
        }
        struct mail *first = fetch->waiting;
        if (first) {
            fetch->waiting = first->next;
            do_job(fetch, (struct fetch_job *)first);
        }
    }
    return NULL;
}

static void free_all(struct mail *first) {
    for (struct mail *next; first; first = next) {
        next = first->next;
        free(first);
    }
}

struct fetch *fetch_open(void (*wake)(void *ctx), void *ctx) {
    struct fetch *fetch = mem_alloc(sizeof *fetch);
    sigset_t all;
    sigset_t before;
    fetch->jobs = mailbox_new(&(struct mailbox_options){ .n_max = FETCH_JOBS_MAX });
    fetch->news = mailbox_new(&(struct mailbox_options){ .n_max = FETCH_NEWS_MAX, .wake = wake, .ctx = ctx });
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the thread takes none */
    int error = pthread_create(&fetch->thread, NULL, fetch_main, fetch);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        mailbox_free(fetch->jobs);
        mailbox_free(fetch->news);
        free(fetch);
        return NULL;
    }
    pthread_setname_np(fetch->thread, "fetch");
    return fetch;
}

void fetch_stop(struct fetch *fetch) {
    mailbox_close(fetch->jobs);
    pthread_join(fetch->thread, NULL);
}

void fetch_free(struct fetch *fetch) {
    free_all(mailbox_take_all(fetch->jobs));
    free_all(fetch->waiting);
    free_all(mailbox_take_all(fetch->news));
    mailbox_free(fetch->jobs);
    mailbox_free(fetch->news);
    free(fetch);
}

enum status fetch_post(struct fetch *fetch, struct fetch_job *job) {
    return mailbox_post(fetch->jobs, &job->mail);
}

struct fetch_news *fetch_take(struct fetch *fetch) {
    return (struct fetch_news *)mailbox_take_all(fetch->news);
}
