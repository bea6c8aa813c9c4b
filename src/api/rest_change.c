/* rest_change.c - [W50] [W51] [W52]: what a conversation has of its own, its way out of the trash, and a conversation made of a branch. */
#include "api/api_internal.h"
#include "api/request.h"

#include <stdlib.h>
#include <string.h>

#define TITLE_BYTES_MAX 1000

static void fail(struct net_conn *net, enum status status) {
    reply_status(net, status,
                 status == STATUS_NOT_FOUND ? CHAT_NO_CONVERSATION " and its messages"
                 : status == STATUS_BUSY
                     ? "an answer of it is still being written: wait for its end or stop it"
                     : "it could not be stored: look at the log");
}

/* ---- [W50] ---- */

static void on_changed(void *ctx, enum status status, const struct conversation *conversation) {
    struct api_call *self = ctx;
    self->call = NULL;
    if (status) {
        fail(self->conn.net, status);
        return;
    }
    json_t *whole =
        json_pack("{s:b, s:s, s:s}", "success", true, "id", conversation->name, "title", conversation->title);
    encode_own(whole, conversation);
    if (conversation->n_messages) {
        json_object_set_new(whole, "current", encode_current(conversation));
    }
    reply_json(self->conn.net, 200, whole);
}

static enum status take_title(const json_t *body, struct store_change *change, struct fault *fault) {
    enum status status = request_need_string(body, "title", &change->title, fault);
    if (status == STATUS_OK && (change->title[strspn(change->title, " \t\r\n")] == '\0' ||
                                strlen(change->title) > TITLE_BYTES_MAX)) {
        return fault_set(fault, STATUS_INVALID, "\"title\" must have 1 to %d bytes, and not blanks alone",
                         TITLE_BYTES_MAX);
    }
    change->title_by = STORE_TITLE_PERSON;
    return status;
}

static enum status need_bool(const json_t *body, const char *key, bool *out, struct fault *fault) {
    return json_is_null(json_object_get(body, key))
               ? fault_set(fault, STATUS_INVALID, "\"%s\" must be true or false", key)
               : json_take_bool(body, key, out, fault);
}

/* What is in the body, `settings` apart. */
static enum status take_fields(const json_t *body, struct store_change *change, struct fault *fault) {
    enum status status = STATUS_OK;
    if (json_object_get(body, "title")) {
        change->what |= STORE_CHANGE_TITLE;
        status = take_title(body, change, fault);
    }
    if (status == STATUS_OK && json_object_get(body, "pinned")) {
        change->what |= STORE_CHANGE_PINNED;
        status = need_bool(body, "pinned", &change->is_pinned, fault);
    }
    if (status == STATUS_OK && json_object_get(body, "archived")) {
        change->what |= STORE_CHANGE_ARCHIVED;
        status = need_bool(body, "archived", &change->is_archived, fault);
    }
    if (status == STATUS_OK && json_object_get(body, "folder")) {
        change->what |= STORE_CHANGE_FOLDER;
        status = request_take_folder(body, "folder", &change->folder, fault);
    }
    if (status == STATUS_OK && json_object_get(body, "current")) {
        change->what |= STORE_CHANGE_CURRENT;
        status = request_need_message(body, "current", &change->current, fault);
    }
    return status;
}

static enum status take_change(struct chat *chat, const json_t *body, struct store_change *change,
                               char **settings, struct fault *fault) {
    json_t *own = NULL;
    enum status status = take_fields(body, change, fault);
    status = status ? status : request_take_own(chat, body, &own, fault);
    if (own) {
        change->what |= STORE_CHANGE_SETTINGS;
        change->settings = *settings = json_text(own);
        json_decref(own);
    }
    return status == STATUS_OK && change->what == 0
               ? fault_set(fault, STATUS_INVALID,
                           "nothing is to be changed: send \"title\", \"pinned\", \"archived\", \"folder\", "
                           "\"model\", \"settings\", \"detach_seconds\" or \"current\"")
               : status;
}

void rest_change_handle(struct api *api, struct net_conn *net, const char *name) {
    json_t *body = request_body(net);
    if (body == NULL) {
        return;
    }
    struct store_change change = { .name = name };
    char *settings = NULL;
    struct fault fault;
    enum status status = take_change(api->chat, body, &change, &settings, &fault);
    if (status) {
        reply_status(net, status, fault.text);
    } else {
        struct api_call *self = api_call_begin(sizeof *self, api, net);
        self->call = chat_change(api->chat, &change, on_changed, self);
    }
    free(settings);
    json_decref(body);
}

/* ---- [W51] ---- */

void rest_restore_handle(struct api *api, struct net_conn *net, const char *name) {
    struct store_change change = { .name = name, .what = STORE_CHANGE_TRASH };
    struct api_call *self = api_call_begin(sizeof *self, api, net);
    self->call = chat_change(api->chat, &change, on_changed, self);
}

/* ---- [W52] ---- */

static void on_forked(void *ctx, enum status status, const struct conversation *conversation) {
    struct api_call *self = ctx;
    self->call = NULL;
    if (status) {
        fail(self->conn.net, status);
    } else {
        reply_json(self->conn.net, 200,
                   json_pack("{s:b, s:s}", "success", true, "conversation_id", conversation->name));
    }
}

void rest_fork_handle(struct api *api, struct net_conn *net, const char *name) {
    json_t *body = request_body(net);
    if (body == NULL) {
        return;
    }
    const char *message;
    struct fault fault;
    if (request_need_message(body, "message", &message, &fault) != STATUS_OK) {
        reply_error(net, 400, fault.text);
    } else {
        struct api_call *self = api_call_begin(sizeof *self, api, net);
        self->call = chat_fork(api->chat, name, message, on_forked, self);
    }
    json_decref(body);
}
