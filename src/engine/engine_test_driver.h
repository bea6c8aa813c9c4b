/* engine_test_driver.h - one engine under test: what it said, and waiting for it.
 *
 * Engines are runnel-engine-fake with a script as the model, or a shell script for what the
 * fake cannot do.
 */
#ifndef RUNNEL_ENGINE_ENGINE_TEST_DRIVER_H
#define RUNNEL_ENGINE_ENGINE_TEST_DRIVER_H

#include "engine/engine.h"
#include "engine/test_loop.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define DRIVER_WAIT_MS  20000
#define DRIVER_RUNS_MAX 16
#define DRIVER_FOLDER   "engine_test_files" /* in the working folder of the test */

/* What came for one id. */
struct driver_run {
    char id[ID_HEX_BYTES];
    char text[4096];
    char reason[32];
    char error_code[32];
    char error_text[FAULT_TEXT_BYTES];
    int n_ends;
    unsigned n_pieces;
    size_t n_bytes; /* of the whole text; `text` is its beginning */
    uint32_t n_prompt;
    uint32_t n_prompt_done;
    int64_t n_completion;
};

struct driver {
    struct test_loop *test_loop;
    struct engine *engine;
    struct driver_run runs[DRIVER_RUNS_MAX];
    size_t n_runs;
    unsigned n_states;
    unsigned n_steps;
    unsigned n_starts; /* times it became STARTING again */
    double progress_max;
    bool has_stage;
    /* What a test does inside an upcall. */
    void (*in_state)(struct driver *driver);
    void (*in_step)(struct driver *driver);
    void (*in_end)(struct driver *driver, const char *id);
};

/* driver_start starts the fake engine with `script` as its model. */
void driver_start(struct driver *driver, const char *script, uint32_t hang_ms);
/* driver_start_program starts any program. */
void driver_start_program(struct driver *driver, const char *program, const char *model_path,
                          uint32_t hang_ms);
void driver_stop(struct driver *driver);

/* driver_write_program makes an executable shell script and returns its path. */
const char *driver_write_program(const char *name, const char *lines);
/* driver_path is a path in DRIVER_FOLDER at which nothing exists. */
const char *driver_path(const char *name);

/* driver_generate gives a generation and returns its record. */
struct driver_run *driver_generate(struct driver *driver);
enum status driver_try_generate(struct driver *driver, const char *id, const char *text);

void driver_wait_state(struct driver *driver, enum engine_state state);
void driver_wait_end(struct driver *driver, const struct driver_run *run);
void driver_wait_pieces(struct driver *driver, const struct driver_run *run, unsigned n_pieces);
void driver_wait(struct driver *driver, bool (*is_done)(void *ctx), void *ctx);

#endif
