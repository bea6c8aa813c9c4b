/* question.h - a request that a model answers without a generation (chat_ask): one question, one reply.
 *
 * Owner   the connection; freed when it closes.
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_API_QUESTION_H
#define RUNNEL_API_QUESTION_H

#include "api/api_internal.h"

/* question_ask takes over the reference to `members`. `reply` answers the request with the answer's `answer`; an error is answered in the form of the
 * path's API (reply_error). */
void question_ask(struct api *api, struct net_conn *net, const char *model_path, const char *op,
                  json_t *members, void (*reply)(struct net_conn *net, const json_t *answer));

/* question_http_status: of the code of a chat_answer. */
int question_http_status(const char *code);

#endif
