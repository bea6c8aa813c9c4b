/* ollama_request.c - [W85] [W86] the bodies of Ollama's chat and generate, understood: they become the request of a chat, which has most of the checks. */
#include "api/ollama.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static bool is_empty(const json_t *value) {
    return value == NULL || json_is_false(value) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

static bool fail(struct openai_error *error, const char *text) {
    return openai_error_set(error, 400, NULL, NULL, "%s", text);
}

/* ---- Messages ---- */

/* Arguments are an object here, and a text in a chat of OpenAI's. Calls have no ids here: they are counted. */
static bool take_calls(json_t *out, const json_t *calls, struct openai_error *error) {
    json_t *list = json_array();
    size_t index;
    json_t *call;
    json_object_set_new(out, "tool_calls", list);
    json_array_foreach(calls, index, call) {
        const json_t *function = json_object_get(call, "function");
        const char *name = json_get_text(function, "name", NULL);
        json_t *arguments = json_object_get(function, "arguments");
        if (name == NULL || !json_is_object(arguments)) {
            return fail(error, "a call in \"tool_calls\" needs \"function\" with a \"name\" and an object "
                               "\"arguments\"");
        }
        char *text = json_text(arguments);
        char *id = mem_format("call_%zu", index);
        json_array_append_new(list, json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", id, "type", "function",
                                              "function", "name", name, "arguments", text));
        free(id);
        free(text);
    }
    return true;
}

static bool take_message(json_t *messages, const json_t *message, struct openai_error *error) {
    json_t *content = json_get_present(message, "content");
    const json_t *calls = json_get_present(message, "tool_calls");
    if (!json_is_object(message) || (content && !json_is_string(content))) {
        return fail(error, "each of \"messages\" must be an object with \"role\" and \"content\", a text");
    }
    if (!is_empty(json_get_present(message, "images"))) {
        return fail(error, "\"images\" are not supported: send text");
    }
    json_t *taken = json_pack("{s:s, s:o}", "role", json_get_text(message, "role", ""), "content",
                              content ? json_incref(content) : json_string(""));
    json_array_append_new(messages, taken);
    if (strcmp(json_get_text(message, "role", ""), "tool") == 0) {
        json_object_set_new(taken, "tool_call_id", json_string("call_0"));
    }
    if (json_get_present(message, "thinking")) {
        json_object_set(taken, "reasoning_content", json_get_present(message, "thinking"));
    }
    return is_empty(calls) || take_calls(taken, calls, error);
}

static bool take_chat(json_t *messages, const json_t *body, struct openai_error *error) {
    const json_t *list = json_get_present(body, "messages");
    size_t index;
    json_t *message;
    if (list && !json_is_array(list)) {
        return fail(error, "\"messages\" must be a list");
    }
    json_array_foreach(list, index, message) {
        if (!take_message(messages, message, error)) {
            return false;
        }
    }
    return true;
}

static bool take_prompt(json_t *messages, const json_t *body, struct openai_error *error) {
    const json_t *prompt = json_get_present(body, "prompt");
    const json_t *system = json_get_present(body, "system");
    if ((prompt && !json_is_string(prompt)) || (system && !json_is_string(system))) {
        return fail(error, "\"prompt\" and \"system\" must be texts");
    }
    if (!is_empty(system)) {
        json_array_append_new(messages, json_pack("{s:s, s:O}", "role", "system", "content", system));
    }
    if (!is_empty(prompt)) {
        json_array_append_new(messages, json_pack("{s:s, s:O}", "role", "user", "content", prompt));
    } else {
        json_array_clear(messages);
    }
    return true;
}

/* ---- How it is made ---- */

static bool take_options(json_t *chat, const json_t *body, struct openai_error *error) {
    static const char *const names[][2] = { { "temperature", "temperature" },
                                            { "top_k", "top_k" },
                                            { "top_p", "top_p" },
                                            { "min_p", "min_p" },
                                            { "seed", "seed" },
                                            { "stop", "stop" },
                                            { "frequency_penalty", "frequency_penalty" },
                                            { "presence_penalty", "presence_penalty" } };
    json_t *options = json_get_present(body, "options");
    if (options && !json_is_object(options)) {
        return fail(error, "\"options\" must be an object");
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (json_get_present(options, names[i][0])) {
            json_object_set(chat, names[i][1], json_get_present(options, names[i][0]));
        }
    }
    json_t *limit = json_get_present(options, "num_predict");
    bool is_unlimited = json_is_integer(limit) && json_integer_value(limit) < 0;
    if (limit && !is_unlimited) {
        json_object_set(chat, "max_tokens", limit);
    }
    if (is_empty(json_object_get(chat, "stop"))) {
        json_object_del(chat, "stop");
    }
    return true;
}

