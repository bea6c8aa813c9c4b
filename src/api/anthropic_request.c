/* anthropic_request.c - [W81] the body of POST /v1/messages, understood: it becomes the request of a chat, which has most of the checks. */
#include "api/anthropic.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static bool fail(struct openai_error *error, const char *param, const char *text) {
    return openai_error_set(error, 400, NULL, param, "%s: %s", param, text);
}

/* ---- Contents ---- */

/* The text of a string, or of blocks that are text. A new reference; NULL: there is another kind of block. */
static json_t *text_of(const json_t *content) {
    struct bytes text;
    size_t index;
    json_t *block;
    if (content == NULL || json_is_null(content)) {
        return json_string("");
    }
    if (json_is_string(content)) {
        return json_incref((json_t *)content);
    }
    bool is_good = json_is_array(content);
    bytes_init(&text, NET_BODY_BYTES_MAX);
    json_array_foreach(content, index, block) {
        const char *piece = json_get_text(block, "text", NULL);
        is_good = is_good && piece && strcmp(json_get_text(block, "type", ""), "text") == 0;
        bytes_add_text(&text, piece ? piece : "");
    }
    json_t *string = is_good ? json_stringn(text.size ? text.data : "", text.size) : NULL;
    bytes_deinit(&text);
    return string;
}

/* One message of the API, which may be several of a chat: results of tools come before what is said with them. */
struct taking {
    json_t *results;
    json_t *calls;
    struct bytes text;
    struct bytes thoughts;
    const char *param;
    struct openai_error *error;
};

static bool take_call(struct taking *taking, const json_t *block) {
    json_t *input = json_object_get(block, "input");
    const char *id = json_get_text(block, "id", NULL);
    const char *name = json_get_text(block, "name", NULL);
    if (id == NULL || name == NULL || !json_is_object(input)) {
        return fail(taking->error, taking->param,
                    "a tool_use needs \"id\", \"name\" and an object \"input\"");
    }
    char *arguments = json_text(input);
    json_array_append_new(taking->calls, json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", id, "type", "function",
                                                   "function", "name", name, "arguments", arguments));
    free(arguments);
    return true;
}

static bool take_result(struct taking *taking, const json_t *block) {
    const char *id = json_get_text(block, "tool_use_id", NULL);
    json_t *text = text_of(json_object_get(block, "content"));
    if (id == NULL || text == NULL) {
        json_decref(text);
        return fail(taking->error, taking->param,
                    "a tool_result needs \"tool_use_id\" and a \"content\" that is text");
    }
    json_array_append_new(taking->results,
                          json_pack("{s:s, s:s, s:o}", "role", "tool", "tool_call_id", id, "content", text));
    return true;
}

static bool take_block(struct taking *taking, const json_t *block) {
    const char *type = json_get_text(block, "type", "");
    if (strcmp(type, "text") == 0 && json_get_text(block, "text", NULL)) {
        bytes_add_text(&taking->text, json_get_text(block, "text", ""));
        return true;
    }
    if (strcmp(type, "tool_use") == 0) {
        return take_call(taking, block);
    }
    if (strcmp(type, "tool_result") == 0) {
        return take_result(taking, block);
    }
    if (strcmp(type, "thinking") == 0) {
        bytes_add_text(&taking->thoughts, json_get_text(block, "thinking", ""));
        return true;
    }
    return strcmp(type, "redacted_thinking") == 0 ||
           fail(taking->error, taking->param,
                "blocks can be text, thinking, tool_use and tool_result: others are not supported");
}

static void add_said(json_t *messages, const struct taking *taking, const char *role) {
    json_array_extend(messages, taking->results);
    bool has_calls = json_array_size(taking->calls) > 0;
    if (taking->text.size == 0 && !has_calls && json_array_size(taking->results) > 0) {
        return;
    }
    json_t *message = json_pack("{s:s, s:s%}", "role", role, "content",
                                taking->text.size ? taking->text.data : "", taking->text.size);
    if (has_calls) {
        json_object_set(message, "tool_calls", taking->calls);
    }
    if (taking->thoughts.size > 0) {
        json_object_set_new(message, "reasoning_content",
                            json_stringn(taking->thoughts.data, taking->thoughts.size));
    }
    json_array_append_new(messages, message);
}

