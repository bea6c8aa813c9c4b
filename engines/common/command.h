/* command.h - what the server asks, decoded and checked (docs/engine-protocol.md).
 *
 * Owner   whoever called command_decode; command_free releases.
 * Memory  all strings of a command live in its JSON object and die with it.
 * Limits  the constants below; a value out of its range is STATUS_INVALID with a sentence.
 */
#ifndef RUNNEL_ENGINES_COMMON_COMMAND_H
#define RUNNEL_ENGINES_COMMON_COMMAND_H

#include "base/json.h"
#include "base/status.h"
#include "common/stop_matcher.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMMAND_ID_BYTES_MAX       128
#define COMMAND_SLOTS_MAX          64
#define COMMAND_CONTEXT_TOKENS_MAX (16 << 20)
#define COMMAND_STEP_MS_MAX        60000
#define COMMAND_TOKENIZE_BYTES_MAX (1u << 20) /* the answer must fit in one line */
#define COMMAND_DETOKENIZE_MAX     (1u << 18)
#define COMMAND_EMBED_MAX          16 /* so the vectors fit in one line, however long they are */
#define COMMAND_DIMENSIONS_MAX     (1u << 20)
#define COMMAND_BIASES_MAX         1024
#define COMMAND_PARTS_MAX          (1 << 20) /* of a prompt */
#define COMMAND_TOOLS_MAX          128
#define COMMAND_LOGPROBS_MAX       20
#define COMMAND_SCHEMA_BYTES_MAX   (64u << 10) /* of "format" or "tools", as JSON */
#define COMMAND_SCHEMA_DEPTH_MAX   32
#define COMMAND_SCHEMA_MEMBERS_MAX                                                                           \
    128 /* of one object in it: the converter needs a time that rises with their third power */

enum command_op {
    COMMAND_UNKNOWN, /* ignored ([E2]) */
    COMMAND_PING,
    COMMAND_LOAD,
    COMMAND_INSPECT,
    COMMAND_UNLOAD,
    COMMAND_GENERATE,
    COMMAND_CANCEL,
    COMMAND_TOKENIZE,
    COMMAND_PREFILL,
    COMMAND_FORGET,
    COMMAND_TEMPLATE,
    COMMAND_DETOKENIZE,
    COMMAND_EMBED,
};

enum speculation_mode { SPECULATION_AUTO, SPECULATION_OFF, SPECULATION_ALWAYS };

enum kv_type { KV_TYPE_AUTO, KV_TYPE_F16, KV_TYPE_Q8_0 };

enum flash_attention { FLASH_ATTENTION_AUTO, FLASH_ATTENTION_ON, FLASH_ATTENTION_OFF };

/* What happens to a conversation that does not fit into the context. */
enum overflow { OVERFLOW_STOP, OVERFLOW_DROP_OLDEST };

struct load_options {
    int context_size; /* tokens; 0: the model's own, within the engine's default */
    int slots;        /* 0: the engine's default */
    int threads;      /* 0: the engine chooses */
    int gpu_layers;   /* −1: the engine chooses */
    int step_ms;      /* the longest step while an answer is said; 0: the engine chooses */
    enum speculation_mode speculation;
    enum kv_type kv_type;
    enum flash_attention flash_attention;
    const char *cache_dir; /* where KV states are kept; NULL: nowhere */
    int64_t cache_bytes;   /* at most; −1: the engine chooses, 0: none */
};

enum sampler_type {
    SAMPLER_CHAIN_FULL,
    SAMPLER_GREEDY,
    SAMPLER_TEMPERATURE,
    SAMPLER_MIROSTAT,
    SAMPLER_TOP_P,
    SAMPLER_TOP_K,
};

/* What is added to the logit of a token. */
struct token_bias {
    int32_t token;
    const char *text; /* all tokens of this text, in the place of `token`; NULL: none */
    float bias;       /* −INFINITY: the token is never said */
};

