/* openai_completions.h - [W73] the body of POST /v1/completions, understood.
 *
 * Owner   whoever declares it; openai_completions_deinit frees it.
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_API_OPENAI_COMPLETIONS_H
#define RUNNEL_API_OPENAI_COMPLETIONS_H

#include "api/openai.h"

#define OPENAI_COMPLETIONS_TOKENS_DEFAULT 16 /* as OpenAI's */
#define OPENAI_COMPLETIONS_LOGPROBS_MAX   5

struct openai_completions {
    struct openai_request request; /* the prompt is in its settings */
    bool echo;
};

/* openai_completions_parse: as openai_request_parse. */
MUST_CHECK bool openai_completions_parse(struct openai_completions *out, const json_t *body,
                                         const struct settings *defaults, struct openai_error *error);
/* openai_completions_prompt: a text, or a list of token ids and texts that is one prompt. Borrowed from the body; NULL: the error is set. */
const json_t *openai_completions_prompt(const json_t *body, struct openai_error *error);
void openai_completions_deinit(struct openai_completions *completions);

#endif
