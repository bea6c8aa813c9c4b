/* llama_server.c - [W90] [W91] what clients of llama-server ask besides answers: tokens, prompts, and how the server is. */
#include "api/llama_completion.h"
#include "api/openai_call.h"
#include "api/question.h"
#include "api/request.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* ---- Tokens and prompts ---- */

/* The model that the body names. False: it has been answered. */
static bool resolve(const struct api *api, struct net_conn *net, const json_t *body, char path[PATH_MAX]) {
    struct openai_error error;
    bool is_good = openai_call_resolve(api, json_get_text(body, "model", NULL), path, &error);
    if (!is_good) {
        openai_error_reply(net, &error);
    }
    return is_good;
}

static void reply_tokens(struct net_conn *net, const json_t *answer) {
    reply_json(net, 200, json_pack("{s:O}", "tokens", json_object_get(answer, "tokens")));
}

/* A text; a list of bytes where they are no whole characters. */
static json_t *piece_of(const char *hex) {
    size_t n = strlen(hex) / 2;
    char *bytes = mem_alloc(n + 1);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        const char digits[] = { hex[2 * i], hex[2 * i + 1], '\0' };
        unsigned long byte = strtoul(digits, NULL, 16);
        bytes[i] = (char)byte;
        json_array_append_new(list, json_integer((json_int_t)byte));
    }
    json_t *text = utf8_is_valid(bytes, n) ? json_stringn(bytes, n) : NULL;
    free(bytes);
    if (text) {
        json_decref(list);
    }
    return text ? text : list;
}

static void reply_pieces(struct net_conn *net, const json_t *answer) {
    const json_t *pieces = json_object_get(answer, "pieces");
    json_t *list = json_array();
    size_t index;
    json_t *token;
    json_array_foreach(json_object_get(answer, "tokens"), index, token) {
        const char *hex = json_string_value(json_array_get(pieces, index));
        json_array_append_new(list, json_pack("{s:O, s:o}", "id", token, "piece", piece_of(hex ? hex : "")));
    }
    reply_json(net, 200, json_pack("{s:o}", "tokens", list));
}

void llama_tokenize_handle(struct api *api, struct net_conn *net) {
    json_t *body = request_body(net);
    const char *content = NULL;
    bool add_special = false;
    bool parse_special = true;
    bool with_pieces = false;
    char path[PATH_MAX];
    struct fault fault;
    if (body == NULL) {
        return;
    }
    enum status status = request_need_string(body, "content", &content, &fault);
    status = status ? status : json_take_bool(body, "add_special", &add_special, &fault);
    status = status ? status : json_take_bool(body, "parse_special", &parse_special, &fault);
    status = status ? status : json_take_bool(body, "with_pieces", &with_pieces, &fault);
    if (status) {
        reply_status(net, status, fault.text);
    } else if (resolve(api, net, body, path)) {
        question_ask(api, net, path, "tokenize",
                     json_pack("{s:s, s:b, s:b, s:b}", "text", content, "special", parse_special,
                               "add_special", add_special, "pieces", with_pieces),
                     with_pieces ? reply_pieces : reply_tokens);
    }
    json_decref(body);
}

static void reply_text_of(struct net_conn *net, const json_t *answer) {
    reply_json(net, 200, json_pack("{s:O}", "content", json_object_get(answer, "text")));
}

void llama_detokenize_handle(struct api *api, struct net_conn *net) {
    json_t *body = request_body(net);
    json_t *tokens = json_object_get(body, "tokens");
    char path[PATH_MAX];
    if (body == NULL) {
        return;
    }
    if (!json_is_array(tokens)) {
        reply_error(net, 400, "\"tokens\" must be a list of token ids");
    } else if (resolve(api, net, body, path)) {
        question_ask(api, net, path, "detokenize", json_pack("{s:O}", "tokens", tokens), reply_text_of);
    }
    json_decref(body);
}

static void reply_prompt(struct net_conn *net, const json_t *answer) {
    reply_json(net, 200, json_pack("{s:O}", "prompt", json_object_get(answer, "text")));
}

void llama_template_handle(struct api *api, struct net_conn *net) {
    json_t *body = request_body(net);
    struct openai_request request;
    struct openai_error error;
    char path[PATH_MAX];
    if (body == NULL) {
        return;
    }
    if (!openai_request_parse(&request, body, chat_settings(api->chat), &error)) {
        openai_error_reply(net, &error);
    } else {
        if (resolve(api, net, body, path)) {
            openai_request_begin_answer(&request);
            json_t *more = request.settings.more;
            json_t *members =
                json_pack("{s:O, s:O*, s:O*}", "messages", request.messages, "tools",
                          json_object_get(more, "tools"), "begun", json_object_get(more, "begun"));
            question_ask(api, net, path, "template", members, reply_prompt);
        }
        openai_request_deinit(&request);
    }
    json_decref(body);
}

/* ---- How the server is ---- */

static void refuse(struct net_conn *net, int status, const char *text) {
    struct openai_error error;
    openai_error_set(&error, status, NULL, NULL, "%s", text);
    openai_error_reply(net, &error);
}

void llama_props_handle(struct api *api, struct net_conn *net) {
    struct engine *engine = models_engine(chat_models(api->chat));
    bool is_ready = engine && engine_state(engine) == ENGINE_READY;
    const char *path = engine ? engine_model_path(engine) : "";
    if (net_conn_method(net) == NET_POST) {
        refuse(net, 501, "the properties cannot be changed here: use POST /api/config");
        return;
    }
    char *build = mem_format("runnel-%s", api->options.version);
    char *alias = openai_call_model_id(api, path);
    reply_json(net, 200,
               json_pack("{s:{s:o, s:I}, s:I, s:s, s:s, s:{s:b, s:b}, s:s, s:b}",
                         "default_generation_settings", "params",
                         llama_completion_settings(chat_settings(api->chat)), "n_ctx",
                         (json_int_t)(is_ready ? engine_context_size(engine) : 0), "total_slots",
                         (json_int_t)(is_ready ? engine_slot_count(engine) : 0), "model_alias", alias,
                         "model_path", path, "modalities", "vision", false, "audio", false, "build_info",
                         build, "is_sleeping", !is_ready));
    free(alias);
    free(build);
}

/* Which answer is in which slot is the engine's affair: as many as are made are said to be at work. */
void llama_slots_handle(struct api *api, struct net_conn *net) {
    struct engine *engine = models_engine(chat_models(api->chat));
    size_t n = engine && engine_state(engine) == ENGINE_READY ? engine_slot_count(engine) : 0;
    size_t n_running = engine ? engine_running(engine) : 0;
    json_t *list = json_array();
    char flag[16];
    if (net_conn_query(net, "fail_on_no_slot", flag, sizeof flag) != NET_QUERY_ABSENT && n_running >= n) {
        json_decref(list);
        refuse(net, 503, "no slot is free: try again in a moment");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, json_pack("{s:I, s:I, s:b, s:b}", "id", (json_int_t)i, "n_ctx",
                                              (json_int_t)engine_context_size(engine), "speculative", false,
                                              "is_processing", i < n_running));
    }
    reply_json(net, 200, list);
}

void llama_adapters_handle(struct api *api, struct net_conn *net) {
    (void)api;
    if (net_conn_method(net) == NET_POST) {
        refuse(net, 501, "there are no adapters here: load a model that has them merged in");
    } else {
        reply_json(net, 200, json_array());
    }
}
