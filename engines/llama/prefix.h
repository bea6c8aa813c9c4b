/* prefix.h - the beginning of an answer that an earlier run said ([E21]).
 *
 * Its tokens follow the conversation in the prompt, and go through joiner and stop strings as if they had just been sampled, but
 * are not said again.
 *
 * Greedy sampling and a seed promise the same answer again. Sums over a batch of tokens are rounded differently from those over one,
 * and two tokens that are nearly equally likely change places then: so such a prefix is computed in steps of one token, as it was
 * when it was sampled. That costs as much time as saying it did; a longer one, or one that nobody can repeat anyhow, is computed in
 * chunks like a prompt. Random numbers depend on the place of a token alone (draw.h); Mirostat hangs on all tokens before, and is shown
 * them again.
 */
#ifndef RUNNEL_ENGINES_LLAMA_PREFIX_H
#define RUNNEL_ENGINES_LLAMA_PREFIX_H

#include "generation.h"

#define PREFIX_STEPWISE_TOKENS_MAX 4096

/* prefix_take adds the prefix of the command, if there is one. A stop string that is complete in it sets the reason, and so does a
 * token that the model does not have. */
void prefix_take(struct generation *generation, const struct model *model);

#endif
