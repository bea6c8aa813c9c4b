#include "chat/chat.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "chat/chat_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void load_settings(struct chat *chat) {
    settings_init(&chat->settings);
    char *text = store_setting(chat->store, "settings");
    json_t *object = text ? json_loads(text, 0, NULL) : NULL;
    struct fault fault;
    if (object && settings_merge(&chat->settings, object, SETTINGS_ALL, &fault) != STATUS_OK) {
        LOG_WARN("settings_ignored", "why=%s", fault.text);
    }
    json_decref(object);
    free(text);
}

struct chat *chat_open(const struct chat_options *options) {
    struct chat *chat = mem_alloc(sizeof *chat);
    chat->options = *options;
    chat->store = options->store;
    hub_init(&chat->hub);
    list_init(&chat->turns);
    list_init(&chat->begins);
    list_init(&chat->asks);
    list_init(&chat->loads);
    list_init(&chat->drafts);
    titles_open(chat);
    leave_open(chat);
    seen_open(chat);
    purge_open(chat);
    load_settings(chat);
    chat->models = models_open(chat, options);
    return chat;
}

void chat_close(struct chat *chat) {
    if (chat == NULL) {
        return;
    }
    chat->store = NULL; /* it is closed */
    while (!list_is_empty(&chat->turns)) {
        turn_drop(turn_of_node(chat->turns.next));
    }
    assert(chat_is_idle(chat));
    titles_close(chat);
    leave_close(chat);
    purge_close(chat);
    forget_close(chat);
    models_close(chat->models);
    settings_deinit(&chat->settings);
    free(chat);
}

void chat_listen(struct chat *chat, const struct chat_listener *listener) {
    chat->listener = *listener;
}

void chat_stop(struct chat *chat) {
    chat->is_stopping = true;
    titles_stop(chat);
    LIST_EACH(node, &chat->turns) {
        turn_stop(turn_of_node(node));
    }
    asks_stop(chat);
    models_leave(chat->models); /* what the engine holds goes to the disk meanwhile */
}

void chat_drain(struct chat *chat) {
    enum store_trouble before = store_trouble(chat->store);
    store_drain(chat->store);
    if (store_trouble(chat->store) != before && chat->listener.on_storage) {
        chat->listener.on_storage(chat->listener.ctx);
    }
    turns_hold_back(chat);
    models_sweep(chat->models);
}

bool chat_is_idle(const struct chat *chat) {
    return chat->n_turns == 0 && chat->n_calls == 0;
}

bool chat_is_quiet(const struct chat *chat) {
    return !models_is_leaving(chat->models) && chat->forgets == NULL && chat->forgetting == NULL;
}

bool chat_is_stopping(const struct chat *chat) {
    return chat->is_stopping;
}

bool chat_is_left(const struct chat *chat, const char *generation_id) {
    return chat->is_stopping && chat_find_running(chat, generation_id) == NULL;
}

const struct figures *chat_figures(const struct chat *chat) {
    return &chat->figures;
}

struct chat_disk chat_disk(const struct chat *chat) {
    return (struct chat_disk){ .commits = store_commit_times(chat->store),
                               .syncs = store_sync_times(chat->store),
                               .n_pending = store_pending(chat->store) };
}

void chat_count_answers(const struct chat *chat, size_t *n_running, size_t *n_waiting) {
    *n_running = turns_count_running(chat);
    *n_waiting = chat->n_turns - *n_running;
}

const char *chat_epoch(const struct chat *chat) {
    return store_epoch(chat->store);
}

enum store_trouble chat_storage(const struct chat *chat) {
    return store_trouble(chat->store);
}

struct models *chat_models(struct chat *chat) {
    return chat->models;
}

const struct settings *chat_settings(const struct chat *chat) {
    return &chat->settings;
}

static void on_settings_stored(void *ctx, enum status status) {
    struct chat *chat = ctx;
    chat->n_calls--;
    if (status) {
        LOG_ERROR("settings_not_stored", "status=%s", status_name(status));
    }
}

/* A model is stored by its path, however it was named. */
static enum status resolve_model(struct chat *chat, struct settings *changed, struct fault *fault) {
    char path[PATH_MAX];
    if (changed->model_path == NULL) {
        return STATUS_OK;
    }
    enum status status = models_resolve(chat->models, changed->model_path, path, fault);
    if (status == STATUS_OK) {
        free(changed->model_path);
        changed->model_path = mem_copy_string(path);
    }
    return status;
}

static enum status store_settings(struct chat *chat, const struct settings *settings, struct fault *fault) {
    json_t *whole = settings_json(settings);
    char *text = json_text(whole);
    json_decref(whole);
    enum status status = store_put_setting(chat->store, "settings", text, on_settings_stored, chat);
    free(text);
    if (status) {
        return fault_set(fault, status, "the settings could not be stored: try again");
    }
    chat->n_calls++;
    return STATUS_OK;
}

