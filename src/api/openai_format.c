/* openai_format.c - [O8] to [O11]: what a call of POST /v1/chat/completions wants the answer to be: tools, a schema, probabilities. It becomes
 * members of `generate` (docs/engine-protocol.md), which checks what is in them. */
#include "api/openai.h"

#include <stdlib.h>
#include <string.h>

#define TOP_LOGPROBS_MAX 20
#define PENALTY_MAX      2.0

json_t *openai_request_more(struct openai_request *request) {
    if (request->settings.more == NULL) {
        request->settings.more = json_object();
    }
    return request->settings.more;
}

/* A member of `generate` as the caller wrote it. */
static void pass(struct openai_request *request, const char *key, const json_t *value) {
    json_object_set(openai_request_more(request), key, (json_t *)value);
}

/* ---- Tools ---- */

static bool take_tools(struct openai_request *request, const json_t *body, struct openai_error *error) {
    const json_t *tools = json_get_present(body, "tools");
    size_t index;
    json_t *tool;
    if (tools == NULL) {
        return true;
    }
    if (!json_is_array(tools)) {
        return openai_error_set(error, 400, NULL, "tools", "\"tools\" must be a list");
    }
    json_array_foreach(tools, index, tool) {
        if (strcmp(json_get_text(tool, "type", ""), "function") != 0) {
            return openai_error_set(error, 400, NULL, "tools",
                                    "tools[%zu].type must be \"function\": others are not supported", index);
        }
    }
    if (json_array_size(tools) > 0) {
        request->has_tools = true;
        pass(request, "tools", tools);
    }
    return true;
}

static bool take_tool_choice(struct openai_request *request, const json_t *body, struct openai_error *error) {
    const json_t *choice = json_get_present(body, "tool_choice");
    if (choice == NULL) {
        return true;
    }
    if (json_is_string(choice)) {
        const char *name = json_string_value(choice);
        bool is_known =
            strcmp(name, "auto") == 0 || strcmp(name, "none") == 0 || strcmp(name, "required") == 0;
        if (is_known && (request->has_tools || strcmp(name, "none") == 0 || strcmp(name, "auto") == 0)) {
            pass(request, "tool_choice", choice);
            return true;
        }
        return openai_error_set(
            error, 400, NULL, "tool_choice",
            is_known ? "\"tool_choice\" is \"required\", but there are no \"tools\""
                     : "\"tool_choice\" must be \"auto\", \"none\", \"required\" or one function");
    }
    const char *name = json_get_text(json_object_get(choice, "function"), "name", NULL);
    if (strcmp(json_get_text(choice, "type", ""), "function") != 0 || name == NULL) {
        return openai_error_set(error, 400, NULL, "tool_choice",
                                "\"tool_choice\" must be {\"type\":\"function\",\"function\":{\"name\":…}}");
    }
    json_object_set_new(openai_request_more(request), "tool_choice", json_pack("{s:s}", "name", name));
    return true;
}

static bool take_parallel(struct openai_request *request, const json_t *body, struct openai_error *error) {
    const json_t *parallel = json_get_present(body, "parallel_tool_calls");
    if (parallel && !json_is_boolean(parallel)) {
        return openai_error_set(error, 400, NULL, "parallel_tool_calls",
                                "\"parallel_tool_calls\" must be true or false");
    }
    if (parallel) {
        pass(request, "parallel_tool_calls", parallel);
    }
    return true;
}

/* ---- A format ---- */

static bool take_schema(struct openai_request *request, const json_t *wrapper, struct openai_error *error) {
    const json_t *schema = json_get_present(wrapper, "schema");
    if (!json_is_object(wrapper) || (schema && !json_is_object(schema))) {
        return openai_error_set(error, 400, NULL, "response_format",
                                "\"response_format.json_schema\" must be {\"name\":…,\"schema\":{…}}");
    }
    json_t *format = json_pack("{s:s}", "type", "json_schema");
    if (schema) {
        json_object_set(format, "schema", (json_t *)schema);
    }
    json_object_set_new(openai_request_more(request), "format", format);
    return true;
}

static bool take_format(struct openai_request *request, const json_t *body, struct openai_error *error) {
    const json_t *format = json_get_present(body, "response_format");
    const char *type = json_get_text(format, "type", "");
    if (format == NULL || strcmp(type, "text") == 0) {
        return true;
    }
    request->has_format = true;
    if (strcmp(type, "json_object") == 0) {
        /* llama-server's form of a schema [W108] */
        const json_t *schema = json_get_present(format, "schema");
        json_object_set_new(openai_request_more(request), "format",
                            schema ? json_pack("{s:s, s:O}", "type", "json_schema", "schema", schema)
                                   : json_pack("{s:s}", "type", type));
        return true;
    }
    if (strcmp(type, "json_schema") == 0) {
        return take_schema(request, json_object_get(format, "json_schema"), error);
    }
    return openai_error_set(error, 400, NULL, "response_format",
                            "\"response_format.type\" must be \"text\", \"json_object\" or \"json_schema\"");
}

/* ---- Sampling and probabilities ---- */

static bool is_number(const char *text) {
    return text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
}

/* What is not named by its id alone becomes a list of pairs (docs/engine-protocol.md [E54]). */
static json_t *biases_of(const json_t *biases) {
    const char *key;
    json_t *value;
    bool is_ids = true;
    json_t *list = json_array();
    json_object_foreach((json_t *)biases, key, value) {
        is_ids = is_ids && is_number(key);
        json_t *name = is_number(key) ? json_integer(strtoll(key, NULL, 10)) : json_string(key);
        json_array_append_new(list, json_pack("[o, O]", name, value));
    }
    if (is_ids) {
        json_decref(list);
        return json_incref((json_t *)biases);
    }
    return list;
}

