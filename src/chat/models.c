/* models.c - the engines: which models are loaded, and what was chosen. When another one may be loaded: model_room.c. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "chat/models_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A list of texts; empty when nothing of the kind is stored. */
static json_t *read_list(struct store *store, const char *key) {
    char *text = store_setting(store, key);
    json_t *stored = text ? json_loads(text, 0, NULL) : NULL;
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(stored); i++) {
        json_t *item = json_array_get(stored, i);
        if (json_is_string(item)) {
            json_array_append(list, item);
        }
    }
    json_decref(stored);
    free(text);
    return list;
}

struct models *models_open(struct chat *chat, const struct chat_options *options) {
    struct models *models = mem_alloc(sizeof *models);
    models->chat = chat;
    models->suffix = strcmp(options->engine_name, "fake") == 0 ? ".json" : ".gguf";
    models->history = read_list(options->store, "model_history");
    models->pins = read_list(options->store, "model_pins");
    models->needs = json_object();
    models->infos = json_object();
    models->keeps = json_object();
    models->idle_timer = options->loop->timer_new(options->loop->self, models_watch_idle, models);
    models->inspector = inspector_new(&(struct inspector_options){ .loop = options->loop,
                                                                   .program = options->engine_program,
                                                                   .is_sandboxed = options->is_sandboxed,
                                                                   .folders = chat->options.model_folders });
    return models;
}

void models_close(struct models *models) {
    if (models == NULL) {
        return;
    }
    for (size_t i = 0; i < models->n_loaded; i++) {
        engine_free(models->loaded[i].engine);
    }
    for (size_t i = 0; i < models->n_leaving; i++) {
        engine_free(models->leaving[i]);
    }
    inspector_free(models->inspector);
    models->chat->options.loop->timer_free(models->idle_timer);
    json_decref(models->history);
    json_decref(models->pins);
    json_decref(models->needs);
    json_decref(models->infos);
    json_decref(models->keeps);
    free(models->wanted);
    free(models->chosen);
    free(models);
}

struct engine *models_engine(const struct models *models) {
    return models->n_loaded ? models->loaded[models->n_loaded - 1].engine : NULL;
}

struct engine *models_find_engine(const struct models *models, const char *path) {
    for (size_t i = 0; i < models->n_loaded; i++) {
        if (strcmp(engine_model_path(models->loaded[i].engine), path) == 0) {
            return models->loaded[i].engine;
        }
    }
    return NULL;
}

/* One of the models is in one of two states. */
static bool is_any(const struct models *models, enum engine_state one, enum engine_state other) {
    for (size_t i = 0; i < models->n_loaded; i++) {
        enum engine_state state = engine_state(models->loaded[i].engine);
        if (state == one || state == other) {
            return true;
        }
    }
    return false;
}

bool models_is_loading(const struct models *models) {
    return is_any(models, ENGINE_STARTING, ENGINE_LOADING);
}

bool models_can_answer(const struct models *models) {
    return is_any(models, ENGINE_READY, ENGINE_READY);
}

uint64_t models_memory_bytes(const struct models *models) {
    uint64_t n_bytes = 0;
    for (size_t i = 0; i < models->n_loaded; i++) {
        n_bytes += engine_memory_bytes(models->loaded[i].engine);
    }
    return n_bytes;
}

bool models_has(const struct models *models, const struct engine *engine) {
    for (size_t i = 0; i < models->n_loaded; i++) {
        if (models->loaded[i].engine == engine) {
            return true;
        }
    }
    return false;
}

void models_pause(struct models *models, bool paused) {
    for (size_t i = 0; i < models->n_loaded; i++) {
        engine_pause(models->loaded[i].engine, paused);
    }
}

void models_tell(const struct models *models) {
    if (models->chat->listener.on_model) {
        models->chat->listener.on_model(models->chat->listener.ctx);
    }
}

/* Takes it out of its place. */
static struct loaded take(struct models *models, struct engine *engine) {
    size_t at = 0;
    while (models->loaded[at].engine != engine) {
        at++;
        assert(at < models->n_loaded);
    }
    struct loaded taken = models->loaded[at];
    size_t n_behind = --models->n_loaded - at;
    memmove(models->loaded + at, models->loaded + at + 1, n_behind * sizeof models->loaded[0]);
    return taken;
}

