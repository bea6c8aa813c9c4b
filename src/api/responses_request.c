/* responses_request.c - [W76] the body of POST /v1/responses, understood: it becomes the request of a chat, which has most of the checks. */
#include "api/responses.h"

#include <string.h>

/* ---- To the words of a chat ---- */

static bool take_tools(json_t *chat, const json_t *body, struct openai_error *error) {
    const json_t *tools = json_get_present(body, "tools");
    json_t *list = json_array();
    size_t index;
    json_t *tool;
    json_object_set_new(chat, "tools", list);
    if (tools && !json_is_array(tools)) {
        return openai_error_set(error, 400, NULL, "tools", "\"tools\" must be a list");
    }
    json_array_foreach(tools, index, tool) {
        const char *type = json_get_text(tool, "type", "");
        if (strcmp(type, "function") != 0) {
            return openai_error_set(error, 400, "unsupported_parameter", "tools",
                                    "tools[%zu]: only tools of the type \"function\" are supported", index);
        }
        json_t *function = json_object();
        static const char *const keys[] = { "name", "description", "parameters" };
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
            if (json_get_present(tool, keys[i])) {
                json_object_set(function, keys[i], json_get_present(tool, keys[i]));
            }
        }
        json_array_append_new(list, json_pack("{s:s, s:o}", "type", "function", "function", function));
    }
    return true;
}

static bool take_tool_choice(json_t *chat, const json_t *body, struct openai_error *error) {
    json_t *choice = json_get_present(body, "tool_choice");
    if (choice == NULL || json_is_string(choice)) {
        if (choice) {
            json_object_set(chat, "tool_choice", choice);
        }
        return true;
    }
    const char *name = json_get_text(choice, "name", NULL);
    if (strcmp(json_get_text(choice, "type", ""), "function") != 0 || name == NULL) {
        return openai_error_set(
            error, 400, NULL, "tool_choice",
            "\"tool_choice\" must be \"auto\", \"none\", \"required\" or {\"type\":\"function\",\"name\":…}");
    }
    json_object_set_new(chat, "tool_choice",
                        json_pack("{s:s, s:{s:s}}", "type", "function", "function", "name", name));
    return true;
}

static bool take_format(json_t *chat, const json_t *body, struct openai_error *error) {
    json_t *text = json_get_present(body, "text");
    json_t *format = json_get_present(text, "format");
    if (text && !json_is_object(text)) {
        return openai_error_set(error, 400, NULL, "text", "\"text\" must be an object");
    }
    if (format == NULL) {
        return true;
    }
    if (strcmp(json_get_text(format, "type", ""), "json_schema") == 0) {
        json_object_set_new(chat, "response_format",
                            json_pack("{s:s, s:O}", "type", "json_schema", "json_schema", format));
    } else {
        json_object_set(chat, "response_format", format);
    }
    return true;
}

/* They are wanted where `include` names them, or where some are asked for. */
static bool take_logprobs(json_t *chat, const json_t *body, struct openai_error *error) {
    const json_t *include = json_get_present(body, "include");
    json_t *n_top = json_get_present(body, "top_logprobs");
    bool is_wanted = n_top && !(json_is_integer(n_top) && json_integer_value(n_top) == 0);
    size_t index;
    json_t *name;
    if (include && !json_is_array(include)) {
        return openai_error_set(error, 400, NULL, "include", "\"include\" must be a list of names");
    }
    json_array_foreach(include, index, name) {
        if (!json_is_string(name)) {
            return openai_error_set(error, 400, NULL, "include", "\"include\" must be a list of names");
        }
        is_wanted = is_wanted || strcmp(json_string_value(name), "message.output_text.logprobs") == 0;
    }
    if (is_wanted) {
        json_object_set_new(chat, "logprobs", json_true());
    }
    if (is_wanted && n_top) {
        json_object_set(chat, "top_logprobs", n_top);
    }
    return true;
}

static bool take_reasoning(json_t *chat, const json_t *body, struct openai_error *error) {
    json_t *reasoning = json_get_present(body, "reasoning");
    json_t *effort = json_get_present(reasoning, "effort");
    if (reasoning && !json_is_object(reasoning)) {
        return openai_error_set(error, 400, NULL, "reasoning", "\"reasoning\" must be an object");
    }
    if (effort) {
        json_object_set(chat, "reasoning_effort", effort);
    }
    return true;
}

static void take_same(json_t *chat, const json_t *body) {
    static const struct {
        const char *from;
        const char *to;
    } same[] = { { "model", "model" },
                 { "stream", "stream" },
                 { "temperature", "temperature" },
                 { "top_p", "top_p" },
                 { "top_k", "top_k" },
                 { "min_p", "min_p" },
                 { "seed", "seed" },
                 { "stop", "stop" },
                 { "max_output_tokens", "max_completion_tokens" },
                 { "parallel_tool_calls", "parallel_tool_calls" } };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        if (json_get_present(body, same[i].from)) {
            json_object_set(chat, same[i].to, json_get_present(body, same[i].from));
        }
    }
}

static bool parse_chat(struct responses_request *out, const json_t *body, const struct settings *defaults,
                       struct openai_error *error) {
    static const struct openai_name names[] = { { "messages", "input" },
                                                { "response_format", "text.format" },
                                                { "max_completion_tokens", "max_output_tokens" },
                                                { "reasoning_effort", "reasoning.effort" } };
    json_t *messages = json_array();
    json_t *chat = json_pack("{s:o}", "messages", messages);
    bool is_good = responses_input_take(messages, json_object_get(body, "input"), error) &&
                   take_tools(chat, body, error) && take_tool_choice(chat, body, error) &&
                   take_format(chat, body, error) && take_logprobs(chat, body, error) &&
                   take_reasoning(chat, body, error);
    if (is_good) {
        take_same(chat, body);
        is_good = openai_request_parse(&out->request, chat, defaults, error);
        if (is_good) {
            out->request.model = json_get_text(body, "model", NULL); /* it lives as long as the body */
        } else {
            openai_error_rename(error, names, sizeof names / sizeof names[0]);
        }
    }
    json_decref(chat);
    return is_good;
}

