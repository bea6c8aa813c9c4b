#include "store/store_batch.h"

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/log.h"

#include <stdio.h>

#define PAUSE_MS_MIN 5
#define PAUSE_MS_MAX 500
#define PROBE_MS     1000
#define ALONE_MS     1000
#define SQL_BYTES    60

/* ---- Lists ---- */

static void append(struct store_batch_list *list, struct mail *mail) {
    mail->next = NULL;
    *(list->first ? &list->last->next : &list->first) = mail;
    list->last = mail;
}

static void append_all(struct store_batch_list *list, struct mail *first) {
    for (struct mail *mail = first, *next; mail; mail = next) {
        next = mail->next;
        append(list, mail);
    }
}

static struct mail *take_first(struct store_batch_list *list) {
    struct mail *mail = list->first;
    if (mail) {
        list->first = mail->next;
        mail->next = NULL;
    }
    return mail;
}

/* ---- One try ---- */

static void forget(struct store_job *job) {
    if (job->kind->forget) {
        job->kind->forget(job);
    }
}

static enum job_outcome run_alone(struct store_db *db, struct store_job *job) {
    if (store_db_run(store_db_use(db, SQL_SAVEPOINT)) != SQLITE_OK) {
        return JOB_RETRY;
    }
    enum job_outcome outcome = job->kind->run(db, job);
    if (outcome == JOB_UNDO) {
        forget(job);
        outcome = store_db_run(store_db_use(db, SQL_ROLLBACK_TO)) == SQLITE_OK ? JOB_DONE : JOB_RETRY;
    }
    if (outcome == JOB_DONE && store_db_run(store_db_use(db, SQL_RELEASE)) != SQLITE_OK) {
        return JOB_RETRY;
    }
    return outcome;
}

static enum job_outcome commit(struct store_db *db) {
    if (FAULT_POINT_FAILS("store.before_commit") || store_db_run(store_db_use(db, SQL_COMMIT)) != SQLITE_OK) {
        return JOB_RETRY;
    }
    FAULT_POINT("store.after_commit");
    return JOB_DONE;
}

static enum job_outcome run_jobs(struct store_db *db, struct mail *first, bool has_savepoints) {
    if (store_db_run(store_db_use(db, SQL_BEGIN)) != SQLITE_OK) {
        return JOB_RETRY;
    }
    for (struct mail *mail = first; mail; mail = mail->next) {
        struct store_job *job = (struct store_job *)mail;
        forget(job);
        job->status = STATUS_OK;
        job->is_durable = job->kind->is_durable;
        enum job_outcome outcome = has_savepoints ? run_alone(db, job) : job->kind->run(db, job);
        if (outcome != JOB_DONE) {
            return outcome;
        }
    }
    return commit(db);
}

/* What batches write is the log. SQLite does not keep the errno of a commit that failed (sqlite3_system_errno is that of an older
 * failure), but the log's file does. */
static enum store_trouble trouble_of(sqlite3 *sqlite) {
    int result = sqlite3_extended_errcode(sqlite);
    int error = 0;
    sqlite3_file *log = NULL;
    if ((result & 0xFF) == SQLITE_IOERR &&
        sqlite3_file_control(sqlite, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK && log &&
        log->pMethods) {
        log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &error);
    }
    return store_health_classify(result, error);
}

/* *trouble is what a JOB_RETRY means. */
static enum job_outcome try_once(struct store_db *db, struct mail *first, bool has_savepoints,
                                 enum store_trouble *trouble) {
    enum job_outcome outcome = run_jobs(db, first, has_savepoints);
    if (outcome == JOB_RETRY) {
        *trouble = trouble_of(db->sqlite);
        LOG_WARN("store_batch", "error=%s trouble=%s", sqlite3_errmsg(db->sqlite),
                 store_trouble_name(*trouble));
    }
    /* Some errors have rolled back by themselves. */
    if (outcome != JOB_DONE && !sqlite3_get_autocommit(db->sqlite)) {
        store_db_run(store_db_use(db, SQL_ROLLBACK));
    }
    return outcome;
}

