/* inspect.c - one question to a process of its own, which is gone before the answer is given. */
#include "base/mem.h"
#include "engine/channel.h"
#include "engine/codec.h"
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

struct inspection {
    const struct loop *loop;
    struct loop_timer *timer; /* first to begin, then for the time-out */
    struct channel *channel;
    char *program;
    char *model_path;
    uint32_t timeout_ms;
    enum status status;
    json_t *info;
    struct fault fault;
    void (*on_inspected)(void *ctx, enum status status, const json_t *info, const char *error_text);
    void *ctx;
};

static void finish(struct inspection *inspection) {
    channel_close(inspection->channel);
    bool is_ok = inspection->status == STATUS_OK;
    inspection->on_inspected(inspection->ctx, inspection->status, is_ok ? inspection->info : NULL,
                             is_ok ? "" : inspection->fault.text);
    inspection->loop->timer_free(inspection->timer);
    json_decref(inspection->info);
    free(inspection->program);
    free(inspection->model_path);
    free(inspection);
}

/* The outcome is known; the process has nothing left to do. on_gone follows. */
static void settle(struct inspection *inspection, enum status status, const char *text) {
    inspection->status = fault_set(&inspection->fault, status, "%s", text);
    inspection->loop->timer_set(inspection->timer, -1);
    channel_mute(inspection->channel);
    channel_kill(inspection->channel);
}

static enum status status_of_code(const char *code) {
    static const struct {
        const char *code;
        enum status status;
    } known[] = {
        { "model_not_found", STATUS_NOT_FOUND },
        { "model_corrupt", STATUS_CORRUPT },
        { "bad_request", STATUS_INVALID },
        { "no_memory", STATUS_NOMEM },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(code, known[i].code) == 0) {
            return known[i].status;
        }
    }
    return STATUS_IO;
}

static void on_line(void *ctx, const char *line, size_t n_bytes) {
    struct inspection *inspection = ctx;
    struct codec_event event;
    struct fault fault;
    if (codec_decode(line, n_bytes, &event, &fault)) {
        settle(inspection, STATUS_IO, "the engine broke its protocol while it read the model file");
        return;
    }
    if (event.kind == CODEC_INSPECT) {
        inspection->info = json_incref(event.inspect.info);
        settle(inspection, STATUS_OK, "");
    } else if (event.kind == CODEC_FAILED) {
        settle(inspection, status_of_code(event.failed.code), event.failed.text);
    }
    codec_event_deinit(&event);
}

static void on_too_long(void *ctx) {
    settle(ctx, STATUS_IO, "the engine broke its protocol while it read the model file");
}

/* The time-out or on_gone is next. */
static void on_closed(void *ctx) {
    (void)ctx;
}

static void on_gone(void *ctx, int wait_status) {
    (void)wait_status;
    finish(ctx);
}

static void begin(struct inspection *inspection) {
    static const struct channel_handlers handlers = {
        .on_line = on_line, .on_too_long = on_too_long, .on_closed = on_closed, .on_gone = on_gone
    };
    inspection->channel = channel_open(
        &(struct channel_options){
            .loop = inspection->loop,
            .program = inspection->program,
            .log_level = "warn",
            .handlers = &handlers,
            .ctx = inspection,
        },
        &inspection->fault);
    if (inspection->channel == NULL) {
        inspection->status = inspection->fault.status;
        finish(inspection);
        return;
    }
    inspection->status = fault_set(&inspection->fault, STATUS_CORRUPT,
                                   "the engine stopped while it read the model file: it may be damaged: %s",
                                   inspection->model_path);
    struct bytes line;
    bytes_init(&line, ENGINE_LINE_BYTES_MAX);
    codec_encode_inspect(inspection->model_path, &line);
    if (line.failed || channel_send(inspection->channel, CHANNEL_NORMAL, line.data, line.size)) {
        settle(inspection, STATUS_TOO_LARGE, "the path of the model file is too long");
    } else {
        inspection->loop->timer_set(inspection->timer, inspection->timeout_ms);
    }
    bytes_deinit(&line);
}

static void on_timer(void *ctx) {
    struct inspection *inspection = ctx;
    if (inspection->channel == NULL) {
        begin(inspection);
    } else {
        settle(inspection, STATUS_IO, "the engine took too long to read the model file");
    }
}

void engine_inspect(const struct loop *loop, const char *program, const char *model_path, uint32_t timeout_ms,
                    void (*on_inspected)(void *ctx, enum status status, const json_t *info,
                                         const char *error_text),
                    void *ctx) {
    struct inspection *inspection = mem_alloc(sizeof *inspection);
    *inspection = (struct inspection){
        .loop = loop,
        .program = mem_copy_string(program),
        .model_path = mem_copy_string(model_path),
        .timeout_ms = timeout_ms,
        .on_inspected = on_inspected,
        .ctx = ctx,
    };
    inspection->timer = loop->timer_new(loop->self, on_timer, inspection);
    loop->timer_set(inspection->timer, 0);
}
