/* kv_disk.h - the one thread that touches the folder of the KV cache: jobs go in, answers come out.
 *
 * No decode step waits for it. Reads go before everything else, because somebody waits for them; the others keep their order.
 *
 * Owner   kv_store.
 * Thread  all functions the owner's; the jobs run on the disk's own.
 * Memory  a job is given away by kv_disk_post, and received again as its answer; kv_job_free.
 * Limits  KV_DISK_JOBS_MAX jobs wait.
 */
#ifndef RUNNEL_ENGINES_LLAMA_KV_DISK_H
#define RUNNEL_ENGINES_LLAMA_KV_DISK_H

#include "kv_folder.h"

#include "base/mailbox.h"

/* Enough for the removal of all that there can be. */
#define KV_DISK_JOBS_MAX (4 * KV_TREE_ENTRIES_MAX)

enum kv_job_kind {
    KV_JOB_SCAN,   /* answered: what model is it, and what is there of it */
    KV_JOB_LIST,   /* answered: what is there, without a look into the files */
    KV_JOB_READ,   /* answered */
    KV_JOB_WRITE,  /* answered */
    KV_JOB_REMOVE, /* these are not */
    KV_JOB_TOUCH,
    KV_JOB_OWN,    /* the file gets the owner of `head` */
    KV_JOB_FORGET, /* what the other kinds have of this owner */
};

struct kv_job {
    struct mail mail;
    enum kv_job_kind kind;
    struct kv_head
        head; /* which file; the answer of a scan has the kind; forget: the kind that is not meant, and the owner */
    int32_t *tokens;     /* write: they belong to the job */
    uint8_t *data;       /* write: kv_file_head_bytes of room, then the payload; read: a whole file */
    size_t n_bytes;      /* of data; a read asks for so many */
    char *model_path;    /* scan */
    struct kv_id stamp;  /* scan: of the files that were loaded */
    struct kv_id params; /* scan: what beside the model changes the bytes */
    struct kv_found *found;
    size_t n_found;
    enum status status;
    uint64_t free_bytes; /* scan, list, write: what the disk has left */
    uint64_t took_ns;
    void *ctx; /* read: the owner's memory, freed with the job */
};

struct kv_disk;

/* kv_disk_open makes the folder and begins the thread. NULL: the folder cannot be had. */
struct kv_disk *kv_disk_open(const char *folder, struct fault *fault);

/* kv_disk_close lets the thread finish what waits for at most `timeout_ms`, and drops what is left to read and to write then. What is to be
 * removed is, however long it takes: it may be a deleted conversation. */
void kv_disk_close(struct kv_disk *disk, int timeout_ms);

/* kv_disk_fd can be read while an answer waits. */
int kv_disk_fd(const struct kv_disk *disk);

/* kv_disk_post gives the job away. False: too many wait, and it was freed. */
bool kv_disk_post(struct kv_disk *disk, struct kv_job *job);

/* kv_disk_take returns the answers, as a list by mail.next; NULL: none. */
struct kv_job *kv_disk_take(struct kv_disk *disk);

struct kv_job *kv_job_new(enum kv_job_kind kind, const struct kv_head *head);
void kv_job_free(struct kv_job *job); /* NULL is fine */

#endif
