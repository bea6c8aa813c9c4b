/* draft.c - what a client is typing is given to the engine before it is sent.
 *
 *   draft_set → (CHAT_DRAFT_MS since the last one) → (the conversation is opened) → engine_draft
 *
 * While an answer of the conversation is being made there is no prompt yet: the draft waits for its end.
 */
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "chat/chat_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct draft {
    struct list_node node;
    struct chat *chat;
    struct loop_timer *timer;
    struct chat_call *opening;
    char conversation[ID_CONVERSATION_BYTES]; /* empty: a new one */
    char *text;                               /* NULL: nothing is typed */
    char key[ID_HEX_BYTES + 8];               /* names a new conversation that has no name yet */
    char id[ID_HEX_BYTES];                    /* what the engine has; empty: nothing */
    uint64_t given_ms;
};

struct draft *draft_new(struct chat *chat) {
    struct draft *draft = mem_alloc(sizeof *draft);
    char hex[ID_HEX_BYTES];
    draft->chat = chat;
    id_make_hex(hex);
    snprintf(draft->key, sizeof draft->key, "draft-%s", hex);
    list_append(&chat->drafts, &draft->node);
    return draft;
}

static void take_back(struct draft *draft) {
    if (draft->id[0]) {
        models_cancel_draft(draft->chat->models, draft->id);
    }
    draft->id[0] = '\0';
}

static void clear(struct draft *draft) {
    chat_abandon(draft->opening);
    draft->opening = NULL;
    free(draft->text);
    draft->text = NULL;
}

void draft_free(struct draft *draft) {
    if (draft == NULL) {
        return;
    }
    clear(draft);
    take_back(draft);
    if (draft->timer) {
        draft->chat->options.loop->timer_free(draft->timer);
    }
    list_remove(&draft->node);
    free(draft);
}

/* The engine with the model that would answer, if it is there: nothing is loaded for a draft. */
static struct engine *find_engine(const struct draft *draft, const struct conversation *conversation) {
    char path[PATH_MAX];
    const json_t *own = conversation ? conversation->settings : NULL;
    if (chat_choose_model(draft->chat, own, path, NULL) != STATUS_OK) {
        return NULL;
    }
    struct engine *engine = models_find_engine(draft->chat->models, path);
    return engine && engine_state(engine) == ENGINE_READY ? engine : NULL;
}

static json_t *make_messages(const struct draft *draft, const struct conversation *conversation) {
    const char *system = draft->chat->settings.system_prompt;
    json_t *messages = conversation ? prompt_messages(conversation, conversation->current) : json_array();
    if (json_array_size(messages) == 0 && system) {
        json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "system", "content", system));
    }
    json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "user", "content", draft->text));
    return messages;
}

/* Asks at once, unless an answer of the conversation is being made; `conversation` NULL: a new one. */
static void give(struct draft *draft, const struct conversation *conversation) {
    struct engine *engine = conversation && conversation->turn ? NULL : find_engine(draft, conversation);
    if (engine == NULL) {
        return;
    }
    take_back(draft);
    titles_give_way(draft->chat);
    json_t *messages = make_messages(draft, conversation);
    id_make_hex(draft->id);
    struct engine_job job = { .id = draft->id,
                              .cache_key = conversation ? conversation->name : draft->key,
                              .messages = messages,
                              .overflow = settings_overflow(&draft->chat->settings) };
    if (!engine_draft(engine, &job)) {
        draft->id[0] = '\0';
    }
    json_decref(messages);
    draft->given_ms = clock_now_ms();
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct draft *draft = ctx;
    draft->opening = NULL;
    if (status == STATUS_OK) {
        give(draft, conversation);
    }
}

static void on_timer(void *ctx) {
    struct draft *draft = ctx;
    if (draft->text == NULL || draft->opening) {
        return;
    }
    if (draft->conversation[0] == '\0') {
        give(draft, NULL);
        return;
    }
    struct chat_call *call = chat_open_conversation(draft->chat, draft->conversation, on_opened, draft);
    if (call) {
        draft->opening = call;
    }
}

/* From the loop, and not more often than is allowed. */
static void give_soon(struct draft *draft) {
    const struct loop *loop = draft->chat->options.loop;
    uint64_t since_ms = clock_now_ms() - draft->given_ms;
    if (draft->timer == NULL) {
        draft->timer = loop->timer_new(loop->self, on_timer, draft);
    }
    loop->timer_set(draft->timer, since_ms < CHAT_DRAFT_MS ? (int64_t)(CHAT_DRAFT_MS - since_ms) : 0);
}

void draft_set(struct draft *draft, const char *conversation, const char *text) {
    clear(draft);
    if (text[0] == '\0' || draft->chat->settings.draft_prefill == DRAFT_PREFILL_OFF) {
        take_back(draft);
        return;
    }
    draft->text = mem_copy_string(text);
    id_copy(draft->conversation, sizeof draft->conversation, conversation ? conversation : "");
    give_soon(draft);
}

void drafts_on_turn_ended(struct chat *chat, const struct conversation *conversation) {
    LIST_EACH(node, &chat->drafts) {
        struct draft *draft = CONTAINER_OF(node, struct draft, node);
        if (draft->text && strcmp(draft->conversation, conversation->name) == 0 && conversation->name[0]) {
            give_soon(draft);
        }
    }
}
