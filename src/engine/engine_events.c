/* engine_events.c - one line from the engine becomes at most one upcall.
 *
 * An upcall may call engine_generate, _cancel, _pause, _stop, _retry and _free: after it, only what those leave alone
 * is used (the engine itself stays until the next turn of the loop).
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "engine/engine_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void events_tell_state(struct engine *engine) {
    if (engine->handlers->on_state) {
        engine->n_upcalls++;
        engine->handlers->on_state(engine->ctx, engine);
        engine->n_upcalls--;
    }
}

void events_tell_end(struct engine *engine, const char *id, const struct engine_end *end) {
    engine->last_used_ms = clock_now_ms();
    if (engine->handlers->on_end) {
        engine->n_upcalls++;
        engine->handlers->on_end(engine->ctx, id, end);
        engine->n_upcalls--;
    }
}

static void on_hello(struct engine *engine, const struct codec_event *event) {
    if (engine->state != ENGINE_STARTING) {
        life_break(engine, ENDING_BROKEN, "it said hello twice");
        return;
    }
    if (event->hello.protocol != CODEC_PROTOCOL) {
        life_break(engine, ENDING_BROKEN, "it speaks another version of the protocol");
        return;
    }
    LOG_INFO("engine_hello", "pid=%d engine=%.40s version=%.40s", (int)engine_pid(engine),
             event->hello.engine, event->hello.version);
    struct bytes line;
    bytes_init(&line, ENGINE_LINE_BYTES_MAX);
    codec_encode_load(&engine->options, &line);
    enum status status =
        line.failed ? STATUS_TOO_LARGE : channel_send(engine->channel, CHANNEL_NORMAL, line.data, line.size);
    bytes_deinit(&line);
    if (status) {
        life_break(engine, ENDING_BROKEN, "the load could not be sent");
        return;
    }
    life_enter(engine, ENGINE_LOADING);
    events_tell_state(engine);
}

static void on_pong(struct engine *engine, const struct codec_event *event) {
    if (event->pong.n <= engine->n_pings && event->pong.n > engine->n_ponged) {
        engine->n_ponged = event->pong.n;
    }
}

static void on_load(struct engine *engine, const struct codec_event *event) {
    if (engine->state != ENGINE_LOADING) {
        return;
    }
    if (event->load.progress > engine->load_progress) {
        engine->load_progress = event->load.progress;
    }
    snprintf(engine->load_stage, sizeof engine->load_stage, "%s", event->load.stage);
    engine->load_stage[utf8_whole_length(engine->load_stage, strlen(engine->load_stage))] = '\0';
    events_tell_state(engine);
}

static void on_ready(struct engine *engine, const struct codec_event *event) {
    if (engine->state != ENGINE_LOADING) {
        life_break(engine, ENDING_BROKEN, "it said ready twice");
        return;
    }
    engine->model_info = json_incref(event->ready.model);
    engine->memory_info = json_incref(event->ready.memory);
    engine->context_size = event->ready.context_size;
    engine->n_slots = event->ready.n_slots;
    engine->load_progress = 1;
    engine->has_completed = false;
    engine->ready_ms = clock_now_ms();
    LOG_INFO("engine_ready", "pid=%d ms=%llu slots=%u context=%u", (int)engine_pid(engine),
             (unsigned long long)(engine->ready_ms - engine->spawned_ms), engine->n_slots,
             engine->context_size);
    life_enter(engine, ENGINE_READY);
    events_tell_state(engine);
}

static void on_failed(struct engine *engine, const struct codec_event *event) {
    if (engine->state == ENGINE_READY) {
        LOG_WARN("engine_refused", "pid=%d code=%.40s text=%.300s", (int)engine_pid(engine),
                 event->failed.code, event->failed.text);
        return; /* [E2]: some operation was wrong; the model is there */
    }
    life_set_fault(engine, event->failed.code, event->failed.text);
    life_dismiss(engine, ENDING_REFUSED);
}

