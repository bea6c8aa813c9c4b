/* engine_life.c - the process of an engine, from spawn to reap.
 *
 *   from      to        where
 *   STARTING  LOADING   events_on_line: hello, load is sent
 *   LOADING   READY     events_on_line: ready
 *   STARTING  FAILED    spawn: could not be spawned; on_gone
 *   LOADING   FAILED    on_gone: it said `failed`, or died: a file that kills the engine would kill it again
 *   READY     WAITING   on_gone: died, broke the protocol or hung; the back-off runs
 *   WAITING   STARTING  spawn, engine_retry
 *   FAILED    STARTING  engine_retry
 *   any       STOPPED   on_gone after engine_stop; engine_stop when there is no process
 *
 * FAILED, WAITING and STOPPED have no process. A process that is on its way out (`ending`) keeps its state until it was
 * reaped, and takes no generation.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/engine_internal.h"
#include "engine/spawn.h"

#include <assert.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

void life_enter(struct engine *engine, enum engine_state state) {
    static const bool is_allowed[][ENGINE_STOPPED + 1] = {
        [ENGINE_STARTING] = { [ENGINE_LOADING] = true, [ENGINE_FAILED] = true, [ENGINE_STOPPED] = true },
        [ENGINE_LOADING] = { [ENGINE_READY] = true, [ENGINE_FAILED] = true, [ENGINE_STOPPED] = true },
        [ENGINE_READY] = { [ENGINE_WAITING] = true, [ENGINE_STOPPED] = true },
        [ENGINE_FAILED] = { [ENGINE_STARTING] = true, [ENGINE_STOPPED] = true },
        [ENGINE_WAITING] = { [ENGINE_STARTING] = true, [ENGINE_STOPPED] = true },
        [ENGINE_STOPPED] = { false },
    };
    assert(is_allowed[engine->state][state]);
    LOG_DEBUG("engine_state", "from=%s to=%s", engine_state_name(engine->state), engine_state_name(state));
    engine->state = state;
}

void life_set_fault(struct engine *engine, const char *code, const char *text) {
    snprintf(engine->fault_code, sizeof engine->fault_code, "%s", code);
    fault_set(&engine->fault, STATUS_CLOSED, "%s", text);
}

void life_clear_fault(struct engine *engine) {
    engine->fault_code[0] = '\0';
    engine->fault = (struct fault){ 0 };
}

void life_spawn_soon(struct engine *engine, int64_t delay_ms) {
    engine->loop->timer_set(engine->timer, delay_ms);
}

void life_break(struct engine *engine, enum ending ending, const char *text) {
    if (engine->ending != ENDING_NONE) {
        return;
    }
    engine->ending = ending;
    snprintf(engine->ending_text, sizeof engine->ending_text, "%s", text);
    LOG_WARN("engine_kill", "pid=%d text=%s", (int)engine_pid(engine), text);
    engine->loop->timer_set(engine->timer, -1);
    channel_mute(engine->channel);
    channel_kill(engine->channel);
}

void life_dismiss(struct engine *engine, enum ending ending) {
    engine->ending = ending;
    channel_mute(engine->channel);
    channel_pause(engine->channel, false); /* one that waits to write must not wait for ever */
    engine->loop->timer_set(engine->timer, ENGINE_STOP_MS);
}

void life_end_runs(struct engine *engine, const char *code, const char *text) {
    struct engine_end end = { .reason = "interrupted", .error_code = code, .error_text = text };
    for (struct run *run = runs_first(&engine->runs); run; run = runs_first(&engine->runs)) {
        runs_take(&engine->runs, run);
        events_tell_end(engine, run->id, &end);
        free(run);
    }
}

static void forget_process(struct engine *engine) {
    channel_close(engine->channel);
    engine->channel = NULL;
    engine->loop->timer_set(engine->timer, engine->is_freed ? 0 : -1);
    engine->output_closed = false;
    engine->load_progress = 0;
    engine->load_stage[0] = '\0';
    json_decref(engine->model_info);
    engine->model_info = NULL;
    json_decref(engine->memory_info);
    engine->memory_info = NULL;
    engine->context_size = 0;
    engine->n_slots = 0;
}

/* ---- Its end ---- */

/* "exit code 3", "signal 11, SIGSEGV" */
static char *describe_exit(int wait_status) {
    if (WIFEXITED(wait_status)) {
        return mem_format("exit code %d", WEXITSTATUS(wait_status));
    }
    int number = WTERMSIG(wait_status);
    const char *name = sigabbrev_np(number);
    return mem_format("signal %d, SIG%s", number, name ? name : "?");
}

