/* Requests of the other compatible APIs [W73] [W76] [W81] [W85] [W105] [W106]: what is understood is a chat within its limits, what is not has a sentence. */
#include "api/anthropic.h"
#include "api/llama_completion.h"
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
    const json_t *prompt = json_object_get(request->settings.more, "prompt");
    HOLDS(i > 0 || json_is_string(prompt) || json_array_size(prompt) > 0);
    HOLDS(request->settings.temperature >= 0 && request->settings.temperature <= 2);
}

static void hold_error(const struct openai_error *error) {
    HOLDS(error->status >= 400 && error->text[0]);
    json_decref(openai_error_json(error));
    json_decref(anthropic_error_json(error->status, error->text));
}

static void parse_llama(const json_t *body, enum llama_completion_kind kind,
                        const struct settings *defaults) {
    struct llama_completion completion;
    struct openai_error error;
    if (llama_completion_parse(&completion, body, kind, defaults, &error)) {
        HOLDS(completion.n_probs >= 0 && completion.request.settings.temperature >= 0);
        json_decref(llama_completion_settings(&completion.request.settings));
        llama_completion_deinit(&completion);
    } else {
        hold_error(&error);
        json_decref(openai_error_body("/completion", &error));
    }
}

static void parse(const json_t *body, const struct settings *defaults) {
    struct openai_completions completions;
    struct responses_request responses;
    struct ollama_request ollama;
    struct openai_request anthropic;
    struct openai_error error;
    parse_llama(body, LLAMA_COMPLETION, defaults);
    parse_llama(body, LLAMA_INFILL, defaults);
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
