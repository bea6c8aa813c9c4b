/* openai_answer.h - what an answer has besides its content, as the OpenAI-compatible API says it: thoughts, calls, probabilities [O8] to [O10].
 *
 * Thread  the loop thread only.
 * Memory  new references; frames are appended to.
 */
#ifndef RUNNEL_API_OPENAI_ANSWER_H
#define RUNNEL_API_OPENAI_ANSWER_H

#include "chat/conversation.h"

/* openai_answer_text is the content; "" when nothing was said. */
json_t *openai_answer_text(const struct message *message);

/* openai_answer_add_delta appends the members of the "delta" of one event, if it says something. */
bool openai_answer_has_delta(const struct watch_item *item);
void openai_answer_add_delta(struct bytes *frame, const struct watch_item *item);

/* openai_answer_logprobs is "logprobs" of a choice: of one event, or of all that are content (seq 0); NULL: they are not known. */
json_t *openai_answer_logprobs(const struct message *message, const struct stream *stream, uint64_t seq);

#endif
