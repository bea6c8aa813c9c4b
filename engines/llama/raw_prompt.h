/* raw_prompt.h - a prompt that is no conversation, as tokens: a text ([E46]), texts and tokens ([E52]), or what is around a gap ([E53]).
 *
 * Thread  one.
 * Memory  the tokens are new memory of the caller.
 * Limits  of what is around a gap RAW_PROMPT_INFILL_TOKENS are taken, three quarters of them before it; other files get what the context
 *         has left, the last of them first.
 * Errors  STATUS_UNAVAILABLE: the model has no tokens for a gap. STATUS_INVALID: a token id that it does not have.
 */
#ifndef RUNNEL_ENGINES_LLAMA_RAW_PROMPT_H
#define RUNNEL_ENGINES_LLAMA_RAW_PROMPT_H

#include "model.h"

#define RAW_PROMPT_INFILL_TOKENS 2048 /* as llama-server, whose batch has so many */

/* raw_prompt_tokenize: `text` is the prompt where it is one text. */
MUST_CHECK enum status raw_prompt_tokenize(const struct model *model, const struct generate *generate,
                                           const char *text, size_t size, llama_token **out, int *n_tokens,
                                           struct fault *fault);

/* raw_prompt_text is what the tokens say, with the special ones, as valid UTF-8: new memory. NULL: it is longer than the server is told. */
#define RAW_PROMPT_TEXT_BYTES_MAX (1u << 20)
char *raw_prompt_text(const struct model *model, const llama_token *tokens, int n_tokens);

#endif
