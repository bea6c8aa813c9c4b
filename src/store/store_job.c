#include "store/store_job.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void *store_job_new(const struct job_kind *kind, void *ctx, size_t size, size_t n_text_bytes) {
    struct store_job *job = mem_alloc(size + n_text_bytes);
    job->kind = kind;
    job->ctx = ctx;
    return job;
}

void store_job_free(struct store_job *job) {
    if (job && job->kind->forget) {
        job->kind->forget(job);
    }
    free(job);
}

size_t store_job_text_bytes(const char *text) {
    return text ? strlen(text) + 1 : 0;
}

const char *store_job_pack(char **at, const char *text) {
    if (text == NULL) {
        return NULL;
    }
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

enum job_outcome store_job_failed(struct store_db *db, struct store_job *job, int result) {
    LOG_WARN("store_statement", "result=%d error=%s", result, sqlite3_errmsg(db->sqlite));
    switch (result & 0xFF) {
    case SQLITE_CONSTRAINT:
        job->status = STATUS_CONFLICT;
        return JOB_UNDO;
    case SQLITE_TOOBIG:
        job->status = STATUS_TOO_LARGE;
        return JOB_UNDO;
    case SQLITE_CORRUPT:
    case SQLITE_MISMATCH:
    case SQLITE_NOTADB:
        job->status = STATUS_CORRUPT;
        return JOB_UNDO;
    default:
        return JOB_RETRY;
    }
}

enum job_outcome store_job_finish(struct store_db *db, struct store_job *job, int result) {
    return result == SQLITE_OK ? JOB_DONE : store_job_failed(db, job, result);
}

enum job_outcome store_job_refuse(struct store_job *job, enum status status) {
    job->status = status;
    return JOB_DONE;
}