static char *describe_death(const struct engine *engine, int wait_status) {
    if (engine->ending != ENDING_NONE) {
        return mem_format("the engine was killed: %s", engine->ending_text);
    }
    char *how = describe_exit(wait_status);
    /* Not by us: usually the kernel needed memory. */
    bool was_killed = WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL;
    char *text =
        mem_format("the engine stopped (%s%s)", how, was_killed ? ": the memory may have run out" : "");
    free(how);
    return text;
}

static void fail(struct engine *engine, int wait_status, const char *death) {
    const char *model = engine->options.model_path;
    bool was_run = !(WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == SPAWN_EXIT_NOT_RUN);
    char *text;
    if (engine->state == ENGINE_LOADING) {
        text = mem_format(
            "%s while it loaded the model: the file may be damaged or too large for the memory: %s", death,
            model);
    } else if (was_run) {
        text = mem_format("%s before it could load the model %s", death, model);
    } else {
        text = mem_format("%s: the program %s cannot be run; the model is %s", death, engine->options.program,
                          model);
    }
    life_set_fault(engine, "engine_died", text);
    free(text);
    life_enter(engine, ENGINE_FAILED);
}

static void wait_to_restart(struct engine *engine, const char *death) {
    bool was_good = engine->has_completed || clock_now_ms() - engine->ready_ms >= ENGINE_GOOD_LIFE_MS;
    uint32_t last_ms = was_good ? 0 : engine->backoff_ms;
    engine->backoff_ms = last_ms == 0 ? ENGINE_BACKOFF_FIRST_MS : last_ms * 2;
    if (engine->backoff_ms > ENGINE_BACKOFF_MAX_MS) {
        engine->backoff_ms = ENGINE_BACKOFF_MAX_MS;
    }
    char *text = mem_format("%s; it is being started again", death);
    life_set_fault(engine, "engine_died", text);
    free(text);
    life_enter(engine, ENGINE_WAITING);
    life_spawn_soon(engine, engine->backoff_ms);
}

static void on_gone(void *ctx, int wait_status) {
    struct engine *engine = ctx;
    pid_t pid = engine->pid;
    forget_process(engine);
    char *death = describe_death(engine, wait_status);
    char *how = describe_exit(wait_status);
    if (engine->ending == ENDING_STOPPED) {
        life_enter(engine, ENGINE_STOPPED);
    } else if (engine->ending == ENDING_REFUSED) {
        life_enter(engine, ENGINE_FAILED);
    } else if (engine->state == ENGINE_READY) {
        wait_to_restart(engine, death);
    } else {
        fail(engine, wait_status, death);
    }
    engine->ending = ENDING_NONE;
    LOG_INFO("engine_exit", "pid=%d how=\"%s\" state=%s running=%zu fault=\"%s\"", (int)pid, how,
             engine_state_name(engine->state), engine->runs.count, engine->fault.text);
    free(how);
    free(death);
    /* A copy: an upcall may retry, and that clears the fault. */
    struct fault fault = engine->fault;
    life_end_runs(engine, "engine_died", fault.text);
    events_tell_state(engine);
}

/* ---- Its silence ---- */

static bool has_work(const struct engine *engine) {
    return engine->state != ENGINE_READY || engine->runs.count > 0 || engine->n_ponged < engine->n_pings;
}

static void set_tick(struct engine *engine, uint64_t delay_ms) {
    engine->tick_due_ms = clock_now_ms() + delay_ms;
    engine->loop->timer_set(engine->timer, (int64_t)delay_ms);
}

static void ping(struct engine *engine) {
    struct bytes line;
    bytes_init(&line, ENGINE_LINE_BYTES_MAX);
    codec_encode_ping(engine->n_pings + 1, &line);
    if (channel_send(engine->channel, CHANNEL_SHORT, line.data, line.size) == STATUS_OK) {
        engine->n_pings++;
    }
    bytes_deinit(&line);
}

/* Looks at least four times per hang limit, so that a look that comes late shows that the server itself stood still (stopped,
 * suspended): that time says nothing about the engine. */
