/* script.h - what the fake engine says, and what goes wrong when (docs/engine-protocol.md, "The fake engine").
 *
 * Memory  script_read allocates; script_deinit frees. A zeroed script may be freed.
 * Units   numbers in `at` count from 1; token 0 is the end of the load.
 * Limits  the constants below.
 */
#ifndef RUNNEL_ENGINES_FAKE_SCRIPT_H
#define RUNNEL_ENGINES_FAKE_SCRIPT_H

#include "common/command.h"
#include "common/events.h"

#include <stdbool.h>
#include <stddef.h>

#define SCRIPT_FILE_BYTES_MAX (4u << 20)

enum script_action {
    SCRIPT_CRASH,
    SCRIPT_ABORT,
    SCRIPT_EXIT,
    SCRIPT_HANG,
    SCRIPT_GARBAGE,
    SCRIPT_LONGLINE,
    SCRIPT_SLEEP,
    SCRIPT_GATE,
    SCRIPT_ERROR,
};

/* What the number of a fault counts. */
enum script_point {
    SCRIPT_AT_TOKEN,   /* of the whole answer, the prefix included */
    SCRIPT_AT_PREFILL, /* chunks of this generation */
    SCRIPT_AT_LOAD,    /* load events */
};

struct script_fault {
    enum script_point point;
    int number;
    enum script_action action;
    int signal;
    int code;         /* exit */
    int ms;           /* sleep */
    const char *gate; /* a file whose existence opens the gate */
    const char *when; /* only for generations whose last message contains this; NULL: all */
    const char *once; /* a file that is made by the first time and prevents the second; NULL: always */
};

/* A token of text; or a thought or a piece of a call ([E45]), and then text behind it in an item of its own. */
struct script_token {
    char *data;
    size_t size;
    bool has_other; /* `other` comes first */
    struct step_item other;
};

/* What is said to a message that contains `when`, in the place of the script's tokens. */
struct script_answer {
    const char *when;
    struct script_token *tokens;
    size_t n_tokens;
};

struct script {
    json_t *json; /* owns all strings */
    const char *name;
    int context_size;
    int slots;
    int load_ms;
    int load_steps;
    int memory_mb;               /* that it takes while it is loaded */
    const char *load_error_code; /* NULL: the load works */
    const char *load_error_text;
    struct script_token *tokens;
    size_t n_tokens;
    struct script_answer *answers;
    size_t n_answers;
    bool hold_drafts;
    bool echo;
    int count;
    int token_ms;
    int prefill_chunk;
    int prefill_ms;
    int prompt_tokens;
    const char *start_gate;
    struct script_fault *faults;
    size_t n_faults;
};

/* script_read takes the model path of load: a JSON file, or "fake:" and inline JSON. On failure the script is empty. */
MUST_CHECK enum status script_read(const char *model, const struct load_options *options,
                                   struct script *script, struct engine_error *error);
void script_deinit(struct script *script);

/* script_next_word finds the word that begins at *text, with the white space before it, and moves *text behind it. The words
 * joined are the text. 0: no more. */
size_t script_next_word(const char **text, const char **word);
int script_count_words(const char *text);

/* script_word_token is the token of a word: a hash of it, the same in every process. */
int32_t script_word_token(const char *word, size_t size);

#endif