static bool take_format(json_t *chat, const json_t *body, struct openai_error *error) {
    json_t *format = json_get_present(body, "format");
    if (is_empty(format)) {
        return true;
    }
    if (json_is_object(format)) {
        json_object_set_new(
            chat, "response_format",
            json_pack("{s:s, s:{s:O}}", "type", "json_schema", "json_schema", "schema", format));
        return true;
    }
    if (!json_is_string(format) || strcmp(json_string_value(format), "json") != 0) {
        return fail(error, "\"format\" must be \"json\" or a JSON schema");
    }
    json_object_set_new(chat, "response_format", json_pack("{s:s}", "type", "json_object"));
    return true;
}

static bool take_form(json_t *chat, const json_t *body, struct openai_error *error) {
    const json_t *think = json_get_present(body, "think");
    json_t *stream = json_get_present(body, "stream");
    if (think && !json_is_boolean(think) && !json_is_string(think)) {
        return fail(error, "\"think\" must be true, false or how much");
    }
    if (json_get_present(body, "raw") && !json_is_boolean(json_get_present(body, "raw"))) {
        return fail(error, "\"raw\" must be true or false");
    }
    json_object_set_new(chat, "stream", stream ? json_incref(stream) : json_true());
    if (think == NULL || json_is_false(think)) {
        json_object_set_new(chat, "reasoning_effort", json_string("none"));
    }
    if (!is_empty(json_get_present(body, "tools"))) {
        json_object_set(chat, "tools", json_get_present(body, "tools"));
    }
    return true;
}

/* Chats of OpenAI's do not have it. */
static bool take_repeat_penalty(struct settings *settings, const json_t *body, struct openai_error *error) {
    struct fault fault;
    return json_take_double(json_get_present(body, "options"), "repeat_penalty", 0.5, 2,
                            &settings->repeat_penalty, &fault) == STATUS_OK ||
           fail(error, fault.text);
}

static void finish(struct ollama_request *out, const json_t *messages, bool is_raw) {
    struct settings *settings = &out->request.settings;
    out->request.model = NULL;
    if (is_raw) {
        json_t *prompt = json_object_get(json_array_get(messages, json_array_size(messages) - 1), "content");
        settings->more = settings->more ? settings->more : json_object();
        json_object_set(settings->more, "prompt", prompt);
        json_array_clear(out->request.messages);
    }
}

static bool parse_chat(struct openai_request *out, const json_t *chat, const struct settings *defaults,
                       struct openai_error *error) {
    static const struct openai_name names[] = { { "max_tokens", "num_predict" },
                                                { "response_format", "format" } };
    bool is_good = openai_request_parse(out, chat, defaults, error);
    if (!is_good) {
        openai_error_rename(error, names, sizeof names / sizeof names[0]);
    }
    return is_good;
}

bool ollama_request_parse(struct ollama_request *out, const json_t *body, enum ollama_kind kind,
                          const struct settings *defaults, struct openai_error *error) {
    *out = (struct ollama_request){ 0 };
    json_t *messages = json_array();
    json_t *chat = json_pack("{s:o}", "messages", messages);
    bool is_good = ollama_keep_take(body, &out->keep_ms, error) &&
                   (kind == OLLAMA_CHAT ? take_chat : take_prompt)(messages, body, error) &&
                   take_options(chat, body, error) && take_format(chat, body, error) &&
                   take_form(chat, body, error);
    out->is_load = is_good && json_array_size(messages) == 0;
    if (is_good && out->is_load) {
        /* It is not made: the form of the rest is still checked. */
        json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "user", "content", ""));
    }
    is_good = is_good && parse_chat(&out->request, chat, defaults, error);
    if (is_good && !take_repeat_penalty(&out->request.settings, body, error)) {
        ollama_request_deinit(out);
        is_good = false;
    } else if (is_good) {
        finish(out, messages, kind == OLLAMA_GENERATE && json_is_true(json_get_present(body, "raw")));
    }
    json_decref(chat);
    return is_good;
}

void ollama_request_deinit(struct ollama_request *request) {
    openai_request_deinit(&request->request);
}
