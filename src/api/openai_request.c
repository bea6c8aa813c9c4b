/* openai_request.c - [O2]: the body of POST /v1/chat/completions, understood.
 *
 * Clients send null for what they do not set, contents as lists of parts, and names that came later; all of
 * that becomes one thing here.
 */
#include "api/openai.h"
#include "base/bytes.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS_MAX 1000000

/* json_take with the field as `param`. */
bool openai_take_bool(const json_t *body, const char *key, bool *out, struct openai_error *error) {
    struct fault fault;
    return openai_error_check(json_take_bool(body, key, out, &fault), &fault, key, error);
}

/* ---- Messages ---- */

static const char *role_of(const char *name) {
    static const char *const roles[] = { "system", "user", "assistant", "tool" };
    if (strcmp(name, "developer") == 0) {
        return "system";
    }
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (strcmp(name, roles[i]) == 0) {
            return roles[i];
        }
    }
    return NULL;
}

static bool add_part(struct bytes *text, const json_t *part, const char *param, struct openai_error *error) {
    const char *type = json_get_text(part, "type", "");
    const char *piece = NULL;
    struct fault fault;
    if (!json_is_object(part)) {
        return openai_error_set(error, 400, NULL, param, "a part of \"content\" must be an object");
    }
    if (strcmp(type, "text") != 0) {
        return openai_error_set(error, 400, NULL, param,
                                "contents of the type \"%.40s\" are not supported: send text", type);
    }
    if (!openai_error_check(json_take_string(part, "text", &piece, &fault), &fault, param, error)) {
        return false;
    }
    bytes_add_text(text, piece ? piece : "");
    return true;
}

/* The text of "content": a string, null, or parts. */
static bool add_content(struct bytes *text, const json_t *message, const char *param,
                        struct openai_error *error) {
    const json_t *content = json_get_present(message, "content");
    const char *string = NULL;
    struct fault fault;
    if (!json_is_array(content)) {
        if (content && !json_is_string(content)) {
            return openai_error_set(error, 400, NULL, param,
                                    "\"content\" must be a string or a list of parts");
        }
        if (!openai_error_check(json_take_string(message, "content", &string, &fault), &fault, param,
                                error)) {
            return false;
        }
        bytes_add_text(text, string ? string : "");
        return true;
    }
    for (size_t i = 0; i < json_array_size(content); i++) {
        if (!add_part(text, json_array_get(content, i), param, error)) {
            return false;
        }
    }
    return true;
}

static bool add_message(json_t *messages, const json_t *message, size_t index, struct openai_error *error) {
    char param[OPENAI_PARAM_BYTES];
    snprintf(param, sizeof param, "messages[%zu].role", index);
    const char *role = role_of(json_get_text(message, "role", ""));
    if (role == NULL) {
        return openai_error_set(error, 400, NULL, param,
                                "\"role\" must be one of system, developer, user, assistant, tool");
    }
    snprintf(param, sizeof param, "messages[%zu].content", index);
    struct bytes text;
    bytes_init(&text, NET_BODY_BYTES_MAX);
    bool is_good = add_content(&text, message, param, error);
    if (is_good) {
        json_t *taken =
            json_pack("{s:s, s:s%}", "role", role, "content", text.size ? text.data : "", text.size);
        json_array_append_new(messages, taken);
        snprintf(param, sizeof param, "messages[%zu].tool_calls", index);
        is_good = openai_format_take_calls(taken, message, param, error);
    }
    bytes_deinit(&text);
    return is_good;
}

static bool take_messages(struct openai_request *request, const json_t *body, struct openai_error *error) {
    const json_t *messages = json_object_get(body, "messages");
    if (!json_is_array(messages) || json_array_size(messages) == 0) {
        return openai_error_set(error, 400, NULL, "messages",
                                "\"messages\" must be a list with at least one message");
    }
    for (size_t i = 0; i < json_array_size(messages); i++) {
        if (!add_message(request->messages, json_array_get(messages, i), i, error)) {
            return false;
        }
    }
    return true;
}

/* ---- How it is made ---- */

/* The names that both lists of settings know, with the ranges of [O2]. */
static bool take_sampling(struct settings *settings, const json_t *body, struct openai_error *error) {
    const struct {
        const char *key;
        double max;
        double *out;
    } fields[] = {
        { "temperature", 2, &settings->temperature },
        { "top_p", 1, &settings->top_p },
        { "min_p", 1, &settings->min_p },
    };
    struct fault fault;
    bool is_named = json_get_present(body, "top_k") != NULL;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const char *key = fields[i].key;
        is_named = is_named || json_get_present(body, key);
        if (!openai_error_check(json_take_double(body, key, 0, fields[i].max, fields[i].out, &fault), &fault,
                                key, error)) {
            return false;
        }
    }
    if (!openai_error_check(json_take_int(body, "top_k", -1, 1000, &settings->top_k, &fault), &fault, "top_k",
                            error)) {
        return false;
    }
    settings->top_k = settings->top_k < 0 ? 0 : settings->top_k;
    /* The server's own sampler may be one that does not look at what the caller set. */
    settings->sampler_type = is_named ? SAMPLER_CHAIN_FULL : settings->sampler_type;
    return true;
}

