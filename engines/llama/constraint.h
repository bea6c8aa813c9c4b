/* constraint.h - which tokens may come next: the grammar of one answer over the vocabulary of its model ([E41]).
 *
 * The token that was drawn is looked at first, which costs nothing to speak of. Only when it does not fit all others are looked at, and it
 * is drawn again among those that do.
 *
 * Owner   one generation; constraint_free: NULL is fine.
 * Thread  one at a time.
 * Memory  the words of the vocabulary are made when a constraint of a model looks at all of them for the first time, and kept with it.
 * Errors  constraint_new: STATUS_INVALID or STATUS_TOO_LARGE say what is wrong with the grammar.
 */
#ifndef RUNNEL_ENGINES_LLAMA_CONSTRAINT_H
#define RUNNEL_ENGINES_LLAMA_CONSTRAINT_H

#include "chat_format.h"
#include "model.h"

struct constraint;

/* constraint_new_words makes an empty place for the words of a vocabulary. Owner: the model. */
struct model_words *constraint_new_words(void);
void constraint_free_words(struct model_words *words);

/* constraint_new: with the grammar of the prompt, which holds from one of its triggers on, if it has any; `words` are special tokens that
 * count as text. */
MUST_CHECK enum status constraint_new(const struct model *model, const struct chat_prompt *prompt,
                                      const struct model_tokens *words, struct constraint **out,
                                      struct fault *fault);
void constraint_free(struct constraint *constraint);

/* constraint_allows: may this token come next? */
bool constraint_allows(struct constraint *constraint, llama_token token);

/* constraint_mask makes all others impossible; returns how many are left. */
int constraint_mask(struct constraint *constraint, float *logits);

/* constraint_take goes on behind a token. False: it does not fit, or it is too much work. */
bool constraint_take(struct constraint *constraint, llama_token token);

/* constraint_may_end: what was said is whole. */
bool constraint_may_end(const struct constraint *constraint);

#endif