void models_use(struct models *models, struct engine *engine) {
    if (models_engine(models) != engine) {
        struct loaded loaded = take(models, engine);
        models->loaded[models->n_loaded++] = loaded;
        models_tell(models);
    }
}

const char *models_configured(const struct models *models) {
    const struct chat *chat = models->chat;
    if (models->chosen) {
        return models->chosen;
    }
    return chat->options.model_path ? chat->options.model_path : chat->settings.model_path;
}

static const char *state_text(const struct engine *engine) {
    if (engine == NULL) {
        return "none";
    }
    switch (engine_state(engine)) {
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

static double memory_mb(const struct engine *engine) {
    return engine ? (double)engine_memory_bytes(engine) / 1e6 : 0.0;
}

/* All of them, the one that was used last first. */
static json_t *list_loaded(const struct models *models) {
    json_t *list = json_array();
    for (size_t i = models->n_loaded; i > 0; i--) {
        const struct engine *engine = models->loaded[i - 1].engine;
        const char *path = engine_model_path(engine);
        json_t *item =
            json_pack("{s:s, s:s, s:f, s:f, s:o, s:I, s:b}", "model_path", path, "state", state_text(engine),
                      "progress", engine_load_progress(engine), "memory_usage_mb", memory_mb(engine),
                      "last_used", last_used(engine), "running",
                      (json_int_t)(engine_running(engine) - titles_count_asked(models->chat, engine)),
                      "pinned", models_is_pinned(models, path));
        if (item) { /* a path that is no UTF-8 cannot be said in JSON */
            json_array_append_new(list, item);
        }
    }
    return list;
}

json_t *models_status(const struct models *models) {
    const struct engine *engine = models_engine(models);
    const char *state = state_text(engine);
    bool is_ready = strcmp(state, "ready") == 0;
    const char *fault = engine ? engine_fault_text(engine) : "";
    json_t *info = engine && is_ready ? json_incref((json_t *)(uintptr_t)engine_model_info(engine)) : NULL;
    char path[PATH_MAX];
    bool has_path = engine != NULL || models_resolve(models, NULL, path, NULL) == STATUS_OK;
    const char *shown = engine ? engine_model_path(engine) : path;
    json_t *memory = engine && is_ready ? json_incref((json_t *)(uintptr_t)engine_memory_info(engine)) : NULL;
    return json_pack(
        "{s:b, s:s?, s:o, s:f, s:s, s:f, s:s?, s:o?, s:o?, s:s?, s:I, s:I, s:I, s:s, s:o}", "loaded",
        is_ready, "model_path", has_path ? shown : NULL, "last_used", last_used(engine), "memory_usage_mb",
        memory_mb(engine), "state", state, "progress", engine ? engine_load_progress(engine) : 0.0, "stage",
        engine && !is_ready ? engine_load_stage(engine) : NULL, "model", info, "memory", memory, "error",
        *fault ? fault : NULL, "context_size", (json_int_t)(engine ? engine_context_size(engine) : 0),
        "slots", (json_int_t)(engine ? engine_slot_count(engine) : 0), "engine_pid",
        (json_int_t)(engine ? engine_pid(engine) : 0), "model_folder", models_folder(models), "models",
        list_loaded(models));
}

static void free_leaving(struct models *models, size_t index) {
    struct engine *engine = models->leaving[index];
    size_t n_behind = --models->n_leaving - index;
    memmove(models->leaving + index, models->leaving + index + 1, n_behind * sizeof models->leaving[0]);
    engine_free(engine);
}

/* The process has ENGINE_STOP_MS to go; waiting for it would hold the loop (I4), so it is kept until it is gone. Who switches faster
 * than engines can go waits for the oldest. */
void models_let_go(struct models *models, struct engine *engine) {
    if (models->n_leaving == LEAVING_MAX) {
        free_leaving(models, 0);
    }
    take(models, engine);
    json_object_del(models->keeps, engine_model_path(engine));
    models->leaving[models->n_leaving++] = engine;
    engine_stop(engine);
}

bool models_is_leaving(const struct models *models) {
    return models->n_leaving > 0;
}

void models_leave(struct models *models) {
    while (models->n_loaded > 0) {
        models_let_go(models, models_engine(models));
    }
}

bool models_forget(struct models *models, const char *cache_key) {
    bool is_told = false;
    for (size_t i = 0; i < models->n_loaded; i++) {
        is_told = engine_forget(models->loaded[i].engine, cache_key) || is_told;
    }
    return is_told;
}

void models_cancel_draft(struct models *models, const char *id) {
    for (size_t i = 0; i < models->n_loaded; i++) {
        engine_cancel_draft(models->loaded[i].engine, id);
    }
}

void models_sweep(struct models *models) {
    size_t n_before = models->n_leaving;
    if (n_before == 0) {
        return; /* nobody is held, either */
    }
    for (size_t i = models->n_leaving; i > 0; i--) {
        if (engine_state(models->leaving[i - 1]) == ENGINE_STOPPED) {
            free_leaving(models, i - 1);
        }
    }
    if (models->n_leaving < n_before) {
        forget_advance(models->chat);
    }
    for (size_t i = 0; models->n_leaving == 0 && i < models->n_loaded; i++) {
        engine_go(models->loaded[i].engine);
    }
}

enum status models_load(struct models *models, const char *path, struct fault *fault) {
    struct chat *chat = models->chat;
    if (chat->is_stopping) {
        return fault_set(fault, STATUS_UNAVAILABLE, CHAT_STOPPING);
    }
    struct engine *known = models_find_engine(models, path);
    if (known) {
        engine_retry(known);
        models_use(models, known);
        return STATUS_OK;
    }
    assert(models->n_loaded < MODELS_LOADED_MAX);
    LOG_INFO("model_load", "file=%s",
             model_files_is_inline(models, path) ? "inline" : models_file_name(path));
    const struct chat_options *options = &chat->options;
    struct engine *engine = engine_start(&(struct engine_options){
        .loop = options->loop,
        .program = options->engine_program,
        .log_level = options->log_level,
        .is_sandboxed = options->is_sandboxed,
        .model_path = path,
        .context_size = options->context_size ? options->context_size : (uint32_t)chat->settings.context_size,
        .n_threads = options->n_threads,
        .step_ms = options->step_ms,
        .speculation = options->speculation,
        .n_gpu_layers = (int32_t)chat->settings.n_gpu_layers,
        .kv_type = settings_kv_type(&chat->settings),
        .flash_attention = settings_flash_attention(&chat->settings),
        .cache_dir = options->cache_dir,
        .cache_bytes = chat->settings.kv_disk_mb < 0 ? -1 : chat->settings.kv_disk_mb * 1000000,
        .is_held = models_must_wait(models, path),
        .hang_ms = options->engine_hang_ms,
        .handlers = &turn_engine_handlers,
        .ctx = chat,
    });
    models->loaded[models->n_loaded++] = (struct loaded){ .engine = engine };
    models_watch_idle(models);
    return STATUS_OK;
}

void models_unload(struct models *models, struct engine *engine) {
    models_let_go(models, engine);
    models_tell(models);
}

void models_choose(struct models *models, const char *path) {
    free(models->chosen);
    models->chosen = mem_copy_string(path);
}

void models_want(struct models *models, const char *path) {
    free(models->wanted);
    models->wanted = mem_copy_string(path);
}

bool models_take_wanted(struct models *models, const char *path) {
    bool is_wanted = models->wanted && strcmp(models->wanted, path) == 0;
    if (is_wanted) {
        models_want(models, NULL);
    }
    return is_wanted;
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

void models_store_setting(struct models *models, const char *key, const json_t *value) {
    char *text = json_text(value);
    if (store_put_setting(models->chat->store, key, text, on_stored, models->chat) == STATUS_OK) {
        models->chat->n_calls++;
    }
    free(text);
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
    models_store_setting(models, "model_history", models->history);
}
