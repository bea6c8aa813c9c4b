/* voice.h - the tokens of one answer, as the script has them: one after the other, or from behind a prefix ([E21]).
 *
 * Owner   one speech.
 * Memory  plain memory of the caller; bytes point into the script or the message.
 */
#ifndef RUNNEL_ENGINES_FAKE_VOICE_H
#define RUNNEL_ENGINES_FAKE_VOICE_H

#include "script.h"

#include "common/piece.h"

struct voice {
    const struct script_token *tokens;
    size_t n_tokens;
    size_t n_max; /* said, unless it ignores the end */
    bool echo;
    const char *rest; /* of the message, when echoing */
    bool ignores_end;
    int n_said; /* tokens of the whole answer: the prefix counts */
};

void voice_init(struct voice *voice, const struct script *script, const struct generate *generate);

/* voice_next gives the bytes and the id of the next token; false: the answer is over. */
bool voice_next(struct voice *voice, const char **data, size_t *size, int *token);

/* voice_other is what the token says besides its bytes, and before them; NULL: nothing. */
const struct step_item *voice_other(const struct voice *voice, int token);

/* voice_take_prefix moves behind the prefix, and feeds it to the piece. STATUS_INVALID: a token that the script does not have. */
MUST_CHECK enum status voice_take_prefix(struct voice *voice, const struct generate *generate,
                                         struct piece *piece, bool *stopped, struct engine_error *error);

#endif
