/* ollama.h - [W85] to [W87], [W101] to [W103] Ollama's API: a request that was understood.
 *
 * Owner   whoever declares it; ollama_request_deinit frees what it holds.
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_API_OLLAMA_H
#define RUNNEL_API_OLLAMA_H

#include "api/api_internal.h"
#include "api/openai.h"

#include <limits.h>

#define OLLAMA_KEEP_UNSAID INT64_MIN

enum ollama_kind { OLLAMA_CHAT, OLLAMA_GENERATE };

struct ollama_request {
    struct openai_request request;
    bool is_load; /* nothing is asked: the model is to be loaded */
    int64_t
        keep_ms; /* how long the model is to stay; −1: for ever, OLLAMA_KEEP_UNSAID: nothing is said of it */
};

/* As openai_request_parse. */
MUST_CHECK bool ollama_request_parse(struct ollama_request *out, const json_t *body, enum ollama_kind kind,
                                     const struct settings *defaults, struct openai_error *error);
void ollama_request_deinit(struct ollama_request *request);

/* ---- ollama_keep.c ---- */

/* ollama_keep_take reads "keep_alive": a number of seconds, or a duration as Go writes it ("5m", "1h30m"). */
MUST_CHECK bool ollama_keep_take(const json_t *body, int64_t *keep_ms, struct openai_error *error);

/* ollama_keep_set: the model stays so long. It is a matter of the server: whoever may not decide it is not heard. */
void ollama_keep_set(struct api *api, const struct net_conn *net, const char *path, int64_t keep_ms);

/* ---- ollama_name.c ---- */

/* A file of a hub, as HOST/OWNER/REPO:FILE or HOST/OWNER/REPO/FILE name one. A tag that is no file's name is a quantisation, of which the file is called
 * as is the custom: the repository without "-GGUF", and the tag. */
struct ollama_hub_name {
    char hub[NAME_MAX + 16]; /* an address: https and the host */
    char repo[NAME_MAX + 1];
    char file[2 * NAME_MAX + 2];
};
/* False: it is the name of no such file. `suffix` is that of model files. */
bool ollama_name_parse(const char *name, const char *suffix, struct ollama_hub_name *out);

/* ollama_take_name is the name in `body`, without ":latest". False: it has none. */
MUST_CHECK bool ollama_take_name(const json_t *body, const char *key, char out[NAME_MAX + 1],
                                 struct openai_error *error);

/* ollama_take_model is the name that a model has here of which `body` speaks; the name of a file of a hub is that of the file. */
MUST_CHECK bool ollama_take_model(const struct api *api, const json_t *body, char out[NAME_MAX + 1],
                                  struct openai_error *error);

/* ollama_add_line writes a line of NDJSON; takes over the reference. */
void ollama_add_line(struct bytes *frame, json_t *line);

#endif
