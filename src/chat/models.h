/* models.h - which model files there are, and which are loaded.
 *
 * A model is a file under one of the model folders; its id is the file's name without the suffix. The engine program decides the
 * suffix: .gguf, or .json for the fake engine's scripts.
 *
 * Thread  the loop thread only. The folders are read at each call: a file that was copied there is seen.
 * Several can be loaded side by side, an engine each. "The" model, for those who know of one, is the one that was used last.
 *
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
#define MODELS_LOADED_MAX  8 /* at a time, and pinned */

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

/* The folder that uploads go to and that people are told of; and all of them, a new array. */
const char *models_folder(const struct models *models);
json_t *models_folders(const struct models *models);
const char *models_suffix(const struct models *models);
bool models_has_suffix(const struct models *models, const char *name);
/* models_file_name is the last part of a path, borrowed from it. */
const char *models_file_name(const char *path);

/* models_is_later_part: it belongs to a model in several files, "name-00002-of-00003.gguf", and is not the first of them, which stands for all.
 * models_file_bytes is the size of all parts; 0: there is no such file. */
bool models_is_later_part(const char *path);
uint64_t models_file_bytes(const char *path);

/* models_remove deletes the file, with all its parts, and unpins it. A link goes, what it leads to stays. STATUS_BUSY: it is loaded. */
MUST_CHECK enum status models_remove(struct models *models, const char *path, struct fault *fault);

/* models_copy gives a model a second name, in the folder where it is: both are the same file, of which none takes room twice, and either may be deleted.
 * STATUS_INVALID, STATUS_CONFLICT, STATUS_IO. */
MUST_CHECK enum status models_copy(struct models *models, const char *path, const char *name,
                                   struct fault *fault);

/* models_inspect asks what a file says about itself, without loading it (inspector.h), and remembers the answer. */
MUST_CHECK enum status models_inspect(struct models *models, const char *path, inspector_on_answer on_answer,
                                      void *ctx);

/* models_known is what the file was found to say, as long as it does not change: the object of [E8] without its template, or {"error":text} of one
 * that is damaged. Borrowed. NULL: it was not asked. */
const json_t *models_known(const struct models *models, const char *path);

/* models_status is the object of wire [W21], a new reference. */
json_t *models_status(const struct models *models);

/* models_engine is the engine of the model that was used last, or is loading; NULL: none. models_find_engine: the one with this model. */
struct engine *models_engine(const struct models *models);
struct engine *models_find_engine(const struct models *models, const char *path);
/* models_has: it was not let go. */
bool models_has(const struct models *models, const struct engine *engine);
/* models_use: an answer is made by this one: it is the last that was used. */
void models_use(struct models *models, struct engine *engine);
bool models_is_loading(const struct models *models);       /* one of them */
bool models_can_answer(const struct models *models);       /* one of them */
uint64_t models_memory_bytes(const struct models *models); /* resident, of all engines */
/* models_pause stops reading what engines say, or goes on (engine_pause). */
void models_pause(struct models *models, bool paused);

/* models_room: may a model that is not loaded be? Its need is guessed from its file, or known from the last time; the budget is --memory-mb, or what
 * the machine has and engines have taken. LATER: when others have gone. NEVER: the fault has the numbers. */
enum models_room { MODELS_ROOM_NOW, MODELS_ROOM_LATER, MODELS_ROOM_NEVER };
enum models_room models_room(const struct models *models, const char *path, struct fault *fault);
/* models_make_room lets those go that have nothing to do, as far as it must; the one that was used longest ago first. */
enum models_room models_make_room(struct models *models, const char *path, struct fault *fault);
/* models_find_leaver: the next that may go, and has nothing to do, if there is such a one. NULL: none may. */
struct engine *models_find_leaver(const struct models *models, bool even_with_work);
uint64_t models_budget_bytes(const struct models *models);
/* models_need_bytes is the guess: what it took the last time; else what its head says [E50], with a context of models_context_size; else by its size. */
uint64_t models_need_bytes(const struct models *models, const char *path);
/* models_context_size is the context that a model of which the head says this would be loaded with, when there is room. */
int64_t models_context_size(const struct models *models, const json_t *info);

/* models_load loads a file beside the others, for which there is room, or tries again after a failure. STATUS_OK: it is loading or loaded. The end of
 * the load is seen in the state. For a person: chat_load_model. */
MUST_CHECK enum status models_load(struct models *models, const char *path, struct fault *fault);
/* models_unload lets a model go; what waits for room is to be looked at then (turns_advance). For a person: chat_unload_model. */
void models_unload(struct models *models, struct engine *engine);
/* models_on_ready: what it takes is known now; others go if it is more than there is. */
void models_on_ready(struct models *models, struct engine *engine);

/* models_keep: so long it stays while nobody uses it, in the place of the server's time, until it is unloaded or this is said again; −1: as long as there is
 * room. At least a second. models_idle_left_ms is what is left of that; −1: it stays. */
void models_keep(struct models *models, const char *path, int64_t stays_ms);
int64_t models_idle_left_ms(const struct models *models, const struct engine *engine);

/* models_pin: a pinned model is not unloaded to make room, nor when nobody uses it. Kept over a restart. STATUS_FULL. */
MUST_CHECK enum status models_pin(struct models *models, const char *path, bool is_pinned,
                                  struct fault *fault);
bool models_is_pinned(const struct models *models, const char *path);
json_t *models_pins(const struct models *models); /* a new array of paths */

/* models_choose makes a path the configured one until the end of the process; NULL: --model or the settings decide again. */
void models_choose(struct models *models, const char *path);

/* models_want notes what a person asked to be loaded; models_take_wanted says whether it is this one, and forgets it then. */
void models_want(struct models *models, const char *path);
bool models_take_wanted(struct models *models, const char *path);

/* The paths that were loaded, newest first: a new array. */
json_t *models_history(const struct models *models);
void models_remember(struct models *models, const char *path);

#endif
