/* llama_completion.h - [W105] [W106] the bodies of llama-server's POST /completion and POST /infill, understood.
 *
 * Owner   whoever declares it; llama_completion_deinit frees it.
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_API_LLAMA_COMPLETION_H
#define RUNNEL_API_LLAMA_COMPLETION_H

#include "api/openai.h"

#define LLAMA_COMPLETION_PROBS_MAX 20 /* what the engine tells with one token */

struct llama_completion {
    struct openai_request request; /* the prompt is in its settings */
    bool return_tokens;
    int64_t n_probs;
    json_t *response_fields; /* NULL: all */
};

enum llama_completion_kind { LLAMA_COMPLETION, LLAMA_INFILL };

/* llama_completion_parse: as openai_request_parse. */
MUST_CHECK bool llama_completion_parse(struct llama_completion *out, const json_t *body,
                                       enum llama_completion_kind kind, const struct settings *defaults,
                                       struct openai_error *error);
void llama_completion_deinit(struct llama_completion *completion);

/* llama_completion_take_gap: what is around the gap, as a member of `generate`; a new reference. NULL: the error is set. In llama_infill.c. */
json_t *llama_completion_take_gap(const json_t *body, struct openai_error *error);

/* llama_completion_settings is generation_settings: how an answer is made, in llama-server's names. A new reference. */
json_t *llama_completion_settings(const struct settings *settings);

#endif
