#include "api/openai_completions.h"

#include "api/fields.h"

#include <string.h>

static const json_t *present(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

/* A text, or a list of one. Borrowed; NULL: the error is set. */
static const json_t *find_prompt(const json_t *body, struct openai_error *error) {
    const json_t *prompt = present(body, "prompt");
    if (json_is_array(prompt) && json_array_size(prompt) == 1 && json_is_string(json_array_get(prompt, 0))) {
        prompt = json_array_get(prompt, 0);
    }
    if (!json_is_string(prompt) || json_string_length(prompt) == 0) {
        openai_error_set(
            error, 400, NULL, "prompt",
            "\"prompt\" must be one text that is not empty: lists of texts and of tokens are not "
            "supported");
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
    if (present(chat, "max_tokens") == NULL) {
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
    const json_t *prompt = find_prompt(body, error);
    if (prompt == NULL) {
        return false;
    }
    if (json_take_bool(body, "echo", &out->echo, &fault)) {
        return openai_error_set(error, 400, NULL, "echo", "%s", fault.text);
    }
    if (out->echo && present(body, "logprobs")) {
        return openai_error_set(error, 400, "unsupported_parameter", "echo",
                                "\"echo\" and \"logprobs\" cannot be had together: the prompt has no "
                                "probabilities");
    }
    return parse_rest(out, body, prompt, defaults, error);
}

void openai_completions_deinit(struct openai_completions *completions) {
    openai_request_deinit(&completions->request);
}
