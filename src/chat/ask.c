/* ask.c - questions to a model that are no generation: how a conversation becomes its prompt, what its tokens are.
 *
 *   chat_ask → (the model is loaded) → engine_ask → on_answer, or on_end with an error
 *
 * A question that the engine dies with is not asked again: whoever asked may. One that nobody wants to be answered any more is cancelled.
 */
#include "base/mem.h"
#include "chat/chat_internal.h"

#include <stdlib.h>
#include <string.h>

struct ask {
    struct chat_call call;
    chat_on_answer callback;
    struct list_node node; /* in chat->asks */
    char id[ID_HEX_BYTES];
    char model_path[PATH_MAX];
    char *op;
    json_t *members;
    bool is_given; /* the engine has it */
    bool load_tried;
};

static struct ask *ask_of_node(struct list_node *node) {
    return CONTAINER_OF(node, struct ask, node);
}

static void end(struct ask *ask, const struct chat_answer *answer) {
    list_remove(&ask->node);
    if (!ask->call.is_abandoned) {
        ask->callback(ask->call.ctx, answer);
    }
    free(ask->op);
    json_decref(ask->members);
    call_free(ask);
}

static void fail(struct ask *ask, const char *code, const char *text) {
    end(ask, &(struct chat_answer){ .code = code, .text = text });
}

static void give(struct ask *ask, struct engine *engine) {
    enum status status = engine_ask(engine, ask->op, ask->id, ask->members);
    if (status == STATUS_OK) {
        ask->is_given = true;
    } else if (status == STATUS_TOO_LARGE) {
        fail(ask, "bad_request", "this is too long to be given to the model: send less");
    }
}

static void load(struct ask *ask) {
    struct chat *chat = ask->call.chat;
    struct fault fault;
    enum models_room room = models_make_room(chat->models, ask->model_path, &fault);
    if (room == MODELS_ROOM_LATER) {
        return;
    }
    ask->load_tried = true;
    if (room == MODELS_ROOM_NEVER) {
        fail(ask, "no_memory", fault.text);
    } else if (models_load(chat->models, ask->model_path, &fault) != STATUS_OK) {
        fail(ask, "model", fault.text);
    }
}

static void on_abandon(struct chat_call *call) {
    struct ask *ask = (struct ask *)call;
    struct engine *engine = models_find_engine(call->chat->models, ask->model_path);
    if (!ask->is_given) {
        end(ask, NULL);
    } else if (engine) {
        engine_cancel(engine, ask->id);
    }
}

static void advance(struct ask *ask) {
    struct engine *engine = models_find_engine(ask->call.chat->models, ask->model_path);
    if (engine == NULL) {
        load(ask);
    } else if (engine_state(engine) == ENGINE_READY) {
        give(ask, engine);
    } else if (engine_state(engine) == ENGINE_FAILED && ask->load_tried) {
        fail(ask, engine_fault_code(engine), engine_fault_text(engine));
    } else {
        bool is_down = engine_state(engine) == ENGINE_FAILED || engine_state(engine) == ENGINE_WAITING;
        ask->load_tried = true;
        if (is_down) {
            engine_retry(engine);
        }
    }
}

void asks_advance(struct chat *chat) {
    LIST_EACH(node, &chat->asks) {
        struct ask *ask = ask_of_node(node);
        if (!ask->is_given) {
            advance(ask);
        }
    }
}

void asks_stop(struct chat *chat) {
    LIST_EACH(node, &chat->asks) {
        fail(ask_of_node(node), "unavailable", CHAT_STOPPING);
    }
}

static struct ask *find(const struct chat *chat, const char *id) {
    LIST_EACH(node, &chat->asks) {
        struct ask *ask = ask_of_node(node);
        if (strcmp(ask->id, id) == 0) {
            return ask;
        }
    }
    return NULL;
}

void ask_answer(struct chat *chat, const char *id, const json_t *answer) {
    struct ask *ask = find(chat, id);
    if (ask) {
        end(ask, &(struct chat_answer){ .text = "", .answer = answer });
    }
}

void ask_fail(struct chat *chat, const char *id, const char *code, const char *text) {
    struct ask *ask = find(chat, id);
    if (ask) {
        fail(ask, code ? code : "internal", text && text[0] ? text : "the engine stopped: ask again");
    }
}

static size_t count(const struct chat *chat) {
    size_t n = 0;
    LIST_EACH(node, &chat->asks) {
        n++;
    }
    return n;
}

struct chat_call *chat_ask(struct chat *chat, const char *model_path, const char *op, json_t *members,
                           chat_on_answer callback, void *ctx) {
    bool is_full = count(chat) >= CHAT_ASKS_MAX;
    if (is_full || chat->is_stopping) {
        callback(ctx, &(struct chat_answer){ .code = is_full ? "full" : "unavailable",
                                             .text = is_full ? begin_fault(STATUS_FULL) : CHAT_STOPPING });
        return NULL;
    }
    struct ask *ask = call_new(sizeof *ask, chat, ctx);
    ask->call.on_abandon = on_abandon;
    ask->callback = callback;
    ask->op = mem_copy_string(op);
    ask->members = json_incref(members);
    id_make_hex(ask->id);
    id_copy(ask->model_path, sizeof ask->model_path, model_path);
    list_append(&chat->asks, &ask->node);
    titles_give_way(chat);
    char id[ID_HEX_BYTES];
    id_copy(id, sizeof id, ask->id);
    /* What happens to engines meanwhile must not advance it again. */
    bool was_advancing = chat->is_advancing;
    chat->is_advancing = true;
    advance(ask);
    chat->is_advancing = was_advancing;
    turns_advance(chat);
    return find(chat, id) ? &ask->call : NULL;
}
