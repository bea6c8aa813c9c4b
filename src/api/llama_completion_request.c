#include "api/llama_completion.h"
#include "api/openai_completions.h"

#include <string.h>

#define TEMPERATURE_MAX 100.0
#define TOP_K_MAX       (1 << 24)

/* What the same names mean in both. */
static json_t *chat_of(const json_t *body) {
    static const char *const same[] = { "top_p",
                                        "min_p",
                                        "seed",
                                        "stop",
                                        "ignore_eos",
                                        "stream",
                                        "model",
                                        "frequency_penalty",
                                        "presence_penalty",
                                        "logit_bias",
                                        "repeat_penalty",
                                        "mirostat",
                                        "mirostat_tau",
                                        "mirostat_eta",
                                        "grammar",
                                        "json_schema",
                                        "timings_per_token",
                                        "return_progress" };
    json_t *chat = json_pack("{s:[{s:s, s:s}]}", "messages", "role", "user", "content", "");
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        const json_t *value = json_get_present(body, same[i]);
        if (value) {
            json_object_set(chat, same[i], (json_t *)value);
        }
    }
    /* An empty list is no stop string. */
    if (json_is_string(json_get_present(body, "stop")) &&
        json_string_length(json_get_present(body, "stop")) == 0) {
        json_object_del(chat, "stop");
    }
    return chat;
}

/* What is wider here than in OpenAI's interface. */
static bool take_wider(struct llama_completion *out, const json_t *body, struct openai_error *error) {
    struct settings *settings = &out->request.settings;
    const char *key = json_get_present(body, "n_predict") ? "n_predict" : "max_tokens";
    struct fault fault;
    if (!openai_error_check(json_take_double(body, "temperature", -TEMPERATURE_MAX, TEMPERATURE_MAX,
                                             &settings->temperature, &fault),
                            &fault, "temperature", error) ||
        !openai_error_check(json_take_int(body, "top_k", -1, TOP_K_MAX, &settings->top_k, &fault), &fault,
                            "top_k", error) ||
        !openai_error_check(json_take_int(body, key, -2, INT32_MAX, &settings->n_tokens_max, &fault), &fault,
                            key, error)) {
        return false;
    }
    settings->temperature = settings->temperature < 0 ? 0 : settings->temperature;
    settings->top_k = settings->top_k < 0 ? 0 : settings->top_k;
    settings->n_tokens_max = settings->n_tokens_max < 0 ? -1 : settings->n_tokens_max;
    bool is_named = json_get_present(body, "temperature") || json_get_present(body, "top_k");
    if (is_named && settings->sampler_type != SAMPLER_MIROSTAT) {
        settings->sampler_type = SAMPLER_CHAIN_FULL;
    }
    return true;
}

static bool take_answer_form(struct llama_completion *out, const json_t *body, struct openai_error *error) {
    struct fault fault;
    const json_t *fields = json_get_present(body, "response_fields");
    size_t index;
    json_t *field;
    if (!openai_error_check(json_take_bool(body, "return_tokens", &out->return_tokens, &fault), &fault,
                            "return_tokens", error) ||
        !openai_error_check(
            json_take_int(body, "n_probs", 0, LLAMA_COMPLETION_PROBS_MAX, &out->n_probs, &fault), &fault,
            "n_probs", error)) {
        return false;
    }
    if (fields && !json_is_array(fields)) {
        return openai_error_set(error, 400, NULL, "response_fields", "\"response_fields\" must be a list");
    }
    json_array_foreach(fields, index, field) {
        if (!json_is_string(field)) {
            return openai_error_set(error, 400, NULL, "response_fields",
                                    "\"response_fields\" must be a list of names");
        }
    }
    out->response_fields = json_array_size(fields) > 0 ? json_incref((json_t *)fields) : NULL;
    return true;
}

static void take_prompt(struct settings *settings, const char *key, json_t *prompt, int64_t n_probs) {
    settings->more = settings->more ? settings->more : json_object();
    json_object_set_new(settings->more, key, prompt);
    if (n_probs > 0) {
        json_object_set_new(settings->more, "logprobs", json_integer((json_int_t)n_probs));
    }
}

