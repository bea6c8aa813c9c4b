/* chat_format.h - a conversation as the prompt that the model was trained on: its own Jinja template, rendered by
 * libllama-common; and, from the same template, how the answer is to be read and what it may be.
 *
 * A C face for a C++ library: chat_format.cc and chat_parser.cc are the only C++ of the program, and no exception leaves them.
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
#include "trigger.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHAT_PROMPT_STOPS_MAX 8
#define CHAT_PROMPT_WORDS_MAX 64

struct llama_model;
struct chat_format;
struct chat_parser;

struct chat_prompt {
    char *text;
    size_t size;
    char *stops
        [CHAT_PROMPT_STOPS_MAX]; /* strings that end an answer in this format, beside the tokens that do */
    size_t n_stops;
    char *words[CHAT_PROMPT_WORDS_MAX]; /* special tokens that the answer has as text, as <tool_call> */
    size_t n_words;
    char *grammar;       /* what the answer has to fit, in GBNF; NULL: anything */
    char *grammar_begin; /* what the grammar has taken before the answer begins */
    /* From where on it has to; no words: from its beginning on. */
    struct trigger_word triggers[TRIGGER_WORDS_MAX];
    size_t n_triggers;
    bool is_thinking;           /* the answer begins in a thought */
    struct chat_parser *parser; /* takes the answer apart; NULL: all of it is content */
};

/* chat_format_new: a model without a template, or with one that cannot be parsed, gets ChatML. NULL: the library failed. */
struct chat_format *chat_format_new(const struct llama_model *model, struct fault *fault);
void chat_format_free(struct chat_format *format);

/* chat_format_is_own: the template is the model's, not the fallback. */
bool chat_format_is_own(const struct chat_format *format);

/* chat_format_render: the messages, tools, format and reasoning of `generate`, without the messages drop_from … drop_to − 1. A grammar that comes from a schema is at most
 * GRAMMAR_BYTES_MAX long; nobody has looked into it yet. */
MUST_CHECK enum status chat_format_render(const struct chat_format *format, const struct generate *generate,
                                          size_t drop_from, size_t drop_to, struct chat_prompt *out,
                                          struct fault *fault);
void chat_prompt_deinit(struct chat_prompt *prompt);

/* chat_format_quiet makes libllama-common log errors only, or everything with `debug`. Call before any other thread. */
void chat_format_set_log(bool debug);

#ifdef __cplusplus
}
#endif

#endif
