/* ws_native_calls.c - what a socket of GET /ws asks and waits for: sends, edits, other answers, other branches, stops, and wishes to go on; and what
 * is typed before a send. */
#include "api/request.h"
#include "api/ws_frame.h"
#include "api/ws_native_internal.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NATIVE_CALLS_MAX 64

/* A request that waits for the disk. */
struct native_call {
    struct list_node node;
    struct native *native;
    struct chat_call *call;
    const char *type;              /* what it was */
    char generation[ID_HEX_BYTES]; /* of a continue, or a stop; empty: none */
    char client_msg_id[ID_CLIENT_BYTES_MAX + 1];
    char conversation[ID_CONVERSATION_BYTES]; /* empty: a new one */
};

static struct native_call *add_call(struct native *native, const char *conversation) {
    struct native_call *call = mem_alloc(sizeof *call);
    call->native = native;
    snprintf(call->conversation, sizeof call->conversation, "%s", conversation);
    list_append(&native->calls, &call->node);
    native->n_calls++;
    return call;
}

static void remove_call(struct native_call *call) {
    chat_abandon(call->call);
    list_remove(&call->node);
    call->native->n_calls--;
    free(call);
}

static void on_sent(void *ctx, const struct chat_sent *sent) {
    struct native_call *call = ctx;
    struct native *native = call->native;
    call->call = NULL;
    if (sent->status) {
        native_fail(
            native, sent->status, sent->fault,
            &(struct native_about){ .type = call->type,
                                    .client_msg_id = call->client_msg_id,
                                    .conversation = call->conversation[0] ? call->conversation : NULL });
    } else {
        LOG_DEBUG("[WS]", "ack conn=%llu generation=%s duplicate=%d",
                  (unsigned long long)net_conn_number(native->conn.net), sent->generation_id,
                  sent->duplicate);
        FAULT_POINT("ack.before");
        ws_frame_send(&native->conn, native_frame_ack(sent, call->client_msg_id));
        FAULT_POINT("ack.after");
        if (call->conversation[0] == '\0') {
            native_watch_new(native, sent);
        }
    }
    remove_call(call);
}

static enum status take_client_msg_id(const json_t *request, const char **out, struct fault *fault) {
    enum status status = json_take_string(request, "client_msg_id", out, fault);
    if (status == STATUS_OK && (*out == NULL || !id_is_client(*out))) {
        return fault_set(fault, STATUS_INVALID,
                         "\"client_msg_id\" must be 1 to %d characters of A-Z a-z 0-9 - _",
                         ID_CLIENT_BYTES_MAX);
    }
    return status;
}

/* Absent: below the current message; null: a new root. */
static enum status take_parent(const json_t *request, struct chat_send *send, struct fault *fault) {
    const json_t *parent = json_object_get(request, "parent");
    if (json_is_null(parent)) {
        send->message = "";
        return STATUS_OK;
    }
    return parent ? request_need_message(request, "parent", &send->message, fault) : STATUS_OK;
}

/* Of the settings what this answer has of its own. */
static enum status take_sampling(struct native *native, const json_t *request, struct chat_send *send,
                                 struct fault *fault) {
    const json_t *object = json_object_get(request, "settings");
    if (object == NULL || json_is_null(object)) {
        return STATUS_OK;
    }
    if (!json_is_object(object)) {
        return fault_set(fault, STATUS_INVALID, "\"settings\" must be an object");
    }
    struct settings checked;
    settings_copy(&checked, chat_settings(native->conn.api->chat));
    enum status status = settings_merge(&checked, object, SETTINGS_SAMPLING, fault);
    settings_deinit(&checked);
    send->sampling = object;
    return status;
}

