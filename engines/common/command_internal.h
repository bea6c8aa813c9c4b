/* command_internal.h - parts of command_decode that have a file of their own. */
#ifndef RUNNEL_ENGINES_COMMON_COMMAND_INTERNAL_H
#define RUNNEL_ENGINES_COMMON_COMMAND_INTERNAL_H

#include "common/command.h"

/* command_decode_raw reads what the model is given in the place of messages: "prompt" or "infill". */
MUST_CHECK enum status command_decode_raw(const json_t *object, struct generate *generate,
                                          struct fault *fault);

/* command_decode_biases reads "logit_bias" of `sampling`. */
MUST_CHECK enum status command_decode_biases(const json_t *object, struct sampling *sampling,
                                             struct fault *fault);

/* command_decode_constraints reads what the answer has to be: "tools" and what belongs to them, "format", "reasoning", "logprobs". */
MUST_CHECK enum status command_decode_constraints(const json_t *object, struct generate *generate,
                                                  struct fault *fault);

/* command_take_object: a field that is an object when it is there; absent is NULL. */
MUST_CHECK enum status command_take_object(const json_t *object, const char *key, const json_t **out,
                                           struct fault *fault);

/* command_decode_embed reads the members of `embed` ([E49]). */
MUST_CHECK enum status command_decode_embed(struct command *command, struct fault *fault);

/* command_take_tokens: a list of token ids of at least `min`, in new memory. `name` is what the caller calls it. */
MUST_CHECK enum status command_take_tokens(const json_t *list, const char *name, int32_t min, int32_t **out,
                                           size_t *n, struct fault *fault);

/* command_missing: a member that must be there is not. */
enum status command_missing(struct fault *fault, const char *key);

#endif
