/* openai_llama.c - [W108]: what clients of llama-server add to a request of the OpenAI-compatible API. */
#include "api/openai.h"

static bool take_number(const json_t *body, const char *key, double min, double max, double *out,
                        struct openai_error *error) {
    struct fault fault;
    return openai_error_check(json_take_double(body, key, min, max, out, &fault), &fault, key, error);
}

/* 1 is Mirostat, 2 its second form: there is one here, the second. */
static bool take_mirostat(struct settings *settings, const json_t *body, struct openai_error *error) {
    double version = 0;
    if (!take_number(body, "mirostat", 0, 2, &version, error) ||
        !take_number(body, "mirostat_tau", 0, 20, &settings->mirostat_tau, error) ||
        !take_number(body, "mirostat_eta", 0, 1, &settings->mirostat_eta, error)) {
        return false;
    }
    settings->sampler_type = version > 0 ? SAMPLER_MIROSTAT : settings->sampler_type;
    return true;
}

static bool refuse_two_formats(const char *key, struct openai_error *error) {
    return openai_error_set(error, 400, NULL, key,
                            "\"%s\" and another form of the answer cannot be had together: leave one away",
                            key);
}

static bool take_form(struct openai_request *request, const json_t *body, struct openai_error *error) {
    const json_t *grammar = json_get_present(body, "grammar");
    const json_t *schema = json_get_present(body, "json_schema");
    if (grammar && !json_is_string(grammar)) {
        return openai_error_set(error, 400, NULL, "grammar", "\"grammar\" must be a string: GBNF");
    }
    if (schema && !json_is_object(schema)) {
        return openai_error_set(error, 400, NULL, "json_schema", "\"json_schema\" must be an object");
    }
    bool has_grammar = json_string_length(grammar) > 0;
    if ((has_grammar || schema) && request->has_format) {
        return refuse_two_formats(has_grammar ? "grammar" : "json_schema", error);
    }
    if (has_grammar && schema) {
        return refuse_two_formats("grammar", error);
    }
    if (has_grammar || schema) {
        request->has_format = true;
        json_object_set_new(openai_request_more(request), "format",
                            schema ? json_pack("{s:s, s:O}", "type", "json_schema", "schema", schema)
                                   : json_pack("{s:s, s:O}", "type", "grammar", "grammar", grammar));
    }
    return true;
}

static bool take_thinking(struct openai_request *request, const json_t *body, struct openai_error *error) {
    bool is_on = true;
    const json_t *words = json_get_present(body, "chat_template_kwargs");
    if (words && !json_is_object(words)) {
        return openai_error_set(error, 400, NULL, "chat_template_kwargs",
                                "\"chat_template_kwargs\" must be an object");
    }
    if (words && !openai_take_bool(words, "enable_thinking", &is_on, error)) {
        return false;
    }
    if (!is_on) {
        json_object_set_new(openai_request_more(request), "reasoning", json_string("off"));
    }
    return true;
}

bool openai_llama_take(struct openai_request *request, const json_t *body, struct openai_error *error) {
    struct settings *settings = &request->settings;
    return take_number(body, "repeat_penalty", 0.01, 100, &settings->repeat_penalty, error) &&
           take_mirostat(settings, body, error) && take_form(request, body, error) &&
           take_thinking(request, body, error) &&
           openai_take_bool(body, "timings_per_token", &request->timings_per_token, error) &&
           openai_take_bool(body, "return_progress", &request->return_progress, error);
}
