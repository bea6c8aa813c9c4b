/* embeddings_request.c - what is asked for vectors: OpenAI's POST /v1/embeddings [W100], Ollama's POST /api/embed and /api/embeddings [W101]. */
#include "api/embeddings.h"
#include "api/fields.h"
#include "api/ollama.h"
#include "api/openai_call.h"
#include "api/question.h"
#include "api/request.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIMENSIONS_MAX (1 << 20)

static bool is_tokens(const json_t *list) {
    size_t index;
    json_t *item;
    bool is_good = json_array_size(list) > 0;
    json_array_foreach(list, index, item) {
        is_good = is_good && json_is_integer(item) && json_integer_value(item) >= 0 &&
                  json_integer_value(item) <= INT32_MAX;
    }
    return is_good;
}

static bool is_good_text(const json_t *item) {
    const char *text = json_string_value(item);
    return text && text[0] && strlen(text) == json_string_length(item);
}

static bool check_items(const json_t *list, struct openai_error *error) {
    size_t index;
    json_t *item;
    if (json_array_size(list) < 1 || json_array_size(list) > EMBEDDINGS_MAX) {
        return openai_error_set(error, 400, NULL, "input", "\"input\" must have 1 to %d texts",
                                EMBEDDINGS_MAX);
    }
    json_array_foreach(list, index, item) {
        if (!is_good_text(item) && !is_tokens(item)) {
            return openai_error_set(error, 400, NULL, "input",
                                    "input[%zu] must be a text that is not empty, or a list of token ids",
                                    index);
        }
    }
    return true;
}

/* A text, texts, the tokens of one, or of several: a list in any case. A new reference; NULL: the error says why. */
static json_t *take_inputs(json_t *input, struct openai_error *error) {
    bool is_one = json_is_string(input) || json_is_integer(json_array_get(input, 0));
    if (!is_one && !json_is_array(input)) {
        openai_error_set(error, 400, NULL, "input",
                         "\"input\" must be a text, a list of texts, or a list of token ids");
        return NULL;
    }
    json_t *list = is_one ? json_pack("[O]", input) : json_incref(input);
    if (!check_items(list, error)) {
        json_decref(list);
        return NULL;
    }
    return list;
}

static bool take_dimensions(const json_t *body, int64_t *out, struct openai_error *error) {
    struct fault fault;
    return json_take_int(body, "dimensions", 1, DIMENSIONS_MAX, out, &fault) == STATUS_OK ||
           openai_error_set(error, 400, NULL, "dimensions", "%s", fault.text);
}

/* ---- OpenAI ---- */

static bool take_encoding(const json_t *body, enum embeddings_form *out, struct openai_error *error) {
    const json_t *format = json_get_present(body, "encoding_format");
    const char *name = format ? json_string_value(format) : "float";
    bool is_base64 = name && strcmp(name, "base64") == 0;
    *out = is_base64 ? EMBEDDINGS_OPENAI_BASE64 : EMBEDDINGS_OPENAI;
    return is_base64 || (name && strcmp(name, "float") == 0) ||
           openai_error_set(error, 400, NULL, "encoding_format",
                            "\"encoding_format\" must be \"float\" or \"base64\"");
}

static bool make_openai(struct api *api, struct net_conn *net, const json_t *body,
                        struct openai_error *error) {
    const json_t *model = json_get_present(body, "model");
    struct embeddings_order order = { 0 };
    char path[PATH_MAX];
    if (model && !json_is_string(model)) {
        return openai_error_set(error, 400, NULL, "model", "\"model\" must be a text");
    }
    if (!take_encoding(body, &order.form, error) || !take_dimensions(body, &order.n_dimensions, error) ||
        !openai_call_resolve(api, json_string_value(model), path, error)) {
        return false;
    }
    order.inputs = take_inputs(json_object_get(body, "input"), error);
    if (order.inputs == NULL) {
        return false;
    }
    char *name = openai_call_model_id(api, path);
    order.model = name;
    order.path = path;
    embeddings_make(api, net, &order);
    free(name);
    json_decref(order.inputs);
    return true;
}

void openai_embeddings_handle(struct api *api, struct net_conn *net) {
    json_t *body = request_body(net);
    struct openai_error error;
    if (body &&
        !(fields_check(&fields_embeddings, net, body, &error) && make_openai(api, net, body, &error))) {
        openai_error_reply(net, &error);
    }
    json_decref(body);
}

/* ---- Ollama ---- */

/* The older of the two. */
static bool is_one_text(const struct net_conn *net) {
    return strcmp(net_conn_path(net), "/api/embeddings") == 0;
}

/* Nothing is asked: the model is loaded. */
static void reply_none(struct net_conn *net, const json_t *answer) {
    bool is_one = is_one_text(net);
    (void)answer;
    reply_json(net, 200, json_pack("{s:[]}", is_one ? "embedding" : "embeddings"));
}

static bool is_nothing(const json_t *input) {
    return input == NULL || (json_is_string(input) && json_string_length(input) == 0) ||
           (json_is_array(input) && json_array_size(input) == 0);
}

static bool take_form(const json_t *body, struct embeddings_order *order, struct openai_error *error) {
    struct fault fault;
    return take_dimensions(body, &order->n_dimensions, error) &&
           (json_take_bool(body, "truncate", &order->truncate, &fault) == STATUS_OK ||
            openai_error_set(error, 400, NULL, NULL, "%s", fault.text));
}

static bool make_ollama(struct api *api, struct net_conn *net, const json_t *body,
                        struct openai_error *error) {
    bool is_one = is_one_text(net);
    struct embeddings_order order = { .form = is_one ? EMBEDDINGS_OLLAMA_ONE : EMBEDDINGS_OLLAMA,
                                      .truncate = true };
    json_t *input = json_get_present(body, is_one ? "prompt" : "input");
    char name[NAME_MAX + 1];
    char path[PATH_MAX];
    int64_t keep_ms;
    if (!ollama_keep_take(body, &keep_ms, error) || !ollama_take_model(api, body, name, error) ||
        !openai_call_resolve(api, name, path, error) || (!is_one && !take_form(body, &order, error))) {
        return false;
    }
    ollama_keep_set(api, net, path, keep_ms);
    if (is_nothing(input)) {
        question_ask(api, net, path, "tokenize", json_pack("{s:s}", "text", ""), reply_none);
        return true;
    }
    if (is_one && !json_is_string(input)) {
        return openai_error_set(error, 400, NULL, NULL, "\"prompt\" must be a text");
    }
    order.inputs = take_inputs(input, error);
    if (order.inputs == NULL) {
        return false;
    }
    order.model = name;
    order.path = path;
    embeddings_make(api, net, &order);
    json_decref(order.inputs);
    return true;
}

void ollama_embed_handle(struct api *api, struct net_conn *net) {
    const struct fields *fields = is_one_text(net) ? &fields_ollama_embeddings : &fields_ollama_embed;
    json_t *body = request_body(net);
    struct openai_error error;
    if (body && !(fields_check(fields, net, body, &error) && make_ollama(api, net, body, &error))) {
        reply_error(net, error.status, error.text);
    }
    json_decref(body);
}
