#include "store/store.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "store/store_batch.h"
#include "store/store_db.h"
#include "store/store_finish.h"
#include "store/store_health.h"
#include "store/store_job.h"
#include "store/store_lock.h"
#include "store/store_recover.h"
#include "store/store_sync.h"
#include "store/store_tidy.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAL_PAGES_MAX 4096 /* 16 MiB of 4 KiB pages: then a checkpoint, also while there is work */
#define IDLE_MS       1000 /* without a job: then a checkpoint */
#define GIVE_BACK_MS  20   /* between two steps of giving pages back */
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
    struct mailbox *done; /* store, sync and finish thread → loop */
    struct store_health health;
    struct store_batch batch; /* the store thread's */
    struct store_sync *sync;
    struct store_finish *finish;
    pthread_t thread; /* the store thread; it ends the others */
    bool has_thread;
    struct mail ended; /* posted by it when all are at their end */
    bool has_ended;
    size_t n_pending;
    enum store_trouble trouble; /* the loop thread's */
    int64_t retry_ms;
    int64_t load_bytes_max;
    char epoch[STORE_EPOCH_BYTES];
    struct setting *settings;
    size_t n_settings;
    struct store_waiting *waiting;
    size_t n_waiting;
};

/* ---- The store thread ---- */

static void post_answers(struct store *store, struct mail *first) {
    for (struct mail *mail = first, *next; mail; mail = next) {
        next = mail->next;
        struct store_job *job = (struct store_job *)mail;
        if (job->status == STATUS_OK && job->kind->finish) {
            store_finish_post(store->finish, job);
        } else if (job->status == STATUS_OK && job->is_durable) {
            store_sync_post(store->sync, job);
        } else {
            enum status status = mailbox_post(store->done, mail);
            assert(status == STATUS_OK); /* both boxes hold as many as store_post lets in */
            (void)status;
        }
    }
}

/* −1: never. */
static int64_t sooner(int64_t a_ms, int64_t b_ms) {
    return b_ms < 0 || (a_ms >= 0 && a_ms < b_ms) ? a_ms : b_ms;
}

/* How long the thread may sleep: until the disk is tried again, until the pause is long enough for a checkpoint, until the log must
 * perhaps be written again. */
static int64_t wait_ms(const struct store *store, uint64_t idle_ms, bool gives_back) {
    uint64_t now_ms = clock_now_ms();
    int64_t pause_ms = idle_ms > now_ms ? (int64_t)(idle_ms - now_ms) : 0;
    if (gives_back) {
        return GIVE_BACK_MS;
    }
    int64_t wait_ms = sooner(store_batch_wait_ms(&store->batch), store_sync_look_ms(store->sync));
    return store->db.n_wal_pages > 0 ? sooner(wait_ms, pause_ms) : wait_ms;
}

/* What is lost from the log is read wrong from now on, and was shown: this is a crash, and the next start reads what there is. */
static void rewrite_log(struct store *store) {
    if (store_sync_rewrite(store->sync, (uint32_t)store->db.n_wal_pages) == STATUS_CORRUPT) {
        LOG_ERROR("store_lost", "the disk lost what was written to the log of %s", store->database_path);
        abort();
    }
}

static bool checkpoint(struct store *store) {
    bool is_moved = store_db_checkpoint(&store->db);
    int result = is_moved ? SQLITE_OK : sqlite3_extended_errcode(store->db.sqlite);
    bool has_failed = result != SQLITE_OK && (result & 0xFF) != SQLITE_BUSY;
    int error = sqlite3_system_errno(store->db.sqlite);
    store_health_set(&store->health, STORE_PART_CHECKPOINT,
                     has_failed ? store_health_classify(result, error) : STORE_FINE);
    if ((result & 0xFF) == SQLITE_IOERR) {
        rewrite_log(store); /* perhaps it was a sync of the log that failed */
    }
    return is_moved;
}

/* Everything that may wait for the disk: the loop's thread does not. */
static void end_work(struct store *store) {
    bool is_safe = store_sync_free(store->sync, (uint32_t)store->db.n_wal_pages);
    store_db_close(&store->db, !is_safe);
    store_finish_free(store->finish);
}

static void work(struct store *store) {
    int checkpoint_pages = WAL_PAGES_MAX;
    uint64_t idle_ms = 0;    /* the pause is long enough then */
    bool gives_back = false; /* free pages, in a pause */
    for (;;) {
        struct mail *first = mailbox_wait_all(store->jobs, wait_ms(store, idle_ms, gives_back));
        if (first == NULL && mailbox_is_closed(store->jobs) && !store_batch_is_owing(&store->batch)) {
            return;
        }
        uint64_t now_ms = clock_now_ms();
        bool is_idle = first == NULL && store->db.n_wal_pages > 0 && now_ms >= idle_ms;
        idle_ms = first || is_idle ? now_ms + IDLE_MS : idle_ms;
        struct mail *done = store_batch_run(&store->batch, first);
        gives_back = first == NULL && (is_idle || gives_back) && store_db_give_back(&store->db, gives_back);
        if (store->db.has_committed) {
            store->db.has_committed = false;
            store_sync_mark(store->sync);
        }
        post_answers(store, done);
        if (store_sync_wants_rewrite(store->sync)) {
            rewrite_log(store);
        }
        bool is_due = (is_idle && !gives_back) || store->db.n_wal_pages >= checkpoint_pages;
        if (is_due && !store_sync_wants_rewrite(store->sync)) {
            /* One that fails is tried again when the log has grown by as much, or at the next pause. */
            checkpoint_pages = checkpoint(store) ? WAL_PAGES_MAX : store->db.n_wal_pages + WAL_PAGES_MAX;
        }
    }
}