/* What a new conversation has of its own: for `own`, whose settings are new. */
static enum status take_own(struct native *native, const json_t *request, bool is_new, struct chat_own *own,
                            struct fault *fault) {
    const json_t *object = json_object_get(request, "own");
    json_t *settings = NULL;
    enum status status = json_take_bool(request, "temporary", &own->is_temporary, fault);
    if (status == STATUS_OK && json_is_object(object)) {
        status = request_take_folder(object, "folder", &own->folder, fault);
        status = status ? status : request_take_own(native->conn.api->chat, object, &settings, fault);
    } else if (status == STATUS_OK && object && !json_is_null(object)) {
        status = fault_set(fault, STATUS_INVALID, "\"own\" must be an object");
    }
    own->settings = settings;
    if (status == STATUS_OK && !is_new && (own->folder || own->settings || own->is_temporary)) {
        return fault_set(
            fault, STATUS_INVALID,
            "\"own\" and \"temporary\" are for a new conversation: change one that is there with POST "
            "/api/conversation/{id}");
    }
    return status;
}

/* A place for the answer, and for the watch that a new conversation gets. */
static enum status check_room(const struct native *native, bool is_new, struct fault *fault) {
    if (native->n_calls >= NATIVE_CALLS_MAX) {
        return fault_set(fault, STATUS_FULL,
                         "%d requests of this socket wait already: wait for their answers", NATIVE_CALLS_MAX);
    }
    return is_new ? native_check_watches(native, native->n_calls, fault) : STATUS_OK;
}

/* [N16] */
enum status native_on_draft(struct native *native, const json_t *request, struct fault *fault) {
    char conversation[ID_CONVERSATION_BYTES];
    const char *text = NULL;
    enum status status = request_take_conversation(request, "conversation", conversation, fault);
    status = status ? status : request_need_string(request, "text", &text, fault);
    if (status == STATUS_OK) {
        native->draft = native->draft ? native->draft : draft_new(native->conn.api->chat);
        draft_set(native->draft, conversation[0] ? conversation : NULL, text);
    }
    return status;
}

/* What was typed is sent. */
static void end_draft(struct native *native) {
    if (native->draft) {
        draft_set(native->draft, NULL, "");
    }
}

/* `send` is complete: the answer goes to a call. */
static void post_send(struct native *native, const char *type, const char *conversation,
                      struct chat_send *send) {
    end_draft(native);
    struct native_call *call = add_call(native, conversation);
    call->type = type;
    snprintf(call->client_msg_id, sizeof call->client_msg_id, "%s", send->client_msg_id);
    send->asker = gate_asker(native->conn.api, native->conn.net);
    send->conversation = conversation[0] ? conversation : NULL;
    struct chat_call *pending = chat_send(native->conn.api->chat, send, on_sent, call);
    if (pending) {
        call->call = pending;
    }
}

enum status native_on_send(struct native *native, const json_t *request, struct fault *fault) {
    char conversation[ID_CONVERSATION_BYTES];
    struct chat_own own = { 0 };
    struct store_attached attached[STORE_ATTACHED_MAX];
    struct chat_send send = { .kind = CHAT_SEND_NEW, .own = &own, .attached = attached };
    enum status status = request_take_conversation(request, "conversation", conversation, fault);
    bool is_new = conversation[0] == '\0';
    status = status ? status : take_client_msg_id(request, &send.client_msg_id, fault);
    status = status ? status : request_need_string(request, "text", &send.text, fault);
    status = status ? status : request_take_attachments(request, attached, &send.n_attached, fault);
    status = status ? status : take_parent(request, &send, fault);
    status = status ? status : check_room(native, is_new, fault);
    status = status ? status : take_sampling(native, request, &send, fault);
    status = status ? status : take_own(native, request, is_new, &own, fault);
    if (status == STATUS_OK) {
        post_send(native, "send", conversation, &send);
    }
    json_decref((json_t *)(uintptr_t)own.settings);
    return status;
}

/* ---- Branches ---- */

static enum status need_conversation(const json_t *request, char out[ID_CONVERSATION_BYTES],
                                     struct fault *fault) {
    enum status status = request_take_conversation(request, "conversation", out, fault);
    return status == STATUS_OK && out[0] == '\0' ? request_missing("conversation", fault) : status;
}

