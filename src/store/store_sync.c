#include "store/store_sync.h"

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/store.h"
#include "store/store_wal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How long a commit waits for company; the rest of STORE_SYNC_MS is for the call itself. */
#define SYNC_DELAY_MS (STORE_SYNC_MS * 4 / 5)
#define SYNC_PAUSE_MS 50
#define LOOK_MS       20

struct store_sync {
    struct store_sync_options options;
    struct mailbox *box;
    pthread_t thread;
    int fd;
    struct mail mark; /* in the box, or with the sync thread, while is_marked */
    atomic_bool is_marked;
    atomic_bool is_owed; /* a commit is not on disk yet: the sync thread has its mark */
    atomic_bool wants_rewrite;
    atomic_size_t n_jobs; /* posted and not passed on */
};

static bool sync_once(struct store_sync *sync) {
    uint64_t begun_ns = clock_now_ns();
    int error = FAULT_POINT_FAILS("sync.before") ? EIO : fdatasync(sync->fd) != 0 ? errno : 0;
    store_health_set(sync->options.health, STORE_PART_SYNC,
                     error ? store_health_classify(SQLITE_IOERR, error) : STORE_FINE);
    if (error == 0) {
        histogram_add(&sync->options.health->syncs, clock_now_ns() - begun_ns);
        FAULT_POINT("sync.after");
        return true;
    }
    LOG_ERROR("store_sync", "error=%s", strerror(error));
    atomic_store(&sync->wants_rewrite, true);
    return false;
}

static bool sync_log(struct store_sync *sync) {
    uint64_t give_up_ms = clock_now_ms() + (uint64_t)sync->options.retry_ms;
    while (atomic_load(&sync->wants_rewrite) || !sync_once(sync)) {
        if (clock_now_ms() >= give_up_ms || mailbox_is_closed(sync->box)) {
            return false;
        }
        nanosleep(&(struct timespec){ .tv_nsec = SYNC_PAUSE_MS * 1000000L }, NULL);
    }
    return true;
}

/* Takes the mark out of the list; the rest are jobs. */
static struct mail *take_mark(struct store_sync *sync, struct mail *first, bool *is_marked) {
    for (struct mail **at = &first; *at; at = &(*at)->next) {
        if (*at == &sync->mark) {
            *at = sync->mark.next;
            *is_marked = true;
            break;
        }
    }
    return first;
}

static void pass_on(struct store_sync *sync, struct mail *first, bool is_synced) {
    for (struct mail *mail = first, *next; mail; mail = next) {
        next = mail->next;
        struct store_job *job = (struct store_job *)mail;
        job->status = is_synced ? STATUS_OK : STATUS_IO;
        atomic_fetch_sub(&sync->n_jobs, 1);
        enum status status = mailbox_post(sync->options.done, mail);
        assert(status == STATUS_OK);
        (void)status;
    }
}

static void *sync_main(void *ctx) {
    struct store_sync *sync = ctx;
    bool is_owed = false;
    uint64_t due_ms = 0; /* what is owed begins to be synced then at the latest */
    for (bool is_last = false; !is_last;) {
        uint64_t now_ms = clock_now_ms();
        struct mail *first = mailbox_wait_all(sync->box, !is_owed          ? -1
                                                         : due_ms > now_ms ? (int64_t)(due_ms - now_ms)
                                                                           : 0);
        is_last = first == NULL && mailbox_is_closed(sync->box);
        bool is_marked = false;
        struct mail *jobs = take_mark(sync, first, &is_marked);
        now_ms = clock_now_ms();
        if (is_marked && !is_owed) {
            is_owed = true;
            atomic_store(&sync->is_owed, true);
            due_ms = now_ms + SYNC_DELAY_MS;
        }
        if (jobs == NULL && !is_last && (!is_owed || now_ms < due_ms)) {
            continue;
        }
        /* A job's commit was marked before the job came: without a mark it is on disk already. */
        bool is_synced = true;
        if (is_owed) {
            /* Before the call: a commit during it needs the next one. */
            atomic_store(&sync->is_marked, false);
            is_synced = sync_log(sync);
            is_owed = !is_synced;
            atomic_store(&sync->is_owed, is_owed);
            due_ms = clock_now_ms() + SYNC_DELAY_MS;
        }
        pass_on(sync, jobs, is_synced);
    }
    return NULL;
}

