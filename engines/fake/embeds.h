/* embeds.h - the texts that the fake engine is to make vectors of ([E49]).
 *
 * A vector counts words: each adds 1 at a place that its token decides. So texts of the same words are the same, and those that have none in
 * common are far apart.
 *
 * Owner   the engine's main loop.
 * Memory  embeds_add takes the command.
 */
#ifndef RUNNEL_ENGINES_FAKE_EMBEDS_H
#define RUNNEL_ENGINES_FAKE_EMBEDS_H

#include "script.h"

#define EMBEDS_DIMENSIONS 16

struct embeds {
    struct command *first; /* in the order they came: held by the start_gate */
};

/* embeds_add answers at once, unless the script's start_gate is closed. */
void embeds_add(struct embeds *embeds, const struct script *script, struct events *events,
                struct command *command);

/* embeds_advance answers what was held, once it may; false: something still is. */
bool embeds_advance(struct embeds *embeds, const struct script *script, struct events *events);

/* embeds_cancel: an unknown id is ignored. NULL cancels all. */
void embeds_cancel(struct embeds *embeds, struct events *events, const char *id);

#endif
