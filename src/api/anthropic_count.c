/* anthropic_count.c - [W83] POST /v1/messages/count_tokens: as many as the usage of the same request will say. */
#include "api/anthropic.h"
#include "api/question.h"

static void reply(struct net_conn *net, const json_t *answer) {
    reply_json(net, 200, json_pack("{s:O}", "input_tokens", json_object_get(answer, "n_tokens")));
}

/* Whatever is in the prompt. */
static json_t *members_of(struct openai_request *request) {
    static const char *const keys[] = { "tools",     "tool_choice", "parallel_tool_calls",
                                        "reasoning", "format",      "begun" };
    openai_request_begin_answer(request);
    json_t *members = json_pack("{s:O}", "messages", request->messages);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        json_t *value = json_object_get(request->settings.more, keys[i]);
        if (value) {
            json_object_set(members, keys[i], value);
        }
    }
    return members;
}

void anthropic_count_handle(struct api *api, struct net_conn *net) {
    struct openai_request request;
    char path[PATH_MAX];
    if (anthropic_take(api, net, false, &request, path)) {
        question_ask(api, net, path, "template", members_of(&request), reply);
        openai_request_deinit(&request);
    }
}
