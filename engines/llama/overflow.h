/* overflow.h - a conversation as a prompt, and what of it is left out when it is longer than the context.
 *
 * With `overflow` = stop the whole conversation is the prompt; one that does not fit is refused by whoever asked. With drop_oldest the
 * oldest turns go, whole ones, until the rest leaves an eighth of the context for the answer; the system prompt and the last
 * message of the person stay. Positions are never shifted: the prompt is rendered without those messages.
 *
 * They go in steps of a quarter of the context and not one by one, and the steps depend on the oldest messages alone: the next turns
 * begin with the same tokens, and find them in the cache.
 *
 * Thread  one.
 * Memory  the tokens and chat_prompt belong to the caller, also when it failed.
 */
#ifndef RUNNEL_ENGINES_LLAMA_OVERFLOW_H
#define RUNNEL_ENGINES_LLAMA_OVERFLOW_H

#include "model.h"

#define OVERFLOW_ANSWER_SHARE 8 /* of the context */
#define OVERFLOW_STEP_SHARE   4

struct overflow_prompt {
    struct chat_prompt chat;
    llama_token *tokens; /* NULL: the text could not be turned into tokens */
    int n_tokens;
    size_t n_dropped; /* messages */
};

MUST_CHECK enum status overflow_render(const struct model *model, const struct generate *generate,
                                       struct overflow_prompt *out, struct fault *fault);

#endif
