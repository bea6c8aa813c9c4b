/* embeddings.h - texts and their vectors, for every interface that asks for them: [W100] [W101].
 *
 * The model is asked for EMBEDDINGS_ASK_MAX texts at a time, one question after the other: no client has the engine for itself, and one that leaves takes
 * back what was not begun.
 *
 * Owner   the connection; freed when it closes.
 * Thread  the loop thread only.
 * Limits  EMBEDDINGS_MAX texts, EMBEDDINGS_BYTES_MAX of answer: 400.
 */
#ifndef RUNNEL_API_EMBEDDINGS_H
#define RUNNEL_API_EMBEDDINGS_H

#include "api/api_internal.h"

#define EMBEDDINGS_MAX       2048 /* as OpenAI's */
#define EMBEDDINGS_ASK_MAX   16   /* [E49] */
#define EMBEDDINGS_BYTES_MAX (64u << 20)

enum embeddings_form {
    EMBEDDINGS_OPENAI,
    EMBEDDINGS_OPENAI_BASE64,
    EMBEDDINGS_OLLAMA,
    EMBEDDINGS_OLLAMA_ONE, /* the older of its two */
};

struct embeddings_order {
    enum embeddings_form form;
    json_t *inputs; /* texts and lists of token ids, at least one; shared */
    bool truncate;
    int64_t n_dimensions; /* 0: all */
    const char *model;    /* as the client knows it */
    const char *path;
};

/* embeddings_make answers the request, now or later. */
void embeddings_make(struct api *api, struct net_conn *net, const struct embeddings_order *order);

#endif
