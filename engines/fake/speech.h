/* speech.h - the generations of the fake engine: queue, prefill, one token of each per step.
 *
 *   queued ──slot free──▶ prefill ──done = total──▶ speaking ──▶ end
 *      └────────────── cancel, in every state ───────────────────▲
 *
 * Owner   the engine's main loop.
 * Memory  speeches_add takes the command.
 * Limits  SPEECHES_QUEUED_MAX generations wait.
 */
#ifndef RUNNEL_ENGINES_FAKE_SPEECH_H
#define RUNNEL_ENGINES_FAKE_SPEECH_H

#include "script.h"

#include "common/events.h"

#define SPEECHES_QUEUED_MAX 4096
#define SPEECHES_KEYS_MAX   64

struct speech;

/* What a conversation left in the pretended cache. */
struct speech_memory {
    char *cache_key;
    int n_tokens;
};

struct speeches {
    struct events *events;
    const struct script *script;
    struct speech *first;   /* in the order they came */
    struct command *drafts; /* that are held */
    int n_active;
    int n_queued;
    uint64_t next_step_ns;
    struct speech_memory memories[SPEECHES_KEYS_MAX];
    size_t next_memory;
};

void speeches_init(struct speeches *speeches, struct events *events, const struct script *script);
void speeches_deinit(struct speeches *speeches);

/* speeches_count_prompt: so many tokens has the prompt of such a command. */
int speeches_count_prompt(const struct script *script, const struct generate *generate);

void speeches_add(struct speeches *speeches, struct command *command);

/* speeches_add_draft takes a `prefill`: what it says counts as cached for its conversation. With hold_drafts it ends with the next
 * generation or a cancel only. */
void speeches_add_draft(struct speeches *speeches, struct command *command);

/* speeches_forget: nothing is cached of this conversation. */
void speeches_forget(struct speeches *speeches, const char *cache_key);

/* speeches_cancel: an unknown id is ignored ([E16]). NULL cancels all. */
void speeches_cancel(struct speeches *speeches, const char *id);

/* speeches_advance does what is due and returns how long nothing will be, in ms (−1: until a command comes). */
int speeches_advance(struct speeches *speeches);

#endif
