#include "kv_store.h"

#include "kv_disk.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* The time of a use is told to the disk so much later. */
#define TOUCH_MS 60000

struct kv_store {
    struct kv_disk *disk;
    struct kv_tree tree;
    struct kv_id kind;
    bool is_open;
    uint64_t bytes_max;
    bool has_wish;
    uint64_t n_writing_bytes;
    uint64_t paused_until_ms; /* monotonic */
    /* The files of other models, and of other engines with this one; the one that was not used for the longest time first. */
    struct kv_found *others;
    size_t n_others;
    size_t at_others; /* the oldest that is left */
    uint64_t n_other_bytes;
    uint64_t n_unlisted_bytes; /* written since the folder was looked at */
    bool is_listing;
};

struct kv_read {
    kv_on_read callback; /* NULL: abandoned */
    void *ctx;
};

/* ---- Opening ---- */

struct kv_store *kv_store_open(const struct kv_store_options *options) {
    struct fault fault;
    struct kv_disk *disk = kv_disk_open(options->folder, &fault);
    if (disk == NULL) {
        LOG_WARN("kv_disk_off", "reason=%s", fault.text);
        return NULL;
    }
    struct kv_store *store = mem_alloc(sizeof *store);
    store->disk = disk;
    store->has_wish = options->bytes_max >= 0;
    store->bytes_max = store->has_wish ? (uint64_t)options->bytes_max : 0;
    kv_tree_init(&store->tree);
    struct kv_job *job = kv_job_new(KV_JOB_SCAN, NULL);
    job->model_path = mem_copy_string(options->model_path);
    job->stamp = options->stamp;
    job->params = options->params;
    kv_disk_post(disk, job);
    return store;
}

void kv_store_close(struct kv_store *store, int timeout_ms) {
    if (store == NULL) {
        return;
    }
    kv_disk_close(store->disk, timeout_ms);
    kv_tree_deinit(&store->tree);
    kv_folder_free_found(store->others, store->n_others);
    free(store);
}

int kv_store_fd(const struct kv_store *store) {
    return kv_disk_fd(store->disk);
}

bool kv_store_is_open(const struct kv_store *store) {
    return store->is_open;
}

/* ---- Removing ---- */

static void remove_file(void *ctx, const struct kv_entry *entry) {
    struct kv_store *store = ctx;
    kv_disk_post(store->disk, kv_job_new(KV_JOB_REMOVE, &entry->head));
}

static void change_owner(void *ctx, const struct kv_entry *entry) {
    struct kv_store *store = ctx;
    kv_disk_post(store->disk, kv_job_new(KV_JOB_OWN, &entry->head));
}

static uint64_t used_bytes(const struct kv_store *store) {
    return store->tree.n_bytes + store->n_other_bytes;
}

/* Gives up the file that was not used for the longest time. False: there is none. */
static bool remove_oldest(struct kv_store *store) {
    struct kv_entry *own = kv_tree_oldest(&store->tree);
    const struct kv_found *other =
        store->at_others < store->n_others ? &store->others[store->at_others] : NULL;
    if (other && (own == NULL || other->used_ms < own->used_ms)) {
        store->n_other_bytes -= other->file_bytes;
        store->at_others++;
        kv_disk_post(store->disk, kv_job_new(KV_JOB_REMOVE, &other->head));
    } else if (own) {
        kv_tree_remove(&store->tree, own, remove_file, store);
    }
    return other || own;
}

static void keep_within(struct kv_store *store, uint64_t bytes_max) {
    while (used_bytes(store) > bytes_max && remove_oldest(store)) {
    }
}

void kv_store_forget(struct kv_store *store, const struct kv_id *owner) {
    struct kv_job *job = kv_job_new(KV_JOB_FORGET, NULL);
    job->head.kind = store->kind;
    job->head.owner = *owner;
    kv_tree_forget(&store->tree, owner, remove_file, change_owner, store);
    kv_disk_post(store->disk, job);
}

