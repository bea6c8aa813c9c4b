/* ollama.h - [W85] to [W88] Ollama's API: a request that was understood.
 *
 * Owner   whoever declares it; ollama_request_deinit frees what it holds.
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_API_OLLAMA_H
#define RUNNEL_API_OLLAMA_H

#include "api/openai.h"

#include <limits.h>

enum ollama_kind { OLLAMA_CHAT, OLLAMA_GENERATE };

struct ollama_request {
    struct openai_request request;
    bool is_load;   /* nothing is asked: the model is to be loaded */
    bool is_unload; /* or unloaded: keep_alive 0 */
};

/* As openai_request_parse. */
MUST_CHECK bool ollama_request_parse(struct ollama_request *out, const json_t *body, enum ollama_kind kind,
                                     const struct settings *defaults, struct openai_error *error);
void ollama_request_deinit(struct ollama_request *request);

/* ollama_take_model is the name that `body` has of a model, without ":latest". False: it has none. */
MUST_CHECK bool ollama_take_model(const json_t *body, char out[NAME_MAX + 1], struct openai_error *error);

#endif
