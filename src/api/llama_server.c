/* llama_server.c - [W90] [W91] what clients of llama-server ask besides answers: tokens, prompts, and how the server is. */
#include "api/openai_call.h"
#include "api/question.h"
#include "api/request.h"
#include "base/mem.h"

#include <stdlib.h>

/* ---- Tokens and prompts ---- */

/* The model that the body names. False: it has been answered. */
static bool resolve(const struct api *api, struct net_conn *net, const json_t *body, char path[PATH_MAX]) {
    struct openai_error error;
    bool is_good = openai_call_resolve(api, json_get_text(body, "model", NULL), path, &error);
    if (!is_good) {
        reply_error(net, error.status, error.text);
    }
    return is_good;
}

static void reply_tokens(struct net_conn *net, const json_t *answer) {
    reply_json(net, 200, json_pack("{s:O}", "tokens", json_object_get(answer, "tokens")));
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
    if (status == STATUS_OK && with_pieces) {
        status = fault_set(&fault, STATUS_INVALID, "\"with_pieces\" is not supported: ask /detokenize");
    }
    if (status) {
        reply_status(net, status, fault.text);
    } else if (resolve(api, net, body, path)) {
        question_ask(api, net, path, "tokenize",
                     json_pack("{s:s, s:b, s:b}", "text", content, "special", parse_special, "add_special",
                               add_special),
                     reply_tokens);
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
        reply_error(net, error.status, error.text);
    } else {
        if (resolve(api, net, body, path)) {
            json_t *members = json_pack("{s:O}", "messages", request.messages);
            json_t *tools = json_object_get(request.settings.more, "tools");
            if (tools) {
                json_object_set(members, "tools", tools);
            }
            question_ask(api, net, path, "template", members, reply_prompt);
        }
        openai_request_deinit(&request);
    }
    json_decref(body);
}

/* ---- How the server is ---- */

void llama_props_handle(struct api *api, struct net_conn *net) {
    struct engine *engine = models_engine(chat_models(api->chat));
    bool is_ready = engine && engine_state(engine) == ENGINE_READY;
    const char *path = engine ? engine_model_path(engine) : "";
    char *build = mem_format("runnel-%s", api->options.version);
    json_t *sampling = settings_sampling_json(chat_settings(api->chat));
    reply_json(net, 200,
               json_pack("{s:{s:o, s:I}, s:I, s:s, s:s, s:b}", "default_generation_settings", "params",
                         sampling, "n_ctx", (json_int_t)(is_ready ? engine_context_size(engine) : 0),
                         "total_slots", (json_int_t)(is_ready ? engine_slot_count(engine) : 0), "model_path",
                         path, "build_info", build, "is_sleeping", !is_ready));
    free(build);
}

/* Which answer is in which slot is the engine's affair: as many as are made are said to be at work. */
void llama_slots_handle(struct api *api, struct net_conn *net) {
    struct engine *engine = models_engine(chat_models(api->chat));
    size_t n = engine && engine_state(engine) == ENGINE_READY ? engine_slot_count(engine) : 0;
    size_t n_running = engine ? engine_running(engine) : 0;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, json_pack("{s:I, s:I, s:b}", "id", (json_int_t)i, "n_ctx",
                                              (json_int_t)engine_context_size(engine), "is_processing",
                                              i < n_running));
    }
    reply_json(net, 200, list);
}
