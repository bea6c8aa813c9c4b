/* settings.h - how answers are made: the closed list of docs/protocol.md part 5.
 *
 * Owner   whoever declares it; strings and arrays inside belong to it: settings_init, settings_copy, settings_deinit.
 * Thread  the loop thread only.
 * Limits  the ranges of the table; SETTINGS_STOPS_MAX stop strings of SETTINGS_STOP_BYTES_MAX bytes.
 */
#ifndef RUNNEL_CHAT_SETTINGS_H
#define RUNNEL_CHAT_SETTINGS_H

#include "base/json.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define SETTINGS_STOPS_MAX               16
#define SETTINGS_STOP_BYTES_MAX          64
#define SETTINGS_SYSTEM_PROMPT_BYTES_MAX (64u << 10)
#define SETTINGS_HUB_URL_BYTES_MAX       500
#define SETTINGS_DETACH_SECONDS_MAX      86400
#define SETTINGS_CONTEXT_MIN             256

enum sampler_type {
    SAMPLER_GREEDY,
    SAMPLER_TEMPERATURE,
    SAMPLER_MIROSTAT,
    SAMPLER_TOP_P,
    SAMPLER_TOP_K,
    SAMPLER_CHAIN_FULL,
};

/* What happens to an answer when the engine or the server dies under it. */
enum after_crash { AFTER_CRASH_CONTINUE, AFTER_CRASH_ASK };

/* What happens when a conversation is longer than the context. */
enum overflow { OVERFLOW_STOP, OVERFLOW_DROP_OLDEST };

enum kv_type { KV_TYPE_AUTO, KV_TYPE_F16, KV_TYPE_Q8_0 };
enum flash_attention { FLASH_ATTENTION_AUTO, FLASH_ATTENTION_ON, FLASH_ATTENTION_OFF };
enum draft_prefill { DRAFT_PREFILL_ON, DRAFT_PREFILL_OFF };
enum auto_title { AUTO_TITLE_ON, AUTO_TITLE_OFF };

/* What happens to a message that comes while an answer of its conversation is being made. */
enum when_busy { WHEN_BUSY_REFUSE, WHEN_BUSY_QUEUE };

struct settings {
    enum sampler_type sampler_type;
    double temperature;
    double top_p;
    int64_t top_k;
    double min_p;
    double mirostat_tau;
    double mirostat_eta;
    double repeat_penalty;
    int64_t seed;         /* −1: random */
    int64_t n_tokens_max; /* −1: until the context is full */
    char *stops[SETTINGS_STOPS_MAX];
    size_t n_stops;
    bool ignore_eos; /* only for one call, never stored */
    json_t *
        more; /* of one answer: more members of `generate` (docs/engine-protocol.md): tools, format …; NULL: none */
    char *system_prompt; /* NULL: none */
    enum overflow overflow;
    int64_t context_size; /* 0: the engine chooses */
    int64_t n_gpu_layers; /* −1: the engine chooses */
    enum kv_type kv_type;
    enum flash_attention flash_attention;
    int64_t kv_disk_mb; /* KV states on the disk; −1: the engine chooses, 0: none */
    enum draft_prefill draft_prefill;
    enum auto_title auto_title;
    char *model_path; /* NULL: the first model found */
    char *hub_url;    /* below which repositories of models are [W71]; NULL: none */
    enum after_crash after_crash;
    enum when_busy when_busy;
    int64_t detach_seconds; /* how long an answer goes on that nobody watches; −1: to its end */
};

void settings_init(struct settings *settings);
void settings_deinit(struct settings *settings);
void settings_clear_stops(struct settings *settings);
void settings_copy(struct settings *to, const struct settings *from);

enum settings_scope { SETTINGS_ALL, SETTINGS_OWN, SETTINGS_SAMPLING };

/* settings_merge changes what `object` names. On failure nothing is changed and the fault names the field: unknown names too.
 * SETTINGS_SAMPLING knows only what one answer can have of its own, SETTINGS_OWN what a conversation can besides. model_history is accepted and ignored. */
MUST_CHECK enum status settings_merge(struct settings *settings, const json_t *object,
                                      enum settings_scope scope, struct fault *fault);

/* settings_merge_known does so name by name, and leaves alone what it does not know or take. */
void settings_merge_known(struct settings *settings, const json_t *object, enum settings_scope scope);

/* settings_json is the whole list, a new reference; settings_sampling_json what the engine protocol calls `sampling`. */
json_t *settings_json(const struct settings *settings);
json_t *settings_sampling_json(const struct settings *settings);

/* The words of the engine protocol. */
const char *settings_overflow(const struct settings *settings);
const char *settings_kv_type(const struct settings *settings);
const char *settings_flash_attention(const struct settings *settings);

/* settings_turn_text is what going on with an answer needs (the names of the engine protocol: sampling, max_tokens, stop, ignore_eos; `more`), as
 * JSON in new memory. settings_read_turn takes it into settings that were initialised; what it does not know it leaves alone. */
char *settings_turn_text(const struct settings *settings);
void settings_read_turn(struct settings *settings, const char *text);

/* settings_stops_json is a new array; NULL: no stop strings. */
json_t *settings_stops_json(const struct settings *settings);

#endif
