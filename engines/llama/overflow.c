#include "overflow.h"

#include "raw_prompt.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* The messages, and about how many tokens of those that may go stand before each: the system prompts at the beginning may not. */
struct cuts {
    const struct model *model;
    const struct generate *generate;
    const struct chat_message *messages;
    size_t n_messages;
    size_t n_kept; /* system prompts */
    int *n_before; /* for each message, and behind all */
    int n_whole;   /* tokens of the whole conversation, by the same estimate */
};

static bool is_role(const struct chat_message *message, const char *role) {
    return strcmp(message->role, role) == 0;
}

/* The tokens of the texts, and for each message what the template adds on average, rounded up: it is the same for the next turn, and not
 * too low. `n_rendered`: the tokens of the whole prompt. */
static void cuts_init(struct cuts *cuts, const struct model *model, const struct generate *generate,
                      int n_rendered) {
    int n_texts = 0;
    size_t n = generate->n_messages;
    *cuts = (struct cuts){
        .model = model, .generate = generate, .messages = generate->messages, .n_messages = n
    };
    cuts->n_before = mem_alloc((n + 1) * sizeof *cuts->n_before);
    while (cuts->n_kept < n && is_role(&cuts->messages[cuts->n_kept], "system")) {
        cuts->n_kept++;
    }
    for (size_t i = 0; i < n; i++) {
        const char *content = cuts->messages[i].content;
        free(model_tokenize(model, content, strlen(content), false, false, &cuts->n_before[i + 1]));
        n_texts += cuts->n_before[i + 1];
    }
    int n_added = n_rendered > n_texts ? (n_rendered - n_texts) / (int)n + 1 : 1;
    cuts->n_whole = n_texts + n_added * (int)n;
    for (size_t i = 0; i < n; i++) {
        cuts->n_before[i + 1] = i < cuts->n_kept ? 0 : cuts->n_before[i] + cuts->n_before[i + 1] + n_added;
    }
}

/* The next place where a conversation may begin: with a person's message. n_messages: there is none. */
static size_t next_cut(const struct cuts *cuts, size_t from) {
    while (from < cuts->n_messages && !is_role(&cuts->messages[from], "user")) {
        from++;
    }
    return from;
}

/* The first place before which at least so many tokens are; else the last there is. */
static size_t find_cut(const struct cuts *cuts, int n_tokens) {
    size_t cut = next_cut(cuts, cuts->n_kept);
    for (size_t next = cut; cuts->n_before[cut] < n_tokens; cut = next) {
        next = next_cut(cuts, cut + 1);
        if (next == cuts->n_messages) {
            break;
        }
    }
    return cut;
}

static void free_prompt(struct overflow_prompt *prompt) {
    chat_prompt_deinit(&prompt->chat);
    free(prompt->tokens);
    *prompt = (struct overflow_prompt){ 0 };
}

static enum status tokenize(const struct model *model, const struct generate *generate,
                            struct overflow_prompt *out, struct fault *fault) {
    return raw_prompt_tokenize(model, generate, out->chat.text, out->chat.size, &out->tokens, &out->n_tokens,
                               fault);
}

/* Renders the system prompts and what begins at the cut. */
static enum status render_from(const struct cuts *cuts, size_t cut, struct overflow_prompt *out,
                               struct fault *fault) {
    enum status status =
        chat_format_render(cuts->model->format, cuts->generate, cuts->n_kept, cut, &out->chat, fault);
    if (status == STATUS_OK) {
        status = tokenize(cuts->model, cuts->generate, out, fault);
    }
    out->n_dropped = cut - cuts->n_kept;
    return status;
}

/* Leaves out as little as is needed, in whole steps, and more where the estimate was too low. */
static enum status drop_oldest(const struct cuts *cuts, int n_max, struct overflow_prompt *out,
                               struct fault *fault) {
    int step = cuts->model->n_context / OVERFLOW_STEP_SHARE;
    int n_over = cuts->n_whole - n_max;
    size_t cut = find_cut(cuts, (n_over + step - 1) / step * step);
    for (;;) {
        free_prompt(out);
        enum status status = render_from(cuts, cut, out, fault);
        size_t next = next_cut(cuts, cut + 1);
        if (status || out->n_tokens <= n_max || next == cuts->n_messages) {
            return status;
        }
        cut = next;
    }
}

enum status overflow_render(const struct model *model, const struct generate *generate,
                            struct overflow_prompt *out, struct fault *fault) {
    struct cuts cuts;
    int n_max = model->n_context - model->n_context / OVERFLOW_ANSWER_SHARE;
    *out = (struct overflow_prompt){ 0 };
    enum status status = chat_format_render(model->format, generate, 0, 0, &out->chat, fault);
    if (status == STATUS_OK) {
        status = tokenize(model, generate, out, fault);
    }
    bool is_whole = generate->overflow == OVERFLOW_STOP || generate->prompt;
    if (status || is_whole || out->n_tokens <= n_max) {
        return status;
    }
    cuts_init(&cuts, model, generate, out->n_tokens);
    if (next_cut(&cuts, cuts.n_kept) < cuts.n_messages) {
        status = drop_oldest(&cuts, n_max, out, fault);
        LOG_INFO("messages_dropped", "n=%zu of=%zu tokens=%d", out->n_dropped, cuts.n_messages,
                 out->n_tokens);
    }
    free(cuts.n_before);
    return status;
}