static bool take_blocks(json_t *messages, const json_t *content, const char *role, const char *param,
                        struct openai_error *error) {
    struct taking taking = { .results = json_array(), .calls = json_array(), .param = param, .error = error };
    size_t index;
    json_t *block;
    bool is_good = true;
    bytes_init(&taking.text, NET_BODY_BYTES_MAX);
    bytes_init(&taking.thoughts, NET_BODY_BYTES_MAX);
    json_array_foreach(content, index, block) {
        is_good = is_good && take_block(&taking, block);
    }
    if (is_good) {
        add_said(messages, &taking, role);
    }
    json_decref(taking.results);
    json_decref(taking.calls);
    bytes_deinit(&taking.text);
    bytes_deinit(&taking.thoughts);
    return is_good;
}

static bool take_message(json_t *messages, const json_t *message, size_t index, struct openai_error *error) {
    char param[OPENAI_PARAM_BYTES];
    const char *role = json_get_text(message, "role", "");
    json_t *content = json_object_get(message, "content");
    snprintf(param, sizeof param, "messages.%zu", index);
    if (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0) {
        return fail(error, param,
                    "\"role\" must be user or assistant: a system prompt is the member \"system\"");
    }
    if (json_is_string(content)) {
        json_array_append_new(messages, json_pack("{s:s, s:O}", "role", role, "content", content));
        return true;
    }
    return json_is_array(content) ? take_blocks(messages, content, role, param, error)
                                  : fail(error, param, "\"content\" must be a text or a list of blocks");
}

static bool take_messages(json_t *messages, const json_t *body, struct openai_error *error) {
    const json_t *list = json_object_get(body, "messages");
    json_t *system = text_of(json_object_get(body, "system"));
    size_t index;
    json_t *message;
    if (system == NULL) {
        return fail(error, "system", "must be a text or a list of blocks that are text");
    }
    if (json_string_length(system) > 0) {
        json_array_append_new(messages, json_pack("{s:s, s:O}", "role", "system", "content", system));
    }
    json_decref(system);
    if (!json_is_array(list) || json_array_size(list) == 0) {
        return fail(error, "messages", "must be a list with at least one message");
    }
    json_array_foreach(list, index, message) {
        if (!take_message(messages, message, index, error)) {
            return false;
        }
    }
    return true;
}

/* ---- Tools ---- */

static bool take_tools(json_t *chat, const json_t *body, struct openai_error *error) {
    const json_t *tools = json_get_present(body, "tools");
    json_t *list = json_array();
    size_t index;
    json_t *tool;
    json_object_set_new(chat, "tools", list);
    if (tools && !json_is_array(tools)) {
        return fail(error, "tools", "must be a list");
    }
    json_array_foreach(tools, index, tool) {
        const char *name = json_get_text(tool, "name", NULL);
        json_t *schema = json_get_present(tool, "input_schema");
        if (strcmp(json_get_text(tool, "type", "custom"), "custom") != 0 || name == NULL || schema == NULL) {
            return fail(error, "tools",
                        "a tool must have \"name\" and \"input_schema\": those that run at "
                        "the server are not supported");
        }
        json_t *function = json_pack("{s:s, s:O}", "name", name, "parameters", schema);
        if (json_get_present(tool, "description")) {
            json_object_set(function, "description", json_get_present(tool, "description"));
        }
        json_array_append_new(list, json_pack("{s:s, s:o}", "type", "function", "function", function));
    }
    return true;
}

