/* generation_events.h - the events of one generation as JSON [W27]: for pages, and for event streams.
 *
 * Thread  the loop thread only.
 * Memory  appended to `out`; check its `failed` at the end.
 */
#ifndef RUNNEL_API_GENERATION_EVENTS_H
#define RUNNEL_API_GENERATION_EVENTS_H

#include "api/api_internal.h"

/* generation_events_add appends the object of the event `seq`, which exists. */
void generation_events_add(struct bytes *out, const struct message *message, const struct stream *stream,
                           uint64_t seq);
const char *generation_events_type(const struct stream *stream, uint64_t seq);

/* Answers GET /api/generations/{id}/events with a page after `after_seq`, which is not ahead. */
void generation_events_reply(struct net_conn *net, const char *epoch, const struct message *message,
                             const struct stream *stream, uint64_t after_seq, uint32_t n_max);

#endif
