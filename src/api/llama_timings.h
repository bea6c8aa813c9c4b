/* llama_timings.h - [W107] how long an answer took, and how far its prompt is, as llama-server says it.
 *
 * Thread  the loop thread only.
 * Memory  new references.
 * Units   milliseconds, tokens. The rate of an answer does not count its first token, which comes out of the prompt.
 */
#ifndef RUNNEL_API_LLAMA_TIMINGS_H
#define RUNNEL_API_LLAMA_TIMINGS_H

#include "api/attached.h"

/* llama_timings_whole is of an answer that has ended: the engine's times. */
json_t *llama_timings_whole(const struct attached *attached);
/* llama_timings_now is up to a token of it, as it was seen here; llama_timings_add_now appends the same as text, with as many bytes for every
 * reader, whatever the times are. */
json_t *llama_timings_now(const struct attached *attached, const struct watch_item *item);
void llama_timings_add_now(struct bytes *frame, const struct attached *attached,
                           const struct watch_item *item);
/* llama_timings_progress is prompt_progress. */
json_t *llama_timings_progress(const struct attached_progress *progress);

#endif
