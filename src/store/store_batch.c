#include "store/store_batch.h"

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/log.h"

#include <time.h>

#define PAUSE_MS_MIN 5
#define PAUSE_MS_MAX 500

static enum job_outcome run_alone(struct store_db *db, struct store_job *job) {
    if (store_db_run(store_db_use(db, SQL_SAVEPOINT)) != SQLITE_OK) {
        return JOB_RETRY;
    }
    enum job_outcome outcome = job->kind->run(db, job);
    if (outcome == JOB_UNDO) {
        if (job->kind->forget) {
            job->kind->forget(job);
        }
        outcome = store_db_run(store_db_use(db, SQL_ROLLBACK_TO)) == SQLITE_OK ? JOB_DONE : JOB_RETRY;
    }
    if (outcome == JOB_DONE && store_db_run(store_db_use(db, SQL_RELEASE)) != SQLITE_OK) {
        return JOB_RETRY;
    }
    return outcome;
}

static enum job_outcome run_jobs(struct store_db *db, struct mail *first, bool has_savepoints) {
    if (store_db_run(store_db_use(db, SQL_BEGIN)) != SQLITE_OK) {
        return JOB_RETRY;
    }
    for (struct mail *mail = first; mail; mail = mail->next) {
        struct store_job *job = (struct store_job *)mail;
        if (job->is_refused) {
            continue;
        }
        if (job->kind->forget) {
            job->kind->forget(job);
        }
        job->status = STATUS_OK;
        job->is_durable = job->kind->is_durable;
        enum job_outcome outcome = has_savepoints ? run_alone(db, job) : job->kind->run(db, job);
        if (outcome != JOB_DONE) {
            return outcome;
        }
    }
    if (FAULT_POINT_FAILS("store.before_commit") || store_db_run(store_db_use(db, SQL_COMMIT)) != SQLITE_OK) {
        return JOB_RETRY;
    }
    FAULT_POINT("store.after_commit");
    return JOB_DONE;
}

static enum job_outcome try_batch(struct store_db *db, struct mail *first, bool has_savepoints) {
    enum job_outcome outcome = run_jobs(db, first, has_savepoints);
    if (outcome == JOB_RETRY) {
        LOG_WARN("store_batch", "error=%s", sqlite3_errmsg(db->sqlite));
    }
    /* Some errors have rolled back by themselves. */
    if (outcome != JOB_DONE && !sqlite3_get_autocommit(db->sqlite)) {
        store_db_run(store_db_use(db, SQL_ROLLBACK));
    }
    return outcome;
}

static void refuse(struct mail *first, bool only_writes) {
    for (struct mail *mail = first; mail; mail = mail->next) {
        struct store_job *job = (struct store_job *)mail;
        if (!job->is_refused && (job->kind->writes || !only_writes)) {
            if (job->kind->forget) {
                job->kind->forget(job);
            }
            job->status = STATUS_IO;
            job->is_refused = true;
        }
    }
}

void store_batch_run(struct store_db *db, struct mail *first, int64_t retry_ms, struct mailbox *box) {
    uint64_t give_up_ms = clock_now_ms() + (uint64_t)retry_ms;
    long pause_ms = PAUSE_MS_MIN;
    for (;;) {
        enum job_outcome outcome = try_batch(db, first, false);
        if (outcome == JOB_UNDO) {
            outcome = try_batch(db, first, true);
        }
        if (outcome == JOB_DONE) {
            return;
        }
        if (clock_now_ms() >= give_up_ms || mailbox_is_closed(box)) {
            break;
        }
        nanosleep(&(struct timespec){ .tv_nsec = pause_ms * 1000000L }, NULL);
        pause_ms = pause_ms * 2 < PAUSE_MS_MAX ? pause_ms * 2 : PAUSE_MS_MAX;
    }
    LOG_ERROR("store_batch", "given_up_after_ms=%lld", (long long)retry_ms);
    refuse(first, true);
    if (try_batch(db, first, true) != JOB_DONE) {
        refuse(first, false);
    }
}
