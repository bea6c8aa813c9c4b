/* command_format.c - what an answer has to be: tools that it may call, a schema or a grammar that it must fit.
 *
 * What is too large or too deep is refused here, before any library looks at it. */
#include "common/command_internal.h"

#include <string.h>

#define TOOL_NAME_BYTES_MAX 64

static int dump_size(const char *data, size_t n_bytes, void *ctx) {
    (void)data;
    size_t *n_left = ctx;
    bool fits = n_bytes <= *n_left;
    *n_left -= fits ? n_bytes : *n_left;
    return fits ? 0 : -1;
}

/* Deeper than that, or wider than an object may be. */
static bool is_too_much(const json_t *value, int depth_max) {
    const char *key;
    json_t *item;
    size_t index;
    if (json_object_size(value) > COMMAND_SCHEMA_MEMBERS_MAX) {
        return true;
    }
    if (depth_max == 0) {
        return json_is_object(value) || json_is_array(value);
    }
    json_object_foreach((json_t *)value, key, item) {
        if (is_too_much(item, depth_max - 1)) {
            return true;
        }
    }
    json_array_foreach(value, index, item) {
        if (is_too_much(item, depth_max - 1)) {
            return true;
        }
    }
    return false;
}

static enum status check_size(const json_t *value, const char *what, struct fault *fault) {
    size_t n_left = COMMAND_SCHEMA_BYTES_MAX;
    if (is_too_much(value, COMMAND_SCHEMA_DEPTH_MAX)) {
        return fault_set(
            fault, STATUS_INVALID,
            "\"%s\" is nested deeper than %d levels, or an object in it has more than %d members", what,
            COMMAND_SCHEMA_DEPTH_MAX, COMMAND_SCHEMA_MEMBERS_MAX);
    }
    if (json_dump_callback(value, dump_size, &n_left, JSON_COMPACT | JSON_ENCODE_ANY)) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" is too large: at most %u bytes", what,
                         COMMAND_SCHEMA_BYTES_MAX);
    }
    return STATUS_OK;
}

static bool is_tool_name(const char *name) {
    size_t size = name ? strlen(name) : 0;
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    return size > 0 && size <= TOOL_NAME_BYTES_MAX && strspn(name, good) == size;
}

static enum status check_tool(const json_t *tool, size_t index, struct fault *fault) {
    const json_t *function = json_object_get(tool, "function");
    const json_t *parameters = json_object_get(function, "parameters");
    if (strcmp(json_get_text(tool, "type", ""), "function") != 0 || !json_is_object(function)) {
        return fault_set(fault, STATUS_INVALID, "tools[%zu] must be {\"type\":\"function\",\"function\":{…}}",
                         index);
    }
    if (!is_tool_name(json_get_text(function, "name", ""))) {
        return fault_set(fault, STATUS_INVALID,
                         "tools[%zu].function.name must be 1 to %d letters, digits, _ - or .", index,
                         TOOL_NAME_BYTES_MAX);
    }
    if (parameters && !json_is_null(parameters) && !json_is_object(parameters)) {
        return fault_set(fault, STATUS_INVALID, "tools[%zu].function.parameters must be a JSON schema",
                         index);
    }
    return STATUS_OK;
}

static enum status take_tools(const json_t *object, struct generate *generate, struct fault *fault) {
    const json_t *tools = json_object_get(object, "tools");
    size_t n = json_array_size(tools);
    if (tools == NULL || json_is_null(tools)) {
        return STATUS_OK;
    }
    if (!json_is_array(tools) || n > COMMAND_TOOLS_MAX) {
        return fault_set(fault, STATUS_INVALID, "\"tools\" must be an array of at most %d",
                         COMMAND_TOOLS_MAX);
    }
    enum status status = check_size(tools, "tools", fault);
    for (size_t i = 0; i < n && status == STATUS_OK; i++) {
        status = check_tool(json_array_get(tools, i), i, fault);
    }
    generate->tools = n > 0 ? tools : NULL;
    return status;
}

static bool has_tool(const json_t *tools, const char *name) {
    size_t index;
    json_t *tool;
    json_array_foreach(tools, index, tool) {
        if (strcmp(json_get_text(json_object_get(tool, "function"), "name", ""), name) == 0) {
            return true;
        }
    }
    return false;
}

