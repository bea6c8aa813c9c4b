/* models.c - the engines: which model is loaded, when another one may be, and what was chosen. That there is one at a time is known only
 * here. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "chat/models_internal.h"

#include <stdlib.h>
#include <string.h>

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
    engine_free(models->engine);
    for (size_t i = 0; i < models->n_leaving; i++) {
        engine_free(models->leaving[i]);
    }
    inspector_free(models->inspector);
    json_decref(models->history);
    free(models->wanted);
    free(models->chosen);
    free(models);
}

enum status models_inspect(struct models *models, const char *path, inspector_on_answer on_answer,
                           void *ctx) {
    return inspector_ask(models->inspector, path, on_answer, ctx);
}

struct engine *models_engine(const struct models *models) {
    return models->engine;
}

struct engine *models_find_engine(const struct models *models, const char *path) {
    struct engine *engine = models->engine;
    bool is_found =
        engine && engine_state(engine) != ENGINE_STOPPED && strcmp(engine_model_path(engine), path) == 0;
    return is_found ? engine : NULL;
}

bool models_has_room(const struct models *models) {
    const struct engine *engine = models->engine;
    return engine == NULL || (engine_running(engine) == 0 && engine_state(engine) != ENGINE_STARTING &&
                              engine_state(engine) != ENGINE_LOADING);
}

void models_pause(struct models *models, bool paused) {
    if (models->engine) {
        engine_pause(models->engine, paused);
    }
}

const char *models_configured(const struct models *models) {
    const struct chat *chat = models->chat;
    if (models->chosen) {
        return models->chosen;
    }
    return chat->options.model_path ? chat->options.model_path : chat->settings.model_path;
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
    json_t *memory = engine && is_ready ? json_incref((json_t *)(uintptr_t)engine_memory_info(engine)) : NULL;
    return json_pack("{s:b, s:s?, s:o, s:f, s:s, s:f, s:s?, s:o?, s:o?, s:s?, s:I, s:I, s:I, s:s}", "loaded",
                     is_ready, "model_path", has_path ? shown : NULL, "last_used", last_used(engine),
                     "memory_usage_mb", engine ? (double)engine_memory_bytes(engine) / 1e6 : 0.0, "state",
                     state, "progress", engine ? engine_load_progress(engine) : 0.0, "stage",
                     engine && !is_ready ? engine_load_stage(engine) : NULL, "model", info, "memory", memory,
                     "error", *fault ? fault : NULL, "context_size",
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

bool models_is_leaving(const struct models *models) {
    return models->n_leaving > 0;
}

void models_leave(struct models *models) {
    let_go(models);
}

void models_sweep(struct models *models) {
    size_t n_before = models->n_leaving;
    for (size_t i = models->n_leaving; i > 0; i--) {
        if (engine_state(models->leaving[i - 1]) == ENGINE_STOPPED) {
            free_leaving(models, i - 1);
        }
    }
    if (models->n_leaving < n_before) {
        forget_advance(models->chat);
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
    LOG_INFO("model_load", "file=%s",
             model_files_is_inline(models, path) ? "inline" : models_file_name(path));
    const struct chat_options *options = &chat->options;
    models->engine = engine_start(&(struct engine_options){
        .loop = options->loop,
        .program = options->engine_program,
        .log_level = options->log_level,
        .is_sandboxed = options->is_sandboxed,
        .model_path = path,
        .context_size = options->context_size ? options->context_size : (uint32_t)chat->settings.context_size,
        .n_threads = options->n_threads,
        .step_ms = options->step_ms,
        .n_gpu_layers = (int32_t)chat->settings.n_gpu_layers,
        .kv_type = settings_kv_type(&chat->settings),
        .flash_attention = settings_flash_attention(&chat->settings),
        .cache_dir = options->cache_dir,
        .cache_bytes = chat->settings.kv_disk_mb < 0 ? -1 : chat->settings.kv_disk_mb * 1000000,
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
