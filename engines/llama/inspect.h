/* inspect.h - what a model file says about itself, without reading its weights ([E8]), and what it takes of memory ([E50]).
 *
 * Memory  *out is a new reference to the whole event.
 * Errors  STATUS_NOT_FOUND, STATUS_CORRUPT, with the error filled in; inspect_check_file is the part that load shares.
 */
#ifndef RUNNEL_ENGINES_LLAMA_INSPECT_H
#define RUNNEL_ENGINES_LLAMA_INSPECT_H

#include "base/status.h"
#include "common/events.h"

#include <jansson.h>

/* inspect_check_file: the path is a whole GGUF file, as far as its head and its length say (gguf_head.h). Of a model in parts it looks at this
 * one. */
MUST_CHECK enum status inspect_check_file(const char *path, struct engine_error *error);

MUST_CHECK enum status inspect_model(const char *path, json_t **out, struct engine_error *error);

#endif
