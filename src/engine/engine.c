#include "engine/engine.h"

#include "base/clock.h"
#include "base/machine.h"
#include "base/mem.h"
#include "engine/engine_internal.h"

#include <assert.h>

struct engine *engine_start(const struct engine_options *options) {
    struct engine *engine = mem_alloc(sizeof *engine);
    engine->loop = options->loop;
    engine->handlers = options->handlers;
    engine->ctx = options->ctx;
    engine->options = *options;
    engine->options.program = mem_copy_string(options->program);
    engine->options.log_level = mem_copy_string(options->log_level ? options->log_level : "info");
    engine->options.model_path = mem_copy_string(options->model_path);
    engine->options.speculation = mem_copy_string(options->speculation);
    engine->options.kv_type = mem_copy_string(options->kv_type);
    engine->options.flash_attention = mem_copy_string(options->flash_attention);
    engine->options.cache_dir = mem_copy_string(options->cache_dir);
    engine->state = ENGINE_STARTING;
    engine->last_used_ms = clock_now_ms();
    runs_init(&engine->runs);
    engine->timer = engine->loop->timer_new(engine->loop->self, life_on_timer, engine);
    if (!options->is_held) {
        life_spawn_soon(engine, 0);
    }
    return engine;
}

void engine_go(struct engine *engine) {
    if (engine->options.is_held && engine->state == ENGINE_STARTING && engine->channel == NULL) {
        engine->options.is_held = false;
        life_spawn_soon(engine, 0);
    }
}

static void ask_to_go(struct engine *engine) {
    struct bytes line;
    bytes_init(&line, ENGINE_LINE_BYTES_MAX);
    codec_encode_unload(&line);
    if (channel_send(engine->channel, CHANNEL_SHORT, line.data, line.size)) {
        channel_kill(engine->channel); /* it has not read for 16 MiB */
    }
    bytes_deinit(&line);
}

void engine_stop(struct engine *engine) {
    if (engine->state == ENGINE_STOPPED || engine->ending == ENDING_STOPPED) {
        return;
    }
    bool has_process = engine->channel != NULL;
    life_clear_fault(engine);
    if (has_process) {
        life_dismiss(engine, ENDING_STOPPED);
        ask_to_go(engine);
    } else {
        life_spawn_soon(engine, -1);
        life_enter(engine, ENGINE_STOPPED);
    }
    life_end_runs(engine, "engine_stopped", "the model was unloaded");
    if (!has_process) {
        events_tell_state(engine);
    }
}

void engine_free(struct engine *engine) {
    static const struct engine_handlers silent;
    if (engine == NULL || engine->is_freed) {
        return;
    }
    engine->handlers = &silent;
    if (engine->n_upcalls == 0) {
        life_destroy(engine);
        return;
    }
    if (engine->channel) {
        engine->ending = ENDING_STOPPED;
        channel_mute(engine->channel);
        channel_kill(engine->channel);
    }
    engine->is_freed = true;
    engine->loop->timer_set(engine->timer, 0);
}

void engine_retry(struct engine *engine) {
    if (engine->state != ENGINE_FAILED && engine->state != ENGINE_WAITING) {
        return;
    }
    life_clear_fault(engine);
    life_enter(engine, ENGINE_STARTING);
    life_spawn_soon(engine, 0);
    events_tell_state(engine);
}

static enum status check_run(const struct engine *engine, const char *id) {
    assert(id && id[0]);
    if (engine->state != ENGINE_READY || engine->ending != ENDING_NONE) {
        return STATUS_BUSY;
    }
    if (engine->runs.count >= RUNS_MAX) {
        return STATUS_FULL;
    }
    return runs_find(&engine->runs, id) ? STATUS_CONFLICT : STATUS_OK;
}

/* Sends the line, which goes with it. */
static enum status begin_run(struct engine *engine, const char *id, struct bytes *line) {
    enum status status = line->failed ? STATUS_TOO_LARGE
                                      : channel_send(engine->channel, CHANNEL_NORMAL, line->data, line->size);
    bytes_deinit(line);
    if (status == STATUS_OK) {
        runs_add(&engine->runs, id);
        engine->last_used_ms = clock_now_ms();
    }
    return status;
}

enum status engine_generate(struct engine *engine, const struct engine_job *job) {
    enum status status = check_run(engine, job->id);
    if (status) {
        return status;
    }
    struct bytes line;
    bytes_init(&line, ENGINE_LINE_BYTES_MAX);
    codec_encode_generate(job, &line);
    return begin_run(engine, job->id, &line);
}

