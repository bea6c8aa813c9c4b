/* parking.h - what no generation uses waits in plain memory, out of the way of those that compute.
 *
 * In a unified cache each step walks over the cells of all sequences and leaves out those of others one by one. Measured with SmolLM2-135M
 * on two cores: an answer of 100 tokens that is made at 260 tokens/s alone is made at 122 beside 5,000 idle cells and at 66 beside 20,000. Copying a
 * sequence out or in costs 10 ms for 1,000 tokens at the most. So when a generation begins, the idle slots are copied out; the one that it can use
 * comes back, to the beginning of the cache.
 *
 * A parked slot keeps its tokens, so prompts find it as before, and it has no cells. When the memory for it is used up, the one that
 * was not used for the longest time is forgotten.
 *
 * Owner   the slots.
 * Thread  one.
 * Memory  at most slots->parked_bytes_max; slots_deinit frees it.
 * Limits  only where the cache can be cut and no layer has a window: else a slot stays where it is.
 */
#ifndef RUNNEL_ENGINES_LLAMA_PARKING_H
#define RUNNEL_ENGINES_LLAMA_PARKING_H

#include "slots.h"

/* Fewer idle cells than these cost less than the copies. */
#define PARKING_CELLS_MIN 512

/* parking_init: at most so much memory as the cache itself has, and a quarter of what the machine has left. */
void parking_init(struct slots *slots);

/* parking_clear_way parks the idle slots that share less than half of what they hold, if slots->parking_cells_min cells or more of all idle ones
 * together are in the way: the first n_usable of `wanted` (NULL: none) are about to be used. One that alone is in the cache stays: it is
 * likely the one that goes on. */
void parking_clear_way(struct slots *slots, const struct slot *wanted, int n_usable);

/* parking_return brings a parked slot back into the cache; for room others are given up. False: it could not be, and the slot is empty. */
bool parking_return(struct slots *slots, struct slot *slot);

/* parking_drop gives up what is parked of a slot; its tokens are gone. */
void parking_drop(struct slots *slots, struct slot *slot);

#endif
