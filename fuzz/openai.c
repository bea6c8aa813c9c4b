/* A request of the OpenAI-compatible API [O2]: what is understood is within its limits, what is not has a sentence. */
#include "api/openai.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    char *text = fuzz_copy(data, n_bytes);
    json_t *body = NULL;
    struct fault fault;
    if (json_parse_object(text, n_bytes, &body, &fault) == STATUS_OK) {
        struct settings defaults;
        settings_init(&defaults);
        struct openai_request request;
        struct openai_error error;
        if (openai_request_parse(&request, body, &defaults, &error)) {
            size_t i;
            json_t *message;
            json_array_foreach(request.messages, i, message) {
                HOLDS(json_is_string(json_object_get(message, "role")));
                HOLDS(json_is_string(json_object_get(message, "content")));
            }
            HOLDS(i > 0 && request.settings.temperature >= 0 && request.settings.temperature <= 2);
            HOLDS(request.settings.top_p >= 0 && request.settings.top_p <= 1);
            openai_request_deinit(&request);
        } else {
            HOLDS(error.status >= 400 && error.text[0]);
            json_decref(openai_error_json(&error));
        }
        settings_deinit(&defaults);
        json_decref(body);
    }
    free(text);
    return 0;
}
