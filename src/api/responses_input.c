/* responses_input.c - [W76] the items of "input", as messages of a chat. */
#include "api/responses.h"

#include <string.h>

static bool fail(struct openai_error *error, size_t index, const char *text) {
    char param[OPENAI_PARAM_BYTES];
    snprintf(param, sizeof param, "input[%zu]", index);
    return openai_error_set(error, 400, NULL, param, "input[%zu]: %s", index, text);
}

/* A text, or parts: in chats all parts that are text have one name. A new reference; NULL: there is another kind of part. */
static json_t *take_content(const json_t *content) {
    static const char *const names[] = { "input_text", "output_text", "text", "reasoning_text",
                                         "summary_text" };
    if (!json_is_array(content)) {
        return content ? json_incref((json_t *)content) : json_string("");
    }
    json_t *parts = json_array();
    size_t index;
    json_t *part;
    json_array_foreach(content, index, part) {
        const char *type = json_get_text(part, "type", "");
        const char *text = json_get_text(part, strcmp(type, "refusal") == 0 ? "refusal" : "text", NULL);
        bool is_text = strcmp(type, "refusal") == 0;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            is_text = is_text || strcmp(type, names[i]) == 0;
        }
        if (!is_text || text == NULL) {
            json_decref(parts);
            return NULL;
        }
        json_array_append_new(parts, json_pack("{s:s, s:s}", "type", "text", "text", text));
    }
    return parts;
}

static bool add_message(json_t *messages, const json_t *item, size_t index, struct openai_error *error) {
    json_t *content = take_content(json_object_get(item, "content"));
    if (content == NULL) {
        return fail(error, index, "only parts of text are supported: input_text and output_text");
    }
    json_array_append_new(
        messages, json_pack("{s:s, s:o}", "role", json_get_text(item, "role", ""), "content", content));
    return true;
}

/* Calls in a row are of one message. */
static bool add_call(json_t *messages, const json_t *item, size_t index, struct openai_error *error) {
    const char *id = json_get_text(item, "call_id", NULL);
    const char *name = json_get_text(item, "name", NULL);
    const char *arguments = json_get_text(item, "arguments", NULL);
    if (id == NULL || name == NULL || arguments == NULL) {
        return fail(error, index, "a function_call needs \"call_id\", \"name\" and \"arguments\"");
    }
    json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    bool is_assistant = last && strcmp(json_get_text(last, "role", ""), "assistant") == 0;
    if (!is_assistant) {
        last = json_pack("{s:s, s:n}", "role", "assistant", "content");
        json_array_append_new(messages, last);
    }
    if (json_object_get(last, "tool_calls") == NULL) {
        json_object_set_new(last, "tool_calls", json_array());
    }
    json_array_append_new(json_object_get(last, "tool_calls"),
                          json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", id, "type", "function", "function",
                                    "name", name, "arguments", arguments));
    return true;
}

static bool add_output(json_t *messages, const json_t *item, size_t index, struct openai_error *error) {
    const char *id = json_get_text(item, "call_id", NULL);
    json_t *content = take_content(json_object_get(item, "output"));
    if (id == NULL || content == NULL) {
        json_decref(content);
        return fail(error, index, "a function_call_output needs \"call_id\" and an \"output\" that is text");
    }
    json_array_append_new(
        messages, json_pack("{s:s, s:s, s:o}", "role", "tool", "tool_call_id", id, "content", content));
    return true;
}

static bool add_item(json_t *messages, const json_t *item, size_t index, struct openai_error *error) {
    const char *type = json_get_text(item, "type", "message");
    if (!json_is_object(item)) {
        return fail(error, index, "an item must be an object");
    }
    if (strcmp(type, "message") == 0) {
        return add_message(messages, item, index, error);
    }
    if (strcmp(type, "function_call") == 0) {
        return add_call(messages, item, index, error);
    }
    if (strcmp(type, "function_call_output") == 0) {
        return add_output(messages, item, index, error);
    }
    /* What was thought is no part of the next prompt. */
    return strcmp(type, "reasoning") == 0 ||
           fail(error, index, "items can be message, function_call, function_call_output and reasoning");
}

bool responses_input_take(json_t *messages, const json_t *input, struct openai_error *error) {
    size_t index;
    json_t *item;
    if (json_is_string(input)) {
        json_array_append_new(messages, json_pack("{s:s, s:O}", "role", "user", "content", input));
        return true;
    }
    if (!json_is_array(input) || json_array_size(input) == 0) {
        return openai_error_set(error, 400, NULL, "input",
                                "\"input\" must be a text or a list with at least one item");
    }
    json_array_foreach(input, index, item) {
        if (!add_item(messages, item, index, error)) {
            return false;
        }
    }
    return json_array_size(messages) > 0 ||
           openai_error_set(error, 400, NULL, "input", "\"input\" must have at least one message");
}
