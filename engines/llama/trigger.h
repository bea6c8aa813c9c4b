/* trigger.h - from where on the grammar of the calls holds in an answer whose form is free otherwise ([E42], `auto`).
 *
 * The library names the words that begin a call in the model's format, as <tool_call>. From such a word on the answer has to fit; what comes
 * before it is anything. In a thought such a word is none: a model may think about calls.
 *
 * Pure. Owner: the constraint. Thread: one.
 * Memory  words are copied. What was said is kept as far as a word may reach into it.
 */
#ifndef RUNNEL_ENGINES_LLAMA_TRIGGER_H
#define RUNNEL_ENGINES_LLAMA_TRIGGER_H

#include <stdbool.h>
#include <stddef.h>

#define TRIGGER_WORDS_MAX 16

enum trigger_kind {
    TRIGGER_CALL,
    TRIGGER_THOUGHT,     /* begins one */
    TRIGGER_THOUGHT_END, /* ends it */
};

struct trigger_word {
    char *text; /* not empty */
    enum trigger_kind kind;
};

struct trigger;

/* trigger_new: `is_thinking`: the answer begins in a thought. n ≤ TRIGGER_WORDS_MAX. */
struct trigger *trigger_new(const struct trigger_word *words, size_t n, bool is_thinking);
void trigger_free(struct trigger *trigger);

/* trigger_take adds what was said, and returns the text from the first word of a call on: *n bytes, until the next use. NULL: there is none. */
const char *trigger_take(struct trigger *trigger, const char *text, size_t n_text, size_t *n);

/* trigger_refuse: that text does not fit, so the word was just a word. Returns what begins with the next one, as trigger_take. */
const char *trigger_refuse(struct trigger *trigger, size_t *n);

#endif
