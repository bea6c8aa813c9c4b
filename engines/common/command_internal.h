/* command_internal.h - parts of command_decode that have a file of their own. */
#ifndef RUNNEL_ENGINES_COMMON_COMMAND_INTERNAL_H
#define RUNNEL_ENGINES_COMMON_COMMAND_INTERNAL_H

#include "common/command.h"

/* command_decode_biases reads "logit_bias" of `sampling`. */
MUST_CHECK enum status command_decode_biases(const json_t *object, struct sampling *sampling,
                                             struct fault *fault);

#endif