static bool take_penalties(struct openai_request *request, const json_t *body, struct openai_error *error) {
    static const char *const keys[] = { "frequency_penalty", "presence_penalty" };
    json_t *sampling = json_object();
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct fault fault;
        double value = 0;
        if (json_take_double(body, keys[i], -PENALTY_MAX, PENALTY_MAX, &value, &fault)) {
            json_decref(sampling);
            return openai_error_set(error, 400, NULL, keys[i], "%s", fault.text);
        }
        if (json_get_present(body, keys[i])) {
            json_object_set_new(sampling, keys[i], json_real(value));
        }
    }
    const json_t *biases = json_get_present(body, "logit_bias");
    if (biases && !json_is_object(biases) && !json_is_array(biases)) {
        json_decref(sampling);
        return openai_error_set(error, 400, NULL, "logit_bias",
                                "\"logit_bias\" must be an object of token ids");
    }
    if (json_object_size(biases) > 0 || json_array_size(biases) > 0) {
        json_object_set_new(sampling, "logit_bias", biases_of(biases));
    }
    if (json_object_size(sampling) > 0) {
        json_object_set(openai_request_more(request), "sampling", sampling);
    }
    json_decref(sampling);
    return true;
}

static bool take_logprobs(struct openai_request *request, const json_t *body, struct openai_error *error) {
    struct fault fault;
    int64_t n_top = 0;
    if (json_take_bool(body, "logprobs", &request->logprobs, &fault)) {
        return openai_error_set(error, 400, NULL, "logprobs", "%s", fault.text);
    }
    if (json_take_int(body, "top_logprobs", 0, TOP_LOGPROBS_MAX, &n_top, &fault)) {
        return openai_error_set(error, 400, NULL, "top_logprobs", "%s", fault.text);
    }
    if (json_get_present(body, "top_logprobs") && !request->logprobs) {
        return openai_error_set(error, 400, NULL, "top_logprobs",
                                "\"top_logprobs\" needs \"logprobs\": true");
    }
    if (request->logprobs) {
        json_object_set_new(openai_request_more(request), "logprobs", json_integer((json_int_t)n_top));
    }
    return true;
}

/* How much is thought is the model's affair; whether, can be said. */
static bool take_effort(struct openai_request *request, const json_t *body, struct openai_error *error) {
    struct fault fault;
    const char *effort = NULL;
    if (json_take_string(body, "reasoning_effort", &effort, &fault)) {
        return openai_error_set(error, 400, NULL, "reasoning_effort", "%s", fault.text);
    }
    if (effort && strcmp(effort, "none") == 0) {
        json_object_set_new(openai_request_more(request), "reasoning", json_string("off"));
    }
    return true;
}

bool openai_format_take(struct openai_request *request, const json_t *body, struct openai_error *error) {
    return take_tools(request, body, error) && take_tool_choice(request, body, error) &&
           take_parallel(request, body, error) && take_format(request, body, error) &&
           take_penalties(request, body, error) && take_logprobs(request, body, error) &&
           take_effort(request, body, error);
}

/* ---- Messages ---- */

static bool add_call(json_t *calls, const json_t *call, const char *param, struct openai_error *error) {
    const json_t *function = json_object_get(call, "function");
    const char *name = json_get_text(function, "name", NULL);
    const char *arguments = json_get_text(function, "arguments", NULL);
    if (strcmp(json_get_text(call, "type", "function"), "function") != 0 || name == NULL ||
        arguments == NULL) {
        return openai_error_set(
            error, 400, NULL, param,
            "a call must be {\"id\":…,\"type\":\"function\",\"function\":{\"name\":…,\"arguments\":\"…\"}}");
    }
    json_t *parsed = json_loads(arguments[0] ? arguments : "{}", JSON_REJECT_DUPLICATES, NULL);
    bool is_good = json_is_object(parsed);
    json_decref(parsed);
    if (!is_good) {
        return openai_error_set(error, 400, NULL, param,
                                "\"arguments\" of a call must be a JSON object, as a string");
    }
    json_array_append_new(calls, json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", json_get_text(call, "id", ""),
                                           "type", "function", "function", "name", name, "arguments",
                                           arguments[0] ? arguments : "{}"));
    return true;
}

bool openai_format_take_calls(json_t *out, const json_t *message, const char *param,
                              struct openai_error *error) {
    const json_t *calls = json_get_present(message, "tool_calls");
    const char *id = json_get_text(message, "tool_call_id", NULL);
    const char *reasoning = json_get_text(message, "reasoning_content", NULL);
    const char *role = json_get_text(out, "role", "");
    size_t index;
    json_t *call;
    if (calls && strcmp(role, "assistant") == 0) {
        json_t *list = json_array();
        json_object_set_new(out, "tool_calls", list);
        if (!json_is_array(calls)) {
            return openai_error_set(error, 400, NULL, param, "\"tool_calls\" must be a list");
        }
        json_array_foreach(calls, index, call) {
            if (!add_call(list, call, param, error)) {
                return false;
            }
        }
        if (json_array_size(list) == 0) {
            json_object_del(out, "tool_calls");
        }
    }
    if (reasoning && strcmp(role, "assistant") == 0) {
        json_object_set_new(out, "reasoning_content", json_string(reasoning));
    }
    if (id && strcmp(role, "tool") == 0) {
        json_object_set_new(out, "tool_call_id", json_string(id));
    }
    return true;
}
