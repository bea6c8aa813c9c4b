#include "chat/models.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "chat/chat_internal.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LEAVING_MAX 4

struct models {
    struct chat *chat;
    struct engine *engine;               /* NULL: nothing was ever loaded, or it was unloaded */
    struct engine *leaving[LEAVING_MAX]; /* stopped, until their processes are gone; oldest first */
    size_t n_leaving;
    json_t *history;
    char *wanted; /* a person asked for it; chosen once it is loaded; NULL: nobody waits */
    char *chosen; /* by a person since the start: it beats --model; NULL: nobody chose */
    const char *suffix;
};

struct models *models_open(struct chat *chat, const struct chat_options *options) {
    struct models *models = mem_alloc(sizeof *models);
    models->chat = chat;
    models->suffix = strcmp(options->engine_name, "fake") == 0 ? ".json" : ".gguf";
    char *history = store_setting(options->store, "model_history");
    models->history = history ? json_loads(history, 0, NULL) : NULL;
    if (!json_is_array(models->history)) {
        json_decref(models->history);
        models->history = json_array();
    }
    free(history);
    return models;
}

void models_close(struct models *models) {
    if (models == NULL) {
        return;
    }
    engine_free(models->engine);
    for (size_t i = 0; i < models->n_leaving; i++) {
        engine_free(models->leaving[i]);
    }
    json_decref(models->history);
    free(models->wanted);
    free(models->chosen);
    free(models);
}

const char *models_folder(const struct models *models) {
    return models->chat->options.model_folders[0];
}

const char *models_suffix(const struct models *models) {
    return models->suffix;
}

const char *models_program(const struct models *models) {
    return models->chat->options.engine_program;
}

struct engine *models_engine(const struct models *models) {
    return models->engine;
}

const char *models_file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool models_has_suffix(const struct models *models, const char *name) {
    size_t name_length = strlen(name);
    size_t suffix_length = strlen(models->suffix);
    return name_length > suffix_length && strcmp(name + name_length - suffix_length, models->suffix) == 0;
}

/* The fake engine takes its script in the path itself. */
static bool is_inline(const struct models *models, const char *path) {
    return strcmp(models->suffix, ".json") == 0 && strncmp(path, "fake:", 5) == 0;
}

static bool describe(const char *folder, const char *name, const char *suffix, struct model_file *out) {
    struct stat info;
    int length = snprintf(out->path, sizeof out->path, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof out->path || stat(out->path, &info) != 0 ||
        !S_ISREG(info.st_mode)) {
        return false;
    }
    snprintf(out->id, sizeof out->id, "%.*s", (int)(strlen(name) - strlen(suffix)), name);
    out->size_bytes = (uint64_t)info.st_size;
    out->changed_s = info.st_mtime;
    return true;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct model_file *)a)->id, ((const struct model_file *)b)->id);
}

struct model_file *models_list(const struct models *models, size_t *n) {
    struct model_file *files = NULL;
    size_t capacity = 0;
    *n = 0;
    for (const char *const *folder = models->chat->options.model_folders; *folder; folder++) {
        DIR *directory = opendir(*folder);
        if (directory == NULL) {
            continue;
        }
        for (struct dirent *entry = readdir(directory); entry && *n < MODELS_MAX;
             entry = readdir(directory)) {
            if (!models_has_suffix(models, entry->d_name)) {
                continue;
            }
            files = mem_grow_array(files, *n, &capacity, sizeof *files, MODELS_MAX);
            *n += describe(*folder, entry->d_name, models->suffix, &files[*n]);
        }
        closedir(directory);
    }
    if (*n) {
        qsort(files, *n, sizeof *files, by_name);
    }
    return files;
}

/* The canonical form of a folder; of a file, its folder's canonical form and its own name: a link that somebody put into a
 * model folder is meant. */
static bool canonical(const char *path, char real[PATH_MAX]) {
    struct stat info;
    const char *slash = strrchr(path, '/');
    if (stat(path, &info) != 0) {
        return false;
    }
    if (S_ISDIR(info.st_mode) || slash == NULL || slash == path) {
        return realpath(path, real) != NULL;
    }
    char *folder = mem_copy_bytes(path, (size_t)(slash - path));
    bool is_real = realpath(folder, real) != NULL && strlen(real) + strlen(slash) < PATH_MAX;
    free(folder);
    if (is_real) {
        memcpy(real + strlen(real), slash, strlen(slash) + 1);
    }
    return is_real;
}

bool models_is_allowed(const struct models *models, const char *path, char real[PATH_MAX]) {
    if (!canonical(path, real)) {
        return false;
    }
    for (const char *const *folder = models->chat->options.model_folders; *folder; folder++) {
        char base[PATH_MAX];
        size_t length = realpath(*folder, base) ? strlen(base) : 0;
        if (length && strncmp(real, base, length) == 0 && (real[length] == '/' || real[length] == '\0')) {
            return true;
        }
    }
    return false;
}

