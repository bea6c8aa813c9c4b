/* models_internal.h - shared by the files of models only: models.c, model_files.c, model_infos.c, model_room.c. */
#ifndef RUNNEL_CHAT_MODELS_INTERNAL_H
#define RUNNEL_CHAT_MODELS_INTERNAL_H

#include "chat/chat_internal.h"

#define LEAVING_MAX (2 * MODELS_LOADED_MAX)

struct loaded {
    struct engine *engine;
    uint64_t ready_ms; /* clock_now_ms; 0: not yet */
};

struct models {
    struct chat *chat;
    struct loaded
        loaded[MODELS_LOADED_MAX]; /* or being loaded, or failed; the one that was used last is the last */
    size_t n_loaded;
    struct engine *leaving[LEAVING_MAX]; /* stopped, until their processes are gone; oldest first */
    size_t n_leaving;
    struct inspector *inspector;
    struct loop_timer *idle_timer;
    json_t *needs; /* bytes that a model took, by its path */
    json_t *infos; /* what files were found to say, by their path (model_infos.c) */
    json_t *keeps; /* how long models stay that somebody has said it of, by their path: {"ms","at"} */
    json_t *pins;  /* paths that stay loaded */
    json_t *history;
    char *wanted; /* a person asked for it; chosen once it is loaded; NULL: nobody waits */
    char *chosen; /* by a person since the start: it beats --model; NULL: nobody chose */
    const char *suffix;
};

/* The path that was chosen last: by a person, by --model, by the settings; NULL: nobody has. Borrowed. */
const char *models_configured(const struct models *models);

/* ---- models.c ---- */
/* models_let_go ends what it runs and asks its process to go. */
void models_let_go(struct models *models, struct engine *engine);
/* models_tell: the state of the models changed. */
void models_tell(const struct models *models);
void models_store_setting(struct models *models, const char *key, const json_t *value);

/* ---- model_room.c ---- */
/* models_must_wait: those that leave have not given back yet what this one needs. */
bool models_must_wait(const struct models *models, const char *path);
/* model_room_unpin: a pin of a file that is there no more. */
void model_room_unpin(struct models *models, const char *path);
/* models_watch_idle lets go what nobody has used for so long, and comes again when the next may be. `ctx` is the models. */
void models_watch_idle(void *ctx);

/* The fake engine takes its script in the path itself. */
bool model_files_is_inline(const struct models *models, const char *path);

#endif
