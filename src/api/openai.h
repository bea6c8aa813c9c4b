/* openai.h - what the files of the OpenAI-compatible API share: errors, and a request that was understood.
 *
 * Owner   whoever declares a struct; openai_request_deinit frees what a request holds.
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_API_OPENAI_H
#define RUNNEL_API_OPENAI_H

#include "base/json.h"
#include "base/status.h"
#include "chat/settings.h"
#include "net/net.h"

#include <stdbool.h>

#define OPENAI_PARAM_BYTES 64

/* [O3] */
struct openai_error {
    int status;                     /* HTTP */
    const char *code;               /* a constant; NULL: none */
    char param[OPENAI_PARAM_BYTES]; /* "": none */
    char text[FAULT_TEXT_BYTES];
};

/* openai_error_set fills it in and returns false, so that `return openai_error_set(…)` reads well. */
bool openai_error_set(struct openai_error *error, int status, const char *code, const char *param,
                      const char *format, ...) PRINTF_LIKE(5, 6);
/* openai_error_check: false where a value could not be read, and the error says why. */
bool openai_error_check(enum status status, const struct fault *fault, const char *param,
                        struct openai_error *error);
/* openai_error_rename: the parser of chats has complained of what its caller's API calls something else, in `param` and in the text. */
struct openai_name {
    const char *chat;
    const char *own;
};
void openai_error_rename(struct openai_error *error, const struct openai_name *names, size_t n);
json_t *openai_error_json(const struct openai_error *error); /* {"error":{…}}, a new reference */
void openai_error_reply(struct net_conn *net, const struct openai_error *error); /* in reply.c */
/* openai_error_body: as clients of that path read it: llama-server's have a form of their own [W105]. */
json_t *openai_error_body(const char *path, const struct openai_error *error);
/* openai_error_is_path: its errors have one of these two forms. */
bool openai_error_is_path(const char *path);

/* [O2] */
struct openai_request {
    json_t *messages;  /* [{role, content}…], content always a string; of tools: tool_calls, tool_call_id */
    const char *model; /* borrowed from the body; NULL: the configured one */
    bool stream;
    bool include_usage;
    bool store; /* its answer is kept in a conversation [W93] */
    bool has_tools;
    bool has_format; /* the answer has to be JSON */
    bool logprobs;
    bool timings_per_token; /* of llama-server [W107] */
    bool return_progress;
    struct settings settings;
};

/* openai_request_parse: what the body does not name comes from `defaults`. False: the error says why, and
 * nothing is held. */
MUST_CHECK bool openai_request_parse(struct openai_request *request /* out */, const json_t *body,
                                     const struct settings *defaults, struct openai_error *error /* out */);
/* openai_request_begin_answer: a last message of the assistant is no message, but what the answer begins with [O13], unless it calls tools or is
 * the only one. */
void openai_request_begin_answer(struct openai_request *request);
/* openai_take_bool leaves `out` alone where there is none. */
bool openai_take_bool(const json_t *body, const char *key, bool *out, struct openai_error *error);
/* Parts of openai_request_parse, in openai_format.c. openai_format_take_calls adds to `out` what a message has of calls. */
MUST_CHECK bool openai_format_take(struct openai_request *request, const json_t *body,
                                   struct openai_error *error);
/* openai_llama_take, in openai_llama.c: what clients of llama-server add to any request [W108]. */
MUST_CHECK bool openai_llama_take(struct openai_request *request, const json_t *body,
                                  struct openai_error *error);
MUST_CHECK bool openai_format_take_calls(json_t *out, const json_t *message, const char *param,
                                         struct openai_error *error);

void openai_request_deinit(struct openai_request *request);

/* openai_request_more: the members of `generate` that the request has gathered (settings.more), made when there are none yet; borrowed. */
json_t *openai_request_more(struct openai_request *request);

#endif