bool llama_completion_parse(struct llama_completion *out, const json_t *body, enum llama_completion_kind kind,
                            const struct settings *defaults, struct openai_error *error) {
    *out = (struct llama_completion){ 0 };
    json_t *prompt = kind == LLAMA_INFILL ? llama_completion_take_gap(body, error)
                                          : json_incref((json_t *)openai_completions_prompt(body, error));
    json_t *chat = chat_of(body);
    bool is_good = prompt && openai_request_parse(&out->request, chat, defaults, error);
    json_decref(chat);
    if (!is_good) {
        json_decref(prompt);
        return false;
    }
    json_array_clear(out->request.messages);
    /* It lives as long as the body does. */
    out->request.model = json_get_text(body, "model", NULL);
    if (!take_wider(out, body, error) || !take_answer_form(out, body, error)) {
        json_decref(prompt);
        llama_completion_deinit(out);
        return false;
    }
    take_prompt(&out->request.settings, kind == LLAMA_INFILL ? "infill" : "prompt", prompt, out->n_probs);
    return true;
}

void llama_completion_deinit(struct llama_completion *completion) {
    json_decref(completion->response_fields);
    openai_request_deinit(&completion->request);
    *completion = (struct llama_completion){ 0 };
}

/* ---- generation_settings ---- */

static json_t *stops_of(const struct settings *settings) {
    json_t *stops = settings_stops_json(settings);
    return stops ? stops : json_array();
}

/* One pair each: {"token":…,"bias":…}. */
static json_t *biases_of(const json_t *sampling) {
    json_t *list = json_array();
    json_t *biases = json_object_get(sampling, "logit_bias");
    const char *key;
    json_t *value;
    size_t index;
    json_object_foreach(biases, key, value) {
        json_array_append_new(list, json_pack("{s:s, s:O}", "token", key, "bias", value));
    }
    json_array_foreach(biases, index, value) {
        json_array_append_new(list, json_pack("{s:O, s:O}", "token", json_array_get(value, 0), "bias",
                                              json_array_get(value, 1)));
    }
    return list;
}

static double penalty_of(const json_t *sampling, const char *key) {
    return json_number_value(json_object_get(sampling, key));
}

json_t *llama_completion_settings(const struct settings *settings) {
    const json_t *sampling = json_object_get(settings->more, "sampling");
    const json_t *format = json_object_get(settings->more, "format");
    const json_t *n_probs = json_object_get(settings->more, "logprobs");
    json_t *out = json_pack("{s:I, s:f, s:I, s:f, s:f, s:f, s:f, s:f, s:i, s:f, s:f}", "seed",
                            (json_int_t)settings->seed, "temperature", settings->temperature, "top_k",
                            (json_int_t)settings->top_k, "top_p", settings->top_p, "min_p", settings->min_p,
                            "repeat_penalty", settings->repeat_penalty, "presence_penalty",
                            penalty_of(sampling, "presence_penalty"), "frequency_penalty",
                            penalty_of(sampling, "frequency_penalty"), "mirostat",
                            settings->sampler_type == SAMPLER_MIROSTAT ? 2 : 0, "mirostat_tau",
                            settings->mirostat_tau, "mirostat_eta", settings->mirostat_eta);
    json_t *rest = json_pack(
        "{s:o, s:I, s:I, s:b, s:o, s:I, s:s, s:[], s:[s, s, s, s]}", "stop", stops_of(settings), "max_tokens",
        (json_int_t)settings->n_tokens_max, "n_predict", (json_int_t)settings->n_tokens_max, "ignore_eos",
        settings->ignore_eos, "logit_bias", biases_of(sampling), "n_probs",
        (json_int_t)json_integer_value(n_probs), "grammar", json_get_text(format, "grammar", ""), "lora",
        "samplers", "top_k", "top_p", "min_p", "temperature");
    json_object_update_missing(out, rest);
    json_decref(rest);
    return out;
}