/* [N21] */
enum status native_on_edit(struct native *native, const json_t *request, struct fault *fault) {
    char conversation[ID_CONVERSATION_BYTES];
    struct store_attached attached[STORE_ATTACHED_MAX];
    struct chat_send send = { .kind = CHAT_SEND_EDIT, .attached = attached };
    enum status status = need_conversation(request, conversation, fault);
    status = status ? status : take_client_msg_id(request, &send.client_msg_id, fault);
    status = status ? status : request_need_message(request, "message", &send.message, fault);
    status = status ? status : request_need_string(request, "text", &send.text, fault);
    status = status ? status : request_take_attachments(request, attached, &send.n_attached, fault);
    status = status ? status : check_room(native, false, fault);
    status = status ? status : take_sampling(native, request, &send, fault);
    if (status == STATUS_OK) {
        post_send(native, "edit", conversation, &send);
    }
    return status;
}

/* [N22] */
enum status native_on_regenerate(struct native *native, const json_t *request, struct fault *fault) {
    char conversation[ID_CONVERSATION_BYTES];
    char path[PATH_MAX];
    const char *model = NULL;
    struct chat_send send = { .kind = CHAT_SEND_AGAIN };
    enum status status = need_conversation(request, conversation, fault);
    status = status ? status : take_client_msg_id(request, &send.client_msg_id, fault);
    status = status ? status : request_need_message(request, "message", &send.message, fault);
    status = status ? status : json_take_string(request, "model", &model, fault);
    status = status ? status : check_room(native, false, fault);
    status = status ? status : take_sampling(native, request, &send, fault);
    if (status == STATUS_OK && model) {
        status = models_resolve(chat_models(native->conn.api->chat), model, path, fault);
        send.model_path = path;
    }
    if (status == STATUS_OK) {
        post_send(native, "regenerate", conversation, &send);
    }
    return status;
}

static void on_selected(void *ctx, enum status status, const struct conversation *conversation) {
    struct native_call *call = ctx;
    (void)conversation; /* its watchers are told */
    call->call = NULL;
    if (status) {
        native_fail(call->native, status,
                    status == STATUS_NOT_FOUND
                        ? "there is no such message in this conversation: look at its messages"
                        : "it could not be stored: look at the disk's free space and the log",
                    &(struct native_about){ .type = "select", .conversation = call->conversation });
    }
    remove_call(call);
}

/* [N23] */
enum status native_on_select(struct native *native, const json_t *request, struct fault *fault) {
    char conversation[ID_CONVERSATION_BYTES];
    struct store_change change = { .name = conversation, .what = STORE_CHANGE_CURRENT };
    enum status status = need_conversation(request, conversation, fault);
    status = status ? status : request_need_message(request, "message", &change.current, fault);
    status = status ? status : check_room(native, false, fault);
    if (status) {
        return status;
    }
    struct native_call *call = add_call(native, conversation);
    struct chat_call *pending = chat_change(native->conn.api->chat, &change, on_selected, call);
    if (pending) {
        call->call = pending;
    }
    return STATUS_OK;
}

static void on_seen(void *ctx, enum status status, const struct conversation *conversation) {
    struct native_call *call = ctx;
    (void)conversation; /* all are told */
    call->call = NULL;
    if (status) {
        native_fail(call->native, status,
                    status == STATUS_NOT_FOUND ? CHAT_NO_CONVERSATION
                                               : "it could not be stored: look at the disk and the log",
                    &(struct native_about){ .type = "seen", .conversation = call->conversation });
    }
    remove_call(call);
}

/* [N41] */
enum status native_on_seen(struct native *native, const json_t *request, struct fault *fault) {
    char conversation[ID_CONVERSATION_BYTES];
    enum status status = need_conversation(request, conversation, fault);
    status = status ? status : check_room(native, false, fault);
    if (status) {
        return status;
    }
    struct native_call *call = add_call(native, conversation);
    struct chat_call *pending = chat_see(native->conn.api->chat, conversation, on_seen, call);
    if (pending) {
        call->call = pending;
    }
    return STATUS_OK;
}

