#include "chat/settings.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_DOUBLE, KIND_INT, KIND_CHOICE, KIND_STOPS, KIND_TEXT, KIND_PATH, KIND_IGNORED };

struct field {
    const char *name;
    enum kind kind;
    enum settings_scope scope; /* the narrowest in which it is known */
    size_t offset;
    double min;
    double max;
    const char *const *choices; /* CHOICE: NULL ends them */
};

/* The places are the values of the enums. */
static const char *const sampler_names[] = { "Greedy", "Temperature", "Mirostat", "TopP",
                                             "TopK",   "ChainFull",   NULL };
static const char *const after_crash_names[] = { "continue", "ask", NULL };
static const char *const when_busy_names[] = { "refuse", "queue", NULL };
static const char *const overflow_names[] = { "stop", "drop_oldest", NULL };
static const char *const kv_type_names[] = { "auto", "f16", "q8_0", NULL };
static const char *const flash_attention_names[] = { "auto", "on", "off", NULL };
static const char *const draft_prefill_names[] = { "on", "off", NULL };
static const char *const auto_title_names[] = { "on", "off", NULL };

/* The table of docs/protocol.md part 5. */
static const struct field fields[] = {
    { "sampler_type", KIND_CHOICE, SETTINGS_SAMPLING, offsetof(struct settings, sampler_type), 0, 0,
      sampler_names },
    { "temperature", KIND_DOUBLE, SETTINGS_SAMPLING, offsetof(struct settings, temperature), 0, 2, NULL },
    { "top_p", KIND_DOUBLE, SETTINGS_SAMPLING, offsetof(struct settings, top_p), 0, 1, NULL },
    { "top_k", KIND_INT, SETTINGS_SAMPLING, offsetof(struct settings, top_k), 0, 1000, NULL },
    { "min_p", KIND_DOUBLE, SETTINGS_SAMPLING, offsetof(struct settings, min_p), 0, 1, NULL },
    { "mirostat_tau", KIND_DOUBLE, SETTINGS_SAMPLING, offsetof(struct settings, mirostat_tau), 0, 20, NULL },
    { "mirostat_eta", KIND_DOUBLE, SETTINGS_SAMPLING, offsetof(struct settings, mirostat_eta), 0, 1, NULL },
    { "repeat_penalty", KIND_DOUBLE, SETTINGS_SAMPLING, offsetof(struct settings, repeat_penalty), 0.5, 2,
      NULL },
    { "seed", KIND_INT, SETTINGS_SAMPLING, offsetof(struct settings, seed), -1, 4294967295.0, NULL },
    { "max_tokens", KIND_INT, SETTINGS_SAMPLING, offsetof(struct settings, n_tokens_max), -1, 1000000, NULL },
    { "stop_tokens", KIND_STOPS, SETTINGS_SAMPLING, 0, 0, 0, NULL },
    { "overflow", KIND_CHOICE, SETTINGS_SAMPLING, offsetof(struct settings, overflow), 0, 0, overflow_names },
    { "system_prompt", KIND_TEXT, SETTINGS_OWN, offsetof(struct settings, system_prompt), 0,
      SETTINGS_SYSTEM_PROMPT_BYTES_MAX, NULL },
    { "context_size", KIND_INT, SETTINGS_ALL, offsetof(struct settings, context_size), 0, 1048576, NULL },
    { "gpu_layers", KIND_INT, SETTINGS_ALL, offsetof(struct settings, n_gpu_layers), -1, 1000, NULL },
    { "kv_type", KIND_CHOICE, SETTINGS_ALL, offsetof(struct settings, kv_type), 0, 0, kv_type_names },
    { "flash_attention", KIND_CHOICE, SETTINGS_ALL, offsetof(struct settings, flash_attention), 0, 0,
      flash_attention_names },
    { "kv_disk_mb", KIND_INT, SETTINGS_ALL, offsetof(struct settings, kv_disk_mb), -1, 100000000, NULL },
    { "draft_prefill", KIND_CHOICE, SETTINGS_ALL, offsetof(struct settings, draft_prefill), 0, 0,
      draft_prefill_names },
    { "auto_title", KIND_CHOICE, SETTINGS_ALL, offsetof(struct settings, auto_title), 0, 0,
      auto_title_names },
    { "model_path", KIND_PATH, SETTINGS_ALL, offsetof(struct settings, model_path), 0, 4095, NULL },
    { "hub_url", KIND_TEXT, SETTINGS_ALL, offsetof(struct settings, hub_url), 0, SETTINGS_HUB_URL_BYTES_MAX,
      NULL },
    { "after_crash", KIND_CHOICE, SETTINGS_ALL, offsetof(struct settings, after_crash), 0, 0,
      after_crash_names },
    { "when_busy", KIND_CHOICE, SETTINGS_ALL, offsetof(struct settings, when_busy), 0, 0, when_busy_names },
    { "detach_seconds", KIND_INT, SETTINGS_ALL, offsetof(struct settings, detach_seconds), -1,
      SETTINGS_DETACH_SECONDS_MAX, NULL },
    { "model_history", KIND_IGNORED, SETTINGS_ALL, 0, 0, 0, NULL },
};

