#include "trigger.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define SAID_BYTES_MAX (1u << 20) /* far above a token and the longest word */

struct trigger {
    struct trigger_word words[TRIGGER_WORDS_MAX];
    size_t n_words;
    size_t n_longest;
    bool is_thinking;
    struct bytes said; /* its end, that nobody has looked through yet */
};

struct trigger *trigger_new(const struct trigger_word *words, size_t n, bool is_thinking) {
    struct trigger *trigger = mem_alloc(sizeof *trigger);
    trigger->is_thinking = is_thinking;
    bytes_init(&trigger->said, SAID_BYTES_MAX);
    for (size_t i = 0; i < n; i++) {
        size_t size = strlen(words[i].text);
        trigger->words[i] = (struct trigger_word){ mem_copy_string(words[i].text), words[i].kind };
        trigger->n_longest = size > trigger->n_longest ? size : trigger->n_longest;
    }
    trigger->n_words = n;
    return trigger;
}

void trigger_free(struct trigger *trigger) {
    if (trigger) {
        for (size_t i = 0; i < trigger->n_words; i++) {
            free(trigger->words[i].text);
        }
        bytes_deinit(&trigger->said);
        free(trigger);
    }
}

/* The first of the words that matter now; where it is in *at. NULL: none. */
static const struct trigger_word *find_first(const struct trigger *trigger, size_t *at) {
    const struct trigger_word *first = NULL;
    for (size_t i = 0; i < trigger->n_words; i++) {
        const struct trigger_word *word = &trigger->words[i];
        bool matters = (word->kind == TRIGGER_THOUGHT_END) == trigger->is_thinking;
        const char *found =
            matters ? memmem(trigger->said.data, trigger->said.size, word->text, strlen(word->text)) : NULL;
        if (found && (first == NULL || (size_t)(found - trigger->said.data) < *at)) {
            first = word;
            *at = (size_t)(found - trigger->said.data);
        }
    }
    return first;
}

static const char *look(struct trigger *trigger, size_t *n) {
    struct bytes *said = &trigger->said;
    size_t at = 0;
    const struct trigger_word *word;
    while (said->size > 0 && (word = find_first(trigger, &at)) != NULL) {
        if (word->kind == TRIGGER_CALL) {
            bytes_drop(said, at);
            *n = said->size;
            return said->data;
        }
        trigger->is_thinking = word->kind == TRIGGER_THOUGHT;
        bytes_drop(said, at + strlen(word->text));
    }
    if (said->size >= trigger->n_longest) {
        bytes_drop(said, said->size - trigger->n_longest + 1);
    }
    return NULL;
}

const char *trigger_take(struct trigger *trigger, const char *text, size_t n_text, size_t *n) {
    bytes_add(&trigger->said, text, n_text);
    return look(trigger, n);
}

const char *trigger_refuse(struct trigger *trigger, size_t *n) {
    bytes_drop(&trigger->said, 1);
    return look(trigger, n);
}
