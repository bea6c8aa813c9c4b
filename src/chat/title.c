/* title.c - titles that the model makes when it has nothing else to do ([N40]).
 *
 *   the first answer ends → waits → (nothing was asked for TITLE_QUIET_MS) → asked → chat_change
 *                             ▲                                               │
 *                             └───── something else is asked: dropped ────────┘
 *
 * What is asked is the conversation with one request behind it, and has no name in the cache: what that holds of the conversation is used,
 * and stays as it is. A drop is no failure; whatever else comes of it is, and then the conversation keeps the title that it has.
 */
#include "base/log.h"
#include "base/mem.h"
#include "chat/chat_internal.h"
#include "chat/title_text.h"

#include <stdlib.h>
#include <string.h>

#define TITLE_QUIET_MS    500
#define TITLE_TOKENS_MAX  32
#define TITLE_BYTES_MAX   1024
#define TITLE_WAITING_MAX 16 /* beyond them the oldest keeps its title */

#define TITLE_REQUEST                                                                                        \
    "Write a title for this conversation, of at most six words, in its language. Answer with the title "     \
    "alone."

struct title {
    struct list_node node; /* in chat->titles */
    struct chat *chat;
    struct conversation *conversation; /* held */
    struct engine *engine;             /* that is asked; NULL: it waits */
    char id[ID_HEX_BYTES];
    struct bytes text;
};

static struct title *title_of_node(struct list_node *node) {
    return CONTAINER_OF(node, struct title, node);
}

static void title_free(struct title *title) {
    list_remove(&title->node);
    conversation_unref(title->conversation);
    bytes_deinit(&title->text);
    free(title);
}

static struct title *find_asked(const struct chat *chat) {
    LIST_EACH(node, &chat->titles) {
        struct title *title = title_of_node(node);
        if (title->engine) {
            return title;
        }
    }
    return NULL;
}

static struct title *find(const struct chat *chat, const char *id) {
    struct title *asked = find_asked(chat);
    return asked && strcmp(asked->id, id) == 0 ? asked : NULL;
}

size_t titles_count_asked(const struct chat *chat, const struct engine *engine) {
    const struct title *asked = find_asked(chat);
    return asked && asked->engine == engine;
}

static void wait_for_quiet(struct chat *chat) {
    chat->options.loop->timer_set(chat->title_timer, list_is_empty(&chat->titles) ? -1 : TITLE_QUIET_MS);
}

/* ---- Asking ---- */

static bool is_wanted(const struct chat *chat, const struct conversation *conversation) {
    const struct store_own *own = &conversation->own;
    return chat->settings.auto_title == AUTO_TITLE_ON && !conversation->is_gone && own->deleted_ms == 0 &&
           !own->is_temporary && own->title_by == STORE_TITLE_TEXT;
}

static enum status ask(struct title *title, struct engine *engine) {
    json_t *messages = prompt_messages(title->conversation, title->conversation->current);
    json_t *sampling = json_pack("{s:s}", "sampler_type", "Greedy");
    json_t *more = json_pack("{s:s}", "reasoning", "off");
    json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "user", "content", TITLE_REQUEST));
    id_make_hex(title->id);
    bytes_clear(&title->text);
    enum status status = engine_generate(engine, &(struct engine_job){ .id = title->id,
                                                                       .cache_key = "",
                                                                       .messages = messages,
                                                                       .sampling = sampling,
                                                                       .n_tokens_max = TITLE_TOKENS_MAX,
                                                                       .overflow = "stop",
                                                                       .more = more });
    json_decref(messages);
    json_decref(sampling);
    json_decref(more);
    title->engine = status == STATUS_OK ? engine : NULL;
    LOG_DEBUG("title_asked", "conversation=%s status=%s", title->conversation->name, status_name(status));
    return status;
}

/* Nothing is loaded for a title, and nobody waits for one. */
static void begin(struct title *title) {
    char path[PATH_MAX];
    const struct conversation *conversation = title->conversation;
    bool is_possible = is_wanted(title->chat, conversation) &&
                       chat_choose_model(title->chat, conversation->settings, path, NULL) == STATUS_OK;
    struct engine *engine = is_possible ? models_find_engine(title->chat->models, path) : NULL;
    if (engine == NULL || engine_state(engine) != ENGINE_READY || ask(title, engine) != STATUS_OK) {
        title_free(title);
    }
}

