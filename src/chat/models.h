/* models.h - which model files there are, and which one is loaded.
 *
 * A model is a file under one of the model folders; its id is the file's name without the suffix. The engine program decides the
 * suffix: .gguf, or .json for the fake engine's scripts.
 *
 * Thread  the loop thread only. The folders are read at each call: a file that was copied there is seen.
 * Limits  MODELS_MAX files, MODELS_FOLDERS_MAX folders, MODELS_HISTORY_MAX remembered paths.
 */
#ifndef RUNNEL_CHAT_MODELS_H
#define RUNNEL_CHAT_MODELS_H

#include "base/json.h"
#include "base/status.h"
#include "engine/engine.h"
#include "engine/inspector.h"

#include <limits.h>
#include <stdbool.h>

#define MODELS_MAX         1000
#define MODELS_FOLDERS_MAX 8
#define MODELS_HISTORY_MAX 20

struct models;
struct chat;

struct model_file {
    char id[NAME_MAX + 1];
    char path[PATH_MAX];
    uint64_t size_bytes;
    int64_t changed_s; /* Unix time */
};

/* models_list returns the files sorted by name in new memory: free with free(). */
struct model_file *models_list(const struct models *models, size_t *n /* out */);

/* models_resolve finds the path for an id or a path. NULL, "" or "default": the configured model, else the first file.
 * STATUS_NOT_FOUND, or STATUS_DENIED for a path outside the folders; the fault says what to do. */
MUST_CHECK enum status models_resolve(const struct models *models, const char *id_or_path, char out[PATH_MAX],
                                      struct fault *fault);

/* models_is_allowed: an existing path under a model folder; links to folders are followed first, a link to a file is
 * allowed. `real` gets the canonical form. */
bool models_is_allowed(const struct models *models, const char *path, char real[PATH_MAX]);

/* The folder that uploads go to and that people are told of. */
const char *models_folder(const struct models *models);
const char *models_suffix(const struct models *models);
bool models_has_suffix(const struct models *models, const char *name);
/* models_file_name is the last part of a path, borrowed from it. */
const char *models_file_name(const char *path);

/* models_inspect asks what a file says about itself, without loading it (inspector.h). */
MUST_CHECK enum status models_inspect(struct models *models, const char *path, inspector_on_answer on_answer,
                                      void *ctx);

/* models_status is the object of wire [W21], a new reference. */
json_t *models_status(const struct models *models);

/* models_engine is the engine that holds the model, or is loading it; NULL: none. models_find_engine: the one with this model. */
struct engine *models_engine(const struct models *models);
struct engine *models_find_engine(const struct models *models, const char *path);
/* models_has_room: a model that is not loaded may be: no other is at work for it, or on its way. */
bool models_has_room(const struct models *models);
/* models_pause stops reading what engines say, or goes on (engine_pause). */
void models_pause(struct models *models, bool paused);

/* models_load loads a file (another one that is loaded makes room, its generations are ended as interrupted), or tries again after a
 * failure. STATUS_OK: it is loading or loaded. The end of the load is seen in the state. For a person: chat_load_model. */
MUST_CHECK enum status models_load(struct models *models, const char *path, struct fault *fault);
/* models_unload lets the model go. For a person: chat_unload_model. */
void models_unload(struct models *models);

/* models_choose makes a path the configured one until the end of the process; NULL: --model or the settings decide again. */
void models_choose(struct models *models, const char *path);

/* models_want notes what a person asked to be loaded; models_take_wanted forgets it, and says whether it is what is loaded. */
void models_want(struct models *models, const char *path);
bool models_take_wanted(struct models *models);

/* The paths that were loaded, newest first: a new array. */
json_t *models_history(const struct models *models);
void models_remember(struct models *models, const char *path);

#endif