/* What an older life of the program could not sync may be clean by now and not on disk: written again, it is dirty. */
static enum status sync_first(const struct store_sync_options *options, int fd) {
    uint32_t n = 0;
    enum status status = fd < 0 ? STATUS_IO : store_wal_rewrite(fd, options->n_frames, &n);
    if (status == STATUS_CORRUPT) {
        errno = EIO;
    }
    return status == STATUS_OK && (fdatasync(fd) != 0 || file_sync_folder(options->log_path) != 0) ? STATUS_IO
                                                                                                   : status;
}

enum status store_sync_new(const struct store_sync_options *options, struct store_sync **out,
                           struct fault *fault) {
    int fd = open(options->log_path, O_RDWR | O_CLOEXEC);
    if (sync_first(options, fd) != STATUS_OK) {
        enum status status = fault_set(fault, STATUS_IO, "%s cannot be written to disk: %s",
                                       options->log_path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    struct store_sync *sync = mem_alloc(sizeof *sync);
    sync->options = *options;
    sync->fd = fd;
    sync->box = mailbox_new(&(struct mailbox_options){ .n_max = STORE_JOBS_MAX + 1 });
    if (pthread_create(&sync->thread, NULL, sync_main, sync) != 0) {
        mailbox_free(sync->box);
        close(fd);
        free(sync);
        return fault_set(fault, STATUS_IO, "the sync thread cannot be started");
    }
    pthread_setname_np(sync->thread, "store-sync");
    *out = sync;
    return STATUS_OK;
}

bool store_sync_free(struct store_sync *sync, uint32_t n_frames) {
    if (sync == NULL) {
        return true;
    }
    mailbox_close(sync->box);
    pthread_join(sync->thread, NULL);
    bool is_safe = !atomic_load(&sync->is_owed);
    if (!is_safe) {
        is_safe = store_sync_rewrite(sync, n_frames) == STATUS_OK && fdatasync(sync->fd) == 0;
    }
    mailbox_free(sync->box);
    close(sync->fd);
    free(sync);
    return is_safe;
}

void store_sync_mark(struct store_sync *sync) {
    if (!atomic_exchange(&sync->is_marked, true)) {
        enum status status = mailbox_post(sync->box, &sync->mark);
        assert(status == STATUS_OK);
        (void)status;
    }
}

void store_sync_post(struct store_sync *sync, struct store_job *job) {
    atomic_fetch_add(&sync->n_jobs, 1);
    enum status status = mailbox_post(sync->box, &job->mail);
    assert(status == STATUS_OK);
    (void)status;
}

bool store_sync_wants_rewrite(struct store_sync *sync) {
    return atomic_load(&sync->wants_rewrite);
}

enum status store_sync_rewrite(struct store_sync *sync, uint32_t n_frames) {
    uint32_t n = 0;
    enum status status = store_wal_rewrite(sync->fd, n_frames, &n);
    LOG_WARN("store_rewrite", "frames=%u of=%u status=%s", n, n_frames, status_name(status));
    if (status == STATUS_OK) {
        atomic_store(&sync->wants_rewrite, false);
    }
    return status;
}

int64_t store_sync_look_ms(struct store_sync *sync) {
    if (atomic_load(&sync->n_jobs) > 0) {
        return LOOK_MS;
    }
    return atomic_load(&sync->is_marked) || atomic_load(&sync->is_owed) ? STORE_SYNC_MS : -1;
}