enum status chat_change_settings(struct chat *chat, const json_t *object, struct fault *fault) {
    struct settings changed;
    settings_copy(&changed, &chat->settings);
    bool names_model = json_object_get(object, "model_path") != NULL;
    enum status status = settings_merge(&changed, object, SETTINGS_ALL, fault);
    if (status == STATUS_OK && names_model) {
        status = resolve_model(chat, &changed, fault);
    }
    if (status == STATUS_OK) {
        status = store_settings(chat, &changed, fault);
    }
    if (status) {
        settings_deinit(&changed);
        return status;
    }
    settings_deinit(&chat->settings);
    chat->settings = changed;
    if (names_model) {
        models_choose(chat->models, chat->settings.model_path);
    }
    leave_check(chat);
    return STATUS_OK;
}

void chat_on_model_ready(struct chat *chat, const char *path) {
    models_remember(chat->models, path);
    if (!models_take_wanted(chat->models, path)) {
        return;
    }
    struct fault fault;
    json_t *choice = json_pack("{s:s}", "model_path", path);
    if (chat_change_settings(chat, choice, &fault) != STATUS_OK) {
        LOG_WARN("model_not_chosen", "why=%s", fault.text);
    }
    json_decref(choice);
}

static void unload(struct chat *chat, struct engine *engine) {
    cancel_model(chat, engine_model_path(engine));
    models_unload(chat->models, engine);
}

static enum status clear_room(struct chat *chat, const char *path, struct fault *fault) {
    struct models *models = chat->models;
    enum models_room room = MODELS_ROOM_NOW;
    if (models_find_engine(models, path) == NULL && !chat->is_stopping) {
        while ((room = models_room(models, path, fault)) == MODELS_ROOM_LATER) {
            unload(chat, models_find_leaver(models, true));
        }
    }
    return room == MODELS_ROOM_NOW ? STATUS_OK : STATUS_NOMEM;
}

enum status chat_load_model(struct chat *chat, const char *path, struct fault *fault) {
    enum status status = clear_room(chat, path, fault);
    if (status == STATUS_OK) {
        status = models_load(chat->models, path, fault);
    }
    if (status == STATUS_OK) {
        models_want(chat->models, path);
        if (engine_state(models_engine(chat->models)) == ENGINE_READY) {
            chat_on_model_ready(chat, path);
        }
    }
    turns_advance(chat); /* room that was not needed after all */
    return status;
}

bool chat_unload_model(struct chat *chat, const char *path) {
    bool was_there = false;
    struct engine *engine;
    while ((engine = path ? models_find_engine(chat->models, path) : models_engine(chat->models)) != NULL) {
        unload(chat, engine);
        was_there = true;
    }
    turns_advance(chat);
    return was_there;
}

enum status chat_delete_model(struct chat *chat, const char *path, struct fault *fault) {
    const char *chosen = chat->settings.model_path;
    bool is_chosen = chosen && strcmp(chosen, path) == 0;
    enum status status = models_remove(chat->models, path, fault);
    if (status == STATUS_OK && is_chosen) {
        json_t *none = json_pack("{s:s}", "model_path", "");
        status = chat_change_settings(chat, none, fault);
        json_decref(none);
    }
    return status;
}

void chat_tell(struct chat *chat, const struct conversation *conversation, enum conversation_event event) {
    if (chat->listener.on_conversation && conversation->name[0]) {
        chat->listener.on_conversation(chat->listener.ctx, conversation, event);
    }
}

enum status chat_choose_model(const struct chat *chat, const json_t *settings, char out[PATH_MAX],
                              struct fault *fault) {
    const char *own = json_string_value(json_object_get(settings, "model"));
    if (own == NULL) {
        return models_resolve(chat->models, NULL, out, fault);
    }
    return models_find(chat->models, own, out)
               ? STATUS_OK
               : fault_set(fault, STATUS_NOT_FOUND,
                           "the model %.100s of this conversation is not there any more: choose another one",
                           own);
}

/* ---- What runs ---- */

struct conversation *chat_find_running(const struct chat *chat, const char *generation_id) {
    const struct turn *turn = turn_find_answer(chat, generation_id);
    return turn ? turn_conversation(turn) : NULL;
}

struct conversation *chat_find_only_running(const struct chat *chat) {
    struct conversation *found = NULL;
    LIST_EACH(node, &chat->hub.conversations) {
        struct conversation *conversation = CONTAINER_OF(node, struct conversation, node);
        if (conversation->turn && found) {
            return NULL;
        }
        found = conversation->turn ? conversation : found;
    }
    return found;
}

bool chat_is_running(const struct chat *chat, const char *conversation) {
    const struct conversation *found = hub_find(&chat->hub, conversation);
    return found && found->turn;
}

void chat_on_turn_ended(struct chat *chat, struct conversation *conversation, struct list_node *deletes) {
    chat_tell(chat, conversation, CONVERSATION_RUNNING);
    deletes_go_on(deletes);
    drafts_on_turn_ended(chat, conversation);
}
