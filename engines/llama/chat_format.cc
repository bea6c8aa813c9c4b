extern "C" {
#include "base/mem.h"
#include "base/status.h"
}

#include "chat_format.h"
#include "chat_parser_new.h"

#include <chat-peg-parser.h>
#include <chat.h>
#include <json-schema-to-grammar.h>
#include <log.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <string>

struct chat_format {
    common_chat_templates_ptr templates;
    bool is_own;
    bool knows_tools;
    bool is_plain;
};

namespace {

constexpr const char *fallback_template = "chatml";

struct json_deleter {
    void operator()(json_t *value) const {
        json_decref(value);
    }
};
using json_ptr = std::unique_ptr<json_t, json_deleter>;

/* An exception in words. To be called inside a catch block. */
enum status explain(struct fault *fault, enum status status, const char *what) {
    try {
        throw;
    } catch (const std::exception &error) {
        return fault_set(fault, status, "%s: %s", what, error.what());
    } catch (...) {
        return fault_set(fault, status, "%s: unknown error", what);
    }
}

common_chat_templates_ptr open_templates(const struct llama_model *model, const char *override_source) {
    try {
        return common_chat_templates_init(model, override_source);
    } catch (...) {
        return nullptr;
    }
}

common_json to_json(const json_t *value) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    std::string copy = text;
    free(text);
    return common_json::parse(copy);
}

/* The tools that may be called. */
common_json tools_of(const struct generate &generate) {
    common_json all = to_json(generate.tools);
    common_json wanted = common_json::array();
    for (const auto &tool : all) {
        if (generate.tool_name == nullptr ||
            std::string(tool.at("function").at("name")) == generate.tool_name) {
            wanted.push_back(tool);
        }
    }
    return wanted;
}

bool wants_tools(const struct generate &generate) {
    return generate.tools && generate.tool_choice != TOOL_CHOICE_NONE;
}

common_chat_templates_inputs inputs_of(const struct generate &generate) {
    common_chat_templates_inputs inputs;
    inputs.messages = common_chat_msgs_parse_oaicompat(to_json(generate.message_list));
    inputs.enable_thinking = generate.reasoning;
    inputs.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
    inputs.parallel_tool_calls = generate.parallel_tool_calls;
    return inputs;
}

/* ---- Tools for a template that knows none: the form of the Hermes models, which many models have seen ---- */

constexpr const char *call_begin = "<tool_call>";
constexpr const char *call_end = "</tool_call>";

std::string calls_text(const std::vector<common_chat_tool_call> &calls) {
    std::string text;
    for (const auto &call : calls) {
        text += text.empty() ? call_begin : ",";
        text += "{\"name\": " + common_json::make(call.name).dump() +
                ", \"arguments\": " + (call.arguments.empty() ? "{}" : call.arguments) + "}";
    }
    return text + call_end;
}

std::string tools_text(const common_json &tools, const struct generate &generate) {
    std::string text = "You can call functions. These are their descriptions:\n<tools>\n";
    for (const auto &tool : tools) {
        text += tool.at("function").dump() + "\n";
    }
    text += "</tools>\nTo call one, answer with nothing but its name and arguments as JSON:\n";
    text += std::string(call_begin) + "{\"name\": \"NAME\", \"arguments\": {…}}" + call_end;
    return generate.parallel_tool_calls
               ? text + "\nSeveral calls stand between the same marks, separated by commas."
               : text;
}

/* What the template does not know is said in words. */
void write_out_tools(std::vector<common_chat_msg> &messages, const std::string &description) {
    for (auto &message : messages) {
        if (!message.tool_calls.empty()) {
            message.content += calls_text(message.tool_calls);
            message.tool_calls.clear();
        } else if (message.role == "tool") {
            message.role = "user";
            message.content = "<tool_response>\n" + message.content + "\n</tool_response>";
            message.tool_call_id.clear();
            message.tool_name.clear();
        }
    }
    if (description.empty()) {
        return;
    }
    if (!messages.empty() && messages[0].role == "system") {
        messages[0].content += "\n\n" + description;
    } else {
        common_chat_msg system;
        system.role = "system";
        system.content = description;
        messages.insert(messages.begin(), system);
    }
}

void add_own_tools(common_chat_params &params, const common_json &tools, const struct generate &generate) {
    bool is_required = generate.tool_choice == TOOL_CHOICE_REQUIRED;
    common_peg_arena arena = build_chat_peg_parser([&](common_chat_peg_builder &p) {
        auto calls =
            p.standard_json_tools(call_begin, call_end, tools, generate.parallel_tool_calls, is_required);
        return is_required ? p.space() + calls + p.space() + p.end()
                           : p.content(p.until(call_begin)) + calls + p.space() + p.end();
    });
    params.parser = arena.save();
    params.generation_prompt.clear();
    params.grammar_lazy = !is_required;
    params.grammar_triggers.clear();
    if (!is_required) { /* from its mark on a call has the form of one that is required */
        params.grammar_triggers.push_back({ COMMON_GRAMMAR_TRIGGER_TYPE_WORD, call_begin });
        arena = build_chat_peg_parser([&](common_chat_peg_builder &p) {
            return p.standard_json_tools(call_begin, call_end, tools, generate.parallel_tool_calls, true) +
                   p.space() + p.end();
        });
    }
    params.grammar =
        build_grammar([&](const common_grammar_builder &builder) { arena.build_grammar(builder, false); });
}

