/* anthropic.h - [W81] to [W83] Anthropic's Messages API: a request that was understood, and errors.
 *
 * Owner   whoever declares a struct; anthropic_request_deinit frees what it holds.
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_API_ANTHROPIC_H
#define RUNNEL_API_ANTHROPIC_H

#include "api/api_internal.h"
#include "api/openai.h"

#include <limits.h>

/* The request of a chat that means the same. needs_limit: `max_tokens` must be there. As openai_request_parse. */
MUST_CHECK bool anthropic_request_parse(struct openai_request *request, const json_t *body, bool needs_limit,
                                        const struct settings *defaults, struct openai_error *error);

/* anthropic_take reads the request and finds its model; it holds nothing of the body. False: it has been answered. */
MUST_CHECK bool anthropic_take(struct api *api, struct net_conn *net, bool is_message,
                               struct openai_request *request, char path[PATH_MAX]);

/* ---- anthropic_error.c ---- */
bool anthropic_is_path(const char *path);
json_t *anthropic_error_json(int status, const char *text); /* {"type":"error","error":{…}} */
void anthropic_error_reply(struct net_conn *net, int status, const char *text);

#endif