static void tick(struct engine *engine) {
    uint64_t now = clock_now_ms();
    uint64_t hang_ms = engine->options.hang_ms;
    uint64_t quarter_ms = hang_ms / 4 + 1;
    if (engine->paused || now > engine->tick_due_ms + quarter_ms) {
        engine->heard_ms_min = now;
    }
    uint64_t heard_ms = channel_heard_ms(engine->channel);
    if (heard_ms < engine->heard_ms_min) {
        heard_ms = engine->heard_ms_min;
    }
    uint64_t silent_ms = now > heard_ms ? now - heard_ms : 0;
    if (silent_ms >= hang_ms && has_work(engine)) {
        char text[FAULT_TEXT_BYTES];
        snprintf(text, sizeof text, "it did not answer for %.1f s", (double)silent_ms / 1000);
        life_break(engine, ENDING_HUNG, text);
        return;
    }
    if (silent_ms >= quarter_ms && engine->n_ponged == engine->n_pings && engine->state != ENGINE_STARTING) {
        ping(engine);
    }
    uint64_t left_ms = silent_ms < quarter_ms ? quarter_ms - silent_ms : quarter_ms;
    if (silent_ms < hang_ms && hang_ms - silent_ms < left_ms) {
        left_ms = hang_ms - silent_ms;
    }
    set_tick(engine, left_ms);
}

/* ---- Its beginning ---- */

static void on_too_long(void *ctx) {
    life_break(ctx, ENDING_BROKEN, "it wrote a line of more than 8 MiB");
}

/* Usually it is ending, and then its exit says more than this. */
static void on_closed(void *ctx) {
    struct engine *engine = ctx;
    if (engine->ending == ENDING_NONE) {
        engine->output_closed = true;
        engine->loop->timer_set(engine->timer, ENGINE_CLOSED_MS);
    }
}

static const struct channel_handlers channel_handlers = {
    .on_line = events_on_line,
    .on_too_long = on_too_long,
    .on_closed = on_closed,
    .on_gone = on_gone,
};

/* A model in several files is read by its folder. False: the path is no file's. */
static bool find_model(const struct engine *engine, char real[PATH_MAX]) {
    if (realpath(engine->options.model_path, real) == NULL) {
        return false;
    }
    char *slash = strrchr(real, '/');
    if (strstr(slash, "-of-")) {
        *slash = '\0';
    }
    return true;
}

static struct channel *open_channel(struct engine *engine, struct fault *fault) {
    char real[PATH_MAX];
    struct spawn_options options = {
        .program = engine->options.program,
        .log_level = engine->options.log_level,
        .is_sandboxed = engine->options.is_sandboxed,
        .writes = engine->options.cache_dir,
        .reads = { find_model(engine, real) ? real : NULL },
    };
    return channel_open(
        &(struct channel_options){
            .loop = engine->loop, .spawn = &options, .handlers = &channel_handlers, .ctx = engine },
        fault);
}

static void spawn(struct engine *engine) {
    bool was_waiting = engine->state == ENGINE_WAITING;
    if (was_waiting) {
        life_clear_fault(engine);
        life_enter(engine, ENGINE_STARTING);
    }
    struct fault fault;
    engine->channel = open_channel(engine, &fault);
    if (engine->channel == NULL) {
        LOG_ERROR("engine_not_started", "text=%s", fault.text);
        life_set_fault(engine, "internal", fault.text);
        life_enter(engine, ENGINE_FAILED);
        events_tell_state(engine);
        return;
    }
    engine->pid = channel_pid(engine->channel);
    engine->spawned_ms = engine->heard_ms_min = clock_now_ms();
    engine->n_ponged = engine->n_pings;
    channel_pause(engine->channel, engine->paused);
    if (engine->options.hang_ms) {
        set_tick(engine, engine->options.hang_ms / 4 + 1);
    }
    if (was_waiting) {
        events_tell_state(engine);
    }
}

void life_on_timer(void *ctx) {
    struct engine *engine = ctx;
    if (engine->is_freed) {
        life_destroy(engine);
    } else if (engine->channel == NULL) {
        spawn(engine);
    } else if (engine->ending != ENDING_NONE) {
        channel_kill(engine->channel);
    } else if (engine->output_closed) {
        life_break(engine, ENDING_BROKEN, "it closed its output");
    } else {
        tick(engine);
    }
}

void life_destroy(struct engine *engine) {
    forget_process(engine);
    engine->loop->timer_free(engine->timer);
    runs_deinit(&engine->runs);
    codec_pieces_deinit(&engine->pieces);
    free((char *)engine->options.program);
    free((char *)engine->options.log_level);
    free((char *)engine->options.model_path);
    free((char *)engine->options.speculation);
    free((char *)engine->options.kv_type);
    free((char *)engine->options.flash_attention);
    free((char *)engine->options.cache_dir);
    free(engine);
}