static bool take_tool_choice(json_t *chat, const json_t *body, struct openai_error *error) {
    static const char *const names[][2] = { { "auto", "auto" }, { "any", "required" }, { "none", "none" } };
    const json_t *choice = json_get_present(body, "tool_choice");
    const char *type = json_get_text(choice, "type", "");
    if (choice == NULL) {
        return true;
    }
    if (json_is_true(json_object_get(choice, "disable_parallel_tool_use"))) {
        json_object_set_new(chat, "parallel_tool_calls", json_false());
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(type, names[i][0]) == 0) {
            json_object_set_new(chat, "tool_choice", json_string(names[i][1]));
            return true;
        }
    }
    const char *name = json_get_text(choice, "name", NULL);
    if (strcmp(type, "tool") != 0 || name == NULL) {
        return fail(error, "tool_choice", "must be of the type auto, any, none, or tool with a \"name\"");
    }
    json_object_set_new(chat, "tool_choice",
                        json_pack("{s:s, s:{s:s}}", "type", "function", "function", "name", name));
    return true;
}

/* ---- The rest ---- */

static void take_same(json_t *chat, const json_t *body) {
    static const char *const names[][2] = {
        { "model", "model" },        { "stream", "stream" }, { "temperature", "temperature" },
        { "top_p", "top_p" },        { "top_k", "top_k" },   { "max_tokens", "max_tokens" },
        { "stop_sequences", "stop" }
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (json_get_present(body, names[i][0])) {
            json_object_set(chat, names[i][1], json_get_present(body, names[i][0]));
        }
    }
    if (json_is_array(json_get_present(body, "stop_sequences")) &&
        json_array_size(json_get_present(body, "stop_sequences")) == 0) {
        json_object_del(chat, "stop");
    }
}

/* Who does not ask for thoughts does not expect a block of them. */
static bool take_thinking(json_t *chat, const json_t *body, struct openai_error *error) {
    const json_t *thinking = json_get_present(body, "thinking");
    const char *type = json_get_text(thinking, "type", thinking ? "" : "disabled");
    if (strcmp(type, "enabled") == 0 || strcmp(type, "adaptive") == 0) {
        return true;
    }
    json_object_set_new(chat, "reasoning_effort", json_string("none"));
    return strcmp(type, "disabled") == 0 ||
           fail(error, "thinking", "must be of the type enabled, adaptive or disabled");
}

static bool take_format(json_t *chat, const json_t *body, struct openai_error *error) {
    json_t *config = json_get_present(body, "output_config");
    json_t *format = json_get_present(body, "output_format");
    format = format ? format : json_get_present(config, "format");
    if (config && !json_is_object(config)) {
        return fail(error, "output_config", "must be an object");
    }
    if (format == NULL) {
        return true;
    }
    if (strcmp(json_get_text(format, "type", ""), "json_schema") != 0) {
        return fail(error, "output_format", "must be {\"type\":\"json_schema\",\"schema\":{…}}");
    }
    json_object_set_new(chat, "response_format",
                        json_pack("{s:s, s:O}", "type", "json_schema", "json_schema", format));
    return true;
}

bool anthropic_request_parse(struct openai_request *request, const json_t *body, bool needs_limit,
                             const struct settings *defaults, struct openai_error *error) {
    static const struct openai_name names[] = { { "stop", "stop_sequences" },
                                                { "response_format", "output_format" } };
    json_t *messages = json_array();
    json_t *chat = json_pack("{s:o}", "messages", messages);
    bool has_limit = json_is_integer(json_get_present(body, "max_tokens")) || !needs_limit;
    bool is_good = (has_limit || fail(error, "max_tokens", "must be a number of at least 1")) &&
                   take_messages(messages, body, error) && take_tools(chat, body, error) &&
                   take_tool_choice(chat, body, error) && take_format(chat, body, error) &&
                   take_thinking(chat, body, error);
    if (is_good) {
        take_same(chat, body);
        is_good = openai_request_parse(request, chat, defaults, error);
        if (is_good) {
            request->model = json_get_text(body, "model", NULL); /* it lives as long as the body */
        } else {
            openai_error_rename(error, names, sizeof names / sizeof names[0]);
        }
    }
    json_decref(chat);
    return is_good;
}
