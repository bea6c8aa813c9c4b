#include "prefix.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void add_to_prompt(struct generation *generation, const llama_token *tokens, size_t n_tokens) {
    size_t n_before = (size_t)generation->n_prompt;
    generation->prompt = mem_resize(generation->prompt, (n_before + n_tokens) * sizeof *tokens);
    memcpy(generation->prompt + n_before, tokens, n_tokens * sizeof *tokens);
    generation->n_prompt += (int)n_tokens;
}

static bool check_token(struct generation *generation, const struct model *model, size_t index) {
    llama_token token = generation->command->generate.prefix_tokens[index];
    if (token < model->n_vocab) {
        return true;
    }
    char text[FAULT_TEXT_BYTES];
    snprintf(text, sizeof text, "prefix.tokens[%zu] is %d, and this model has %d tokens", index, token,
             model->n_vocab);
    generation_fail(generation, ERROR_BAD_REQUEST, text);
    return false;
}

/* True: a stop string is complete. A token that was said in several items has a −1 for each behind the first; any other −1 is a tail that
 * an end flushed. */
static bool take_tokens(struct generation *generation, const struct model *model) {
    const struct generate *generate = &generation->command->generate;
    bool stopped = false;
    size_t n_items = 0; /* of what was taken last, beyond the first */
    for (size_t i = 0; i < generate->n_prefix_tokens; i++) {
        llama_token token = generate->prefix_tokens[i];
        if (!check_token(generation, model, i)) {
            return false;
        }
        if (token < 0 && n_items > 0) {
            n_items--;
            continue;
        }
        if (token < 0) {
            piece_clear_text(&generation->piece);
            stopped = piece_finish(&generation->piece) || stopped;
        } else {
            stopped = generation_add_bytes(generation, model, token) || stopped;
            add_to_prompt(generation, &token, 1);
        }
        n_items = generation_take_said(generation, token < 0);
        n_items -= n_items > 0;
    }
    piece_clear_text(&generation->piece);
    return stopped;
}

/* A text is what people saw: nothing of it is held back. */
static bool take_text(struct generation *generation, const struct model *model) {
    const char *text = generation->command->generate.prefix_text;
    int n_tokens;
    llama_token *tokens = model_tokenize(model, text, strlen(text), false, false, &n_tokens);
    if (tokens == NULL) {
        generation_fail(generation, ERROR_INTERNAL, "the text of the prefix could not be turned into tokens");
        return false;
    }
    add_to_prompt(generation, tokens, (size_t)n_tokens);
    free(tokens);
    bool stopped = piece_add_said(&generation->piece, text, strlen(text));
    return piece_finish_said(&generation->piece) || stopped;
}

void prefix_take(struct generation *generation, const struct model *model) {
    const struct generate *generate = &generation->command->generate;
    bool stopped = generate->prefix_text ? take_text(generation, model) : take_tokens(generation, model);
    if (stopped && generation->reason == NULL) {
        generation->reason = "stop";
    }
    int n_prefix = generation->n_prompt - generation->n_conversation;
    bool is_repeatable = sampler_is_repeatable(&generate->sampling);
    generation->is_stepwise = is_repeatable && n_prefix > 0 && n_prefix <= PREFIX_STEPWISE_TOKENS_MAX;
    generation->is_replayed = generation->is_stepwise && sampler_needs_replay(&generate->sampling);
}
