#include "kv_disk.h"

#include "model_id.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct queue {
    struct mail *first;
    struct mail **tail;
};

struct kv_disk {
    pthread_t thread;
    char *folder;
    int fd; /* an eventfd: answers wait */
    struct mailbox *jobs;
    struct mailbox *answers;
    atomic_size_t n_waiting; /* jobs that are not done, and answers that are not taken */
    atomic_bool is_hurried;  /* the rest is dropped */
    /* The thread's own. */
    struct queue reads;
    struct queue others;
};

struct kv_job *kv_job_new(enum kv_job_kind kind, const struct kv_head *head) {
    struct kv_job *job = mem_alloc(sizeof *job);
    job->kind = kind;
    if (head) {
        job->head = *head;
    }
    return job;
}

void kv_job_free(struct kv_job *job) {
    if (job == NULL) {
        return;
    }
    kv_folder_free_found(job->found, job->n_found);
    free(job->model_path);
    free(job->tokens);
    free(job->data);
    free(job->ctx);
    free(job);
}

/* ---- The thread ---- */

static void scan(struct kv_disk *disk, struct kv_job *job) {
    struct kv_id ids[2] = { [1] = job->params };
    job->status = model_id_of(job->model_path, &ids[0]);
    job->head.kind = kv_id_of(ids, sizeof ids);
    struct kv_id stamp = model_id_stamp(job->model_path);
    if (job->status == STATUS_OK && !kv_id_equals(&stamp, &job->stamp)) {
        job->status = STATUS_CONFLICT;
    }
    if (job->status == STATUS_OK) {
        job->found = kv_folder_scan(disk->folder, &job->head.kind, &job->n_found);
        job->free_bytes = kv_folder_free_bytes(disk->folder);
    }
}

static void run_job(struct kv_disk *disk, struct kv_job *job) {
    switch (job->kind) {
    case KV_JOB_SCAN:
        scan(disk, job);
        break;
    case KV_JOB_LIST:
        job->found = kv_folder_scan(disk->folder, NULL, &job->n_found);
        job->free_bytes = kv_folder_free_bytes(disk->folder);
        job->status = STATUS_OK;
        break;
    case KV_JOB_READ:
        job->status = kv_folder_read(disk->folder, &job->head, &job->data, job->n_bytes);
        break;
    case KV_JOB_WRITE:
        job->status = kv_folder_write(disk->folder, &job->head, job->tokens, job->data, job->n_bytes);
        job->free_bytes = kv_folder_free_bytes(disk->folder);
        free(job->data);
        job->data = NULL;
        break;
    case KV_JOB_REMOVE:
        kv_folder_remove(disk->folder, &job->head);
        break;
    case KV_JOB_TOUCH:
        kv_folder_touch(disk->folder, &job->head);
        break;
    case KV_JOB_OWN:
        kv_folder_set_owner(disk->folder, &job->head);
        break;
    case KV_JOB_FORGET:
        kv_folder_forget(disk->folder, &job->head.owner, &job->head.kind);
        break;
    }
}

static void answer(struct kv_disk *disk, struct kv_job *job) {
    bool is_answered = job->kind <= KV_JOB_WRITE;
    if (!is_answered) {
        atomic_fetch_sub(&disk->n_waiting, 1);
        kv_job_free(job);
        return;
    }
    enum status status = mailbox_post(disk->answers, &job->mail);
    assert(status == STATUS_OK); /* it has room for all that may wait */
}

static void queue_add(struct queue *queue, struct mail *mail) {
    mail->next = NULL;
    *queue->tail = mail;
    queue->tail = &mail->next;
}

static struct kv_job *queue_take(struct queue *queue) {
    struct mail *mail = queue->first;
    if (mail) {
        queue->first = mail->next;
        queue->tail = queue->first ? queue->tail : &queue->first;
    }
    return (struct kv_job *)(void *)mail;
}

