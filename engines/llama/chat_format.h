/* chat_format.h - a conversation as the prompt that the model was trained on: its own Jinja template, rendered by
 * libllama-common.
 *
 * A C face for a C++ library: chat_format.cc is the only C++ of the program, and no exception leaves it.
 *
 * Owner   the model; chat_format_free before the model is freed.
 * Thread  one at a time.
 * Memory  a prompt belongs to the caller: chat_prompt_deinit.
 * Errors  STATUS_INVALID: the template refuses these messages (it says why).
 */
#ifndef RUNNEL_ENGINES_LLAMA_CHAT_FORMAT_H
#define RUNNEL_ENGINES_LLAMA_CHAT_FORMAT_H

#include "base/status.h"
#include "common/command.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHAT_PROMPT_STOPS_MAX 8

struct llama_model;
struct chat_format;

struct chat_prompt {
    char *text;
    size_t size;
    char *stops
        [CHAT_PROMPT_STOPS_MAX]; /* strings that end an answer in this format, beside the tokens that do */
    size_t n_stops;
};

/* chat_format_new: a model without a template, or with one that cannot be parsed, gets ChatML. NULL: the library failed. */
struct chat_format *chat_format_new(const struct llama_model *model, struct fault *fault);
void chat_format_free(struct chat_format *format);

/* chat_format_is_own: the template is the model's, not the fallback. */
bool chat_format_is_own(const struct chat_format *format);

MUST_CHECK enum status chat_format_render(const struct chat_format *format,
                                          const struct chat_message *messages, size_t n_messages,
                                          struct chat_prompt *out, struct fault *fault);
void chat_prompt_deinit(struct chat_prompt *prompt);

/* chat_format_quiet makes libllama-common log errors only, or everything with `debug`. Call before any other thread. */
void chat_format_set_log(bool debug);

#ifdef __cplusplus
}
#endif

#endif
