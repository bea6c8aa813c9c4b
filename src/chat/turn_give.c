/* turn_give.c - what the engine is given for an answer: the conversation, the settings, and what was said already (E21). */
#include "base/mem.h"
#include "chat/turn_internal.h"

#include <stdlib.h>
#include <string.h>

/* The beginning of the answer, said by the generations before the newest: its tokens if they are known and of this model, else its
 * text. */
struct prefix {
    int32_t *tokens;
    size_t n_tokens;
    struct bytes text;
};

static bool has_tokens(const struct turn *turn) {
    const char *model = models_file_name(turn->model_path);
    for (const struct stream *at = turn->answer->first; at != turn->answer->stream; at = at->next) {
        if (at->tokens == NULL || at->model == NULL || strcmp(at->model, model) != 0) {
            return false;
        }
    }
    return true;
}

/* Every event between `start` and `end`: also those that are no token, the tails that an end flushed. */
static void add_tokens(struct prefix *prefix, const struct stream *stream) {
    size_t n = (size_t)stream_last_token_seq(stream) - 1;
    size_t size = (prefix->n_tokens + n) * sizeof prefix->tokens[0];
    if (n) {
        prefix->tokens = mem_resize(prefix->tokens, size);
        memcpy(prefix->tokens + prefix->n_tokens, stream->tokens + 1, n * sizeof prefix->tokens[0]);
        prefix->n_tokens += n;
    }
}

static void prefix_init(struct prefix *prefix, const struct turn *turn) {
    *prefix = (struct prefix){ 0 };
    bytes_init(&prefix->text, message_text_size(turn->answer));
    bool by_tokens = has_tokens(turn);
    for (const struct stream *at = turn->answer->first; at != turn->answer->stream; at = at->next) {
        if (by_tokens) {
            add_tokens(prefix, at);
        } else {
            bytes_add(&prefix->text, at->text.data, at->text.size);
        }
    }
}

static void prefix_deinit(struct prefix *prefix) {
    free(prefix->tokens);
    bytes_deinit(&prefix->text);
}

static enum status generate(struct turn *turn, struct engine *engine, const struct prefix *prefix,
                            int64_t n_tokens_max) {
    json_t *sampling = settings_sampling_json(&turn->settings);
    json_t *stop = settings_stops_json(&turn->settings);
    enum status status = engine_generate(engine, &(struct engine_job){
                                                     .id = turn_generation_id(turn),
                                                     .cache_key = turn->conversation->name,
                                                     .messages = turn->messages,
                                                     .sampling = sampling,
                                                     .n_tokens_max = n_tokens_max,
                                                     .stop = stop,
                                                     .ignore_eos = turn->settings.ignore_eos,
                                                     .overflow = settings_overflow(&turn->settings),
                                                     .more = turn->settings.more,
                                                     .prefix_tokens = prefix->tokens,
                                                     .n_prefix_tokens = prefix->n_tokens,
                                                     .prefix_text = prefix->text.data,
                                                 });
    json_decref(sampling);
    json_decref(stop);
    if (status == STATUS_OK) {
        turn->state = TURN_RUNNING;
        turn->engine = engine;
        models_use(turn->chat->models, engine);
        turn->answer->stream->context_size = engine_context_size(engine);
    }
    return status;
}

enum status turn_give(struct turn *turn, struct engine *engine) {
    int64_t n_said = (int64_t)message_token_count(turn->answer);
    int64_t n_max = turn->settings.n_tokens_max;
    /* None at all: the prompt is computed, for the next who begins like it. */
    if (n_max >= 0 && n_max <= n_said && n_said > 0) {
        turn_end(turn, "length", NULL, NULL, NULL);
        return STATUS_OK;
    }
    struct prefix prefix;
    prefix_init(&prefix, turn);
    enum status status = generate(turn, engine, &prefix, n_max < 0 ? -1 : n_max - n_said);
    prefix_deinit(&prefix);
    return status;
}
