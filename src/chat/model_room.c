/* model_room.c - which models may be loaded side by side, and which has to go: what nobody uses, the one that was used longest ago first. */
#include "base/clock.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/mem.h"
#include "chat/models_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)

/* Of the memory that can be had, what is left to the rest of the machine: a tenth. */
#define RESERVE_DIVISOR 10

/* What the engine takes when nobody asks for another (docs/protocol.md part 5). */
#define CONTEXT_DEFAULT 8192

/* What a model is thought to take of which nothing but the file is known: its size, a quarter more for the context, and what a process needs. */
#define CONTEXT_DIVISOR 4
#define PROCESS_BYTES   (64 * MIB)

/* What somebody has just asked for comes before it is used. */
#define KEEP_MS_MIN 1000

/* ---- What it takes, and what there is ---- */

static uint64_t number_of(const json_t *object, const char *key) {
    json_int_t number = json_integer_value(json_object_get(object, key));
    return number > 0 ? (uint64_t)number : 0;
}

int64_t models_context_size(const struct models *models, const json_t *info) {
    const struct chat *chat = models->chat;
    int64_t asked = chat->options.context_size ? chat->options.context_size : chat->settings.context_size;
    int64_t wanted = asked > 0 ? asked : CONTEXT_DEFAULT;
    int64_t trained = json_integer_value(json_object_get(info, "context_length"));
    return trained > 0 && trained < wanted ? trained : wanted;
}

/* A model that was loaded in this life of the server takes what it took then. */
uint64_t models_need_bytes(const struct models *models, const char *path) {
    const json_t *known = json_object_get(models->needs, path);
    if (known) {
        return (uint64_t)json_integer_value(known);
    }
    const json_t *info = models_known(models, path);
    const json_t *memory = json_object_get(info, "memory");
    if (memory) {
        return number_of(memory, "weights_bytes") + number_of(memory, "other_bytes") +
               number_of(memory, "token_bytes") * (uint64_t)models_context_size(models, info);
    }
    uint64_t n_bytes = models_file_bytes(path);
    return n_bytes + n_bytes / CONTEXT_DIVISOR + PROCESS_BYTES;
}

static uint64_t need_of(const struct models *models, const struct engine *engine) {
    enum engine_state state = engine_state(engine);
    if (state == ENGINE_FAILED || state == ENGINE_STOPPED) {
        return 0;
    }
    uint64_t n_resident = state == ENGINE_READY ? engine_memory_bytes(engine) : 0;
    return n_resident ? n_resident : models_need_bytes(models, engine_model_path(engine));
}

static uint64_t all_needs(const struct models *models) {
    uint64_t n_bytes = 0;
    for (size_t i = 0; i < models->n_loaded; i++) {
        n_bytes += need_of(models, models->loaded[i].engine);
    }
    return n_bytes;
}

/* What engines have taken is theirs to use. Of those that leave too: it is given back at any moment. */
static uint64_t taken_bytes(const struct models *models) {
    uint64_t n_bytes = 0;
    for (size_t i = 0; i < models->n_loaded; i++) {
        n_bytes += machine_private_bytes(engine_pid(models->loaded[i].engine));
    }
    for (size_t i = 0; i < models->n_leaving; i++) {
        n_bytes += machine_private_bytes(engine_pid(models->leaving[i]));
    }
    return n_bytes;
}

uint64_t models_budget_bytes(const struct models *models) {
    if (models->chat->options.memory_mb > 0) {
        return (uint64_t)models->chat->options.memory_mb * MIB;
    }
    uint64_t left = machine_available_bytes("");
    if (left == UINT64_MAX) {
        return left;
    }
    uint64_t n_bytes = left + taken_bytes(models);
    return n_bytes - n_bytes / RESERVE_DIVISOR;
}

static size_t count_max(const struct models *models) {
    uint32_t n = models->chat->options.n_models_max;
    return n > 0 && n < MODELS_LOADED_MAX ? n : MODELS_LOADED_MAX;
}

