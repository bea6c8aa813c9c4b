/* models_internal.h - shared by the files of models only: models.c, model_files.c. */
#ifndef RUNNEL_CHAT_MODELS_INTERNAL_H
#define RUNNEL_CHAT_MODELS_INTERNAL_H

#include "chat/chat_internal.h"

#define LEAVING_MAX 4

struct models {
    struct chat *chat;
    struct engine *engine;               /* NULL: nothing was ever loaded, or it was unloaded */
    struct engine *leaving[LEAVING_MAX]; /* stopped, until their processes are gone; oldest first */
    size_t n_leaving;
    struct inspector *inspector;
    json_t *history;
    char *wanted; /* a person asked for it; chosen once it is loaded; NULL: nobody waits */
    char *chosen; /* by a person since the start: it beats --model; NULL: nobody chose */
    const char *suffix;
};

/* The path that was chosen last: by a person, by --model, by the settings; NULL: nobody has. Borrowed. */
const char *models_configured(const struct models *models);

/* The fake engine takes its script in the path itself. */
bool model_files_is_inline(const struct models *models, const char *path);

#endif
