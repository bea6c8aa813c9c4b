/* forget.c - what the disk has of deleted conversations, removed by an engine program without a model. */
#include "base/log.h"
#include "base/mem.h"
#include "engine/channel.h"
#include "engine/codec.h"
#include "engine/engine.h"

#include <stdlib.h>

struct engine_forgetting {
    const struct loop *loop;
    struct loop_timer *timer; /* first to begin, then for the time-out */
    struct channel *channel;
    char *program;
    struct bytes lines;
    uint32_t timeout_ms;
    void (*on_done)(void *ctx);
    void *ctx;
};

void engine_forget_abandon(struct engine_forgetting *forgetting) {
    if (forgetting == NULL) {
        return;
    }
    channel_close(forgetting->channel);
    forgetting->loop->timer_free(forgetting->timer);
    bytes_deinit(&forgetting->lines);
    free(forgetting->program);
    free(forgetting);
}

static void finish(struct engine_forgetting *forgetting) {
    void (*on_done)(void *ctx) = forgetting->on_done;
    void *ctx = forgetting->ctx;
    engine_forget_abandon(forgetting);
    on_done(ctx);
}

/* It says hello, and what it says beside its log is of no interest. */
static void on_line(void *ctx, const char *line, size_t n_bytes) {
    (void)ctx;
    (void)line;
    (void)n_bytes;
}

static void on_too_long(void *ctx) {
    (void)ctx;
}

/* The time-out or on_gone is next. */
static void on_closed(void *ctx) {
    (void)ctx;
}

static void on_gone(void *ctx, int wait_status) {
    if (wait_status != 0) {
        LOG_WARN("forget_failed", "wait_status=%d", wait_status);
    }
    finish(ctx);
}

static void begin(struct engine_forgetting *forgetting) {
    static const struct channel_handlers handlers = {
        .on_line = on_line, .on_too_long = on_too_long, .on_closed = on_closed, .on_gone = on_gone
    };
    struct fault fault;
    struct spawn_options options = { .program = forgetting->program, .log_level = "info" };
    forgetting->channel = channel_open(
        &(struct channel_options){
            .loop = forgetting->loop,
            .spawn = &options,
            .handlers = &handlers,
            .ctx = forgetting,
        },
        &fault);
    if (forgetting->channel == NULL) {
        LOG_WARN("forget_failed", "text=%s", fault.text);
        finish(forgetting);
        return;
    }
    forgetting->loop->timer_set(forgetting->timer, forgetting->timeout_ms);
    const struct bytes *lines = &forgetting->lines;
    if (lines->failed || channel_send(forgetting->channel, CHANNEL_NORMAL, lines->data, lines->size)) {
        channel_kill(forgetting->channel);
    }
}

static void on_timer(void *ctx) {
    struct engine_forgetting *forgetting = ctx;
    if (forgetting->channel == NULL) {
        begin(forgetting);
    } else {
        channel_kill(forgetting->channel);
    }
}

struct engine_forgetting *engine_forget_all(const struct loop *loop, const char *program,
                                            const char *cache_dir, const json_t *cache_keys,
                                            uint32_t timeout_ms, void (*on_done)(void *ctx), void *ctx) {
    struct engine_forgetting *forgetting = mem_alloc(sizeof *forgetting);
    *forgetting = (struct engine_forgetting){ .loop = loop,
                                              .program = mem_copy_string(program),
                                              .timeout_ms = timeout_ms,
                                              .on_done = on_done,
                                              .ctx = ctx };
    bytes_init(&forgetting->lines, ENGINE_LINE_BYTES_MAX);
    for (size_t i = 0; i < json_array_size(cache_keys); i++) {
        codec_encode_forget(json_string_value(json_array_get(cache_keys, i)), cache_dir, &forgetting->lines);
    }
    codec_encode_unload(&forgetting->lines);
    forgetting->timer = loop->timer_new(loop->self, on_timer, forgetting);
    loop->timer_set(forgetting->timer, 0);
    return forgetting;
}