static const char *configured(const struct models *models) {
    const struct chat *chat = models->chat;
    if (models->chosen) {
        return models->chosen;
    }
    return chat->options.model_path ? chat->options.model_path : chat->settings.model_path;
}

static enum status resolve_default(const struct models *models, char out[PATH_MAX], struct fault *fault) {
    const char *path = configured(models);
    if (path) {
        snprintf(out, PATH_MAX, "%s", path);
        return STATUS_OK;
    }
    size_t n;
    struct model_file *files = models_list(models, &n);
    if (n) {
        snprintf(out, PATH_MAX, "%s", files[0].path);
    }
    free(files);
    return n ? STATUS_OK
             : fault_set(fault, STATUS_UNAVAILABLE, "there is no model yet: put a %s file into %s",
                         models->suffix, models_folder(models));
}

/* By the id, or by the name of the file. */
static bool find_listed(const struct models *models, const char *wanted, bool by_file, char out[PATH_MAX]) {
    size_t n;
    struct model_file *files = models_list(models, &n);
    bool is_found = false;
    for (size_t i = 0; i < n && !is_found; i++) {
        is_found = strcmp(by_file ? models_file_name(files[i].path) : files[i].id, wanted) == 0;
        if (is_found) {
            snprintf(out, PATH_MAX, "%s", files[i].path);
        }
    }
    free(files);
    return is_found;
}

enum status models_resolve(const struct models *models, const char *id_or_path, char out[PATH_MAX],
                           struct fault *fault) {
    if (id_or_path == NULL || *id_or_path == '\0' || strcmp(id_or_path, "default") == 0) {
        return resolve_default(models, out, fault);
    }
    const char *path = configured(models);
    if (is_inline(models, id_or_path) || (path && strcmp(path, id_or_path) == 0)) {
        snprintf(out, PATH_MAX, "%s", id_or_path);
        return STATUS_OK;
    }
    if (find_listed(models, id_or_path, false, out)) {
        return STATUS_OK;
    }
    if (strchr(id_or_path, '/') == NULL) {
        return fault_set(fault, STATUS_NOT_FOUND,
                         "there is no model \"%.200s\" in %.150s: copy it there, or choose another",
                         id_or_path, models_folder(models));
    }
    if (!models_is_allowed(models, id_or_path, out)) {
        struct stat info;
        return stat(id_or_path, &info) == 0
                   ? fault_set(fault, STATUS_DENIED, "models are loaded from %s only: copy the file there",
                               models_folder(models))
                   : fault_set(fault, STATUS_NOT_FOUND, "there is no file %.200s: look at the path",
                               id_or_path);
    }
    if (!models_has_suffix(models, out)) {
        return fault_set(fault, STATUS_INVALID, "%.200s is no %s file: choose another", id_or_path,
                         models->suffix);
    }
    return STATUS_OK;
}

bool models_find(const struct models *models, const char *file_name, char out[PATH_MAX]) {
    const char *path = configured(models);
    if (path && strcmp(models_file_name(path), file_name) == 0) {
        snprintf(out, PATH_MAX, "%s", path);
        return true;
    }
    return find_listed(models, file_name, true, out);
}

static const char *state_text(const struct models *models) {
    if (models->engine == NULL) {
        return "none";
    }
    switch (engine_state(models->engine)) {
    case ENGINE_READY:
        return "ready";
    case ENGINE_FAILED:
        return "failed";
    case ENGINE_STOPPED:
        return "none";
    default:
        return "loading";
    }
}

static json_t *last_used(const struct engine *engine) {
    uint64_t used_ms = engine ? engine_last_used_ms(engine) : 0;
    if (used_ms == 0) {
        return json_null();
    }
    char date[CLOCK_ISO_BYTES];
    clock_format_iso(clock_wall_ms() - (int64_t)(clock_now_ms() - used_ms), date);
    return json_string(date);
}

json_t *models_status(const struct models *models) {
    const struct engine *engine = models->engine;
    const char *state = state_text(models);
    bool is_ready = strcmp(state, "ready") == 0;
    const char *fault = engine ? engine_fault_text(engine) : "";
    json_t *info = engine && is_ready ? json_incref((json_t *)(uintptr_t)engine_model_info(engine)) : NULL;
    char path[PATH_MAX];
    bool has_path = engine != NULL || models_resolve(models, NULL, path, NULL) == STATUS_OK;
    const char *shown = engine ? engine_model_path(engine) : path;
    return json_pack("{s:b, s:s?, s:o, s:f, s:s, s:f, s:s?, s:o?, s:s?, s:I, s:I, s:I, s:s}", "loaded",
                     is_ready, "model_path", has_path ? shown : NULL, "last_used", last_used(engine),
                     "memory_usage_mb", engine ? (double)engine_memory_bytes(engine) / 1e6 : 0.0, "state",
                     state, "progress", engine ? engine_load_progress(engine) : 0.0, "stage",
                     engine && !is_ready ? engine_load_stage(engine) : NULL, "model", info, "error",
                     *fault ? fault : NULL, "context_size",
                     (json_int_t)(engine ? engine_context_size(engine) : 0), "slots",
                     (json_int_t)(engine ? engine_slot_count(engine) : 0), "engine_pid",
                     (json_int_t)(engine ? engine_pid(engine) : 0), "model_folder", models_folder(models));
}