#define N_FIELDS (sizeof fields / sizeof fields[0])

void settings_init(struct settings *settings) {
    *settings = (struct settings){
        .sampler_type = SAMPLER_CHAIN_FULL,
        .temperature = 0.7,
        .top_p = 0.95,
        .top_k = 20,
        .mirostat_tau = 5,
        .mirostat_eta = 0.1,
        .repeat_penalty = 1,
        .seed = -1,
        .n_tokens_max = -1,
        .n_gpu_layers = -1,
        .kv_disk_mb = -1,
        .detach_seconds = -1,
    };
}

void settings_clear_stops(struct settings *settings) {
    for (size_t i = 0; i < settings->n_stops; i++) {
        free(settings->stops[i]);
        settings->stops[i] = NULL;
    }
    settings->n_stops = 0;
}

void settings_deinit(struct settings *settings) {
    settings_clear_stops(settings);
    free(settings->system_prompt);
    free(settings->model_path);
    free(settings->hub_url);
    json_decref(settings->more);
    *settings = (struct settings){ 0 };
}

void settings_copy(struct settings *to, const struct settings *from) {
    *to = *from;
    for (size_t i = 0; i < from->n_stops; i++) {
        to->stops[i] = mem_copy_string(from->stops[i]);
    }
    to->system_prompt = mem_copy_string(from->system_prompt);
    to->model_path = mem_copy_string(from->model_path);
    to->hub_url = mem_copy_string(from->hub_url);
    to->more = json_incref(from->more);
}

static enum status refuse_choice(const struct field *field, struct fault *fault) {
    char list[120] = "";
    for (size_t i = 0; field->choices[i]; i++) {
        size_t at = strlen(list);
        snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", field->choices[i]);
    }
    return fault_set(fault, STATUS_INVALID, "\"%s\" must be one of %s", field->name, list);
}

/* An enum, whose values are the places in the list. */
static enum status merge_choice(unsigned *place, const struct field *field, const json_t *object,
                                struct fault *fault) {
    const char *name = NULL;
    enum status status = json_take_string(object, field->name, &name, fault);
    if (status || name == NULL) {
        return status;
    }
    for (unsigned i = 0; field->choices[i]; i++) {
        if (strcmp(name, field->choices[i]) == 0) {
            *place = i;
            return STATUS_OK;
        }
    }
    return refuse_choice(field, fault);
}

static enum status merge_stops(struct settings *settings, const json_t *list, struct fault *fault) {
    if (!json_is_array(list) || json_array_size(list) > SETTINGS_STOPS_MAX) {
        return fault_set(fault, STATUS_INVALID, "\"stop_tokens\" must be a list of at most %d strings",
                         SETTINGS_STOPS_MAX);
    }
    settings_clear_stops(settings);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        size_t length = json_string_length(item);
        if (!json_is_string(item) || length < 1 || length > SETTINGS_STOP_BYTES_MAX ||
            strlen(json_string_value(item)) != length) {
            return fault_set(fault, STATUS_INVALID, "\"stop_tokens\" must hold strings of 1 to %d bytes",
                             SETTINGS_STOP_BYTES_MAX);
        }
        settings->stops[settings->n_stops++] = mem_copy_string(json_string_value(item));
    }
    return STATUS_OK;
}

