/* engine_internal.h - the parts of one engine: engine.c (what others call), engine_life.c (its process), engine_events.c
 * (what it says). */
#ifndef RUNNEL_ENGINE_ENGINE_INTERNAL_H
#define RUNNEL_ENGINE_ENGINE_INTERNAL_H

#include "engine/channel.h"
#include "engine/codec.h"
#include "engine/engine.h"
#include "engine/runs.h"

#define ENGINE_CODE_BYTES   32
#define ENGINE_STAGE_BYTES  64
#define ENGINE_CLOSED_MS    1000  /* from the end of its output to SIGKILL */
#define ENGINE_GOOD_LIFE_MS 60000 /* READY for so long forgets the back-off */

/* Why the process is on its way out, once that is decided. */
enum ending {
    ENDING_NONE,
    ENDING_REFUSED, /* it said `failed`; the fault is its own */
    ENDING_BROKEN,  /* it broke the protocol */
    ENDING_HUNG,
    ENDING_STOPPED, /* engine_stop */
};

struct engine {
    const struct loop *loop;
    const struct engine_handlers *handlers;
    void *ctx;
    struct engine_options options; /* its strings are our own */
    enum engine_state state;

    struct channel *channel; /* NULL: no process */
    pid_t pid;               /* of the last process */
    enum ending ending;
    char ending_text[FAULT_TEXT_BYTES];
    bool output_closed;
    bool paused;
    /* Without a process: when to spawn. With one that is on its way out: when to kill. Else: when to look for a hang. */
    struct loop_timer *timer;
    uint64_t tick_due_ms;
    uint64_t heard_ms_min; /* silence before this moment does not count */
    uint64_t n_pings;
    uint64_t n_ponged; /* the last ping that was answered */

    char fault_code[ENGINE_CODE_BYTES];
    struct fault fault;
    uint32_t backoff_ms; /* of the last death; 0: none lately */
    bool has_completed;  /* a generation, since it was READY */
    uint64_t spawned_ms;
    uint64_t ready_ms;

    double load_progress;
    char load_stage[ENGINE_STAGE_BYTES];
    json_t *model_info;
    json_t *memory_info;
    uint32_t context_size;
    uint32_t n_slots;

    struct runs runs;
    struct codec_pieces pieces;
    uint64_t last_used_ms;

    unsigned n_upcalls; /* on the stack now */
    bool is_freed;      /* during an upcall: goes with the next turn of the loop */
};

/* ---- engine_life.c ---- */

/* life_enter asserts that the transition is in the table. */
void life_enter(struct engine *engine, enum engine_state state);

void life_set_fault(struct engine *engine, const char *code, const char *text);
void life_clear_fault(struct engine *engine);

/* life_spawn_soon spawns from the loop: nothing that others call spawns or fails at once. */
void life_spawn_soon(struct engine *engine, int64_t delay_ms);

/* life_break kills the process for `ending`; the first call counts. Nothing it wrote is heard any more. */
void life_break(struct engine *engine, enum ending ending, const char *text);

/* life_dismiss lets the process end by itself for ENGINE_STOP_MS, and kills it then. */
void life_dismiss(struct engine *engine, enum ending ending);

void life_on_timer(void *ctx);

/* life_end_runs gives every running generation its end. */
void life_end_runs(struct engine *engine, const char *code, const char *text);

/* life_destroy frees everything, and kills the process if there is one. */
void life_destroy(struct engine *engine);

/* ---- engine_events.c ---- */

void events_on_line(void *ctx, const char *line, size_t n_bytes);

/* The upcalls. */
void events_tell_state(struct engine *engine);
void events_tell_end(struct engine *engine, const char *id, const struct engine_end *end);

#endif
