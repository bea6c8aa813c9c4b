/* ws_native_calls.c - what a socket of GET /ws asks and waits for: sends, stops, and wishes to go on; and what is typed before a send. */
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

/* A send, a stop or a continue that waits for the disk. */
struct native_call {
    struct list_node node;
    struct native *native;
    struct chat_call *call;
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
            &(struct native_about){ .type = "send",
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

static enum status take_send(const json_t *request, struct chat_send *send, struct fault *fault) {
    enum status status = take_client_msg_id(request, &send->client_msg_id, fault);
    status = status ? status : request_need_string(request, "text", &send->text, fault);
    status = status ? status : json_take_string(request, "parent", &send->parent, fault);
    if (status) {
        return status;
    }
    if (send->parent && !id_is_hex(send->parent)) {
        return fault_set(fault, STATUS_INVALID,
                         "\"parent\" must be an id of a message: 32 hexadecimal digits");
    }
    return STATUS_OK;
}

/* The server's settings with what the request changes. */
static enum status take_settings(struct native *native, const json_t *request, struct settings *settings,
                                 struct fault *fault) {
    settings_copy(settings, chat_settings(native->conn.api->chat));
    const json_t *object = json_object_get(request, "settings");
    if (object == NULL || json_is_null(object)) {
        return STATUS_OK;
    }
    if (!json_is_object(object)) {
        return fault_set(fault, STATUS_INVALID, "\"settings\" must be an object");
    }
    return settings_merge(settings, object, SETTINGS_SAMPLING, fault);
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

enum status native_on_send(struct native *native, const json_t *request, struct fault *fault) {
    char conversation[ID_CONVERSATION_BYTES];
    struct settings settings = { 0 };
    struct chat_send send = { .asker = gate_asker(native->conn.api, native->conn.net),
                              .settings = &settings };
    enum status status = request_take_conversation(request, "conversation", conversation, fault);
    status = status ? status : take_send(request, &send, fault);
    status = status ? status : check_room(native, conversation[0] == '\0', fault);
    status = status ? status : take_settings(native, request, &settings, fault);
    if (status == STATUS_OK) {
        end_draft(native);
        struct native_call *call = add_call(native, conversation);
        snprintf(call->client_msg_id, sizeof call->client_msg_id, "%s", send.client_msg_id);
        send.conversation = conversation[0] ? conversation : NULL;
        struct chat_call *pending = chat_send(native->conn.api->chat, &send, on_sent, call);
        if (pending) {
            call->call = pending;
        }
    }
    settings_deinit(&settings);
    return status;
}

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