/* null and "" mean none. */
static enum status merge_text(char **text, const struct field *field, const json_t *object,
                              struct fault *fault) {
    const char *value = "";
    enum status status = json_take_string(object, field->name, &value, fault);
    if (status) {
        return status;
    }
    if (strlen(value) > (size_t)field->max) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" must have at most %.0f bytes", field->name,
                         field->max);
    }
    free(*text);
    *text = *value ? mem_copy_string(value) : NULL;
    return STATUS_OK;
}

static enum status merge_field(struct settings *settings, const struct field *field, const json_t *object,
                               struct fault *fault) {
    char *place = (char *)settings + field->offset;
    switch (field->kind) {
    case KIND_CHOICE:
        return merge_choice((unsigned *)(void *)place, field, object, fault);
    case KIND_STOPS: {
        const json_t *list = json_object_get(object, field->name);
        return json_is_null(list) ? STATUS_OK : merge_stops(settings, list, fault);
    }
    case KIND_DOUBLE:
        return json_take_double(object, field->name, field->min, field->max, (double *)(void *)place, fault);
    case KIND_INT:
        return json_take_int(object, field->name, (int64_t)field->min, (int64_t)field->max,
                             (int64_t *)(void *)place, fault);
    case KIND_TEXT:
    case KIND_PATH:
        return merge_text((char **)(void *)place, field, object, fault);
    case KIND_IGNORED:
        return STATUS_OK;
    }
    return STATUS_OK;
}

static const struct field *find_field(const char *name, enum settings_scope scope) {
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (strcmp(fields[i].name, name) == 0 && scope <= fields[i].scope) {
            return &fields[i];
        }
    }
    return NULL;
}

/* Ranges with a hole in them. */
static enum status check_gaps(const struct settings *settings, struct fault *fault) {
    if (settings->n_tokens_max == 0) {
        return fault_set(fault, STATUS_INVALID, "\"max_tokens\" must be -1 (no limit) or at least 1");
    }
    if (settings->context_size > 0 && settings->context_size < SETTINGS_CONTEXT_MIN) {
        return fault_set(fault, STATUS_INVALID,
                         "\"context_size\" must be 0 (the engine chooses) or at least %d",
                         SETTINGS_CONTEXT_MIN);
    }
    return STATUS_OK;
}

enum status settings_merge(struct settings *settings, const json_t *object, enum settings_scope scope,
                           struct fault *fault) {
    struct settings merged;
    settings_copy(&merged, settings);
    enum status status = STATUS_OK;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        const struct field *field = find_field(name, scope);
        status = field ? merge_field(&merged, field, object, fault)
                       : fault_set(fault, STATUS_INVALID,
                                   "\"%.64s\" is no setting%s: look at the list of settings", name,
                                   scope == SETTINGS_SAMPLING ? " of one answer"
                                   : scope == SETTINGS_OWN    ? " of one conversation"
                                                              : "");
        if (status) {
            settings_deinit(&merged);
            return status;
        }
    }
    status = check_gaps(&merged, fault);
    if (status) {
        settings_deinit(&merged);
        return status;
    }
    settings_deinit(settings);
    *settings = merged;
    return STATUS_OK;
}

static json_t *text_or_null(const char *text) {
    return text ? json_string(text) : json_null();
}

json_t *settings_stops_json(const struct settings *settings) {
    if (settings->n_stops == 0) {
        return NULL;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < settings->n_stops; i++) {
        json_array_append_new(list, json_string(settings->stops[i]));
    }
    return list;
}