static void *store_main(void *ctx) {
    struct store *store = ctx;
    work(store);
    end_work(store);
    enum status status = mailbox_post(store->done, &store->ended);
    assert(status == STATUS_OK);
    (void)status;
    return NULL;
}

/* ---- Opening ---- */

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
    result = store_db_run(insert);
    /* In the file itself, before the log gets anything that counts: a copy is known by not having one (store_file.h). */
    return result == SQLITE_OK && !store_db_checkpoint(db) ? SQLITE_IOERR : result;
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
    store->db.load_bytes_max = store->load_bytes_max;
    int result = read_epoch(store);
    if (result == SQLITE_OK) {
        result = read_settings(store);
    }
    return result == SQLITE_OK ? STATUS_OK : store_db_fault(&store->db, result, fault);
}

/* The threads take no signals: those are for the loop thread. */
static enum status start_threads(struct store *store, struct fault *fault) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    char *log_path = mem_format("%s-wal", store->database_path);
    enum status status =
        store_sync_new(&(struct store_sync_options){ .log_path = log_path,
                                                     .n_frames = (uint32_t)store->db.n_wal_pages,
                                                     .done = store->done,
                                                     .health = &store->health,
                                                     .retry_ms = store->retry_ms },
                       &store->sync, fault);
    if (status == STATUS_OK) {
        status = store_finish_new(store->done, &store->finish, fault);
    }
    if (status == STATUS_OK) {
        store->has_thread = pthread_create(&store->thread, NULL, store_main, store) == 0;
        status =
            store->has_thread ? STATUS_OK : fault_set(fault, STATUS_IO, "the store thread cannot be started");
        if (store->has_thread) {
            pthread_setname_np(store->thread, "store");
        }
    }
    free(log_path);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

static void free_all(struct store *store) {
    assert(store->n_pending == 0);
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
    free(store->waiting);
    free(store->database_path);
    free(store);
}

enum status store_open(const struct store_options *options, struct store **out, struct fault *fault) {
    *out = NULL;
    struct store *store = mem_alloc(sizeof *store);
    store->lock_fd = -1;
    store->retry_ms = options->retry_ms ? options->retry_ms : STORE_RETRY_MS;
    store->load_bytes_max = options->load_bytes_max ? options->load_bytes_max : STORE_LOAD_BYTES_MAX;
    store->health.wake = options->wake;
    store->health.ctx = options->ctx;
    store->database_path = mem_format("%s/runnel.db", options->directory);
    store->jobs = mailbox_new(&(struct mailbox_options){ .n_max = STORE_JOBS_MAX });
    store->done = mailbox_new(
        &(struct mailbox_options){ .n_max = STORE_JOBS_MAX + 1, .wake = options->wake, .ctx = options->ctx });
    store->batch = (struct store_batch){
        .db = &store->db, .health = &store->health, .box = store->jobs, .retry_ms = store->retry_ms
    };
    enum status status = store_lock_take(options->directory, &store->lock_fd, fault);
    if (status == STATUS_OK) {
        status = store_tidy_folder(options->directory, fault);
    }
    if (status == STATUS_OK) {
        status = open_database(store, fault);
    }
    if (status != STATUS_OK) {
        end_work(store);
        free_all(store);
        return status;
    }
    *out = store;
    return STATUS_OK;
}

enum status store_recover(struct store *store, bool goes_on, struct fault *fault) {
    assert(!store->has_thread && store->n_pending == 0);
    enum status status = store_recover_run(&store->db, goes_on, clock_wall_ms(), fault);
    if (status == STATUS_OK) {
        status = store_recover_list(&store->db, &store->waiting, &store->n_waiting, fault);
    }
    return status == STATUS_OK ? start_threads(store, fault) : status;
}

const struct store_waiting *store_waiting(const struct store *store, size_t *n) {
    *n = store->n_waiting;
    return store->waiting;
}

static void answer_all(struct store *store, struct mail *first) {
    for (struct mail *mail = first, *next; mail; mail = next) {
        next = mail->next;
        if (mail == &store->ended) {
            store->has_ended = true;
            continue;
        }
        struct store_job *job = (struct store_job *)mail;
        store->n_pending--; /* first: the callback may post */
        job->kind->answer(job);
        store_job_free(job);
    }
}

/* −1: for ever. */
static bool wait_for_end(struct store *store, int64_t wait_ms) {
    uint64_t until_ms = clock_now_ms() + (uint64_t)(wait_ms < 0 ? 0 : wait_ms);
    while (!store->has_ended) {
        uint64_t now_ms = clock_now_ms();
        struct mail *first = mailbox_wait_all(store->done, wait_ms < 0         ? -1
                                                           : until_ms > now_ms ? (int64_t)(until_ms - now_ms)
                                                                               : 0);
        answer_all(store, first);
        if (first == NULL && wait_ms >= 0 && clock_now_ms() >= until_ms) {
            return false;
        }
    }
    return true;
}

bool store_close(struct store *store, int64_t wait_ms) {
    if (store == NULL) {
        return true;
    }
    mailbox_close(store->jobs);
    if (store->has_thread) {
        if (!wait_for_end(store, wait_ms)) {
            return false;
        }
        pthread_join(store->thread, NULL);
    } else {
        end_work(store);
    }
    free_all(store);
    return true;
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
    store->trouble = store_health_now(&store->health);
    answer_all(store, mailbox_take_all(store->done));
}

const char *store_epoch(const struct store *store) {
    return store->epoch;
}

void store_publish_url(struct store *store, const char *url) {
    store_lock_publish(store->lock_fd, url);
}

enum store_trouble store_trouble(const struct store *store) {
    return store->trouble;
}

const struct histogram *store_commit_times(const struct store *store) {
    return &store->health.commits;
}

const struct histogram *store_sync_times(const struct store *store) {
    return &store->health.syncs;
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