void kv_store_drop(struct kv_store *store, const struct kv_id *key) {
    struct kv_entry *entry = kv_tree_find(&store->tree, key);
    if (entry) {
        kv_tree_remove(&store->tree, entry, remove_file, store);
    }
}

/* ---- Answers ---- */

static void choose_budget(struct kv_store *store, uint64_t free_bytes) {
    if (!store->has_wish) {
        uint64_t tenth = (free_bytes + used_bytes(store)) / 10;
        store->bytes_max = tenth < KV_STORE_BYTES_DEFAULT_MAX ? tenth : KV_STORE_BYTES_DEFAULT_MAX;
    }
    keep_within(store, store->bytes_max);
}

static int by_age(const void *a, const void *b) {
    const struct kv_found *left = a;
    const struct kv_found *right = b;
    return left->used_ms < right->used_ms ? -1 : left->used_ms > right->used_ms;
}

static bool is_own(const struct kv_store *store, const struct kv_found *found) {
    return found->tokens ||
           (kv_id_equals(&found->head.kind, &store->kind) && kv_tree_find(&store->tree, &found->head.key));
}

static void take_others(struct kv_store *store, const struct kv_job *job) {
    free(store->others);
    store->others = mem_alloc((job->n_found + 1) * sizeof *store->others);
    store->n_others = store->at_others = 0;
    store->n_other_bytes = 0;
    for (size_t i = 0; i < job->n_found; i++) {
        if (!is_own(store, &job->found[i])) {
            store->others[store->n_others++] = job->found[i];
            store->n_other_bytes += job->found[i].file_bytes;
        }
    }
    qsort(store->others, store->n_others, sizeof *store->others, by_age);
}

static size_t collect_own(const struct kv_job *job, struct kv_found *own) {
    size_t n = 0;
    for (size_t i = 0; i < job->n_found; i++) {
        if (job->found[i].tokens) {
            own[n++] = job->found[i];
        }
    }
    return n;
}

static void on_scanned(struct kv_store *store, struct kv_job *job) {
    if (job->status != STATUS_OK) {
        LOG_WARN("kv_disk_off", "reason=the model file cannot be read again, or is another one now: %s",
                 status_name(job->status));
        return;
    }
    store->kind = job->head.kind;
    struct kv_found *own = mem_alloc((job->n_found + 1) * sizeof *own);
    size_t n_own = collect_own(job, own);
    kv_tree_add_found(&store->tree, own, n_own, remove_file, store);
    free(own); /* the tokens are the job's */
    take_others(store, job);
    choose_budget(store, job->free_bytes);
    store->is_open = store->bytes_max > 0;
    LOG_INFO("kv_disk", "files=%zu bytes=%llu other_bytes=%llu bytes_max=%llu ms=%.1f", store->tree.n_entries,
             (unsigned long long)store->tree.n_bytes, (unsigned long long)store->n_other_bytes,
             (unsigned long long)store->bytes_max, (double)job->took_ns / 1e6);
}

/* Another engine may write into the same folder. */
static void list_again(struct kv_store *store) {
    if (!store->is_listing && store->n_unlisted_bytes > store->bytes_max / KV_STORE_LIST_PARTS) {
        store->is_listing = kv_disk_post(store->disk, kv_job_new(KV_JOB_LIST, NULL));
        store->n_unlisted_bytes = 0;
    }
}

static void on_listed(struct kv_store *store, const struct kv_job *job) {
    store->is_listing = false;
    if (job->status == STATUS_OK) {
        take_others(store, job);
        keep_within(store, store->bytes_max);
    }
}

