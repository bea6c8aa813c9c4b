/* responses.h - [W76] to [W80]: OpenAI's Responses API: a request that was understood, the objects, and the events.
 *
 * Owner   whoever declares a struct; the deinit functions free what it holds.
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_API_RESPONSES_H
#define RUNNEL_API_RESPONSES_H

#include "api/openai.h"
#include "base/bytes.h"
#include "base/id.h"
#include "chat/conversation.h"

#define RESPONSES_ID_PREFIX "resp_"

/* ---- responses_request.c ---- */

struct responses_request {
    struct openai_request request;            /* its messages are the new ones, without the instructions */
    const char *instructions;                 /* borrowed from the body; NULL: none */
    char previous[ID_HEX_BYTES];              /* the generation of previous_response_id; "": none */
    char conversation[ID_CONVERSATION_BYTES]; /* "": none */
    bool store;
    bool background;
    json_t *record; /* what the object repeats of the request, and `items`: the input */
};

/* As openai_request_parse. */
MUST_CHECK bool responses_request_parse(struct responses_request *out, const json_t *body,
                                        const struct settings *defaults, struct openai_error *error);
void responses_request_deinit(struct responses_request *request);
/* responses_parse_id reads "resp_" and the id of a generation. */
bool responses_parse_id(const char *text, char out[ID_HEX_BYTES]);

/* responses_input.c: the items of "input" as messages in OpenAI's form, appended to `messages`. */
MUST_CHECK bool responses_input_take(json_t *messages, const json_t *input, struct openai_error *error);

/* ---- responses_writer.c ---- The output of an answer, item by item; and, when somebody listens, as events. */

enum responses_kind { RESPONSES_NOTHING, RESPONSES_REASONING, RESPONSES_MESSAGE, RESPONSES_CALL };

struct responses_writer {
    const char *message_id; /* the ids of items are made of it */
    bool has_logprobs;
    int64_t sequence_number;  /* of the next event */
    int64_t starting_after;   /* events up to this number are not written; −1: all are */
    json_t *output;           /* the items that are whole */
    enum responses_kind kind; /* of the one that is open */
    json_t *item;             /* it; NULL: none is */
    json_t *logprobs;         /* of its text */
    struct bytes text;        /* its text, or its arguments */
};

void responses_writer_init(struct responses_writer *writer, const char *message_id, bool has_logprobs);
void responses_writer_deinit(struct responses_writer *writer);
/* `frame` NULL: nobody listens. responses_writer_add takes one event of the answer, responses_writer_close ends the item that is open. */
void responses_writer_add(struct responses_writer *writer, struct bytes *frame, const struct message *message,
                          const struct stream *stream, uint64_t seq);
void responses_writer_close(struct responses_writer *writer, struct bytes *frame, bool is_whole);
/* responses_writer_event appends an event with the object `response`, which it takes over. */
void responses_writer_event(struct responses_writer *writer, struct bytes *frame, const char *type,
                            json_t *response);

/* ---- responses_object.c ---- */

/* responses_object is the whole object: as it is now, with the output of `output` (taken over). `record` is of the request; NULL: it is not known. */
struct responses_view {
    const struct conversation *conversation;
    const struct message *message;
    const char *model;
    const json_t *record;
    bool has_logprobs; /* the output has them */
};
json_t *responses_object(const struct responses_view *view, json_t *output);
/* The same before anything was said. */
json_t *responses_object_begun(const struct responses_view *view, const char *status);
/* responses_object_now reads the output from the answer. */
json_t *responses_object_now(const struct responses_view *view);
/* The type of the last event. */
const char *responses_end_type(const struct stream *stream);

#endif
