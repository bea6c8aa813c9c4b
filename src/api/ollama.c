/* ollama.c - [W85] [W86] Ollama's POST /api/chat (on its own port alone) and POST /api/generate, as attached calls: lines of JSON. */
#include "api/ollama.h"

#include "api/fields.h"
#include "api/openai_answer.h"
#include "api/openai_call.h"
#include "api/question.h"
#include "api/request.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct ollama_call {
    struct openai_call call;
    enum ollama_kind kind;
};

static struct ollama_call *call_of(struct attached *attached) {
    return (struct ollama_call *)attached;
}

/* ---- Lines ---- */

static json_t *line_of(const char *model, bool is_done) {
    char now[CLOCK_ISO_BYTES];
    clock_format_iso(clock_wall_ms(), now);
    return json_pack("{s:s, s:s, s:b}", "model", model, "created_at", now, "done", is_done);
}

/* What is said goes into `message` of a chat, and beside the rest of a generate. Takes over the references; NULL: nothing. */
static void set_said(json_t *line, enum ollama_kind kind, json_t *text, json_t *thoughts, json_t *calls) {
    json_t *place = line;
    if (kind == OLLAMA_CHAT) {
        place = json_pack("{s:s}", "role", "assistant");
        json_object_set_new(line, "message", place);
    }
    json_object_set_new(place, kind == OLLAMA_CHAT ? "content" : "response", text ? text : json_string(""));
    if (thoughts) {
        json_object_set_new(place, "thinking", thoughts);
    }
    if (calls) {
        json_object_set_new(place, "tool_calls", calls);
    }
}

void ollama_add_line(struct bytes *frame, json_t *line) {
    char *text = json_text(line);
    bytes_add_text(frame, text);
    bytes_add_char(frame, '\n');
    free(text);
    json_decref(line);
}

static json_int_t ns_of(const json_t *timings, const char *key) {
    return (json_int_t)(json_number_value(json_object_get(timings, key)) * 1e6);
}

static void set_end(json_t *line, const struct attached *attached) {
    const json_t *timings = attached->events.message->stream->timings;
    struct attached_usage usage = attached_usage(attached);
    json_int_t queued = ns_of(timings, "queued_ms");
    json_int_t prefill = ns_of(timings, "prefill_ms");
    json_int_t decode = ns_of(timings, "decode_ms");
    json_object_set_new(line, "done_reason", json_string(attached_was_cut(attached) ? "length" : "stop"));
    json_object_set_new(line, "total_duration", json_integer(queued + prefill + decode));
    json_object_set_new(line, "load_duration", json_integer(queued));
    json_object_set_new(line, "prompt_eval_count", json_integer((json_int_t)usage.n_prompt));
    json_object_set_new(line, "prompt_eval_duration", json_integer(prefill));
    json_object_set_new(line, "eval_count", json_integer((json_int_t)usage.n_completion));
    json_object_set_new(line, "eval_duration", json_integer(decode));
}

/* Arguments are an object; those that a limit cut are empty. NULL: nothing was called. */
static json_t *calls_of(const struct message *answer) {
    json_t *calls = message_tool_calls(answer);
    json_t *list = calls ? json_array() : NULL;
    size_t index;
    json_t *call;
    json_array_foreach(calls, index, call) {
        json_t *arguments = json_loads(json_get_text(call, "arguments", "{}"), 0, NULL);
        json_array_append_new(
            list, json_pack("{s:{s:O, s:o}}", "function", "name", json_object_get(call, "name"), "arguments",
                            json_is_object(arguments) ? json_incref(arguments) : json_object()));
        json_decref(arguments);
    }
    json_decref(calls);
    return list;
}

/* ---- A stream ---- */

static void add_begin(struct attached *attached, struct bytes *frame) {
    (void)attached;
    (void)frame;
}

static void add_token(struct attached *attached, struct bytes *frame, const struct watch_item *item) {
    const struct ollama_call *self = call_of(attached);
    bool is_thought = item->event_kind == STORE_EVENT_REASONING;
    size_t size = is_thought ? item->other_size : item->text_size;
    if (size == 0 || item->event_kind == STORE_EVENT_TOOL) {
        return;
    }
    json_t *said = json_stringn(is_thought ? item->other : item->text, size);
    json_t *line = line_of(self->call.model, false);
    set_said(line, self->kind, is_thought ? NULL : said, is_thought ? said : NULL, NULL);
    ollama_add_line(frame, line);
}