static void on_time(void *ctx) {
    struct chat *chat = ctx;
    bool is_quiet = chat->n_turns == 0 && chat->n_begins == 0 && list_is_empty(&chat->asks);
    if (list_is_empty(&chat->titles) || find_asked(chat)) {
        return;
    }
    if (is_quiet) {
        begin(title_of_node(chat->titles.next));
    }
    wait_for_quiet(chat);
}

void titles_give_way(struct chat *chat) {
    struct title *asked = find_asked(chat);
    if (asked) {
        LOG_DEBUG("title_dropped", "conversation=%s", asked->conversation->name);
        engine_cancel(asked->engine, asked->id);
        asked->engine = NULL;
    }
    wait_for_quiet(chat);
}

/* ---- The answer ---- */

void titles_on_piece(struct chat *chat, const struct engine_piece *piece) {
    struct title *title = find(chat, piece->id);
    if (title && piece->kind == ENGINE_PIECE_TEXT) {
        bytes_add(&title->text, piece->text, piece->text_size);
    }
}

static void on_changed(void *ctx, enum status status, const struct conversation *conversation) {
    (void)ctx;
    (void)conversation;
    LOG_DEBUG("title_stored", "status=%s", status_name(status));
}

static void give_title(struct title *title, const char *text) {
    struct store_change change = { .name = title->conversation->name,
                                   .what = STORE_CHANGE_TITLE,
                                   .title = text,
                                   .title_by = STORE_TITLE_MODEL };
    chat_change(title->chat, &change, on_changed, NULL);
}

void titles_on_end(struct chat *chat, const char *id, const struct engine_end *end) {
    struct title *title = find(chat, id);
    if (title == NULL) {
        return;
    }
    bool is_whole = strcmp(end->reason, "stop") == 0 || strcmp(end->reason, "length") == 0;
    char *text = is_whole && title->text.size ? title_text_clean(title->text.data) : NULL;
    LOG_INFO("title_made", "conversation=%s reason=%s good=%d", title->conversation->name, end->reason,
             text != NULL);
    if (text && is_wanted(chat, title->conversation)) {
        give_title(title, text);
    }
    free(text);
    title_free(title);
    wait_for_quiet(chat);
}

/* ---- What wants one ---- */

/* A title is of the conversation's beginning: later answers change nothing. */
static bool is_first_answer(const struct message *answer) {
    for (const struct message *at = answer->above; at; at = at->above) {
        if (at->first) {
            return false;
        }
    }
    return true;
}

static void add(struct chat *chat, struct conversation *conversation) {
    size_t n = 0;
    LIST_EACH(node, &chat->titles) {
        if (title_of_node(node)->conversation == conversation) {
            return;
        }
        n++;
    }
    if (n >= TITLE_WAITING_MAX) {
        title_free(title_of_node(chat->titles.next));
    }
    struct title *title = mem_alloc(sizeof *title);
    title->chat = chat;
    title->conversation = conversation_ref(conversation);
    bytes_init(&title->text, TITLE_BYTES_MAX);
    list_append(&chat->titles, &title->node);
}

/* Programs keep many conversations and read no titles. */
void titles_on_answer(struct chat *chat, struct conversation *conversation, const struct message *answer) {
    const struct stream *stream = answer->stream;
    bool is_whole = stream->is_ended && stream->reason &&
                    (strcmp(stream->reason, "stop") == 0 || strcmp(stream->reason, "length") == 0);
    bool is_shown = conversation->hub && conversation->name[0] && !chat->options.no_titles;
    if (is_whole && is_shown && !chat->is_stopping && is_wanted(chat, conversation) &&
        message_text_size(answer) > 0 && is_first_answer(answer) && !prompt_is_kept(answer)) {
        add(chat, conversation);
    }
    wait_for_quiet(chat);
}

/* ---- Life ---- */

void titles_open(struct chat *chat) {
    const struct loop *loop = chat->options.loop;
    list_init(&chat->titles);
    chat->title_timer = loop->timer_new(loop->self, on_time, chat);
}

void titles_stop(struct chat *chat) {
    titles_give_way(chat);
    while (!list_is_empty(&chat->titles)) {
        title_free(title_of_node(chat->titles.next));
    }
}

void titles_close(struct chat *chat) {
    titles_stop(chat);
    chat->options.loop->timer_free(chat->title_timer);
}
