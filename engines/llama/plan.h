/* plan.h - how a model is to be loaded on this machine: the size of its context, the kind of its KV cache, and whether it fits at all.
 *
 * What the options leave open is chosen from the memory that is there: a context of PLAN_CONTEXT_TOKENS in 16 bits when it fits; else in 8
 * bits, which takes half the room and makes long prompts slower; else a smaller context. What cannot fit is refused before it is loaded,
 * because the kernel would end the process, or the whole machine would crawl.
 *
 * Thread  one at a time, any. Blocks on the disk.
 * Errors  no_memory says what is needed and what is there.
 */
#ifndef RUNNEL_ENGINES_LLAMA_PLAN_H
#define RUNNEL_ENGINES_LLAMA_PLAN_H

#include "common/command.h"
#include "common/events.h"

#include <llama.h>

#define PLAN_CONTEXT_TOKENS     8192
#define PLAN_CONTEXT_TOKENS_MIN 1024

/* The most tokens of one llama_decode: a prefill chunk and one token of each slot. */
#define PLAN_BATCH_TOKENS 512

struct plan {
    struct llama_model_params model;
    struct llama_context_params context; /* n_ctx 0: the model's own, PLAN_CONTEXT_TOKENS at most */
    uint64_t available_bytes;            /* UINT64_MAX: nobody says */
};

/* plan_make: `n_slots` conversations side by side. */
MUST_CHECK enum status plan_make(const char *path, const struct load_options *options, int n_slots,
                                 struct plan *out, struct engine_error *error);

#endif
