#include "api/embeddings.h"

#include "api/openai.h"
#include "api/question.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So many digits say a float exactly. */
#define FLOAT_DIGITS 9

/* How the engine begins what it says of that member. */
#define DIMENSIONS "\"dimensions\""

struct embeddings {
    struct api_call call;
    struct embeddings_order order; /* its inputs, model and path are our own */
    size_t n_asked;
    size_t n_done;
    uint64_t n_tokens;
    uint64_t began_ns;
    struct bytes body;
};

static bool is_openai(const struct embeddings *self) {
    return self->order.form == EMBEDDINGS_OPENAI || self->order.form == EMBEDDINGS_OPENAI_BASE64;
}

/* ---- What is said ---- */

static void add_string(struct bytes *body, const char *key, const char *text) {
    bytes_add_format(body, "\"%s\":", key);
    bytes_add_json_string(body, text, strlen(text));
}

static void add_head(struct embeddings *self) {
    if (is_openai(self)) {
        bytes_add_text(&self->body, "{\"object\":\"list\",\"data\":[");
    } else if (self->order.form == EMBEDDINGS_OLLAMA) {
        bytes_add_char(&self->body, '{');
        add_string(&self->body, "model", self->order.model);
        bytes_add_text(&self->body, ",\"embeddings\":[");
    } else {
        bytes_add_text(&self->body, "{\"embedding\":");
    }
}

static void add_tail(struct embeddings *self) {
    struct bytes *body = &self->body;
    unsigned long long n_tokens = self->n_tokens;
    if (is_openai(self)) {
        bytes_add_text(body, "],");
        add_string(body, "model", self->order.model);
        bytes_add_format(body, ",\"usage\":{\"prompt_tokens\":%llu,\"total_tokens\":%llu}}", n_tokens,
                         n_tokens);
    } else if (self->order.form == EMBEDDINGS_OLLAMA) {
        bytes_add_format(body, "],\"total_duration\":%llu,\"load_duration\":0,\"prompt_eval_count\":%llu}",
                         (unsigned long long)(clock_now_ns() - self->began_ns), n_tokens);
    } else {
        bytes_add_char(body, '}');
    }
}

/* False: it is none. */
static bool add_floats(struct bytes *body, const char *text, size_t n_text) {
    size_t n_bytes = n_text / 4 * 3;
    n_bytes -= n_text > 0 && text[n_text - 1] == '=';
    n_bytes -= n_text > 1 && text[n_text - 2] == '=';
    size_t n = n_bytes / sizeof(float);
    float *vector = mem_alloc((n + 1) * sizeof *vector);
    bool is_good = n_bytes == n * sizeof *vector && base64_read(text, n_text, vector, n_bytes);
    bytes_add_char(body, '[');
    for (size_t i = 0; is_good && i < n; i++) {
        char number[32];
        int length = snprintf(number, sizeof number, "%s%.*g", i ? "," : "", FLOAT_DIGITS, (double)vector[i]);
        bytes_add(body, number, (size_t)length);
    }
    bytes_add_char(body, ']');
    free(vector);
    return is_good;
}

static bool add_vector(struct embeddings *self, const json_t *vector) {
    const char *text = json_string_value(vector);
    size_t n_text = json_string_length(vector);
    bool is_good = text != NULL;
    bytes_add_text(&self->body, self->n_done ? "," : "");
    if (is_openai(self)) {
        bytes_add_format(&self->body, "{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", self->n_done);
    }
    if (is_good && self->order.form == EMBEDDINGS_OPENAI_BASE64) {
        bytes_add_json_string(&self->body, text, n_text);
    } else {
        is_good = is_good && add_floats(&self->body, text, n_text);
    }
    bytes_add_text(&self->body, is_openai(self) ? "}" : "");
    self->n_done++;
    return is_good;
}

/* ---- Asking ---- */

static void fail(struct embeddings *self, int status, const char *code, const char *text) {
    struct openai_error error;
    bool is_too_long = strcmp(code, "context_full") == 0;
    const char *param = strncmp(text, DIMENSIONS, strlen(DIMENSIONS)) == 0 ? "dimensions" : "input";
    openai_error_set(&error, status, is_too_long ? "context_length_exceeded" : NULL,
                     status == 400 ? param : NULL, "%s", text);
    if (is_openai(self)) {
        openai_error_reply(self->call.conn.net, &error);
    } else {
        reply_error(self->call.conn.net, status, error.text);
    }
}

static bool take(struct embeddings *self, const json_t *answer) {
    const json_t *vectors = json_object_get(answer, "vectors");
    size_t index;
    json_t *item;
    bool is_good = self->n_done + json_array_size(vectors) == self->n_asked;
    json_array_foreach(vectors, index, item) {
        is_good = is_good && add_vector(self, item);
    }
    json_array_foreach(json_object_get(answer, "n_tokens"), index, item) {
        self->n_tokens += (uint64_t)json_integer_value(item);
    }
    return is_good;
}

static void ask_next(struct embeddings *self);

static void on_answer(void *ctx, const struct chat_answer *answer) {
    struct embeddings *self = ctx;
    self->call.call = NULL;
    if (answer->code) {
        fail(self, question_http_status(answer->code), answer->code, answer->text);
    } else if (!take(self, answer->answer)) {
        fail(self, 500, "internal", "the engine's answer has not a vector for each text: look at the log");
    } else if (self->body.failed) {
        fail(self, 400, "", "the answer would be too large: send fewer texts at a time");
    } else if (self->n_done < json_array_size(self->order.inputs)) {
        ask_next(self);
    } else {
        add_tail(self);
        reply_text(self->call.conn.net, 200, "application/json", self->body.data, self->body.size);
    }
}

static void ask_next(struct embeddings *self) {
    json_t *some = json_array();
    while (json_array_size(some) < EMBEDDINGS_ASK_MAX &&
           self->n_asked < json_array_size(self->order.inputs)) {
        json_array_append(some, json_array_get(self->order.inputs, self->n_asked++));
    }
    json_t *members = json_pack("{s:o, s:b, s:I}", "inputs", some, "truncate", self->order.truncate,
                                "dimensions", (json_int_t)self->order.n_dimensions);
    self->call.call =
        chat_ask(self->call.conn.api->chat, self->order.path, "embed", members, on_answer, self);
    json_decref(members);
}

static void on_close(struct api_conn *conn) {
    struct embeddings *self = (struct embeddings *)conn;
    json_decref(self->order.inputs);
    free((char *)(uintptr_t)self->order.model);
    free((char *)(uintptr_t)self->order.path);
    bytes_deinit(&self->body);
    api_call_on_close(conn);
}

void embeddings_make(struct api *api, struct net_conn *net, const struct embeddings_order *order) {
    static const struct api_conn_ops ops = { .on_close = on_close };
    struct embeddings *self = api_call_begin(sizeof *self, api, net);
    api_conn_attach(&self->call.conn, &ops, api, net);
    self->order = *order;
    json_incref(self->order.inputs);
    self->order.model = mem_copy_string(order->model);
    self->order.path = mem_copy_string(order->path);
    self->began_ns = clock_now_ns();
    bytes_init(&self->body, EMBEDDINGS_BYTES_MAX);
    add_head(self);
    ask_next(self);
}