static bool try_jobs(struct store_batch *batch, struct mail *first, enum store_trouble *trouble) {
    uint64_t begun_ns = clock_now_ns();
    enum job_outcome outcome = try_once(batch->db, first, false, trouble);
    if (outcome == JOB_UNDO && first->next == NULL) {
        forget((struct store_job *)first); /* alone: it is undone already, and its status says why */
        return true;
    }
    if (outcome == JOB_UNDO) {
        outcome = try_once(batch->db, first, true, trouble);
    }
    if (outcome == JOB_DONE) {
        histogram_add(&batch->health->commits, clock_now_ns() - begun_ns);
    }
    return outcome == JOB_DONE;
}

static int on_version(void *out, int n_columns, char **columns, char **names) {
    (void)n_columns;
    (void)names;
    snprintf(out, SQL_BYTES, "PRAGMA user_version = %s", columns[0]);
    return 0;
}

/* Writes one page: setting user_version marks it as changed, also when it is what it was. */
static bool probe(struct store_batch *batch, enum store_trouble *trouble) {
    char sql[SQL_BYTES] = "";
    sqlite3 *sqlite = batch->db->sqlite;
    bool is_fine =
        sqlite3_exec(sqlite, "BEGIN IMMEDIATE; PRAGMA user_version", on_version, sql, NULL) == SQLITE_OK &&
        sqlite3_exec(sqlite, sql, NULL, NULL, NULL) == SQLITE_OK && commit(batch->db) == JOB_DONE;
    if (!is_fine) {
        *trouble = trouble_of(sqlite);
        LOG_DEBUG("store_probe", "error=%s", sqlite3_errmsg(sqlite));
    }
    if (!sqlite3_get_autocommit(sqlite)) {
        store_db_run(store_db_use(batch->db, SQL_ROLLBACK));
    }
    return is_fine;
}

/* ---- What is owed ---- */

static bool is_in_trouble(const struct store_batch *batch) {
    return store_health_of(batch->health, STORE_PART_COMMIT) != STORE_FINE;
}

static void note_success(struct store_batch *batch) {
    batch->pause_ms = 0;
    store_health_set(batch->health, STORE_PART_COMMIT, STORE_FINE);
}

static void note_failure(struct store_batch *batch, enum store_trouble trouble) {
    int64_t doubled_ms = batch->pause_ms ? batch->pause_ms * 2 : PAUSE_MS_MIN;
    batch->pause_ms = doubled_ms < PAUSE_MS_MAX ? doubled_ms : PAUSE_MS_MAX;
    batch->next_ms = clock_now_ms() + (uint64_t)(batch->writes.first ? batch->pause_ms : PROBE_MS);
    store_health_set(batch->health, STORE_PART_COMMIT, trouble);
}

/* The first of the writes has failed. That the disk takes something else, and syncs it, says that it is not the disk as a whole: a
 * place that this job needs cannot be read, say. Those behind it could be answered, so it is not tried for as long. A disk that is
 * away altogether takes a write as well, into memory: that is what the sync is asked for, which has its turn within ALONE_MS. */
static void note_alone(struct store_batch *batch) {
    struct store_job *job = (struct store_job *)batch->writes.first;
    enum store_trouble trouble;
    bool is_alone = store_health_of(batch->health, STORE_PART_SYNC) == STORE_FINE && probe(batch, &trouble);
    uint64_t now_ms = clock_now_ms();
    if (!is_alone) {
        job->alone_ms = 0;
    } else if (job->alone_ms == 0) {
        job->alone_ms = now_ms;
    } else if (now_ms - job->alone_ms >= ALONE_MS) {
        job->give_up_ms = now_ms;
        batch->next_ms = 0; /* the next one's turn */
    }
}

static void owe(struct store_batch *batch, struct mail *arrived) {
    uint64_t give_up_ms = clock_now_ms() + (uint64_t)batch->retry_ms;
    for (struct mail *mail = arrived, *next; mail; mail = next) {
        next = mail->next;
        struct store_job *job = (struct store_job *)mail;
        job->give_up_ms = give_up_ms;
        if (job->kind->writes && batch->writes.first == NULL) {
            batch->next_ms = 0;
        }
        append(job->kind->writes ? &batch->writes : &batch->reads, mail);
    }
}

/* Each alone: one that meets a page which cannot be read keeps no other back. */
static void run_reads(struct store_batch *batch, struct store_batch_list *done) {
    struct store_batch_list left = { 0 };
    for (struct mail *mail; (mail = take_first(&batch->reads));) {
        enum store_trouble trouble;
        append(try_jobs(batch, mail, &trouble) ? done : &left, mail);
    }
    batch->reads = left;
}

