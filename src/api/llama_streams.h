/* llama_streams.h - [W109] streams that clients of llama-server name themselves, and come back to: which answer of which conversation a name
 * means, and how its stream was written.
 *
 * Owner   the api. An entry lives until LLAMA_STREAMS_MAX newer ones were made, its name was taken by another, or the server ends; whoever
 *         reads its tape holds that, not the entry.
 * Thread  the loop thread only.
 * Memory  what an entry borrows is copied.
 */
#ifndef RUNNEL_API_LLAMA_STREAMS_H
#define RUNNEL_API_LLAMA_STREAMS_H

#include "api/tape.h"
#include "base/id.h"
#include "base/json.h"
#include "base/list.h"

#define LLAMA_STREAMS_MAX     1024
#define LLAMA_STREAM_ID_BYTES 257 /* a name and its NUL */

struct llama_stream {
    struct list_node node;
    uint64_t asker; /* whose name it is: names of different keys are different */
    char id[LLAMA_STREAM_ID_BYTES];
    char conversation[ID_CONVERSATION_BYTES]; /* "": none yet */
    char generation[ID_HEX_BYTES];            /* "": it has not begun */
    bool is_gone; /* the client was done with it; the next one goes on in its conversation */
    struct tape *tape;
    /* How it was written. */
    int64_t created_s;
    char *model;
    bool includes_usage;
    bool has_logprobs;
    bool timings_per_token;
};

struct llama_streams {
    struct list_node all; /* the oldest first */
    size_t n;
};

void llama_streams_init(struct llama_streams *streams);
void llama_streams_deinit(struct llama_streams *streams);

/* llama_streams_is_id: this can be such a name. */
bool llama_streams_is_id(const char *id);

/* llama_streams_find: NULL: there is none. */
struct llama_stream *llama_streams_find(const struct llama_streams *streams, uint64_t asker, const char *id);

/* llama_streams_open makes a new one of that name, in the conversation of the one before it. Borrowed until the next open. */
struct llama_stream *llama_streams_open(struct llama_streams *streams, uint64_t asker, const char *id);

#endif