/* ---- What chats do not have ---- */

bool responses_parse_id(const char *text, char out[ID_HEX_BYTES]) {
    size_t n = sizeof RESPONSES_ID_PREFIX - 1;
    if (strncmp(text, RESPONSES_ID_PREFIX, n) != 0 || !id_is_hex(text + n)) {
        return false;
    }
    id_copy(out, ID_HEX_BYTES, text + n);
    return true;
}

static bool take_place(struct responses_request *out, const json_t *body, struct openai_error *error) {
    struct fault fault;
    const char *previous = NULL;
    json_t *conversation = json_get_present(body, "conversation");
    const char *name = json_is_object(conversation) ? json_get_text(conversation, "id", "")
                                                    : json_string_value(conversation);
    if (!openai_error_check(json_take_string(body, "previous_response_id", &previous, &fault), &fault,
                            "previous_response_id", error)) {
        return false;
    }
    if (previous && !responses_parse_id(previous, out->previous)) {
        return openai_error_set(error, 404, NULL, "previous_response_id",
                                "there is no response with this id: send one that an answer had");
    }
    if (conversation && (name == NULL || !id_parse_conversation(name, out->conversation))) {
        return openai_error_set(error, 400, NULL, "conversation",
                                "\"conversation\" must be an id of a conversation, as "
                                "chat_2026-11-22-21-05-10-123.txt");
    }
    return !(previous && conversation) ||
           openai_error_set(error, 400, NULL, "previous_response_id",
                            "\"previous_response_id\" and \"conversation\" cannot be had together");
}

static bool take_truncation(struct responses_request *out, const char *truncation,
                            struct openai_error *error) {
    if (strcmp(truncation, "auto") == 0) {
        out->request.settings.overflow = OVERFLOW_DROP_OLDEST;
        return true;
    }
    return strcmp(truncation, "disabled") == 0 ||
           openai_error_set(error, 400, NULL, "truncation",
                            "\"truncation\" must be \"auto\" or \"disabled\"");
}

static bool take_own(struct responses_request *out, const json_t *body, struct openai_error *error) {
    struct fault fault;
    const char *truncation = "disabled";
    const json_t *metadata = json_get_present(body, "metadata");
    out->store = true; /* as OpenAI's */
    bool is_good =
        openai_error_check(json_take_string(body, "instructions", &out->instructions, &fault), &fault,
                           "instructions", error) &&
        openai_error_check(json_take_bool(body, "store", &out->store, &fault), &fault, "store", error) &&
        openai_error_check(json_take_bool(body, "background", &out->background, &fault), &fault, "background",
                           error) &&
        openai_error_check(json_take_string(body, "truncation", &truncation, &fault), &fault, "truncation",
                           error) &&
        take_place(out, body, error);
    if (is_good && out->background && !out->store) {
        return openai_error_set(
            error, 400, NULL, "background",
            "\"background\" needs \"store\": what nobody keeps cannot be asked for later");
    }
    if (is_good && metadata && !json_is_object(metadata)) {
        return openai_error_set(error, 400, NULL, "metadata", "\"metadata\" must be an object");
    }
    return is_good && take_truncation(out, truncation, error);
}

static json_t *repeated(const json_t *body, const char *key, json_t *otherwise) {
    json_t *value = json_get_present(body, key);
    if (value == NULL) {
        return otherwise;
    }
    json_decref(otherwise);
    return json_incref(value);
}

/* What the object says of the request; and the input, for /input_items. */
static json_t *make_record(const struct responses_request *out, const json_t *body) {
    const struct settings *settings = &out->request.settings;
    json_t *input = json_object_get(body, "input");
    json_t *record = json_object();
    const struct {
        const char *key;
        json_t *otherwise;
    } members[] = {
        { "instructions", json_null() },
        { "max_output_tokens", json_null() },
        { "metadata", json_object() },
        { "parallel_tool_calls", json_true() },
        { "previous_response_id", json_null() },
        { "reasoning", json_pack("{s:n, s:n}", "effort", "summary") },
        { "temperature", json_real(settings->temperature) },
        { "text", json_pack("{s:{s:s}}", "format", "type", "text") },
        { "tool_choice", json_string("auto") },
        { "tools", json_array() },
        { "top_p", json_real(settings->top_p) },
        { "truncation", json_string("disabled") },
        { "user", json_null() },
        { "background", json_false() },
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        json_object_set_new(record, members[i].key, repeated(body, members[i].key, members[i].otherwise));
    }
    json_object_set_new(record, "store", json_boolean(out->store));
    json_object_set_new(record, "items",
                        json_is_string(input)
                            ? json_pack("[{s:s, s:s, s:[{s:s, s:O}]}]", "type", "message", "role", "user",
                                        "content", "type", "input_text", "text", input)
                            : json_incref(input));
    return record;
}

bool responses_request_parse(struct responses_request *out, const json_t *body,
                             const struct settings *defaults, struct openai_error *error) {
    *out = (struct responses_request){ 0 };
    if (!parse_chat(out, body, defaults, error)) {
        return false;
    }
    if (!take_own(out, body, error)) {
        responses_request_deinit(out);
        return false;
    }
    out->record = make_record(out, body);
    return true;
}

void responses_request_deinit(struct responses_request *request) {
    openai_request_deinit(&request->request);
    json_decref(request->record);
    *request = (struct responses_request){ 0 };
}
