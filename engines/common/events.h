/* events.h - what the engine says: one function per event of docs/engine-protocol.md.
 *
 * Each function writes one whole line and returns when it is gone (back-pressure, [E18]). When the server is gone the
 * channel is at its end, and nothing more is written.
 *
 * Owner   the engine's main loop.
 * Thread  the one that owns the channel.
 * Memory  nothing is kept; texts must be valid UTF-8.
 * Limits  a line that would pass ENGINE_LINE_BYTES_MAX is not sent, and that is logged.
 */
#ifndef RUNNEL_ENGINES_COMMON_EVENTS_H
#define RUNNEL_ENGINES_COMMON_EVENTS_H

#include "common/channel.h"

#include <jansson.h>
#include <stdint.h>

#define ENGINE_PROTOCOL_VERSION 1

/* The codes of [E3]. */
#define ERROR_BAD_REQUEST     "bad_request"
#define ERROR_MODEL_NOT_FOUND "model_not_found"
#define ERROR_MODEL_CORRUPT   "model_corrupt"
#define ERROR_NO_MEMORY       "no_memory"
#define ERROR_CONTEXT_FULL    "context_full"
#define ERROR_NOT_SUPPORTED   "not_supported"
#define ERROR_INTERNAL        "internal"

struct engine_error {
    const char *code;
    char text[FAULT_TEXT_BYTES];
};

struct events {
    struct channel *channel;
    struct bytes line;
    size_t n_items; /* in the step line under way */
};

struct end_report {
    const char *reason;               /* "stop", "length", "cancelled" or "error" */
    const struct engine_error *error; /* NULL unless reason is "error" */
    int n_prompt;
    int n_cached;
    int n_dropped; /* messages left out of the prompt */
    int n_completion;
    const char *stop;   /* the stop string that ended it; NULL: none did */
    const char *prompt; /* its text, where the server cannot know it ([E52]); NULL: it does */
    double queued_ms;
    double prefill_ms;
    double decode_ms;
};

void events_init(struct events *events, struct channel *channel);
void events_deinit(struct events *events);

void engine_error_set(struct engine_error *error, const char *code, const char *format, ...)
    PRINTF_LIKE(3, 4);

void events_hello(struct events *events, const char *engine, const char *version);
void events_pong(struct events *events, int64_t n);
void events_load(struct events *events, const char *stage, double progress);

/* events_json sends a value that is built by hand, and takes the reference: ready and inspect, which are rare. */
void events_json(struct events *events, json_t *event);

/* events_failed: `op` is the command that failed, "" when it could not be read. */
void events_failed(struct events *events, const char *op, const struct engine_error *error);

void events_queued(struct events *events, const char *id, int position);
/* events_dropped: so many messages are left out of the prompt ([E33]); before the first `prefill`. */
void events_dropped(struct events *events, const char *id, int n_messages);

void events_prefill(struct events *events, const char *id, int done, int total, int cached);

/* What an item says ([E11], [E45]). */
enum item_kind { ITEM_TEXT, ITEM_REASONING, ITEM_TOOL };

struct step_item {
    const char *id;
    int token; /* −1: none of its own */
    enum item_kind kind;
    const char *text; /* of ITEM_TOOL: a piece of the arguments */
    size_t size;
    size_t index;        /* the rest is of ITEM_TOOL: the number of the call */
    const char *call_id; /* NULL: told before, with the name */
    const char *name;
    const char *probabilities; /* JSON members to add ([E44]); NULL: none */
};

/* One step line: begin, any number of adds, send. Without an item nothing is sent. */
void events_step_begin(struct events *events, uint64_t t_ns);
void events_step_add(struct events *events, const struct step_item *item);
void events_step_send(struct events *events);

void events_end(struct events *events, const char *id, const struct end_report *report);

/* events_tokens: with `pieces`, JSON, the bytes of each ([E55]); NULL: without. */
void events_tokens(struct events *events, const char *id, const int32_t *tokens, size_t n_tokens,
                   const char *pieces);
/* events_text answers detokenize ([E48]), events_prompt template ([E47]). */
void events_text(struct events *events, const char *id, const char *text, size_t size);
void events_prompt(struct events *events, const char *id, const char *text, size_t size, int n_tokens);

/* What one text has become ([E49]): the vector as the model has it. */
struct embedding {
    float *vector;
    int n_tokens;
};

/* events_embeddings sends the first `n_dimensions` of each vector, made to the length 1 in place. False: a vector has no length; nothing was sent. */
MUST_CHECK bool events_embeddings(struct events *events, const char *id, struct embedding *list, size_t n,
                                  int n_dimensions);

#endif
