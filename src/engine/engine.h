/* engine.h - one engine program with one model: what the server knows of it.
 *
 * The program is a child process on one socketpair (docs/engine-protocol.md). It may crash, hang or talk nonsense: every
 * generation given to it still gets exactly one on_end, and the server goes on.
 *
 *   STARTING  spawned, its hello is awaited          LOADING  load was sent
 *   READY     takes generations                       FAILED   it said `failed`, died while loading, or could not be spawned
 *   WAITING   it died after ready; it is started again after the back-off      STOPPED  engine_stop was called and it is gone
 *
 *   STARTING → LOADING → READY → WAITING → STARTING …;  STARTING, LOADING → FAILED;  any → STOPPED.
 *
 * Thread  the loop thread only.
 * Memory  jobs are copied; what an upcall receives is valid during it.
 * Limits  ENGINE_LINE_BYTES_MAX per line, ENGINE_OUT_BYTES_MAX waiting to be written (then STATUS_FULL).
 */
#ifndef RUNNEL_ENGINE_ENGINE_H
#define RUNNEL_ENGINE_ENGINE_H

#include "base/id.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ENGINE_LINE_BYTES_MAX   (8u << 20)
#define ENGINE_OUT_BYTES_MAX    (16u << 20)
#define ENGINE_BACKOFF_FIRST_MS 250
#define ENGINE_BACKOFF_MAX_MS   30000
#define ENGINE_STOP_MS          2000 /* from "unload" to SIGKILL */

struct engine;

enum engine_state {
    ENGINE_STARTING,
    ENGINE_LOADING,
    ENGINE_READY,
    ENGINE_FAILED,
    ENGINE_WAITING,
    ENGINE_STOPPED,
};

/* What a piece says ([E45]). */
enum engine_piece_kind { ENGINE_PIECE_TEXT, ENGINE_PIECE_REASONING, ENGINE_PIECE_TOOL };

/* One sampled token of one generation, or something more that it says. What it points to is valid during the upcall. */
struct engine_piece {
    const char *id;
    int32_t token; /* −1: no token of its own */
    enum engine_piece_kind kind;
    const char *text; /* of a tool: the JSON object with index, id, name, arguments */
    size_t text_size;
    const char *probabilities; /* JSON: an object with logprob, bytes, top ([E44]); NULL: none */
};

struct engine_end {
    const char *reason;     /* "stop", "length", "cancelled", "error"; "interrupted": the engine died */
    const char *error_code; /* NULL: none */
    const char *error_text;
    const json_t *usage;   /* borrowed, NULL: none */
    const json_t *timings; /* borrowed, NULL: none */
};

struct engine_handlers {
    /* The state or the load progress changed. */
    void (*on_state)(void *ctx, struct engine *engine);
    void (*on_queued)(void *ctx, const char *id, uint32_t position);
    /* So many of the oldest messages are left out of the prompt. */
    void (*on_dropped)(void *ctx, const char *id, uint32_t n_messages);
    void (*on_prefill)(void *ctx, const char *id, uint32_t done, uint32_t total, uint32_t cached);
    /* All pieces of one decode step. */
    void (*on_step)(void *ctx, uint64_t t_ns, const struct engine_piece *pieces, size_t n_pieces);
    void (*on_end)(void *ctx, const char *id, const struct engine_end *end);
    /* The answer to an engine_ask, borrowed; or on_end with its id says that there is none. */
    void (*on_answer)(void *ctx, const char *id, const json_t *answer);
};

struct engine_options {
    const struct loop *loop;
    const char *program;   /* path of the engine program */
    const char *log_level; /* given to the program as --log */
    bool is_sandboxed;     /* the program shuts itself in ([E51]) and reads its model file alone */
    const char *model_path;
    uint32_t context_size;       /* 0: the engine chooses */
    uint32_t n_slots;            /* 0: the engine chooses */
    uint32_t n_threads;          /* 0: the engine chooses */
    uint32_t step_ms;            /* longest step while an answer is said; 0: the engine chooses */
    const char *speculation;     /* "auto", "off", "always" ([E27]); NULL: the engine chooses */
    int32_t n_gpu_layers;        /* −1: the engine chooses */
    const char *kv_type;         /* "auto", "f16", "q8_0" */
    const char *flash_attention; /* "auto", "on", "off" */
    const char *cache_dir;       /* where it keeps KV states; NULL: nowhere */
    int64_t cache_bytes;         /* at most; −1: the engine chooses, 0: none */
    bool is_held;                /* no process before engine_go: STARTING until then */
    uint32_t hang_ms;            /* silence with work after which it is killed */
    const struct engine_handlers *handlers;
    void *ctx;
};

/* engine_start spawns the program and loads the model. It never fails at once: look at the state and engine_fault. */
struct engine *engine_start(const struct engine_options *options);

/* engine_go spawns the program of one that is held. Others are left alone. */
void engine_go(struct engine *engine);

