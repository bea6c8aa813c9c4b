/* Requests of the other compatible APIs [W73] [W76] [W81] [W85]: what is understood is a chat within its limits, what is not has a sentence. */
#include "api/anthropic.h"
#include "api/ollama.h"
#include "api/openai_completions.h"
#include "api/responses.h"

#include "fuzz.h"

static void hold(const struct openai_request *request) {
    size_t i;
    json_t *message;
    json_array_foreach(request->messages, i, message) {
        HOLDS(json_is_string(json_object_get(message, "role")));
        HOLDS(json_is_string(json_object_get(message, "content")));
    }
    HOLDS(i > 0 || json_is_string(json_object_get(request->settings.more, "prompt")));
    HOLDS(request->settings.temperature >= 0 && request->settings.temperature <= 2);
}

static void hold_error(const struct openai_error *error) {
    HOLDS(error->status >= 400 && error->text[0]);
    json_decref(openai_error_json(error));
    json_decref(anthropic_error_json(error->status, error->text));
}

static void parse(const json_t *body, const struct settings *defaults) {
    struct openai_completions completions;
    struct responses_request responses;
    struct ollama_request ollama;
    struct openai_request anthropic;
    struct openai_error error;
    if (openai_completions_parse(&completions, body, defaults, &error)) {
        hold(&completions.request);
        openai_completions_deinit(&completions);
    } else {
        hold_error(&error);
    }
    if (responses_request_parse(&responses, body, defaults, &error)) {
        hold(&responses.request);
        HOLDS(json_is_object(responses.record));
        responses_request_deinit(&responses);
    } else {
        hold_error(&error);
    }
    if (anthropic_request_parse(&anthropic, body, true, defaults, &error)) {
        hold(&anthropic);
        openai_request_deinit(&anthropic);
    } else {
        hold_error(&error);
    }
    for (int kind = OLLAMA_CHAT; kind <= OLLAMA_GENERATE; kind++) {
        if (ollama_request_parse(&ollama, body, (enum ollama_kind)kind, defaults, &error)) {
            hold(&ollama.request);
            ollama_request_deinit(&ollama);
        } else {
            hold_error(&error);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    char *text = fuzz_copy(data, n_bytes);
    json_t *body = NULL;
    struct fault fault;
    if (json_parse_object(text, n_bytes, &body, &fault) == STATUS_OK) {
        struct settings defaults;
        settings_init(&defaults);
        parse(body, &defaults);
        settings_deinit(&defaults);
        json_decref(body);
    }
    free(text);
    return 0;
}
