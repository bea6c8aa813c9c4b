/* model.h - one loaded model: weights, context, chat format, compute threads.
 *
 * The load runs on a thread of its own, so that the main loop answers pings and shows progress ([E6], [E7]).
 *
 *   model_load_begin ──▶ loading ──model_load_is_over──▶ model_load_finish ──▶ a model, or an error
 *
 * Owner   the main loop; while loading, the load thread owns all of the model but `progress` and `is_cancelled`.
 * Memory  model_close frees everything; NULL is fine.
 * Limits  one load per process.
 */
#ifndef RUNNEL_ENGINES_LLAMA_MODEL_H
#define RUNNEL_ENGINES_LLAMA_MODEL_H

#include "chat_format.h"
#include "plan.h"

#include "common/command.h"
#include "common/events.h"

#include <llama.h>
#include <stdbool.h>

#define MODEL_SLOTS_DEFAULT 32

/* The most tokens of one llama_decode: a prefill chunk and one token of each slot. */
#define MODEL_BATCH_TOKENS_MAX PLAN_BATCH_TOKENS

/* At the end what waits to be written to the disk is, for so long. */
#define MODEL_CLOSE_MS 1000

/* A few tokens of a vocabulary. */
#define MODEL_TOKENS_MAX 64
struct model_tokens {
    llama_token tokens[MODEL_TOKENS_MAX];
    size_t n;
};

struct model_words; /* constraint.h */

struct model {
    struct llama_model *weights;
    struct llama_context *context;
    const struct llama_vocab *vocab;
    llama_memory_t memory;
    struct chat_format *format;
    struct ggml_threadpool *threads;
    struct kv_store *store;  /* the KV cache on disk; NULL: none */
    struct plan plan;        /* how it was loaded */
    llama_token *end_tokens; /* the tokens that end a generation */
    int n_end_tokens;
    struct model_words *words; /* the vocabulary as text, made by the first who needs it */
    int n_vocab;
    int n_context; /* tokens, shared by all slots */
    int n_slots;
    int n_threads;          /* the most that are used */
    bool has_fixed_threads; /* and always: somebody has set them */
    double step_ms;         /* one token, measured after the load */
    double budget_ms;       /* the longest step while an answer is said, as set; 0: automatic */
    size_t token_bytes;     /* of the cache, for one token */
    int n_window; /* tokens that a layer with a sliding window looks back; 0: there is no such layer */
    enum speculation_mode speculation;
    bool can_cut; /* the cache can drop the tail of a sequence, and copy its beginning */
};

struct model_load;

/* model_load_begin copies what it needs of `command`. */
struct model_load *model_load_begin(const struct command *command);

/* model_load_progress is between 0 and 1. */
double model_load_progress(struct model_load *load);
bool model_load_is_over(struct model_load *load);

/* model_load_fd can be read once the load is over. */
int model_load_fd(const struct model_load *load);

/* model_load_finish waits for the end of the load and frees it. NULL: it failed, and `error` says why. */
struct model *model_load_finish(struct model_load *load, struct engine_error *error);

/* model_load_abandon asks the load to stop and waits at most `timeout_ms`. False: it still runs, and the process can only
 * exit. */
bool model_load_abandon(struct model_load *load, int timeout_ms);

void model_close(struct model *model);

/* model_describe is the `ready` event, a new reference. */
json_t *model_describe(const struct model *model);

/* model_tokenize returns the tokens of `text` in new memory, which the caller frees; their number in *n_tokens. NULL: failed. */
llama_token *model_tokenize(const struct model *model, const char *text, size_t n_bytes, bool add_special,
                            bool parse_special, int *n_tokens);

/* model_add_piece appends the bytes of a token. A special token has none, unless it is_text. */
void model_add_piece(const struct model *model, llama_token token, bool is_text, struct bytes *out);

/* model_add_hex appends them, of a special token too, as a JSON string of hexadecimal digits. */
void model_add_hex(const struct model *model, llama_token token, struct bytes *out);

/* model_find_tokens: those texts that are one token each. */
void model_find_tokens(const struct model *model, char *const *texts, size_t n_texts,
                       struct model_tokens *out);
bool model_has_token(const struct model_tokens *tokens, llama_token token);

bool model_is_end_token(const struct model *model, llama_token token);

#endif
