/* openai_call.h - what the attached calls of the OpenAI-compatible API have in common, whatever their answers look like: the model, the usage, the
 * errors.
 *
 * Owner   the connection (attached.h); openai_call_deinit frees what is here.
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_API_OPENAI_CALL_H
#define RUNNEL_API_OPENAI_CALL_H

#include "api/attached.h"
#include "api/openai.h"

struct openai_call {
    struct attached attached;
    bool includes_usage;
    bool timings_per_token;
    const char *messages_param; /* what is too long when the prompt is */
    const char *constrained_by; /* the parameter that an engine may refuse; NULL: none */
    int64_t created_s;
    char *model;
    const struct llama_stream *stream; /* its name, until it is asked for; NULL: none */
    char *head;                        /* of every chunk, up to "choices"; NULL: the stream has not begun */
};

/* openai_call_begin makes one of n_bytes, which begins with struct openai_call, for an understood request and the path of its model. */
void *openai_call_begin(size_t n_bytes, const struct attached_encoder *encoder, struct api *api,
                        struct net_conn *net, const struct openai_request *request, const char *path);
/* openai_call_find does so too, and finds the path by the model's name. NULL: there is none such, and it has been answered. */
void *openai_call_find(size_t n_bytes, const struct attached_encoder *encoder, struct api *api,
                       struct net_conn *net, const struct openai_request *request, char path[PATH_MAX]);
/* openai_call_open_stream: the entry of a stream that its client names [W109], which ends an answer that had this name; NULL: it names none. */
struct llama_stream *openai_call_open_stream(struct openai_call *self, const struct openai_request *request);
/* openai_call_ask: an answer that is to be kept, by `store` or the header of [W93], is: the request has the whole conversation. Else a
 * last message of the assistant is gone on with [O13]. */
void openai_call_ask(struct openai_call *self, struct openai_request *request, const char *path);
void openai_call_deinit(struct attached *attached);

/* openai_call_resolve: the path of the model that a request names. */
MUST_CHECK bool openai_call_resolve(const struct api *api, const char *model, char path[PATH_MAX],
                                    struct openai_error *error);
/* The name a model has in the list: its file's, without the suffix. New memory. */
char *openai_call_model_id(struct api *api, const char *path);

json_t *openai_call_usage(const struct openai_call *self);
/* openai_call_add_head appends what all chunks of the call have in common: "id", "object", "created", "model", "choices":[. */
void openai_call_add_head(struct openai_call *self, struct bytes *frame, const char *id_prefix,
                          const char *object);
/* openai_call_add_tail ends a chunk behind its choice: usage, and times where they belong. `item`: its token; NULL: the last with a choice. */
void openai_call_add_tail(const struct openai_call *self, struct bytes *frame, const struct watch_item *item);
/* openai_call_add_begin_tail: the same of a chunk that comes before the first token. */
void openai_call_add_begin_tail(const struct openai_call *self, struct bytes *frame);
/* openai_call_add_progress_tail: the same of one that says how far the prompt is. */
void openai_call_add_progress_tail(const struct openai_call *self, struct bytes *frame,
                                   const struct attached_progress *progress);
/* openai_call_add_last appends the chunk of include_usage, if it is wanted, and the end of the stream. */
void openai_call_add_last(const struct openai_call *self, struct bytes *frame);
/* openai_call_whole is the answer in one piece; takes over the reference to the choice. */
json_t *openai_call_whole(const struct openai_call *self, const char *id_prefix, const char *object,
                          json_t *choice);

/* openai_call_error says a failure as [O3]; the two after it are members of an encoder. */
struct openai_error openai_call_error(const struct openai_call *self, const struct attached_failure *failure);
void openai_call_reply_failure(struct attached *attached, const struct attached_failure *failure);
void openai_call_add_failure(struct attached *attached, struct bytes *frame,
                             const struct attached_failure *failure);

#endif
