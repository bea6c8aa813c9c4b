/* openai_chat.h - the stream of POST /v1/chat/completions, for those who take it up again [W109].
 *
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_API_OPENAI_CHAT_H
#define RUNNEL_API_OPENAI_CHAT_H

#include "api/api_internal.h"

/* openai_chat_resume gives the bytes of a stream from an offset on, and goes on with it live. */
void openai_chat_resume(struct api *api, struct net_conn *net, const struct llama_stream *stream,
                        uint64_t from);

#endif
