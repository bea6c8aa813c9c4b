#include "engine/engine_test_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct driver_run *find(struct driver *driver, const char *id) {
    for (size_t i = 0; i < driver->n_runs; i++) {
        if (strcmp(driver->runs[i].id, id) == 0) {
            return &driver->runs[i];
        }
    }
    fail_msg("an upcall for the id %s, which was never given", id);
    return NULL;
}

static void on_state(void *ctx, struct engine *engine) {
    struct driver *driver = ctx;
    driver->n_states++;
    driver->n_starts += engine_state(engine) == ENGINE_STARTING;
    driver->has_stage |= engine_load_stage(engine)[0] != '\0';
    if (engine_load_progress(engine) > driver->progress_max) {
        driver->progress_max = engine_load_progress(engine);
    }
    if (driver->in_state) {
        driver->in_state(driver);
    }
}

static void on_queued(void *ctx, const char *id, uint32_t position) {
    (void)position;
    find(ctx, id);
}

static void on_prefill(void *ctx, const char *id, uint32_t done, uint32_t total, uint32_t cached) {
    struct driver_run *run = find(ctx, id);
    (void)cached;
    assert_int_equal(run->n_pieces, 0);
    run->n_prompt = total;
    run->n_prompt_done = done;
}

static void on_step(void *ctx, uint64_t t_ns, const struct engine_piece *pieces, size_t n_pieces) {
    struct driver *driver = ctx;
    assert_true(t_ns > 0);
    assert_true(n_pieces > 0);
    driver->n_steps++;
    for (size_t i = 0; i < n_pieces; i++) {
        struct driver_run *run = find(driver, pieces[i].id);
        assert_int_equal(run->n_ends, 0);
        run->n_pieces++;
        run->n_bytes += pieces[i].text_size;
        size_t used = strlen(run->text);
        snprintf(run->text + used, sizeof run->text - used, "%.*s", (int)pieces[i].text_size, pieces[i].text);
    }
    if (driver->in_step) {
        driver->in_step(driver);
    }
}

static void on_end(void *ctx, const char *id, const struct engine_end *end) {
    struct driver *driver = ctx;
    struct driver_run *run = find(driver, id);
    run->n_ends++;
    snprintf(run->reason, sizeof run->reason, "%s", end->reason);
    snprintf(run->error_code, sizeof run->error_code, "%s", end->error_code ? end->error_code : "");
    snprintf(run->error_text, sizeof run->error_text, "%s", end->error_text ? end->error_text : "");
    run->n_completion = json_integer_value(json_object_get(end->usage, "completion_tokens"));
    if (driver->in_end) {
        driver->in_end(driver, id);
    }
}

static const struct engine_handlers handlers = {
    .on_state = on_state,
    .on_queued = on_queued,
    .on_prefill = on_prefill,
    .on_step = on_step,
    .on_end = on_end,
};

void driver_start_program(struct driver *driver, const char *program, const char *model_path,
                          uint32_t hang_ms) {
    *driver = (struct driver){ .test_loop = test_loop_new() };
    driver->engine = engine_start(&(struct engine_options){
        .loop = test_loop_get(driver->test_loop),
        .program = program,
        .log_level = "info",
        .model_path = model_path,
        .n_slots = 4,
        .hang_ms = hang_ms,
        .handlers = &handlers,
        .ctx = driver,
    });
}

void driver_start(struct driver *driver, const char *script, uint32_t hang_ms) {
    char model_path[2048];
    snprintf(model_path, sizeof model_path, "fake:%s", script);
    driver_start_program(driver, RUNNEL_TEST_ENGINE, model_path, hang_ms);
}

void driver_stop(struct driver *driver) {
    engine_free(driver->engine);
    test_loop_free(driver->test_loop);
}

const char *driver_path(const char *name) {
    static char path[256];
    mkdir(DRIVER_FOLDER, 0700);
    snprintf(path, sizeof path, DRIVER_FOLDER "/%s", name);
    unlink(path);
    return path;
}

const char *driver_write_program(const char *name, const char *lines) {
    const char *path = driver_path(name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s", lines);
    assert_int_equal(fchmod(fileno(file), 0700), 0);
    assert_int_equal(fclose(file), 0);
    return path;
}

enum status driver_try_generate(struct driver *driver, const char *id, const char *text) {
    json_t *messages = json_pack("[{s:s, s:s}]", "role", "user", "content", text);
    json_t *sampling = json_pack("{s:s}", "sampler_type", "Greedy");
    enum status status = engine_generate(
        driver->engine,
        &(struct engine_job){ .id = id, .messages = messages, .sampling = sampling, .n_tokens_max = -1 });
    json_decref(messages);
    json_decref(sampling);
    return status;
}

struct driver_run *driver_generate(struct driver *driver) {
    assert_true(driver->n_runs < DRIVER_RUNS_MAX);
    struct driver_run *run = &driver->runs[driver->n_runs++];
    id_make_hex(run->id);
    assert_int_equal(driver_try_generate(driver, run->id, "one two three"), STATUS_OK);
    return run;
}

void driver_wait(struct driver *driver, bool (*is_done)(void *ctx), void *ctx) {
    if (!test_loop_run(driver->test_loop, is_done, ctx, DRIVER_WAIT_MS)) {
        fail_msg("it did not come; the engine is %s (%s)", engine_state_name(engine_state(driver->engine)),
                 engine_fault_text(driver->engine));
    }
}

struct wanted {
    const struct driver *driver;
    const struct driver_run *run;
    enum engine_state state;
    unsigned n_pieces;
};

static bool has_state(void *ctx) {
    const struct wanted *wanted = ctx;
    return engine_state(wanted->driver->engine) == wanted->state;
}

void driver_wait_state(struct driver *driver, enum engine_state state) {
    driver_wait(driver, has_state, &(struct wanted){ .driver = driver, .state = state });
}

static bool has_ended(void *ctx) {
    return ((const struct wanted *)ctx)->run->n_ends > 0;
}

void driver_wait_end(struct driver *driver, const struct driver_run *run) {
    driver_wait(driver, has_ended, &(struct wanted){ .run = run });
}

static bool has_pieces(void *ctx) {
    const struct wanted *wanted = ctx;
    return wanted->run->n_pieces >= wanted->n_pieces;
}

void driver_wait_pieces(struct driver *driver, const struct driver_run *run, unsigned n_pieces) {
    driver_wait(driver, has_pieces, &(struct wanted){ .run = run, .n_pieces = n_pieces });
}
