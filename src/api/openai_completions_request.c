#include "api/openai_completions.h"

#include "api/fields.h"

#include <string.h>

static bool refuse_prompt(struct openai_error *error, const char *text) {
    return openai_error_set(error, 400, NULL, "prompt", "%s", text);
}

/* A list is one prompt when it has a token, or is a list of one. */
static const json_t *unwrap(const json_t *prompt) {
    while (json_is_array(prompt) && json_array_size(prompt) == 1 &&
           !json_is_integer(json_array_get(prompt, 0))) {
        prompt = json_array_get(prompt, 0);
    }
    if (json_is_object(prompt) && json_get_present(prompt, "multimodal_data") == NULL) {
        prompt = json_object_get(prompt, "prompt_string"); /* llama-server's form */
    }
    return prompt;
}

static bool check_parts(const json_t *parts, struct openai_error *error) {
    size_t n_tokens = 0;
    size_t index;
    json_t *part;
    json_array_foreach(parts, index, part) {
        n_tokens += json_is_integer(part);
        if (!json_is_string(part) && !json_is_integer(part)) {
            return refuse_prompt(error, "\"prompt\" can only be one: ask again for another prompt");
        }
    }
    if (n_tokens == 0) {
        return refuse_prompt(error, index ? "\"prompt\" can only be one text: ask again for another"
                                          : "\"prompt\" must not be empty");
    }
    return true;
}

const json_t *openai_completions_prompt(const json_t *body, struct openai_error *error) {
    const json_t *prompt = unwrap(json_get_present(body, "prompt"));
    if (json_is_object(prompt)) {
        refuse_prompt(error, "\"multimodal_data\" is not supported: send text");
        return NULL;
    }
    if (json_is_array(prompt)) {
        return check_parts(prompt, error) ? prompt : NULL;
    }
    if (!json_is_string(prompt) || json_string_length(prompt) == 0) {
        refuse_prompt(error, "\"prompt\" must be a text that is not empty, or a list of token ids and texts");
        return NULL;
    }
    return prompt;
}

/* Here a number; in a chat two members. */
static bool translate_logprobs(json_t *chat, struct openai_error *error) {
    struct fault fault;
    int64_t n = -1;
    if (json_take_int(chat, "logprobs", 0, OPENAI_COMPLETIONS_LOGPROBS_MAX, &n, &fault)) {
        return openai_error_set(error, 400, NULL, "logprobs", "%s", fault.text);
    }
    json_object_del(chat, "logprobs");
    json_object_del(chat, "top_logprobs");
    if (n >= 0) {
        json_object_set_new(chat, "logprobs", json_true());
        json_object_set_new(chat, "top_logprobs", json_integer((json_int_t)n));
    }
    return true;
}

/* What a chat has too. */
static json_t *copy_fields(const json_t *body) {
    json_t *chat = json_object();
    for (const struct field *field = fields_completions.list; field->name; field++) {
        size_t length = strcspn(field->name, ".");
        json_t *value = json_object_getn(body, field->name, length);
        if (field->use == FIELD_DONE && value) {
            json_object_setn(chat, field->name, length, value);
        }
    }
    return chat;
}

static bool parse_rest(struct openai_completions *out, const json_t *body, const json_t *prompt,
                       const struct settings *defaults, struct openai_error *error) {
    json_t *chat = copy_fields(body);
    json_object_set_new(chat, "messages", json_pack("[{s:s, s:s}]", "role", "user", "content", ""));
    if (json_get_present(chat, "max_tokens") == NULL && json_get_present(chat, "n_predict") == NULL) {
        json_object_set_new(chat, "max_tokens", json_integer(OPENAI_COMPLETIONS_TOKENS_DEFAULT));
    }
    bool is_good =
        translate_logprobs(chat, error) && openai_request_parse(&out->request, chat, defaults, error);
    if (is_good) {
        struct settings *settings = &out->request.settings;
        settings->more = settings->more ? settings->more : json_object();
        json_object_set(settings->more, "prompt", (json_t *)prompt);
        json_array_clear(out->request.messages);
        /* It lives as long as the body does. */
        out->request.model = json_get_text(body, "model", NULL);
    }
    json_decref(chat);
    return is_good;
}

bool openai_completions_parse(struct openai_completions *out, const json_t *body,
                              const struct settings *defaults, struct openai_error *error) {
    *out = (struct openai_completions){ 0 };
    struct fault fault;
    const json_t *prompt = openai_completions_prompt(body, error);
    if (prompt == NULL) {
        return false;
    }
    if (json_take_bool(body, "echo", &out->echo, &fault)) {
        return openai_error_set(error, 400, NULL, "echo", "%s", fault.text);
    }
    if (out->echo && json_get_present(body, "logprobs")) {
        return openai_error_set(error, 400, "unsupported_parameter", "echo",
                                "\"echo\" and \"logprobs\" cannot be had together: the prompt has no "
                                "probabilities");
    }
    if (out->echo && !json_is_string(prompt)) {
        return openai_error_set(error, 400, "unsupported_parameter", "echo",
                                "\"echo\" needs a prompt that is a text: send it so");
    }
    return parse_rest(out, body, prompt, defaults, error);
}

void openai_completions_deinit(struct openai_completions *completions) {
    openai_request_deinit(&completions->request);
}