static void pause_writing(struct kv_store *store, const struct kv_job *job) {
    if (clock_now_ms() >= store->paused_until_ms) {
        LOG_WARN("kv_disk_paused", "status=%s free=%llu seconds=%d", status_name(job->status),
                 (unsigned long long)job->free_bytes, KV_STORE_PAUSE_MS / 1000);
    }
    store->paused_until_ms = clock_now_ms() + KV_STORE_PAUSE_MS;
    /* A quota may be full while the disk is not: then what was to be written makes its own room. */
    uint64_t n_least = job->status == STATUS_FULL ? job->n_bytes : 0;
    uint64_t n_needed =
        KV_FOLDER_RESERVE_BYTES > job->free_bytes ? KV_FOLDER_RESERVE_BYTES - job->free_bytes : 0;
    n_needed = n_needed > n_least ? n_needed : n_least;
    uint64_t n_used = used_bytes(store);
    keep_within(store, n_used > n_needed ? n_used - n_needed : 0);
}

static void on_written(struct kv_store *store, const struct kv_job *job) {
    struct kv_entry *entry = kv_tree_find(&store->tree, &job->head.key);
    store->n_writing_bytes -= job->n_bytes;
    if (job->status == STATUS_OK && entry) {
        entry->is_written = true;
        store->n_unlisted_bytes += job->n_bytes;
        list_again(store);
    } else if (entry && !entry->is_written) {
        kv_tree_remove(&store->tree, entry, remove_file, store);
    }
    if (job->status == STATUS_FULL || job->status == STATUS_IO) {
        pause_writing(store, job);
    }
}

static void on_read(struct kv_store *store, struct kv_job *job) {
    struct kv_read *read = job->ctx;
    if (job->status == STATUS_OK) {
        size_t n_head = kv_file_head_bytes(job->head.n_tokens);
        if (read->callback) {
            read->callback(read->ctx, job->data, job->data + n_head, job->n_bytes - n_head, job->took_ns);
            job->data = NULL;
        }
    } else {
        LOG_WARN("kv_not_read", "status=%s", status_name(job->status));
        if (job->status != STATUS_NOMEM) {
            kv_store_drop(store, &job->head.key);
        }
        if (read->callback) {
            read->callback(read->ctx, NULL, NULL, 0, job->took_ns);
        }
    }
}

void kv_store_drain(struct kv_store *store) {
    for (struct kv_job *job = kv_disk_take(store->disk), *next; job; job = next) {
        next = (struct kv_job *)(void *)job->mail.next;
        switch (job->kind) {
        case KV_JOB_SCAN:
            on_scanned(store, job);
            break;
        case KV_JOB_LIST:
            on_listed(store, job);
            break;
        case KV_JOB_WRITE:
            on_written(store, job);
            break;
        default:
            on_read(store, job);
            break;
        }
        kv_job_free(job);
    }
}

void kv_store_wait(struct kv_store *store, int timeout_ms) {
    struct pollfd pollfd = { .fd = kv_store_fd(store), .events = POLLIN };
    poll(&pollfd, 1, timeout_ms);
    kv_store_drain(store);
}

/* ---- Writing ---- */

bool kv_store_can_write(const struct kv_store *store, uint64_t n_bytes) {
    bool has_room =
        store->n_writing_bytes == 0 || store->n_writing_bytes + n_bytes <= KV_STORE_WRITING_BYTES_MAX;
    return store->is_open && has_room && n_bytes <= store->bytes_max &&
           clock_now_ms() >= store->paused_until_ms;
}

static void touch(struct kv_store *store, struct kv_entry *entry, int64_t now_ms) {
    kv_tree_use(&store->tree, entry, now_ms);
    for (; entry && entry->parent; entry = entry->parent) {
        if (entry->is_written && now_ms - entry->touched_ms > TOUCH_MS) {
            entry->touched_ms = now_ms;
            kv_disk_post(store->disk, kv_job_new(KV_JOB_TOUCH, &entry->head));
        }
    }
}

int kv_store_find_end(struct kv_store *store, const int32_t *tokens, int n_tokens) {
    int n_covered;
    struct kv_entry *end = kv_tree_walk(&store->tree, tokens, n_tokens, false, &n_covered);
    touch(store, end, clock_wall_ms());
    return n_covered;
}

