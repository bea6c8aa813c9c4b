#include "store/store.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "store/store_batch.h"
#include "store/store_db.h"
#include "store/store_end.h"
#include "store/store_job.h"
#include "store/store_sync.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define WAL_PAGES_MAX 4096 /* 16 MiB of 4 KiB pages: then a checkpoint, also while there is work */
#define IDLE_MS       1000 /* without a job: then a checkpoint */
#define SETTINGS_MAX  1024

struct setting {
    char *name;
    char *value;
};

struct store {
    char *database_path;
    int lock_fd;
    struct store_db db;   /* the store thread's, from its start to its end */
    struct mailbox *jobs; /* loop → store thread */
    struct mailbox *done; /* store and sync thread → loop */
    struct store_sync *sync;
    pthread_t thread;
    bool has_thread;
    size_t n_pending;
    int64_t retry_ms;
    char epoch[STORE_EPOCH_BYTES];
    struct setting *settings;
    size_t n_settings;
};

/* ---- The store thread ---- */

static void post_answers(struct store *store, struct mail *first) {
    for (struct mail *mail = first, *next; mail; mail = next) {
        next = mail->next;
        struct store_job *job = (struct store_job *)mail;
        if (job->status == STATUS_OK && job->is_durable) {
            store_sync_post(store->sync, job);
        } else {
            enum status status = mailbox_post(store->done, mail);
            assert(status == STATUS_OK); /* both boxes hold as many as store_post lets in */
            (void)status;
        }
    }
}

static void *store_main(void *ctx) {
    struct store *store = ctx;
    pthread_setname_np(pthread_self(), "store");
    int checkpoint_pages = WAL_PAGES_MAX;
    for (;;) {
        struct mail *first = mailbox_wait_all(store->jobs, store->db.n_wal_pages ? IDLE_MS : -1);
        if (first == NULL && mailbox_is_closed(store->jobs)) {
            return NULL;
        }
        bool wants_checkpoint = first == NULL || store_sync_wants_checkpoint(store->sync);
        if (first) {
            store_batch_run(&store->db, first, store->retry_ms, store->jobs);
            if (store->db.has_committed) {
                store->db.has_committed = false;
                store_sync_mark(store->sync);
            }
            post_answers(store, first);
        }
        if (wants_checkpoint || store->db.n_wal_pages >= checkpoint_pages) {
            /* One that fails is tried again when the log has grown by as much, or at the next pause. */
            bool is_moved = store_db_checkpoint(&store->db);
            checkpoint_pages = is_moved ? WAL_PAGES_MAX : store->db.n_wal_pages + WAL_PAGES_MAX;
        }
    }
}

/* ---- Opening ---- */

static enum status take_lock(const char *directory, int *out, struct fault *fault) {
    char *path = mem_format("%s/lock", directory);
    char owner[32] = "";
    enum status status = STATUS_OK;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        status = fault_set(fault, STATUS_IO, "%s cannot be opened: %s", path, strerror(errno));
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        ssize_t n = pread(fd, owner, sizeof owner - 1, 0);
        owner[n > 0 ? strspn(owner, "0123456789") : 0] = '\0';
        status = error == EWOULDBLOCK
                     ? fault_set(fault, STATUS_BUSY,
                                 "the data directory %s is in use by another Runnel, process %s", directory,
                                 owner[0] ? owner : "unknown")
                     : fault_set(fault, STATUS_IO, "%s cannot be locked: %s", path, strerror(error));
    } else {
        /* The file stays when the lock goes: removing it would let two owners in, each with its own file. */
        int n = snprintf(owner, sizeof owner, "%ld\n", (long)getpid());
        if (ftruncate(fd, 0) != 0 || pwrite(fd, owner, (size_t)n, 0) != n) {
            status = fault_set(fault, STATUS_IO, "%s cannot be written: %s", path, strerror(errno));
        }
    }
    free(path);
    if (status == STATUS_OK) {
        *out = fd;
    } else if (fd >= 0) {
        close(fd);
    }
    return status;
}

static int read_epoch(struct store *store) {
    struct store_db *db = &store->db;
    sqlite3_stmt *read = store_db_use(db, SQL_META_READ);
    store_db_bind_text(read, 1, "epoch");
    int result = sqlite3_step(read);
    bool is_there = result == SQLITE_ROW && store_db_copy_text(read, 0, store->epoch, sizeof store->epoch);
    sqlite3_reset(read);
    if (is_there || result != SQLITE_DONE) {
        return is_there ? SQLITE_OK : result == SQLITE_ROW ? SQLITE_CORRUPT : result;
    }
    snprintf(store->epoch, sizeof store->epoch, "%016" PRIx64, id_make_u64());
    sqlite3_stmt *insert = store_db_use(db, SQL_META_INSERT);
    store_db_bind_text(insert, 1, "epoch");
    store_db_bind_text(insert, 2, store->epoch);
    return store_db_run(insert);
}