/* The next job; waits for one. NULL: the disk is closed, and nothing is left. */
static struct kv_job *next_job(struct kv_disk *disk) {
    bool is_idle = disk->reads.first == NULL && disk->others.first == NULL;
    struct mail *mail = is_idle ? mailbox_wait_all(disk->jobs, -1) : mailbox_take_all(disk->jobs);
    while (mail) {
        struct mail *next = mail->next;
        bool is_read = ((struct kv_job *)(void *)mail)->kind == KV_JOB_READ;
        queue_add(is_read ? &disk->reads : &disk->others, mail);
        mail = next;
    }
    struct kv_job *job = queue_take(&disk->reads);
    return job ? job : queue_take(&disk->others);
}

static void *run(void *ctx) {
    struct kv_disk *disk = ctx;
    struct kv_job *job;
    while ((job = next_job(disk)) != NULL) {
        uint64_t began_ns = clock_now_ns();
        job->status = STATUS_CLOSED;
        bool is_removal = job->kind == KV_JOB_REMOVE || job->kind == KV_JOB_OWN || job->kind == KV_JOB_FORGET;
        if (is_removal || !atomic_load(&disk->is_hurried)) {
            run_job(disk, job);
        }
        job->took_ns = clock_now_ns() - began_ns;
        answer(disk, job);
    }
    return NULL;
}

/* ---- The owner ---- */

static void wake(void *ctx) {
    const struct kv_disk *disk = ctx;
    uint64_t one = 1;
    ssize_t n = write(disk->fd, &one, sizeof one);
    assert(n == sizeof one);
}

struct kv_disk *kv_disk_open(const char *folder, struct fault *fault) {
    if (kv_folder_open(folder, fault) != STATUS_OK) {
        return NULL;
    }
    struct kv_disk *disk = mem_alloc(sizeof *disk);
    disk->folder = mem_copy_string(folder);
    disk->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    disk->jobs = mailbox_new(&(struct mailbox_options){ .n_max = KV_DISK_JOBS_MAX });
    disk->answers =
        mailbox_new(&(struct mailbox_options){ .n_max = KV_DISK_JOBS_MAX + 1, .wake = wake, .ctx = disk });
    disk->reads.tail = &disk->reads.first;
    disk->others.tail = &disk->others.first;
    int failed = pthread_create(&disk->thread, NULL, run, disk);
    assert(disk->fd >= 0 && !failed);
    return disk;
}

static void join(struct kv_disk *disk, int timeout_ms) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (pthread_timedjoin_np(disk->thread, NULL, &until) == 0) {
        return;
    }
    LOG_WARN("kv_disk_hurried", "jobs=%zu", atomic_load(&disk->n_waiting));
    atomic_store(&disk->is_hurried, true);
    pthread_join(disk->thread, NULL);
}

void kv_disk_close(struct kv_disk *disk, int timeout_ms) {
    if (disk == NULL) {
        return;
    }
    mailbox_close(disk->jobs);
    join(disk, timeout_ms);
    for (struct kv_job *job = kv_disk_take(disk), *next; job; job = next) {
        next = (struct kv_job *)(void *)job->mail.next;
        kv_job_free(job);
    }
    mailbox_free(disk->jobs);
    mailbox_free(disk->answers);
    close(disk->fd);
    free(disk->folder);
    free(disk);
}

int kv_disk_fd(const struct kv_disk *disk) {
    return disk->fd;
}

bool kv_disk_post(struct kv_disk *disk, struct kv_job *job) {
    bool has_room = atomic_fetch_add(&disk->n_waiting, 1) < KV_DISK_JOBS_MAX;
    if (!has_room || mailbox_post(disk->jobs, &job->mail) != STATUS_OK) {
        atomic_fetch_sub(&disk->n_waiting, 1);
        kv_job_free(job);
        return false;
    }
    return true;
}

struct kv_job *kv_disk_take(struct kv_disk *disk) {
    uint64_t n;
    ssize_t n_read = read(disk->fd, &n, sizeof n);
    (void)n_read; /* nothing there: no answer waits */
    struct mail *answers = mailbox_take_all(disk->answers);
    for (const struct mail *mail = answers; mail; mail = mail->next) {
        atomic_fetch_sub(&disk->n_waiting, 1);
    }
    return (struct kv_job *)(void *)answers;
}