struct sampling {
    enum sampler_type type;
    double temperature;
    double top_p;
    double min_p;
    double mirostat_tau;
    double mirostat_eta;
    double repeat_penalty;
    double frequency_penalty; /* for each time that the answer has the token */
    double presence_penalty;  /* once, when the answer has the token */
    int top_k;
    int64_t seed; /* −1: the engine chooses */
    struct token_bias *biases;
    size_t n_biases;
};

struct chat_message {
    const char *role;
    const char *content;
};

enum tool_choice { TOOL_CHOICE_AUTO, TOOL_CHOICE_NONE, TOOL_CHOICE_REQUIRED };

/* What the answer has to be ([E41]). */
enum answer_format { FORMAT_TEXT, FORMAT_SCHEMA, FORMAT_GRAMMAR };

struct generate {
    const char *cache_key; /* NULL: none */
    const json_t *
        message_list; /* the messages as they came: a call of a tool and its answer have more than role and content */
    struct chat_message *messages; /* of a raw prompt: itself, as a user's */
    size_t n_messages;
    const char *prompt; /* the text that the model is given, in the place of messages ([E46]); NULL: none */
    const json_t *prompt_parts; /* in the place of that text: texts and token ids ([E52]); NULL: none */
    const json_t *infill;       /* in its place: what is before and behind a gap ([E53]); NULL: none */
    char *made_prompt;          /* of these two, what can be read of them: `prompt` */
    struct sampling sampling;
    int max_tokens; /* −1: until the context is full */
    const char *stop[STOP_STRINGS_MAX];
    size_t n_stop;
    bool ignore_eos;
    enum overflow overflow;
    const json_t *tools; /* [{"type":"function","function":{…}}…]; NULL: none ([E42]) */
    enum tool_choice tool_choice;
    const char *tool_name; /* the one that is required; NULL: any */
    bool parallel_tool_calls;
    enum answer_format format;
    const json_t *schema; /* FORMAT_SCHEMA: NULL: any object */
    const char *grammar;  /* FORMAT_GRAMMAR */
    bool reasoning;       /* the model may think, if its template knows how */
    int n_logprobs;       /* alternatives to tell with each token; −1: no probabilities at all ([E44]) */
    const char
        *begun; /* what the caller has begun the answer with: the end of the prompt ([E56]); NULL: nothing */
    /* The beginning of the answer, said in an earlier run ([E21]): its tokens or its text, never both. −1 among the tokens: what
     * was held back up to there was said too. */
    int32_t *prefix_tokens; /* NULL: none */
    size_t n_prefix_tokens;
    const char *prefix_text; /* NULL: none */
};

/* What is to become a vector ([E49]). */
struct embed_input {
    const char *text; /* NULL: its tokens are given */
    int32_t *tokens;
    size_t n_tokens;
};

struct embed {
    struct embed_input inputs[COMMAND_EMBED_MAX];
    size_t n_inputs;
    bool truncate;  /* what is too long is cut, else it is an error */
    int dimensions; /* the first so many; 0: all */
};

struct command {
    struct command *next; /* for whoever keeps it in a queue */
    enum command_op op;
    const char *op_name; /* as it was written; "" when there was none */
    const char *id;      /* NULL: none */
    int64_t n;           /* ping */
    const char *model;   /* load, inspect */
    struct load_options load;
    struct generate generate; /* prefill, template: its messages; prefill, forget: its cache_key */
    const char *text;         /* tokenize */
    bool add_special;         /* tokenize: with the tokens that the model wants around a text */
    bool special;             /* tokenize: "<|im_start|>" is one token, not text */
    bool pieces;              /* tokenize: with the bytes of each token */
    int32_t *tokens;          /* detokenize */
    size_t n_tokens;
    struct embed embed;
    json_t *json;
};

/* command_decode always returns a command, also when the status is a failure: its id and op_name, as far as they could be
 * read, say whom to answer. */
enum status command_decode(const char *line, size_t n_bytes, struct command **out, struct fault *fault);

/* command_free: NULL is fine. */
void command_free(struct command *command);

#endif