void kv_store_put(struct kv_store *store, const struct kv_id *owner, const int32_t *tokens, int n_before,
                  int n_tokens, uint8_t *data, size_t n_bytes) {
    int n_covered;
    struct kv_entry *parent = kv_tree_walk(&store->tree, tokens, n_before, false, &n_covered);
    assert(n_covered == n_before);
    int n = n_tokens - n_before;
    struct kv_head head = { .kind = store->kind, .owner = *owner, .n_before = n_before, .n_tokens = n };
    if (parent) {
        head.parent = parent->head.key;
    }
    head.key = kv_file_key(&head.kind, &head.parent, n_before, tokens + n_before, n);
    uint64_t n_left = store->bytes_max > n_bytes ? store->bytes_max - n_bytes : 0;
    while (store->tree.n_entries >= KV_TREE_ENTRIES_MAX - 1 && remove_oldest(store)) {
    }
    touch(store, parent, clock_wall_ms());
    keep_within(store, n_left);
    struct kv_job *job = kv_job_new(KV_JOB_WRITE, &head);
    job->data = data;
    job->n_bytes = n_bytes;
    job->tokens = mem_alloc((size_t)n * sizeof *tokens);
    memcpy(job->tokens, tokens + n_before, (size_t)n * sizeof *tokens);
    /* Making room may have taken the parent too: then there is no place behind it. */
    bool has_parent = n_before == 0 || kv_tree_find(&store->tree, &head.parent) != NULL;
    if (!has_parent || (parent && parent->depth >= KV_TREE_DEPTH_MAX)) {
        kv_job_free(job);
        return;
    }
    if (kv_disk_post(store->disk, job)) {
        struct kv_entry *entry = kv_tree_add(&store->tree, parent, &head, tokens + n_before, n_bytes);
        entry->touched_ms = clock_wall_ms();
        kv_tree_use(&store->tree, entry, entry->touched_ms);
        store->n_writing_bytes += n_bytes;
    }
}

/* ---- Reading ---- */

struct kv_part *kv_store_find(const struct kv_store *store, const int32_t *tokens, int n_tokens, int n_from,
                              size_t *n_parts, int *n_reached) {
    const struct kv_entry *end = kv_tree_reach(&store->tree, tokens, n_tokens, n_reached);
    struct kv_part *parts = NULL;
    size_t n = 0;
    *n_parts = 0;
    for (const struct kv_entry *at = end; at && at->parent && at->head.n_before + at->head.n_tokens > n_from;
         at = at->parent) {
        n++;
    }
    if (n == 0) {
        return NULL;
    }
    parts = mem_alloc(n * sizeof *parts);
    *n_parts = n;
    for (const struct kv_entry *at = end; n > 0; at = at->parent) {
        parts[--n] = (struct kv_part){ .key = at->head.key,
                                       .n_before = at->head.n_before,
                                       .n_tokens = at->head.n_tokens,
                                       .n_bytes = at->file_bytes };
    }
    return parts;
}

struct kv_read *kv_store_read(struct kv_store *store, const struct kv_part *part, kv_on_read callback,
                              void *ctx) {
    struct kv_entry *entry = kv_tree_find(&store->tree, &part->key);
    if (entry == NULL) {
        return NULL;
    }
    touch(store, entry, clock_wall_ms());
    struct kv_job *job = kv_job_new(KV_JOB_READ, &entry->head);
    struct kv_read *read = mem_alloc(sizeof *read);
    *read = (struct kv_read){ .callback = callback, .ctx = ctx };
    job->ctx = read;
    job->n_bytes = (size_t)entry->file_bytes;
    return kv_disk_post(store->disk, job) ? read : NULL;
}

void kv_store_abandon(struct kv_read *read) {
    if (read) {
        read->callback = NULL;
    }
}
