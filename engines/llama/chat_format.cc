extern "C" {
#include "base/mem.h"
#include "base/status.h"
}

#include "chat_format.h"

#include "chat.h"
#include "log.h"

#include <cstdlib>
#include <exception>
#include <string>

struct chat_format {
    common_chat_templates_ptr templates;
    bool is_own;
};

namespace {

constexpr const char *fallback_template = "chatml";

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

common_chat_params apply(const struct chat_format *format, const struct chat_message *messages,
                         size_t n_messages) {
    common_chat_templates_inputs inputs;
    for (size_t i = 0; i < n_messages; i++) {
        common_chat_msg message;
        message.role = messages[i].role;
        message.content = messages[i].content;
        inputs.messages.push_back(message);
    }
    return common_chat_templates_apply(format->templates.get(), inputs);
}

} // namespace

struct chat_format *chat_format_new(const struct llama_model *model, struct fault *fault) {
    try {
        common_chat_templates_ptr templates = open_templates(model, "");
        bool is_own = templates && common_chat_templates_was_explicit(templates.get());
        if (!templates) {
            templates = common_chat_templates_init(model, fallback_template);
        }
        return new chat_format{ std::move(templates), is_own };
    } catch (...) {
        explain(fault, STATUS_INVALID, "the chat template of the model cannot be used");
        return nullptr;
    }
}

void chat_format_free(struct chat_format *format) {
    delete format;
}

bool chat_format_is_own(const struct chat_format *format) {
    return format->is_own;
}

enum status chat_format_render(const struct chat_format *format, const struct chat_message *messages,
                               size_t n_messages, struct chat_prompt *out, struct fault *fault) {
    *out = chat_prompt{};
    try {
        common_chat_params params = apply(format, messages, n_messages);
        out->text = mem_copy_bytes(params.prompt.data(), params.prompt.size());
        out->size = params.prompt.size();
        for (const std::string &stop : params.additional_stops) {
            if (out->n_stops < CHAT_PROMPT_STOPS_MAX && !stop.empty() &&
                stop.size() <= STOP_STRING_BYTES_MAX) {
                out->stops[out->n_stops++] = mem_copy_string(stop.c_str());
            }
        }
        return STATUS_OK;
    } catch (...) {
        return explain(fault, STATUS_INVALID, "the chat template of the model refuses these messages");
    }
}

void chat_prompt_deinit(struct chat_prompt *prompt) {
    for (size_t i = 0; i < prompt->n_stops; i++) {
        free(prompt->stops[i]);
    }
    free(prompt->text);
    *prompt = chat_prompt{};
}

void chat_format_set_log(bool debug) {
    common_log_set_verbosity_thold(debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
}
