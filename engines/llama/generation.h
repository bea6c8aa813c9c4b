/* generation.h - one answer in the making: from the command to its one `end`.
 *
 *   queued ──a slot and room──▶ prefill ──prompt computed──▶ decoding ──▶ ended
 *      └─────────────── cancel, error, in every state ───────────────────▲
 *
 * Owner   the scheduler.
 * Thread  one.
 * Memory  generation_new takes the command, also when it fails; generation_free releases all.
 */
#ifndef RUNNEL_ENGINES_LLAMA_GENERATION_H
#define RUNNEL_ENGINES_LLAMA_GENERATION_H

#include "chat_parser.h"
#include "sampler.h"
#include "slots.h"
#include "speculation.h"

#include "common/events.h"
#include "common/piece.h"

enum generation_state { GENERATION_QUEUED, GENERATION_PREFILL, GENERATION_DECODING, GENERATION_ENDED };

struct fetch;

struct generation {
    struct generation *next;
    struct command *command;
    bool is_draft; /* nobody has sent it yet: its prompt is computed, and that is all */
    enum generation_state state;
    struct slot *slot; /* NULL while queued */
    struct sampler *sampler;
    struct speculation *speculation; /* NULL: it has not been of use yet */
    struct piece piece;
    struct chat_parser *parser;    /* NULL: all that is said is content */
    struct model_tokens words;     /* special tokens that count as text */
    struct constraint *constraint; /* the sampler's, once there is one */
    bool is_flushed;               /* nothing is held any more */
    llama_token *prompt;           /* the conversation, then the prefix ([E21]) */
    int n_prompt;                  /* of both */
    int n_conversation;
    int n_dropped;             /* messages that are left out of it (overflow.h) */
    bool is_stepwise;          /* the prefix is computed token by token, as it was when it was said */
    bool is_replayed;          /* and the sampler looks at the logits of its tokens again */
    struct generation *leader; /* computes the beginning of this prompt too (sharing.h); NULL: none */
    int n_shared;              /* the tokens that the leader has, or will have */
    struct fetch *fetch;       /* more of the prompt is on its way from the disk; NULL: nothing */
    int n_cached;
    int n_sampled;
    int position;       /* in the queue, as last told */
    int batch_count;    /* tokens in the batch under way */
    int batch_output;   /* where its logits are in that batch; −1: none */
    llama_token last;   /* sampled, not yet in the cache */
    const char *reason; /* set once it is to end */
    struct engine_error error;
    uint64_t queued_ns;
    uint64_t started_ns;
    uint64_t first_ns;
    uint64_t told_ns;    /* the last `prefill` */
    llama_token sampled; /* and not said yet */
};

/* generation_new prepares the generation, but for a draft: that is done when its turn has come. */
struct generation *generation_new(const struct model *model, struct command *command);
void generation_free(struct generation *generation);

/* generation_prepare renders and tokenizes the prompt. When that fails, or it does not fit, or the prefix is a whole answer, `reason` is
 * set: end it. */
void generation_prepare(struct generation *generation, const struct model *model);

/* generation_is_in_decode: it has a slot, and its next token is known: it was sampled, or it belongs to a prefix that is said again. */
bool generation_is_in_decode(const struct generation *generation);

/* generation_count_reusable: the tokens of the prompt that may come from the cache, and one more: to be drawn again a token needs the
 * logits before it, which are not there. */
int generation_count_reusable(const struct generation *generation);

/* generation_fail sets the reason and its text; the first one stays. */
void generation_fail(struct generation *generation, const char *code, const char *text);

/* generation_sample takes the next token from the batch's logits. */
void generation_sample(struct generation *generation);

/* generation_replay shows the sampler a token of the prefix again: the one behind what the cache holds. */
void generation_replay(struct generation *generation);

/* generation_say adds the item of the token just sampled to the step under way. May set `reason`. */
void generation_say(struct generation *generation, const struct model *model, struct events *events,
                    uint64_t t_ns);

/* generation_add_bytes feeds the bytes of a token to the joiner and the stop strings, which leave in `piece.text` what can be read; true: a
 * stop string is complete. */
bool generation_add_bytes(struct generation *generation, const struct model *model, llama_token token);

/* generation_take_said has the parser read what is in `piece.text`, said in an earlier run; returns how many items it was said in. */
size_t generation_take_said(struct generation *generation, bool is_last);

/* generation_flush adds what is still held back, as an item of no token ([E14]). */
void generation_flush(struct generation *generation, struct events *events);

/* generation_report sends the `end`. */
void generation_report(const struct generation *generation, const struct model *model, struct events *events);

#endif