enum status engine_ask(struct engine *engine, const char *op, const char *id, const json_t *members) {
    enum status status = check_run(engine, id);
    if (status) {
        return status;
    }
    struct bytes line;
    bytes_init(&line, ENGINE_LINE_BYTES_MAX);
    codec_encode_ask(op, id, members, &line);
    return begin_run(engine, id, &line);
}

void engine_cancel(struct engine *engine, const char *id) {
    struct run *run = runs_find(&engine->runs, id);
    if (run == NULL || run->is_cancelled || engine->channel == NULL) {
        return;
    }
    struct bytes line;
    bytes_init(&line, ENGINE_LINE_BYTES_MAX);
    codec_encode_cancel(id, &line);
    /* Once per generation, so that the cancels of all of them fit into the reserve. */
    run->is_cancelled = channel_send(engine->channel, CHANNEL_SHORT, line.data, line.size) == STATUS_OK;
    bytes_deinit(&line);
}

/* What is not answered: it is sent, or it is not worth waiting for. */
static bool send_aside(struct engine *engine, enum channel_urgency urgency, struct bytes *line) {
    bool is_sent =
        !line->failed && channel_send(engine->channel, urgency, line->data, line->size) == STATUS_OK;
    bytes_deinit(line);
    return is_sent;
}

bool engine_draft(struct engine *engine, const struct engine_job *job) {
    struct bytes line;
    if (engine->state != ENGINE_READY || engine->ending != ENDING_NONE) {
        return false;
    }
    bytes_init(&line, ENGINE_LINE_BYTES_MAX);
    codec_encode_draft(job, &line);
    return send_aside(engine, CHANNEL_NORMAL, &line);
}

void engine_cancel_draft(struct engine *engine, const char *id) {
    struct bytes line;
    if (engine->state == ENGINE_READY && engine->ending == ENDING_NONE) {
        bytes_init(&line, ENGINE_LINE_BYTES_MAX);
        codec_encode_cancel(id, &line);
        send_aside(engine, CHANNEL_NORMAL, &line);
    }
}

bool engine_forget(struct engine *engine, const char *cache_key) {
    struct bytes line;
    bool can_take = engine->state == ENGINE_READY || engine->state == ENGINE_LOADING;
    if (!can_take || engine->ending != ENDING_NONE) {
        return false;
    }
    bytes_init(&line, ENGINE_LINE_BYTES_MAX);
    codec_encode_forget(cache_key, engine->options.cache_dir, &line);
    return send_aside(engine, CHANNEL_NORMAL, &line);
}

void engine_pause(struct engine *engine, bool paused) {
    if (engine->paused == paused) {
        return;
    }
    engine->paused = paused;
    engine->heard_ms_min = clock_now_ms();
    if (engine->channel && engine->ending == ENDING_NONE) {
        channel_pause(engine->channel, paused);
    }
}

enum engine_state engine_state(const struct engine *engine) {
    return engine->state;
}

const char *engine_state_name(enum engine_state state) {
    static const char *const names[] = { "starting", "loading", "ready", "failed", "waiting", "stopped" };
    return names[state];
}

const char *engine_model_path(const struct engine *engine) {
    return engine->options.model_path;
}

const char *engine_fault_text(const struct engine *engine) {
    return engine->fault.text;
}

const char *engine_fault_code(const struct engine *engine) {
    return engine->fault_code;
}

double engine_load_progress(const struct engine *engine) {
    return engine->load_progress;
}

const char *engine_load_stage(const struct engine *engine) {
    return engine->load_stage;
}

const json_t *engine_model_info(const struct engine *engine) {
    return engine->model_info;
}

const json_t *engine_memory_info(const struct engine *engine) {
    return engine->memory_info;
}

uint32_t engine_context_size(const struct engine *engine) {
    return engine->context_size;
}

uint32_t engine_slot_count(const struct engine *engine) {
    return engine->n_slots;
}

pid_t engine_pid(const struct engine *engine) {
    return engine->channel ? channel_pid(engine->channel) : 0;
}

uint64_t engine_memory_bytes(const struct engine *engine) {
    pid_t pid = engine_pid(engine);
    return pid ? machine_resident_bytes(pid) : 0;
}

size_t engine_running(const struct engine *engine) {
    return engine->runs.count;
}

uint64_t engine_last_used_ms(const struct engine *engine) {
    return engine->last_used_ms;
}