static bool fits(const struct models *models, uint64_t n_more_bytes, size_t n_more) {
    if (models->n_loaded + n_more > count_max(models)) {
        return false;
    }
    uint64_t budget = models_budget_bytes(models);
    uint64_t n_bytes = all_needs(models);
    return n_bytes <= budget && n_more_bytes <= budget - n_bytes;
}

/* An engine chooses by what it finds free. */
bool models_must_wait(const struct models *models, const char *path) {
    uint64_t n_bytes = all_needs(models) + models_need_bytes(models, path);
    for (size_t i = 0; i < models->n_leaving; i++) {
        n_bytes += engine_memory_bytes(models->leaving[i]);
    }
    return models->n_leaving > 0 && n_bytes > models_budget_bytes(models);
}

/* ---- Who goes ---- */

/* NULL: all that may go have work. A model that is being loaded is wanted by somebody. */
static struct engine *find_unused(const struct models *models, const struct engine *except) {
    for (size_t i = 0; i < models->n_loaded; i++) {
        struct engine *engine = models->loaded[i].engine;
        enum engine_state state = engine_state(engine);
        bool is_busy = engine_running(engine) > 0 || state == ENGINE_STARTING || state == ENGINE_LOADING;
        if (engine != except && !is_busy && !models_is_pinned(models, engine_model_path(engine))) {
            return engine;
        }
    }
    return NULL;
}

struct engine *models_find_leaver(const struct models *models, bool even_with_work) {
    struct engine *unused = find_unused(models, NULL);
    for (size_t i = 0; unused == NULL && even_with_work && i < models->n_loaded; i++) {
        struct engine *engine = models->loaded[i].engine;
        unused = models_is_pinned(models, engine_model_path(engine)) ? NULL : engine;
    }
    return unused;
}

static void drop(struct models *models, struct engine *engine, const char *why) {
    LOG_INFO("model_unload", "why=%s file=%s", why, models_file_name(engine_model_path(engine)));
    models_unload(models, engine);
}

static enum models_room refuse(const struct models *models, const char *path, struct fault *fault) {
    uint64_t need = models_need_bytes(models, path);
    bool has_others = models->n_loaded > 0;
    fault_set(fault, STATUS_NOMEM,
              "%.120s needs about %" PRIu64 " MB, and there are %" PRIu64
              " MB for models%s: choose a smaller model or context, %s",
              models_file_name(path), need / MIB, models_budget_bytes(models) / MIB,
              has_others ? ", which pinned ones keep" : "",
              has_others ? "or unpin one" : "or start with a larger --memory-mb");
    return MODELS_ROOM_NEVER;
}

enum models_room models_room(const struct models *models, const char *path, struct fault *fault) {
    if (fits(models, models_need_bytes(models, path), 1)) {
        return MODELS_ROOM_NOW;
    }
    if (models_find_leaver(models, true)) {
        return MODELS_ROOM_LATER;
    }
    bool is_alone = models->n_loaded == 0 && models->chat->options.memory_mb == 0;
    return is_alone ? MODELS_ROOM_NOW : refuse(models, path, fault);
}

enum models_room models_make_room(struct models *models, const char *path, struct fault *fault) {
    for (;;) {
        enum models_room room = models_room(models, path, fault);
        struct engine *unused = room == MODELS_ROOM_LATER ? models_find_leaver(models, false) : NULL;
        if (unused == NULL) {
            return room;
        }
        drop(models, unused, "room");
    }
}

void models_on_ready(struct models *models, struct engine *engine) {
    for (size_t i = 0; i < models->n_loaded; i++) {
        if (models->loaded[i].engine == engine) {
            models->loaded[i].ready_ms = clock_now_ms();
        }
    }
    json_object_set_new(models->needs, engine_model_path(engine),
                        json_integer((json_int_t)need_of(models, engine)));
    struct engine *unused;
    while (!fits(models, 0, 0) && (unused = find_unused(models, engine)) != NULL) {
        drop(models, unused, "room");
    }
    models_watch_idle(models);
}

/* ---- Nobody uses it ---- */

