/* command_internal.h - parts of command_decode that have a file of their own. */
#ifndef RUNNEL_ENGINES_COMMON_COMMAND_INTERNAL_H
#define RUNNEL_ENGINES_COMMON_COMMAND_INTERNAL_H

#include "common/command.h"

/* command_decode_biases reads "logit_bias" of `sampling`. */
MUST_CHECK enum status command_decode_biases(const json_t *object, struct sampling *sampling,
                                             struct fault *fault);

/* command_decode_constraints reads what the answer has to be: "tools" and what belongs to them, "format", "reasoning", "logprobs". */
MUST_CHECK enum status command_decode_constraints(const json_t *object, struct generate *generate,
                                                  struct fault *fault);

/* command_take_object: a field that is an object when it is there; absent is NULL. */
MUST_CHECK enum status command_take_object(const json_t *object, const char *key, const json_t **out,
                                           struct fault *fault);

#endif
