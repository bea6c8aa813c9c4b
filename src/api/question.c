#include "api/question.h"

#include <string.h>

struct question {
    struct api_call call;
    void (*reply)(struct net_conn *net, const json_t *answer);
};

int question_http_status(const char *code) {
    return strcmp(code, "bad_request") == 0 || strcmp(code, "context_full") == 0 ? 400
           : strcmp(code, "model_not_found") == 0                                ? 404
           : strcmp(code, "full") == 0                                           ? 429
           : strcmp(code, "internal") == 0 || strcmp(code, "model_corrupt") == 0 ? 500
                                                                                 : 503;
}

static void on_answer(void *ctx, const struct chat_answer *answer) {
    struct question *self = ctx;
    self->call.call = NULL;
    if (answer->code) {
        reply_error(self->call.conn.net, question_http_status(answer->code), answer->text);
    } else {
        self->reply(self->call.conn.net, answer->answer);
    }
}

void question_ask(struct api *api, struct net_conn *net, const char *model_path, const char *op,
                  json_t *members, void (*reply)(struct net_conn *net, const json_t *answer)) {
    struct question *self = api_call_begin(sizeof *self, api, net);
    self->reply = reply;
    self->call.call = chat_ask(api->chat, model_path, op, members, on_answer, self);
    json_decref(members);
}