json_t *settings_sampling_json(const struct settings *settings) {
    return json_pack("{s:s, s:f, s:f, s:I, s:f, s:f, s:f, s:f, s:I}", "sampler_type",
                     sampler_names[settings->sampler_type], "temperature", settings->temperature, "top_p",
                     settings->top_p, "top_k", (json_int_t)settings->top_k, "min_p", settings->min_p,
                     "mirostat_tau", settings->mirostat_tau, "mirostat_eta", settings->mirostat_eta,
                     "repeat_penalty", settings->repeat_penalty, "seed", (json_int_t)settings->seed);
}

const char *settings_overflow(const struct settings *settings) {
    return overflow_names[settings->overflow];
}

const char *settings_kv_type(const struct settings *settings) {
    return kv_type_names[settings->kv_type];
}

const char *settings_flash_attention(const struct settings *settings) {
    return flash_attention_names[settings->flash_attention];
}

char *settings_turn_text(const struct settings *settings) {
    json_t *object = settings_sampling_json(settings);
    json_t *stop = settings_stops_json(settings);
    json_object_set_new(object, "max_tokens", json_integer(settings->n_tokens_max));
    json_object_set_new(object, "ignore_eos", json_boolean(settings->ignore_eos));
    json_object_set_new(object, "overflow", json_string(settings_overflow(settings)));
    if (stop) {
        json_object_set_new(object, "stop", stop);
    }
    if (settings->more) {
        json_object_set(object, "more", settings->more);
    }
    char *text = json_text(object);
    json_decref(object);
    return text;
}

void settings_merge_known(struct settings *settings, const json_t *object, enum settings_scope scope) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        json_t *one = json_pack("{s:O}", name, value);
        if (settings_merge(settings, one, scope, NULL) != STATUS_OK) {
            LOG_DEBUG("settings_known", "ignored=%s", name);
        }
        json_decref(one);
    }
}

/* One that is damaged does not take the others with it. The stop strings of a call may be longer than those of the settings. */
void settings_read_turn(struct settings *settings, const char *text) {
    json_t *object = text ? json_loads(text, 0, NULL) : NULL;
    settings_merge_known(settings, object, SETTINGS_SAMPLING);
    settings->ignore_eos = json_is_true(json_object_get(object, "ignore_eos"));
    json_decref(settings->more);
    settings->more = json_incref(json_object_get(object, "more"));
    const json_t *stop = json_object_get(object, "stop");
    for (size_t i = 0; i < json_array_size(stop) && settings->n_stops < SETTINGS_STOPS_MAX; i++) {
        const char *string = json_string_value(json_array_get(stop, i));
        if (string) {
            settings->stops[settings->n_stops++] = mem_copy_string(string);
        }
    }
    json_decref(object);
}

json_t *settings_json(const struct settings *settings) {
    json_t *object = settings_sampling_json(settings);
    json_t *stops = settings_stops_json(settings);
    json_object_set_new(object, "max_tokens", json_integer(settings->n_tokens_max));
    json_object_set_new(object, "stop_tokens", stops ? stops : json_array());
    json_object_set_new(object, "overflow", json_string(settings_overflow(settings)));
    json_object_set_new(object, "system_prompt", text_or_null(settings->system_prompt));
    json_object_set_new(object, "context_size", json_integer(settings->context_size));
    json_object_set_new(object, "gpu_layers", json_integer(settings->n_gpu_layers));
    json_object_set_new(object, "kv_type", json_string(settings_kv_type(settings)));
    json_object_set_new(object, "flash_attention", json_string(settings_flash_attention(settings)));
    json_object_set_new(object, "kv_disk_mb", json_integer(settings->kv_disk_mb));
    json_object_set_new(object, "draft_prefill", json_string(draft_prefill_names[settings->draft_prefill]));
    json_object_set_new(object, "auto_title", json_string(auto_title_names[settings->auto_title]));
    json_object_set_new(object, "model_path", text_or_null(settings->model_path));
    json_object_set_new(object, "hub_url", text_or_null(settings->hub_url));
    json_object_set_new(object, "after_crash", json_string(after_crash_names[settings->after_crash]));
    json_object_set_new(object, "when_busy", json_string(when_busy_names[settings->when_busy]));
    json_object_set_new(object, "detach_seconds", json_integer(settings->detach_seconds));
    return object;
}
