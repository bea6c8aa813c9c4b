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

enum sampler_type {
    SAMPLER_GREEDY,
    SAMPLER_TEMPERATURE,
    SAMPLER_MIROSTAT,
    SAMPLER_TOP_P,
    SAMPLER_TOP_K,
    SAMPLER_CHAIN_FULL,
};

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
    bool ignore_eos;     /* only for one call, never stored */
    char *system_prompt; /* NULL: none */
    int64_t context_size;
    int64_t n_gpu_layers; /* −1: the engine chooses */
    char *model_path;     /* NULL: the first model found */
};

void settings_init(struct settings *settings);
void settings_deinit(struct settings *settings);
void settings_clear_stops(struct settings *settings);
void settings_copy(struct settings *to, const struct settings *from);

enum settings_scope { SETTINGS_ALL, SETTINGS_SAMPLING };

/* settings_merge changes what `object` names. On failure nothing is changed and the fault names the field: unknown names too.
 * SETTINGS_SAMPLING does not know system_prompt, context_size, model_path. model_history is accepted and ignored. */
MUST_CHECK enum status settings_merge(struct settings *settings, const json_t *object,
                                      enum settings_scope scope, struct fault *fault);

/* settings_json is the whole list, a new reference; settings_sampling_json what the engine protocol calls `sampling`. */
json_t *settings_json(const struct settings *settings);
json_t *settings_sampling_json(const struct settings *settings);

/* settings_stops_json is a new array; NULL: no stop strings. */
json_t *settings_stops_json(const struct settings *settings);

#endif
