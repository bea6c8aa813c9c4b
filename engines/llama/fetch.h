/* fetch.h - the beginning of a prompt comes back from the disk instead of being computed.
 *
 * Files are read ahead while others compute; each goes into the cache between two steps. A file that cannot be used ends the fetch: what it
 * and the others behind it would have given is computed.
 *
 * Owner   a generation, until it is over.
 * Thread  one.
 * Memory  fetch_free gives everything back, at any time.
 * Limits  FETCH_AHEAD files are in memory.
 */
#ifndef RUNNEL_ENGINES_LLAMA_FETCH_H
#define RUNNEL_ENGINES_LLAMA_FETCH_H

#include "cost.h"
#include "keep.h"

#define FETCH_AHEAD 4

struct fetch;

/* fetch_begin looks whether the disk has more of the prompt than n_had tokens, and whether loading that is faster than computing it, as
 * `cost` foresees for that lane. NULL: not. The first n_prompt − 1 tokens may come from there. */
struct fetch *fetch_begin(struct keep *keep, const llama_token *prompt, int n_prompt, int n_had,
                          const struct cost *cost, int lane);
void fetch_free(struct fetch *fetch);

/* fetch_advance puts files that have come into the slot's part of the cache, *n_files at most, and counts them off. True: there is more to
 * come. */
bool fetch_advance(struct fetch *fetch, struct slot *slot, int *n_files);

#endif
