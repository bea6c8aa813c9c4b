/* downloads.h - model files that are being downloaded, were, or wait to be: the loop's side.
 *
 *   QUEUED → RUNNING ⇄ RETRYING → VERIFYING → CHECKING → DONE       any of them → PAUSED, FAILED → (resume) QUEUED
 *
 * One is downloaded at a time, the others wait in the order they were asked for. A file comes into the model folder under its name only when all of it is there,
 * its hash is what it must be, and an engine has read its head (`check`); until then it is NAME.download beside it.
 *
 * The list is kept over a restart (`save`), and what was under way goes on by itself.
 *
 * Owner   main.
 * Thread  the loop thread.
 * Memory  arguments are copied.
 * Limits  DOWNLOADS_MAX in the list, whatever became of them.
 */
#ifndef RUNNEL_DOWNLOAD_DOWNLOADS_H
#define RUNNEL_DOWNLOAD_DOWNLOADS_H

#include "base/id.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/status.h"

#include <stdbool.h>

#define DOWNLOADS_MAX 32

struct downloads;

/* What is wrong with a file; "" with STATUS_OK. */
typedef void (*downloads_on_checked)(void *ctx, enum status status, const char *text);

struct downloads_options {
    const struct loop *loop;
    const char *folder;    /* of models; borrowed */
    const char *suffix;    /* ".gguf"; borrowed */
    const char *hub_token; /* for what the hub gives not to everybody; borrowed; NULL: none */
    const char *saved;     /* what `save` was given the last time; NULL: nothing */
    void (*save)(void *ctx, const char *json);
    /* Reads the head of a file and answers once, at the latest when the engines are closed. Not STATUS_OK: it will not answer. */
    enum status (*check)(void *ctx, const char *path, downloads_on_checked on_checked, void *checked_ctx);
    void *ctx;
};

struct downloads *downloads_open(const struct downloads_options *options);
/* downloads_stop ends what is under way, so that it goes on with the next start, and saves; within a second or so. No `check` is asked after it. */
void downloads_stop(struct downloads *downloads);
void downloads_close(struct downloads *downloads); /* stopped, and no check is open; NULL is fine */

/* downloads_listen: on_change comes when what downloads_json tells has changed; at most some times a second for progress. */
void downloads_listen(struct downloads *downloads, void (*on_change)(void *ctx), void *ctx);

struct downloads_wish {
    const char *url; /* http or https; NULL: by repo */
    const char *hub; /* with repo: the address that files are below, as HUB/REPO/resolve/REVISION/FILE */
    const char *repo;
    const char *revision; /* NULL: "main" */
    const char
        *file; /* with repo: the path in it. With url: the name here; NULL: the last part of its path */
    const char *sha256; /* 64 hex digits; NULL: anything */
};

/* downloads_add: STATUS_INVALID, STATUS_CONFLICT (a file or a download of this name is there), STATUS_FULL; the fault says what to do. */
MUST_CHECK enum status downloads_add(struct downloads *downloads, const struct downloads_wish *wish,
                                     char id[ID_HEX_BYTES] /* out */, struct fault *fault);

/* Pause and resume of what is so already does nothing. Cancel forgets it, and removes what is there of it; of one that is done the file stays.
 * STATUS_NOT_FOUND; STATUS_BUSY: it is past that. */
enum downloads_action { DOWNLOADS_PAUSE, DOWNLOADS_RESUME, DOWNLOADS_CANCEL };
MUST_CHECK enum status downloads_act(struct downloads *downloads, const char *id,
                                     enum downloads_action action, struct fault *fault);

/* downloads_json is the list of [W71], a new reference. */
json_t *downloads_json(const struct downloads *downloads);

#endif