/* Any whole number is a seed to clients; the engine knows 32 bits of it, and −1 as "choose one". */
static bool take_seed(struct settings *settings, const json_t *body, struct openai_error *error) {
    struct fault fault;
    int64_t seed = settings->seed;
    if (!openai_error_check(json_take_int(body, "seed", INT64_MIN, INT64_MAX, &seed, &fault), &fault, "seed",
                            error)) {
        return false;
    }
    settings->seed = seed == -1 ? -1 : (int64_t)((uint64_t)seed & UINT32_MAX);
    return true;
}

static bool take_limit(struct settings *settings, const json_t *body, struct openai_error *error) {
    const char *key = json_get_present(body, "max_completion_tokens") ? "max_completion_tokens"
                      : json_get_present(body, "max_tokens")          ? "max_tokens"
                      : json_get_present(body, "n_predict") ? "n_predict" /* llama-server's [W108] */
                                                            : "max_tokens";
    struct fault fault;
    int64_t n = settings->n_tokens_max;
    if (!openai_error_check(json_take_int(body, key, INT64_MIN, INT64_MAX, &n, &fault), &fault, key, error)) {
        return false;
    }
    if (n < 1 && n != -1) {
        return openai_error_set(error, 400, NULL, key, "\"%s\" must be at least 1, or -1 for no limit", key);
    }
    settings->n_tokens_max = n > TOKENS_MAX ? TOKENS_MAX : n;
    return true;
}

static bool add_stop(struct settings *settings, const json_t *stop, struct openai_error *error) {
    size_t length = json_string_length(stop);
    if (!json_is_string(stop) || length < 1 || length > SETTINGS_STOP_BYTES_MAX ||
        strlen(json_string_value(stop)) != length || settings->n_stops >= SETTINGS_STOPS_MAX) {
        return openai_error_set(error, 400, NULL, "stop",
                                "\"stop\" must be one to %d strings of 1 to %d bytes", SETTINGS_STOPS_MAX,
                                SETTINGS_STOP_BYTES_MAX);
    }
    settings->stops[settings->n_stops++] = mem_copy_string(json_string_value(stop));
    return true;
}

static bool take_stops(struct settings *settings, const json_t *body, struct openai_error *error) {
    const json_t *stop = json_get_present(body, "stop");
    if (stop == NULL) {
        return true;
    }
    settings_clear_stops(settings);
    if (!json_is_array(stop)) {
        return add_stop(settings, stop, error);
    }
    for (size_t i = 0; i < json_array_size(stop); i++) {
        if (!add_stop(settings, json_array_get(stop, i), error)) {
            return false;
        }
    }
    return true;
}

static bool take_settings(struct openai_request *request, const json_t *body, struct openai_error *error) {
    struct settings *settings = &request->settings;
    return take_sampling(settings, body, error) && take_seed(settings, body, error) &&
           take_limit(settings, body, error) && take_stops(settings, body, error) &&
           openai_take_bool(body, "ignore_eos", &settings->ignore_eos, error);
}

/* ---- The rest ---- */

static bool take_form(struct openai_request *request, const json_t *body, struct openai_error *error) {
    struct fault fault;
    const json_t *options = json_get_present(body, "stream_options");
    if (!openai_error_check(json_take_string(body, "model", &request->model, &fault), &fault, "model",
                            error) ||
        !openai_take_bool(body, "stream", &request->stream, error) ||
        !openai_take_bool(body, "store", &request->store, error)) {
        return false;
    }
    if (options && !json_is_object(options)) {
        return openai_error_set(error, 400, NULL, "stream_options", "\"stream_options\" must be an object");
    }
    return options == NULL || openai_take_bool(options, "include_usage", &request->include_usage, error);
}

bool openai_request_parse(struct openai_request *request, const json_t *body, const struct settings *defaults,
                          struct openai_error *error) {
    *request = (struct openai_request){ .messages = json_array() };
    settings_copy(&request->settings, defaults);
    request->settings.overflow = OVERFLOW_STOP; /* a program is told that its prompt does not fit [O6] */
    bool is_good = take_form(request, body, error) && take_messages(request, body, error) &&
                   take_settings(request, body, error) && openai_format_take(request, body, error) &&
                   openai_llama_take(request, body, error);
    if (!is_good) {
        openai_request_deinit(request);
    }
    return is_good;
}

void openai_request_begin_answer(struct openai_request *request) {
    size_t n = json_array_size(request->messages);
    json_t *last = json_array_get(request->messages, n - 1);
    bool is_begun = n > 1 && strcmp(json_get_text(last, "role", ""), "assistant") == 0 &&
                    json_object_get(last, "tool_calls") == NULL &&
                    json_string_length(json_object_get(last, "content")) > 0;
    if (is_begun) {
        json_object_set(openai_request_more(request), "begun", json_object_get(last, "content"));
        json_array_remove(request->messages, n - 1);
    }
}

void openai_request_deinit(struct openai_request *request) {
    json_decref(request->messages);
    settings_deinit(&request->settings);
    *request = (struct openai_request){ 0 };
}