static void on_queued(struct engine *engine, const struct codec_event *event) {
    if (engine->handlers->on_queued && runs_find(&engine->runs, event->id)) {
        engine->n_upcalls++;
        engine->handlers->on_queued(engine->ctx, event->id, event->queued.position);
        engine->n_upcalls--;
    }
}

static void on_dropped(struct engine *engine, const struct codec_event *event) {
    if (engine->handlers->on_dropped && runs_find(&engine->runs, event->id)) {
        engine->n_upcalls++;
        engine->handlers->on_dropped(engine->ctx, event->id, event->dropped.n_messages);
        engine->n_upcalls--;
    }
}

static void on_prefill(struct engine *engine, const struct codec_event *event) {
    if (engine->handlers->on_prefill && runs_find(&engine->runs, event->id)) {
        engine->n_upcalls++;
        engine->handlers->on_prefill(engine->ctx, event->id, event->prefill.done, event->prefill.total,
                                     event->prefill.cached);
        engine->n_upcalls--;
    }
}

static void on_step(struct engine *engine, const struct codec_event *event) {
    struct fault fault;
    struct codec_pieces *pieces = &engine->pieces;
    if (codec_read_pieces(event, pieces, &fault)) {
        life_break(engine, ENDING_BROKEN, fault.text);
        return;
    }
    size_t n_known = 0;
    for (size_t i = 0; i < pieces->count; i++) {
        if (runs_find(&engine->runs, pieces->items[i].id)) {
            pieces->items[n_known++] = pieces->items[i];
        }
    }
    if (n_known > 0 && engine->handlers->on_step) {
        engine->n_upcalls++;
        engine->handlers->on_step(engine->ctx, event->step.t_ns, pieces->items, n_known);
        engine->n_upcalls--;
    }
}

static void on_end(struct engine *engine, const struct codec_event *event) {
    struct run *run = runs_find(&engine->runs, event->id);
    if (run == NULL) {
        return;
    }
    runs_take(&engine->runs, run);
    free(run);
    if (strcmp(event->end.reason, "stop") == 0 || strcmp(event->end.reason, "length") == 0) {
        engine->has_completed = true;
    }
    events_tell_end(engine, event->id, &event->end);
}

static void on_answer(struct engine *engine, const struct codec_event *event) {
    struct run *run = runs_find(&engine->runs, event->id);
    if (run == NULL) {
        return;
    }
    runs_take(&engine->runs, run);
    free(run);
    engine->last_used_ms = clock_now_ms();
    if (engine->handlers->on_answer) {
        engine->n_upcalls++;
        engine->handlers->on_answer(engine->ctx, event->id, event->root);
        engine->n_upcalls--;
    }
}

static void on_other(struct engine *engine, const struct codec_event *event) {
    (void)engine;
    (void)event;
}

static void take_event(struct engine *engine, const struct codec_event *event) {
    static void (*const takers[])(struct engine * engine, const struct codec_event *event) = {
        [CODEC_UNKNOWN] = on_other, [CODEC_HELLO] = on_hello,     [CODEC_PONG] = on_pong,
        [CODEC_LOAD] = on_load,     [CODEC_READY] = on_ready,     [CODEC_FAILED] = on_failed,
        [CODEC_QUEUED] = on_queued, [CODEC_PREFILL] = on_prefill, [CODEC_STEP] = on_step,
        [CODEC_END] = on_end,       [CODEC_INSPECT] = on_other,   [CODEC_DROPPED] = on_dropped,
        [CODEC_ANSWER] = on_answer,
    };
    bool may_be_first = event->kind == CODEC_HELLO || event->kind == CODEC_FAILED;
    if (engine->state == ENGINE_STARTING && !may_be_first) {
        life_break(engine, ENDING_BROKEN, "its first line is not a hello");
        return;
    }
    takers[event->kind](engine, event);
}

void events_on_line(void *ctx, const char *line, size_t n_bytes) {
    struct engine *engine = ctx;
    struct codec_event event;
    struct fault fault;
    if (codec_decode(line, n_bytes, &event, &fault)) {
        life_break(engine, ENDING_BROKEN, fault.text);
        return;
    }
    take_event(engine, &event);
    codec_event_deinit(&event);
}