static void free_leaving(struct models *models, size_t index) {
    struct engine *engine = models->leaving[index];
    size_t n_behind = --models->n_leaving - index;
    memmove(models->leaving + index, models->leaving + index + 1, n_behind * sizeof models->leaving[0]);
    engine_free(engine);
}

/* The process has ENGINE_STOP_MS to go; waiting for it would hold the loop (I4), so it is kept until it is gone. Who switches faster
 * than engines can go waits for the oldest. */
static void let_go(struct models *models) {
    if (models->engine == NULL) {
        return;
    }
    if (models->n_leaving == LEAVING_MAX) {
        free_leaving(models, 0);
    }
    struct engine *engine = models->engine;
    models->leaving[models->n_leaving++] = engine;
    models->engine = NULL;
    engine_stop(engine);
}

void models_forget(struct models *models, struct engine *engine) {
    for (size_t i = 0; i < models->n_leaving && engine_state(engine) == ENGINE_STOPPED; i++) {
        if (models->leaving[i] == engine) {
            free_leaving(models, i);
            return;
        }
    }
}

enum status models_load(struct models *models, const char *path, struct fault *fault) {
    struct chat *chat = models->chat;
    if (chat->is_stopping) {
        return fault_set(fault, STATUS_UNAVAILABLE, CHAT_STOPPING);
    }
    if (models->engine && strcmp(engine_model_path(models->engine), path) == 0) {
        enum engine_state state = engine_state(models->engine);
        if (state == ENGINE_FAILED || state == ENGINE_WAITING) {
            engine_retry(models->engine);
        }
        if (state != ENGINE_STOPPED) {
            return STATUS_OK;
        }
    }
    let_go(models);
    LOG_INFO("model_load", "file=%s", is_inline(models, path) ? "inline" : models_file_name(path));
    const struct chat_options *options = &chat->options;
    models->engine = engine_start(&(struct engine_options){
        .loop = options->loop,
        .program = options->engine_program,
        .log_level = options->log_level,
        .model_path = path,
        .context_size = options->context_size ? options->context_size : (uint32_t)chat->settings.context_size,
        .n_slots = 8,
        .n_threads = options->n_threads,
        .n_gpu_layers = (int32_t)chat->settings.n_gpu_layers,
        .hang_ms = options->engine_hang_ms,
        .handlers = &turn_engine_handlers,
        .ctx = chat,
    });
    return STATUS_OK;
}

void models_unload(struct models *models) {
    let_go(models);
    turns_advance(models->chat);
    if (models->chat->listener.on_model) {
        models->chat->listener.on_model(models->chat->listener.ctx);
    }
}

void models_choose(struct models *models, const char *path) {
    free(models->chosen);
    models->chosen = mem_copy_string(path);
}

void models_want(struct models *models, const char *path) {
    free(models->wanted);
    models->wanted = mem_copy_string(path);
}

bool models_take_wanted(struct models *models) {
    const char *loaded = models->engine ? engine_model_path(models->engine) : "";
    bool is_loaded = models->wanted && strcmp(models->wanted, loaded) == 0;
    models_want(models, NULL);
    return is_loaded;
}

json_t *models_history(const struct models *models) {
    return json_copy(models->history);
}

static void on_stored(void *ctx, enum status status) {
    struct chat *chat = ctx;
    chat->n_calls--;
    if (status) {
        LOG_WARN("setting_not_stored", "status=%s", status_name(status));
    }
}

void models_remember(struct models *models, const char *path) {
    for (size_t i = 0; i < json_array_size(models->history); i++) {
        const char *known = json_string_value(json_array_get(models->history, i));
        if (known == NULL || strcmp(known, path) == 0) {
            json_array_remove(models->history, i--);
        }
    }
    json_array_insert_new(models->history, 0, json_string(path));
    while (json_array_size(models->history) > MODELS_HISTORY_MAX) {
        json_array_remove(models->history, MODELS_HISTORY_MAX);
    }
    char *text = json_text(models->history);
    if (store_put_setting(models->chat->store, "model_history", text, on_stored, models->chat) == STATUS_OK) {
        models->chat->n_calls++;
    }
    free(text);
}
