/* stream.h - the text of one generation as an append-only log.
 *
 * A message is a chain of generations: each goes on with the text of the one before it. Its text is all their texts in order.
 *
 * Event 1 is `start`, then one event per token, the last is `end`: seq is dense from 1 (P2). A token may be a thought or a piece of a
 * call in the place of text: such events add nothing to `text`, theirs is in `other`. Only committed events are here: what
 * stream_append is given was stored before (P4), so everything here may be shown.
 *
 * Owner   the conversation's message; readers keep a seq, never a pointer into the text.
 * Thread  the loop thread only.
 * Memory  stream_append copies; text from stream_read stays valid until the next append.
 * Units   sizes in bytes of valid UTF-8.
 * Limits  STREAM_TEXT_BYTES_MAX; beyond it an append is STATUS_FULL and the turn ends as "length".
 */
#ifndef RUNNEL_CHAT_STREAM_H
#define RUNNEL_CHAT_STREAM_H

#include "base/bytes.h"
#include "base/id.h"
#include "base/json.h"
#include "base/status.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

#define STREAM_TEXT_BYTES_MAX (64u << 20)

/* Where a token was when, by CLOCK_MONOTONIC. */
struct stream_stations {
    uint64_t seq; /* 0: unknown */
    uint64_t sampled_ns;
    uint64_t committed_ns;
};

struct stream {
    char id[ID_HEX_BYTES];        /* of the generation */
    int64_t key;                  /* its row in the store */
    char continues[ID_HEX_BYTES]; /* the generation that it goes on with; empty: it began the message */
    struct stream *next;          /* what goes on with it; NULL: the newest of its message */
    struct bytes text;
    uint32_t *ends;       /* ends[seq − 1]: size of the text after event seq */
    int32_t *tokens;      /* tokens[seq − 1]: the id; −1: the event is no token. NULL: unknown */
    uint8_t *kinds;       /* enum store_event_kind of event seq − 1; NULL: there was only text */
    uint32_t *other_ends; /* as `ends`, of `other`; NULL with kinds */
    struct bytes other;
    char **probabilities; /* of a call that wants them: JSON for each event; NULL: none */
    uint64_t last_seq;
    struct stream_stations stations; /* of the token that was appended last, in this life of the server */
    size_t capacity;
    uint64_t n_tokens; /* sampled tokens among the events: a flushed tail is an event and no token */
    uint32_t n_prompt_tokens;
    uint32_t context_size;
    bool is_ended;
    char *reason;  /* the rest is NULL or "" before the end */
    json_t *error; /* {"code","text"} or NULL */
    json_t *usage;
    json_t *timings;
    char *model;
    char *settings; /* what is needed to go on with it: settings_turn_text; NULL: unknown */
};

/* stream_new begins with the event `start`. */
struct stream *stream_new(const char *id, int64_t key, const char *model);

/* stream_restore makes the stream of a stored generation with its whole text. */
struct stream *stream_restore(const struct store_generation *generation, const char *text, size_t text_size);

void stream_free(struct stream *stream);

/* stream_append adds the event `seq`, which must be the next. */
MUST_CHECK enum status stream_append(struct stream *stream, uint64_t seq, int32_t token, const char *text,
                                     size_t text_size);

/* stream_append_other adds an event that is no text: `text` is a thought, or the JSON of a piece of a call. */
MUST_CHECK enum status stream_append_other(struct stream *stream, uint64_t seq, int32_t token,
                                           enum store_event_kind kind, const char *text, size_t text_size);

/* stream_note keeps what is known of the probability of the last event. */
void stream_note(struct stream *stream, const char *probabilities);
const char *stream_probabilities(const struct stream *stream, uint64_t seq); /* NULL: none */

/* stream_end adds the event `end`; takes over the references. Nothing follows it (P1). */
void stream_end(struct stream *stream, const char *reason, json_t *error, json_t *usage, json_t *timings);

/* The seq of the last event that is a token; 1 when there is none yet. */
uint64_t stream_last_token_seq(const struct stream *stream);

/* stream_kind: what an event between `start` and `end` is. */
enum store_event_kind stream_kind(const struct stream *stream, uint64_t seq);

/* stream_read gives the text of the events first … last (both of them tokens); stream_read_other what is no text of them. */
const char *stream_read(const struct stream *stream, uint64_t first, uint64_t last, size_t *text_size);
const char *stream_read_other(const struct stream *stream, uint64_t first, uint64_t last, size_t *size);

/* How much of the context prompt and answer fill after event seq. */
uint32_t stream_tokens_used(const struct stream *stream, uint64_t seq);

#endif
