/* rest_messages.c - [W54] [W55]: a message is deleted, and brought back; folders. */
#include "api/api_internal.h"
#include "api/request.h"

#include <string.h>

#define MESSAGES_PATH "/api/messages/"

/* ---- [W54] ---- */

static void on_reshaped(void *ctx, const struct store_reshaped *reshaped) {
    struct api_call *self = ctx;
    self->call = NULL;
    if (reshaped->status) {
        reply_status(self->conn.net, reshaped->status,
                     reshaped->status == STATUS_NOT_FOUND
                         ? "there is no such message: look at the messages of its conversation"
                     : reshaped->status == STATUS_BUSY
                         ? "an answer of its conversation is still being written: wait for its end or stop it"
                     : reshaped->status == STATUS_CONFLICT
                         ? "the message above it is deleted: bring that one back first"
                         : "it could not be stored: look at the log");
        return;
    }
    json_t *ids = json_array();
    for (size_t i = 0; i < reshaped->n_messages; i++) {
        json_array_append_new(ids, json_string(reshaped->messages[i]));
    }
    reply_json(self->conn.net, 200,
               json_pack("{s:b, s:s, s:o}", "success", true, "conversation_id", reshaped->conversation,
                         "messages", ids));
}

void rest_messages_handle(struct api *api, struct net_conn *net) {
    const char *given = net_conn_path(net) + strlen(MESSAGES_PATH);
    char id[ID_HEX_BYTES] = "";
    size_t n = strcspn(given, "/");
    if (n == ID_HEX_BYTES - 1) {
        memcpy(id, given, n);
    }
    if (!id_is_hex(id)) {
        reply_error(net, 400, "the address " REQUEST_MESSAGE_FORM);
        return;
    }
    bool is_restored = strcmp(given + n, "/restore") == 0;
    if (!is_restored && given[n]) {
        reply_error(net, 404, REPLY_NOT_FOUND_TEXT);
    } else if (is_restored != (net_conn_method(net) == NET_POST)) {
        reply_not_allowed(net, is_restored ? "POST" : "DELETE");
    } else {
        struct api_call *self = api_call_begin(sizeof *self, api, net);
        self->call = is_restored ? chat_show(api->chat, id, on_reshaped, self)
                                 : chat_hide(api->chat, id, on_reshaped, self);
    }
}

/* ---- [W55] ---- */

static void on_listed(void *ctx, enum status status, const struct store_folder *rows, size_t n_rows) {
    struct api_call *self = ctx;
    self->call = NULL;
    if (status) {
        reply_status(self->conn.net, status, "the folders cannot be read now: look at the log");
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n_rows; i++) {
        json_array_append_new(list, json_pack("{s:s, s:I}", "name", rows[i].name, "count",
                                              (json_int_t)rows[i].n_conversations));
    }
    reply_json(self->conn.net, 200, json_pack("{s:o}", "folders", list));
}

void rest_folders_handle(struct api *api, struct net_conn *net) {
    struct api_call *self = api_call_begin(sizeof *self, api, net);
    self->call = chat_list_folders(api->chat, on_listed, self);
}

static void on_renamed(void *ctx, enum status status) {
    struct api_call *self = ctx;
    self->call = NULL;
    if (status) {
        reply_status(self->conn.net, status,
                     status == STATUS_NOT_FOUND ? "nothing is in that folder: look at the list of folders"
                                                : "it could not be stored: look at the log");
    } else {
        reply_json(self->conn.net, 200, json_pack("{s:b}", "success", true));
    }
}

void rest_folders_rename_handle(struct api *api, struct net_conn *net) {
    json_t *body = request_body(net);
    if (body == NULL) {
        return;
    }
    const char *from = NULL;
    const char *to = NULL;
    struct fault fault;
    enum status status = request_need_folder(body, "from", &from, &fault);
    status = status ? status : request_need_folder(body, "to", &to, &fault);
    if (status) {
        reply_error(net, 400, fault.text);
    } else {
        struct api_call *self = api_call_begin(sizeof *self, api, net);
        self->call = chat_rename_folder(api->chat, from, to, on_renamed, self);
    }
    json_decref(body);
}