static enum status take_tool_choice(const json_t *object, struct generate *generate, struct fault *fault) {
    static const char *const names[] = { "auto", "none", "required" };
    const json_t *choice = json_object_get(object, "tool_choice");
    if (choice == NULL || json_is_null(choice)) {
        return STATUS_OK;
    }
    if (json_is_object(choice)) {
        generate->tool_choice = TOOL_CHOICE_REQUIRED;
        generate->tool_name = json_get_text(choice, "name", "");
        return has_tool(generate->tools, generate->tool_name)
                   ? STATUS_OK
                   : fault_set(fault, STATUS_INVALID, "tool_choice: there is no tool \"%.64s\"",
                               generate->tool_name);
    }
    for (size_t i = 0; json_is_string(choice) && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(json_string_value(choice), names[i]) == 0) {
            generate->tool_choice = (enum tool_choice)i;
            bool is_empty = i == TOOL_CHOICE_REQUIRED && generate->tools == NULL;
            return is_empty ? fault_set(fault, STATUS_INVALID, "tool_choice: there are no tools") : STATUS_OK;
        }
    }
    return fault_set(fault, STATUS_INVALID,
                     "\"tool_choice\" must be \"auto\", \"none\", \"required\" or {\"name\":…}");
}

static enum status take_format(const json_t *object, struct generate *generate, struct fault *fault) {
    const json_t *format;
    const char *type = NULL;
    enum status status = command_take_object(object, "format", &format, fault);
    if (status || format == NULL) {
        return status;
    }
    status = json_take_string(format, "type", &type, fault);
    if (status) {
        return status;
    }
    if (type && strcmp(type, "json_object") == 0) {
        generate->format = FORMAT_SCHEMA;
    } else if (type && strcmp(type, "json_schema") == 0) {
        generate->format = FORMAT_SCHEMA;
        status = command_take_object(format, "schema", &generate->schema, fault);
        if (status == STATUS_OK && generate->schema) {
            status = check_size(generate->schema, "schema", fault);
        }
    } else if (type && strcmp(type, "grammar") == 0) {
        generate->format = FORMAT_GRAMMAR;
        status = json_take_string(format, "grammar", &generate->grammar, fault);
        if (status == STATUS_OK && generate->grammar == NULL) {
            status = fault_set(fault, STATUS_INVALID, "\"format.grammar\" is missing");
        }
    } else {
        status = fault_set(fault, STATUS_INVALID,
                           "\"format.type\" must be \"json_object\", \"json_schema\" or \"grammar\"");
    }
    if (status == STATUS_OK && generate->tools && generate->tool_choice != TOOL_CHOICE_NONE) {
        status = fault_set(fault, STATUS_INVALID, "\"format\" and \"tools\" cannot be had together");
    }
    return status;
}

static enum status take_reasoning(const json_t *object, struct generate *generate, struct fault *fault) {
    const char *name = NULL;
    enum status status = json_take_string(object, "reasoning", &name, fault);
    if (status == STATUS_OK && name && strcmp(name, "auto") != 0 && strcmp(name, "off") != 0) {
        status = fault_set(fault, STATUS_INVALID, "\"reasoning\" must be \"auto\" or \"off\"");
    }
    generate->reasoning = name == NULL || strcmp(name, "off") != 0;
    return status;
}

enum status command_decode_constraints(const json_t *object, struct generate *generate, struct fault *fault) {
    int64_t n_logprobs = generate->n_logprobs;
    enum status status = take_tools(object, generate, fault);
    if (status == STATUS_OK) {
        status = take_tool_choice(object, generate, fault);
    }
    if (status == STATUS_OK) {
        status = json_take_bool(object, "parallel_tool_calls", &generate->parallel_tool_calls, fault);
    }
    if (status == STATUS_OK) {
        status = take_format(object, generate, fault);
    }
    if (status == STATUS_OK) {
        status = take_reasoning(object, generate, fault);
    }
    if (status == STATUS_OK) {
        status = json_take_int(object, "logprobs", -1, COMMAND_LOGPROBS_MAX, &n_logprobs, fault);
    }
    generate->n_logprobs = (int)n_logprobs;
    return status;
}