/* ---- The prompt ---- */

/* The grammar of a schema is for the whole answer: where the template has the model think first, the library puts it behind that. */
common_chat_params apply_schema(const struct chat_format *format, const struct generate &generate) {
    common_json schema =
        generate.schema ? to_json(generate.schema) : common_json::parse("{\"type\":\"object\"}");
    common_chat_templates_inputs inputs = inputs_of(generate);
    common_chat_params params = common_chat_templates_apply(format->templates.get(), inputs);
    if (params.supports_thinking && generate.reasoning) {
        inputs.json_schema = schema.dump();
        return common_chat_templates_apply(format->templates.get(), inputs);
    }
    params.grammar = json_schema_to_grammar(schema, true);
    params.generation_prompt.clear();
    params.parser.clear();
    params.grammar_lazy = false;
    return params;
}

common_chat_params apply_tools(const struct chat_format *format, const struct generate &generate) {
    common_chat_templates_inputs inputs = inputs_of(generate);
    common_json tools = tools_of(generate);
    if (!format->knows_tools) {
        write_out_tools(inputs.messages, tools_text(tools, generate));
        common_chat_params params = common_chat_templates_apply(format->templates.get(), inputs);
        add_own_tools(params, tools, generate);
        return params;
    }
    inputs.tools = common_chat_tools_parse_oaicompat(tools);
    inputs.tool_choice = generate.tool_choice == TOOL_CHOICE_REQUIRED ? COMMON_CHAT_TOOL_CHOICE_REQUIRED
                                                                      : COMMON_CHAT_TOOL_CHOICE_AUTO;
    return common_chat_templates_apply(format->templates.get(), inputs);
}

/* Not in the words of a template, and all that the model says is content. */
common_chat_params apply_raw(const struct generate &generate) {
    common_chat_params params;
    params.prompt = generate.prompt;
    if (generate.format == FORMAT_SCHEMA) {
        params.grammar = json_schema_to_grammar(
            generate.schema ? to_json(generate.schema) : common_json::parse("{\"type\":\"object\"}"), true);
    } else if (generate.format == FORMAT_GRAMMAR) {
        params.grammar = generate.grammar;
    }
    return params;
}

common_chat_params apply(const struct chat_format *format, const struct generate &generate) {
    if (generate.prompt) {
        return apply_raw(generate);
    }
    if (wants_tools(generate)) {
        return apply_tools(format, generate);
    }
    if (generate.format == FORMAT_SCHEMA) {
        return apply_schema(format, generate);
    }
    common_chat_templates_inputs inputs = inputs_of(generate);
    inputs.force_pure_content = format->is_plain;
    if (!format->knows_tools) {
        write_out_tools(inputs.messages, "");
    }
    common_chat_params params = common_chat_templates_apply(format->templates.get(), inputs);
    if (generate.format == FORMAT_GRAMMAR) {
        params.grammar = generate.grammar;
        params.generation_prompt
            .clear(); /* the grammar is for what the model says, and all of it is content */
        params.parser.clear();
    }
    return params;
}

/* NULL: there is nothing to take apart. */
struct chat_parser *parser_of(const common_chat_params &params, const struct generate &generate) {
    bool may_think = params.supports_thinking && generate.reasoning;
    if (params.parser.empty() || (!may_think && !wants_tools(generate))) {
        return nullptr;
    }
    common_chat_parser_params parser_params(params);
    parser_params.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
    parser_params.parser.load(params.parser);
    return chat_parser_new(parser_params);
}

/* Does the library, when it knows all about the template, add nothing to a conversation without tools? To find out what it knows it
   renders the template some forty times for each prompt (measured: 8 to 15 ms on an idle machine), which a plain one can do without. */
bool find_plain(const common_chat_templates *templates) {
    try {
        common_chat_templates_inputs inputs;
        for (const char *role : { "system", "user", "assistant", "user" }) {
            common_chat_msg message;
            message.role = role;
            message.content = role;
            inputs.messages.push_back(message);
        }
        inputs.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
        common_chat_params all = common_chat_templates_apply(templates, inputs);
        inputs.force_pure_content = true;
        common_chat_params pure = common_chat_templates_apply(templates, inputs);
        return !all.supports_thinking && all.additional_stops.empty() && all.preserved_tokens.empty() &&
               all.grammar.empty() && all.prompt == pure.prompt;
    } catch (...) {
        return false;
    }
}