/* In a damaged database a job that must be undone can take the whole transaction with it, and on a full disk what is too large for
 * it what would fit: then each gets its own, in their order. */
static bool run_writes_alone(struct store_batch *batch, struct store_batch_list *done,
                             enum store_trouble *trouble) {
    struct store_batch_list left = { 0 };
    bool is_fine = true;
    for (struct mail *mail; (mail = take_first(&batch->writes));) {
        is_fine = is_fine && try_jobs(batch, mail, trouble);
        append(is_fine ? done : &left, mail);
    }
    batch->writes = left;
    return is_fine;
}

static bool run_writes_together(struct store_batch *batch, struct store_batch_list *done,
                                enum store_trouble *trouble) {
    if (try_jobs(batch, batch->writes.first, trouble)) {
        append_all(done, batch->writes.first);
        batch->writes = (struct store_batch_list){ 0 };
        return true;
    }
    return batch->writes.first->next && run_writes_alone(batch, done, trouble);
}

static void run_writes(struct store_batch *batch, struct store_batch_list *done) {
    enum store_trouble trouble;
    bool is_due = clock_now_ms() >= batch->next_ms || mailbox_is_closed(batch->box);
    if (!is_due || (batch->writes.first == NULL && !is_in_trouble(batch))) {
        return;
    }
    if (batch->writes.first ? run_writes_together(batch, done, &trouble) : probe(batch, &trouble)) {
        note_success(batch);
    } else {
        note_failure(batch, trouble);
        if (batch->writes.first && trouble == STORE_FAILING) {
            note_alone(batch);
        }
    }
}

/* Those that came first have waited longest. */
static void give_up(struct store_batch *batch, struct store_batch_list *owed, struct store_batch_list *done) {
    size_t n = 0;
    uint64_t now_ms = clock_now_ms();
    while (owed->first &&
           (((struct store_job *)owed->first)->give_up_ms <= now_ms || mailbox_is_closed(batch->box))) {
        struct store_job *job = (struct store_job *)take_first(owed);
        forget(job);
        job->status = STATUS_IO;
        append(done, &job->mail);
        n++;
    }
    if (n > 0) {
        LOG_ERROR("store_batch", "given_up=%zu", n);
    }
}

/* Takes those that work in steps out of the list. */
static struct mail *sort_out(struct store_batch *batch, struct mail *arrived) {
    struct store_batch_list rest = { 0 };
    for (struct mail *mail = arrived, *next; mail; mail = next) {
        next = mail->next;
        append(((struct store_job *)mail)->kind->step ? &batch->steps : &rest, mail);
    }
    return rest.first;
}

static void run_step(struct store_batch *batch, struct store_batch_list *done) {
    struct store_job *job = (struct store_job *)batch->steps.first;
    if (job && job->kind->step(batch->db, job, mailbox_is_closed(batch->box))) {
        append(done, take_first(&batch->steps));
    }
}

static struct store_batch_list run_batch(struct store_batch *batch, struct mail *arrived) {
    struct store_batch_list done = { 0 };
    if (batch->reads.first == NULL && batch->writes.first == NULL && !is_in_trouble(batch)) {
        enum store_trouble trouble;
        if (arrived == NULL || try_jobs(batch, arrived, &trouble)) {
            append_all(&done, arrived);
            return done;
        }
        owe(batch, arrived);
        if (batch->reads.first == NULL) {
            note_failure(batch, trouble); /* with reads in it, it is not known yet whose failure it was */
        }
    } else {
        owe(batch, arrived);
    }
    run_reads(batch, &done);
    run_writes(batch, &done);
    give_up(batch, &batch->reads, &done);
    give_up(batch, &batch->writes, &done);
    return done;
}

struct mail *store_batch_run(struct store_batch *batch, struct mail *arrived) {
    struct store_batch_list done = run_batch(batch, sort_out(batch, arrived));
    run_step(batch, &done);
    return done.first;
}

bool store_batch_is_owing(const struct store_batch *batch) {
    return batch->reads.first || batch->writes.first || batch->steps.first;
}

int64_t store_batch_wait_ms(const struct store_batch *batch) {
    if (batch->steps.first) {
        return 0;
    }
    if (!is_in_trouble(batch)) {
        return batch->reads.first ? PAUSE_MS_MAX : -1;
    }
    uint64_t now_ms = clock_now_ms();
    return batch->next_ms > now_ms ? (int64_t)(batch->next_ms - now_ms) : 0;
}
