/* responses_call.h - a connection that reads an answer as a response: whoever asked for it, or comes back to it.
 *
 * Owner   the connection (attached.h).
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_API_RESPONSES_CALL_H
#define RUNNEL_API_RESPONSES_CALL_H

#include "api/openai_call.h"
#include "api/responses.h"

struct responses_call {
    struct openai_call call;
    struct responses_writer writer; /* of a stream */
    json_t *record;                 /* NULL: none is known */
    bool has_logprobs;
    int64_t starting_after;         /* −1: from the beginning */
    struct responses_request asked; /* of a call that waits for the response before it */
    char model_path[PATH_MAX];
};

extern const struct attached_encoder responses_encoder;

#endif
