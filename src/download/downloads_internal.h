/* downloads_internal.h - shared by downloads.c and downloads_json.c only. */
#ifndef RUNNEL_DOWNLOAD_DOWNLOADS_INTERNAL_H
#define RUNNEL_DOWNLOAD_DOWNLOADS_INTERNAL_H

#include "base/file.h"
#include "base/list.h"
#include "download/downloads.h"
#include "download/fetch.h"

enum download_state {
    DOWNLOAD_QUEUED,
    DOWNLOAD_RUNNING,
    DOWNLOAD_RETRYING,
    DOWNLOAD_VERIFYING,
    DOWNLOAD_CHECKING, /* and getting its name */
    DOWNLOAD_PAUSED,
    DOWNLOAD_FAILED,
    DOWNLOAD_DONE,
};

/* What a person wants of one that the fetch thread has. */
enum download_wish { DOWNLOAD_GO_ON, DOWNLOAD_PAUSE, DOWNLOAD_CANCEL };

struct download {
    struct list_node node;
    struct downloads *downloads;
    uint64_t number; /* of its fetch jobs */
    char id[ID_HEX_BYTES];
    enum download_state state;
    enum download_wish wish;
    bool is_fetching; /* the thread has a job of it */
    bool is_hub;
    char url[FETCH_URL_BYTES];
    char name[FILE_NAME_BYTES_MAX + 1];
    char validator[TRANSFER_VALIDATOR_BYTES];
    char sha256[TRANSFER_HASH_BYTES];
    char text[TRANSFER_TEXT_BYTES]; /* what went wrong; "": nothing */
    uint64_t done;
    uint64_t total; /* 0: not known */
    uint64_t safe;
    double bytes_per_s;
    uint64_t measured_ms; /* clock_now_ms of the last measure; 0: none yet */
    uint64_t measured_done;
};

struct downloads {
    struct downloads_options options;
    struct list_node list; /* in the order they were asked for */
    size_t n;
    uint64_t last_number;
    struct fetch *fetch; /* NULL: none was needed yet */
    int wake;            /* eventfd */
    struct loop_watch *watch;
    bool is_stopped;
    void (*on_change)(void *ctx); /* NULL: nobody listens */
    void *listener;
};

static inline struct download *download_of(struct list_node *node) {
    return CONTAINER_OF(node, struct download, node);
}

/* downloads.c */
struct download *download_new(struct downloads *downloads);

/* downloads_json.c: what is saved, a new text; and its way back. */
char *downloads_saved_text(const struct downloads *downloads);
void downloads_load(struct downloads *downloads, const char *text);

#endif