/* How long it stays while nobody uses it; −1: as long as there is room. */
static int64_t keep_ms(const struct models *models, const char *path) {
    uint32_t after_s = models->chat->options.unload_after_s;
    const json_t *wish = json_object_get(models->keeps, path);
    if (models_is_pinned(models, path)) {
        return -1;
    }
    return wish          ? json_integer_value(json_object_get(wish, "ms"))
           : after_s > 0 ? (int64_t)after_s * 1000
                         : -1;
}

/* How long until it has been unused for so long; −1: that does not count now. */
static int64_t idle_left_ms(const struct models *models, const struct loaded *loaded) {
    const struct engine *engine = loaded->engine;
    const char *path = engine_model_path(engine);
    int64_t stays_ms = keep_ms(models, path);
    if (engine_state(engine) != ENGINE_READY || stays_ms < 0 || engine_running(engine) > 0) {
        return engine_state(engine) == ENGINE_READY ? stays_ms : -1;
    }
    uint64_t wished_ms = number_of(json_object_get(models->keeps, path), "at");
    uint64_t used_ms = engine_last_used_ms(engine);
    used_ms = used_ms > loaded->ready_ms ? used_ms : loaded->ready_ms;
    used_ms = used_ms > wished_ms ? used_ms : wished_ms;
    int64_t idle_ms = (int64_t)(clock_now_ms() - used_ms);
    return idle_ms < stays_ms ? stays_ms - idle_ms : 0;
}

int64_t models_idle_left_ms(const struct models *models, const struct engine *engine) {
    for (size_t i = 0; i < models->n_loaded; i++) {
        if (models->loaded[i].engine == engine) {
            return idle_left_ms(models, &models->loaded[i]);
        }
    }
    return -1;
}

void models_watch_idle(void *ctx) {
    struct models *models = ctx;
    int64_t next_ms = -1;
    for (size_t i = models->n_loaded; i > 0; i--) {
        int64_t left_ms = idle_left_ms(models, &models->loaded[i - 1]);
        if (left_ms == 0) {
            drop(models, models->loaded[i - 1].engine, "idle");
        } else if (left_ms > 0 && (next_ms < 0 || left_ms < next_ms)) {
            next_ms = left_ms;
        }
    }
    models->chat->options.loop->timer_set(models->idle_timer, next_ms);
}

void models_keep(struct models *models, const char *path, int64_t stays_ms) {
    int64_t least_ms = stays_ms < KEEP_MS_MIN ? KEEP_MS_MIN : stays_ms;
    json_object_set_new(models->keeps, path,
                        json_pack("{s:I, s:I}", "ms", (json_int_t)(stays_ms < 0 ? -1 : least_ms), "at",
                                  (json_int_t)clock_now_ms()));
    models_watch_idle(models);
}

/* ---- Pins ---- */

static size_t find_pin(const struct models *models, const char *path) {
    size_t n = json_array_size(models->pins);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(json_string_value(json_array_get(models->pins, i)), path) == 0) {
            return i;
        }
    }
    return n;
}

bool models_is_pinned(const struct models *models, const char *path) {
    return find_pin(models, path) < json_array_size(models->pins);
}

enum status models_pin(struct models *models, const char *path, bool is_pinned, struct fault *fault) {
    size_t at = find_pin(models, path);
    size_t n = json_array_size(models->pins);
    if (is_pinned && at == n && n == MODELS_LOADED_MAX) {
        return fault_set(fault, STATUS_FULL, "%d models are pinned already: unpin one first",
                         MODELS_LOADED_MAX);
    }
    if (is_pinned && at == n) {
        json_array_append_new(models->pins, json_string(path));
    } else if (!is_pinned && at < n) {
        json_array_remove(models->pins, at);
    }
    models_store_setting(models, "model_pins", models->pins);
    models_watch_idle(models);
    models_tell(models);
    turns_advance(models->chat);
    return STATUS_OK;
}

void model_room_unpin(struct models *models, const char *path) {
    size_t at = find_pin(models, path);
    if (at < json_array_size(models->pins)) {
        json_array_remove(models->pins, at);
        models_store_setting(models, "model_pins", models->pins);
    }
}

json_t *models_pins(const struct models *models) {
    return json_deep_copy(models->pins);
}