/* engine_stop ends every generation with "interrupted" ("engine_stopped"), asks the program to go, and kills it after
 * ENGINE_STOP_MS. Without a process it is STOPPED at once. For good: engine_retry does not start it again. */
void engine_stop(struct engine *engine);

/* engine_free kills the program if it still runs and waits for its end (2 s at most). No upcall comes from inside or
 * after it. From inside an upcall of this engine the rest happens with the next turn of the loop. NULL is fine. */
void engine_free(struct engine *engine);

/* engine_retry starts a FAILED engine, or one that waits for its back-off, at once. */
void engine_retry(struct engine *engine);

enum engine_state engine_state(const struct engine *engine);
const char *engine_state_name(enum engine_state state);
const char *engine_model_path(const struct engine *engine);
/* Why it FAILED or WAITs; "" otherwise. engine_fault_code is the protocol's code, "engine_died" when the process died. */
const char *engine_fault_text(const struct engine *engine);
const char *engine_fault_code(const struct engine *engine);
double engine_load_progress(const struct engine *engine); /* 0 to 1 */
const char *engine_load_stage(const struct engine *engine);
const json_t *engine_model_info(const struct engine *engine);  /* `model` of ready; NULL before */
const json_t *engine_memory_info(const struct engine *engine); /* `memory` of it */
uint32_t engine_context_size(const struct engine *engine);     /* 0 before ready */
uint32_t engine_slot_count(const struct engine *engine);
pid_t engine_pid(const struct engine *engine);             /* 0: no process */
uint64_t engine_memory_bytes(const struct engine *engine); /* resident, from /proc; 0: unknown */
size_t engine_running(const struct engine *engine);        /* generations not ended */
uint64_t engine_last_used_ms(const struct engine *engine); /* clock_now_ms of the last generate or end */

struct engine_job {
    const char *id;         /* 32 hex digits */
    const char *cache_key;  /* "": none */
    const json_t *messages; /* [{role, content}…] */
    const json_t *sampling; /* as in the protocol; validated by the caller */
    int64_t n_tokens_max;   /* −1: until the context is full */
    const json_t *stop;     /* array of strings; NULL: none */
    bool ignore_eos;
    const char *overflow; /* "stop", "drop_oldest" */
    const json_t *
        more; /* more members of `generate`: tools, format …; those of its `sampling` are added to sampling. NULL: none */
    /* The beginning of the answer, said in earlier runs ([E21]): its token ids, or its text (the tokens, when both are set). NULL and
     * 0: none. An id of −1: what was held back up to there was said too, by a tail that an end flushed. n_tokens_max counts what
     * comes behind the prefix. */
    const int32_t *prefix_tokens;
    size_t n_prefix_tokens;
    const char *prefix_text;
};

/* engine_generate: STATUS_BUSY unless READY; STATUS_FULL when too much waits to be written or too many run;
 * STATUS_TOO_LARGE when the line would be; STATUS_CONFLICT for an id that runs. Nothing was sent then. */
MUST_CHECK enum status engine_generate(struct engine *engine, const struct engine_job *job);

/* engine_ask asks what is no generation: template, tokenize, detokenize, embed (docs/engine-protocol.md). `members` are those of the operation
 * besides op and id. Returns as engine_generate. */
MUST_CHECK enum status engine_ask(struct engine *engine, const char *op, const char *id,
                                  const json_t *members);

/* engine_cancel asks for the end; it comes as on_end. Unknown ids are ignored. */
void engine_cancel(struct engine *engine, const char *id);

/* engine_draft has the prompt of a job computed before it is sent: of the job count id, cache_key, messages and overflow. Nothing comes back,
 * not even an end; a later draft with the same cache_key, and every generation, end it. False: it was not taken. engine_cancel_draft
 * ends it: when it is gone already, that is ignored. */
bool engine_draft(struct engine *engine, const struct engine_job *job);
void engine_cancel_draft(struct engine *engine, const char *id);

/* engine_forget: what it has of a conversation goes, on the disk too. False: it takes no commands now. */
bool engine_forget(struct engine *engine, const char *cache_key);

/* engine_forget_all does that for the disk alone, in a process of its own without a model. One callback, when the process is gone;
 * engine_forget_abandon kills it and waits for its end (2 s at most), and no callback comes. NULL is fine. */
struct engine_forgetting;
struct engine_forgetting *engine_forget_all(const struct loop *loop, const char *program,
                                            const char *cache_dir, const json_t *cache_keys,
                                            uint32_t timeout_ms, void (*on_done)(void *ctx), void *ctx);
void engine_forget_abandon(struct engine_forgetting *forgetting);

/* engine_pause stops reading its output: back-pressure, from the store only (P8). The hang limit is suspended meanwhile.
 * Once the process ended, what it had written still comes: one line and the kernel's buffer at most. */
void engine_pause(struct engine *engine, bool paused);

#endif