static int read_settings(struct store *store) {
    size_t capacity = 0;
    sqlite3_stmt *rows = store_db_use(&store->db, SQL_SETTING_READ_ALL);
    int result = sqlite3_step(rows);
    for (; result == SQLITE_ROW && store->n_settings < SETTINGS_MAX; result = sqlite3_step(rows)) {
        store->settings = mem_grow_array(store->settings, store->n_settings, &capacity,
                                         sizeof store->settings[0], SETTINGS_MAX);
        store->settings[store->n_settings++] = (struct setting){
            .name = mem_copy_string((const char *)sqlite3_column_text(rows, 0)),
            .value = mem_copy_string((const char *)sqlite3_column_text(rows, 1)),
        };
    }
    sqlite3_reset(rows);
    return result == SQLITE_DONE || result == SQLITE_ROW ? SQLITE_OK : result;
}

static enum status open_database(struct store *store, struct fault *fault) {
    enum status status = store_db_open(&store->db, store->database_path, fault);
    if (status != STATUS_OK) {
        return status;
    }
    int result = read_epoch(store);
    if (result == SQLITE_OK) {
        result = read_settings(store);
    }
    if (result != SQLITE_OK) {
        return store_db_fault(&store->db, result, fault);
    }
    return store_end_interrupt_all(&store->db, clock_wall_ms(), fault);
}

/* The threads take no signals: those are for the loop thread. */
static enum status start_threads(struct store *store, const char *directory, struct fault *fault) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    char *log_path = mem_format("%s-wal", store->database_path);
    enum status status = store_sync_new(
        &(struct store_sync_options){
            .directory = directory, .log_path = log_path, .done = store->done, .retry_ms = store->retry_ms },
        &store->sync, fault);
    if (status == STATUS_OK) {
        store->has_thread = pthread_create(&store->thread, NULL, store_main, store) == 0;
        status =
            store->has_thread ? STATUS_OK : fault_set(fault, STATUS_IO, "the store thread cannot be started");
    }
    free(log_path);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

enum status store_open(const struct store_options *options, struct store **out, struct fault *fault) {
    *out = NULL;
    struct store *store = mem_alloc(sizeof *store);
    store->lock_fd = -1;
    store->retry_ms = options->retry_ms ? options->retry_ms : STORE_RETRY_MS;
    store->database_path = mem_format("%s/runnel.db", options->directory);
    store->jobs = mailbox_new(&(struct mailbox_options){ .n_max = STORE_JOBS_MAX });
    store->done = mailbox_new(
        &(struct mailbox_options){ .n_max = STORE_JOBS_MAX, .wake = options->wake, .ctx = options->ctx });
    enum status status = take_lock(options->directory, &store->lock_fd, fault);
    if (status == STATUS_OK) {
        status = open_database(store, fault);
    }
    if (status == STATUS_OK) {
        status = start_threads(store, options->directory, fault);
    }
    if (status != STATUS_OK) {
        store_close(store);
        return status;
    }
    *out = store;
    return STATUS_OK;
}

void store_close(struct store *store) {
    if (store == NULL) {
        return;
    }
    mailbox_close(store->jobs);
    if (store->has_thread) {
        pthread_join(store->thread, NULL);
    }
    store_sync_free(store->sync);
    store_drain(store);
    assert(store->n_pending == 0);
    store_db_close(&store->db);
    mailbox_free(store->jobs);
    mailbox_free(store->done);
    if (store->lock_fd >= 0) {
        close(store->lock_fd);
    }
    for (size_t i = 0; i < store->n_settings; i++) {
        free(store->settings[i].name);
        free(store->settings[i].value);
    }
    free(store->settings);
    free(store->database_path);
    free(store);
}

/* ---- The loop thread ---- */

enum status store_post(struct store *store, struct store_job *job) {
    enum status status =
        store->n_pending < STORE_JOBS_MAX ? mailbox_post(store->jobs, &job->mail) : STATUS_FULL;
    if (status != STATUS_OK) {
        store_job_free(job);
        return status;
    }
    store->n_pending++;
    return STATUS_OK;
}

void store_drain(struct store *store) {
    for (struct mail *mail = mailbox_take_all(store->done), *next; mail; mail = next) {
        next = mail->next;
        struct store_job *job = (struct store_job *)mail;
        store->n_pending--; /* first: the callback may post */
        job->kind->answer(job);
        store_job_free(job);
    }
}

const char *store_epoch(const struct store *store) {
    return store->epoch;
}

size_t store_pending(const struct store *store) {
    return store->n_pending;
}

char *store_setting(const struct store *store, const char *name) {
    for (size_t i = 0; i < store->n_settings; i++) {
        if (strcmp(store->settings[i].name, name) == 0) {
            return mem_copy_string(store->settings[i].value);
        }
    }
    return NULL;
}