static void add_end(struct attached *attached, struct bytes *frame) {
    const struct ollama_call *self = call_of(attached);
    json_t *calls = calls_of(attached->events.message);
    if (calls) {
        json_t *line = line_of(self->call.model, false);
        set_said(line, self->kind, NULL, NULL, calls);
        ollama_add_line(frame, line);
    }
    json_t *line = line_of(self->call.model, true);
    set_said(line, self->kind, NULL, NULL, NULL);
    set_end(line, attached);
    ollama_add_line(frame, line);
}

static void add_failure(struct attached *attached, struct bytes *frame,
                        const struct attached_failure *failure) {
    (void)attached;
    ollama_add_line(frame, json_pack("{s:s}", "error", failure->text));
}

/* ---- One piece ---- */

static void reply_whole(struct attached *attached) {
    const struct ollama_call *self = call_of(attached);
    const struct message *answer = attached->events.message;
    json_t *line = line_of(self->call.model, true);
    set_said(line, self->kind, openai_answer_text(answer), message_reasoning(answer), calls_of(answer));
    set_end(line, attached);
    reply_json(attached->events.call.conn.net, 200, line);
}

static void reply_failure(struct attached *attached, const struct attached_failure *failure) {
    reply_error(attached->events.call.conn.net, failure->status, failure->text);
}

/* A reader of lines would take an empty one for one that is broken; a space before the next is none. */
static const struct attached_encoder encoder = {
    .content_type = "application/x-ndjson",
    .ping = " ",
    .reply_whole = reply_whole,
    .reply_failure = reply_failure,
    .add_begin = add_begin,
    .add_token = add_token,
    .add_end = add_end,
    .add_failure = add_failure,
    .deinit = openai_call_deinit,
};

/* ---- The request ---- */

/* The answer to one that asks nothing. */
static void reply_done(struct net_conn *net, const char *reason) {
    bool is_chat = strcmp(net_conn_path(net), "/api/chat") == 0;
    json_t *line = line_of("", true);
    set_said(line, is_chat ? OLLAMA_CHAT : OLLAMA_GENERATE, NULL, NULL, NULL);
    json_object_set_new(line, "done_reason", json_string(reason));
    reply_json(net, 200, line);
}

static void on_loaded(struct net_conn *net, const json_t *answer) {
    (void)answer;
    reply_done(net, "load");
}

static void begin(struct api *api, struct net_conn *net, struct ollama_request *asked, const char *path,
                  enum ollama_kind kind) {
    if (asked->is_load && asked->keep_ms == 0) {
        /* It takes the model from all others. */
        if (gate_check(api, net, SCOPE_ADMIN)) {
            chat_unload_model(api->chat, path);
            reply_done(net, "unload");
        }
        return;
    }
    ollama_keep_set(api, net, path, asked->keep_ms);
    if (asked->is_load) {
        question_ask(api, net, path, "tokenize", json_pack("{s:s}", "text", ""), on_loaded);
    } else {
        struct ollama_call *self = openai_call_begin(sizeof *self, &encoder, api, net, &asked->request, path);
        self->kind = kind;
        openai_call_ask(&self->call, &asked->request, path);
    }
}

static void handle(struct api *api, struct net_conn *net, enum ollama_kind kind) {
    json_t *body = request_body(net);
    struct ollama_request asked;
    struct openai_error error;
    char name[NAME_MAX + 1];
    char path[PATH_MAX];
    if (body == NULL) {
        return;
    }
    if (!ollama_take_model(api, body, name, &error) ||
        !fields_check(kind == OLLAMA_CHAT ? &fields_ollama_chat : &fields_ollama_generate, net, body,
                      &error) ||
        !ollama_request_parse(&asked, body, kind, chat_settings(api->chat), &error)) {
        reply_error(net, error.status, error.text);
    } else {
        if (openai_call_resolve(api, name, path, &error)) {
            begin(api, net, &asked, path, kind);
        } else {
            reply_error(net, error.status, error.text);
        }
        ollama_request_deinit(&asked);
    }
    json_decref(body);
}

void ollama_chat_handle(struct api *api, struct net_conn *net) {
    handle(api, net, OLLAMA_CHAT);
}

void ollama_generate_handle(struct api *api, struct net_conn *net) {
    handle(api, net, OLLAMA_GENERATE);
}