void take(char **texts, size_t &n, size_t n_max, const std::vector<std::string> &from, size_t bytes_max) {
    for (const std::string &text : from) {
        if (n < n_max && !text.empty() && text.size() <= bytes_max) {
            texts[n++] = mem_copy_string(text.c_str());
        }
    }
}

} // namespace

struct chat_format *chat_format_new(const struct llama_model *model, struct fault *fault) {
    try {
        common_chat_templates_ptr templates = open_templates(model, "");
        bool is_own = templates && common_chat_templates_was_explicit(templates.get());
        if (!templates) {
            templates = common_chat_templates_init(model, fallback_template);
        }
        auto caps = common_chat_templates_get_caps(templates.get());
        bool knows_tools = caps["supports_tools"] && caps["supports_tool_calls"];
        bool is_plain = find_plain(templates.get());
        return new chat_format{ std::move(templates), is_own, knows_tools, is_plain };
    } catch (...) {
        explain(fault, STATUS_INVALID, "the chat template of the model cannot be used");
        return nullptr;
    }
}

void chat_format_free(struct chat_format *format) {
    delete format;
}

namespace {

void add_trigger(struct chat_prompt &out, const std::string &text, enum trigger_kind kind) {
    if (!text.empty() && out.n_triggers < TRIGGER_WORDS_MAX) {
        out.triggers[out.n_triggers++] = { mem_copy_string(text.c_str()), kind };
    }
}

/* False: the library names patterns and not words, as for gpt-oss; the calls of such a model are free in their form. */
bool take_triggers(struct chat_prompt &out, const common_chat_params &params) {
    for (const auto &trigger : params.grammar_triggers) {
        if (trigger.type != COMMON_GRAMMAR_TRIGGER_TYPE_WORD) {
            return false;
        }
    }
    for (const auto &trigger : params.grammar_triggers) {
        add_trigger(out, trigger.value, TRIGGER_CALL);
    }
    bool has_calls = out.n_triggers > 0;
    const std::string &begin = params.thinking_start_tag;
    size_t at = begin.empty() ? std::string::npos : params.generation_prompt.rfind(begin);
    add_trigger(out, begin, TRIGGER_THOUGHT);
    out.is_thinking = at != std::string::npos;
    for (const auto &end : params.thinking_end_tags) {
        add_trigger(out, end, TRIGGER_THOUGHT_END);
        out.is_thinking = out.is_thinking && params.generation_prompt.find(end, at) == std::string::npos;
    }
    return has_calls;
}

} // namespace

bool chat_format_is_own(const struct chat_format *format) {
    return format->is_own;
}

enum status chat_format_render(const struct chat_format *format, const struct generate *generate,
                               size_t drop_from, size_t drop_to, struct chat_prompt *out,
                               struct fault *fault) {
    *out = chat_prompt{};
    try {
        struct generate rest = *generate;
        json_ptr messages(generate->message_list ? json_copy((json_t *)generate->message_list)
                                                 : json_array());
        for (size_t i = drop_from; i < drop_to; i++) {
            json_array_remove(messages.get(), drop_from);
        }
        rest.message_list = messages.get();
        common_chat_params params = apply(format, rest);
        out->parser = parser_of(params, *generate);
        params.prompt += generate->begun ? generate->begun : "";
        out->text = mem_copy_bytes(params.prompt.data(), params.prompt.size());
        out->size = params.prompt.size();
        if (!params.grammar.empty() && (!params.grammar_lazy || take_triggers(*out, params))) {
            out->grammar = mem_copy_string(params.grammar.c_str());
            out->grammar_begin = mem_copy_string(params.generation_prompt.c_str());
        }
        take(out->stops, out->n_stops, CHAT_PROMPT_STOPS_MAX, params.additional_stops, STOP_STRING_BYTES_MAX);
        take(out->words, out->n_words, CHAT_PROMPT_WORDS_MAX, params.preserved_tokens, STOP_STRING_BYTES_MAX);
        return STATUS_OK;
    } catch (...) {
        return explain(fault, STATUS_INVALID,
                       generate->format == FORMAT_SCHEMA ? "the schema cannot be used"
                       : wants_tools(*generate)          ? "these tools cannot be used"
                                                : "the chat template of the model refuses these messages");
    }
}

void chat_prompt_deinit(struct chat_prompt *prompt) {
    for (size_t i = 0; i < prompt->n_stops; i++) {
        free(prompt->stops[i]);
    }
    for (size_t i = 0; i < prompt->n_words; i++) {
        free(prompt->words[i]);
    }
    free(prompt->text);
    free(prompt->grammar);
    free(prompt->grammar_begin);
    for (size_t i = 0; i < prompt->n_triggers; i++) {
        free(prompt->triggers[i].text);
    }
    chat_parser_free(prompt->parser);
    *prompt = chat_prompt{};
}

void chat_format_set_log(bool debug) {
    common_log_set_verbosity_thold(debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
}