/* ---- Stopping ---- */

static void on_stop_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct native_call *call = ctx;
    call->call = NULL;
    struct chat *chat = call->native->conn.api->chat;
    if (status == STATUS_OK && call->generation[0]) {
        chat_cancel_generation(chat, call->generation);
    } else if (status == STATUS_OK) {
        chat_cancel(chat, conversation);
    }
    remove_call(call);
}

static enum status take_stop(const json_t *request, char conversation[ID_CONVERSATION_BYTES],
                             char generation[ID_HEX_BYTES], struct fault *fault) {
    enum status status = request_take_conversation(request, "conversation", conversation, fault);
    status = status ? status : request_take_generation(request, "generation", generation, fault);
    if (status == STATUS_OK && generation[0] == '\0' && conversation[0] == '\0') {
        return fault_set(fault, STATUS_INVALID, "\"stop\" needs \"generation\" or \"conversation\"");
    }
    return status;
}

/* Of a generation that ended, or of nothing: silence (N8). What is not in memory may be about to begin. */
enum status native_on_stop(struct native *native, const json_t *request, struct fault *fault) {
    struct chat *chat = native->conn.api->chat;
    char generation[ID_HEX_BYTES];
    char conversation[ID_CONVERSATION_BYTES];
    enum status status = take_stop(request, conversation, generation, fault);
    if (status == STATUS_OK && generation[0] && chat_cancel_generation(chat, generation)) {
        return STATUS_OK;
    }
    status = status ? status : check_room(native, false, fault);
    if (status) {
        return status;
    }
    struct native_call *call = add_call(native, conversation);
    id_copy(call->generation, sizeof call->generation, generation);
    struct chat_call *pending = generation[0]
                                    ? chat_open_generation(chat, generation, on_stop_opened, call)
                                    : chat_open_conversation(chat, conversation, on_stop_opened, call);
    if (pending) {
        call->call = pending;
    }
    return STATUS_OK;
}

/* ---- Going on ---- */

static void on_continued(void *ctx, const struct chat_sent *sent) {
    struct native_call *call = ctx;
    struct native *native = call->native;
    call->call = NULL;
    if (sent->status) {
        native_fail(native, sent->status, sent->fault,
                    &(struct native_about){ .type = "continue",
                                            .client_msg_id = call->client_msg_id,
                                            .generation = call->generation });
    } else {
        ws_frame_send(&native->conn, native_frame_ack(sent, call->client_msg_id));
    }
    remove_call(call);
}

static enum status take_continue(const json_t *request, const char **client_msg_id,
                                 char generation[ID_HEX_BYTES], struct fault *fault) {
    enum status status = take_client_msg_id(request, client_msg_id, fault);
    status = status ? status : request_take_generation(request, "generation", generation, fault);
    return status == STATUS_OK && generation[0] == '\0' ? request_missing("generation", fault) : status;
}

/* [N13] What makes it idempotent is the generation that it goes on with. */
enum status native_on_continue(struct native *native, const json_t *request, struct fault *fault) {
    const char *client_msg_id = NULL;
    char generation[ID_HEX_BYTES];
    enum status status = take_continue(request, &client_msg_id, generation, fault);
    status = status ? status : check_room(native, false, fault);
    if (status) {
        return status;
    }
    struct native_call *call = add_call(native, "");
    snprintf(call->client_msg_id, sizeof call->client_msg_id, "%s", client_msg_id);
    id_copy(call->generation, sizeof call->generation, generation);
    struct chat_asker asker = gate_asker(native->conn.api, native->conn.net);
    struct chat_call *pending = chat_continue(native->conn.api->chat, generation, &asker, on_continued, call);
    if (pending) {
        call->call = pending;
    }
    return STATUS_OK;
}

void native_calls_free(struct native *native) {
    LIST_EACH(call, &native->calls) {
        remove_call(CONTAINER_OF(call, struct native_call, node));
    }
}
