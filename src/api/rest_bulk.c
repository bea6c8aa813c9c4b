/* rest_bulk.c - [W53]: one action on many conversations. Each is asked for by itself, all at once; the store makes few transactions of them. */
#include "api/api_internal.h"
#include "api/request.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define BULK_MAX 1000

enum bulk_kind { BULK_CHANGE, BULK_DELETE, BULK_PURGE };

/* `what` and the values of a change are those of struct store_change. */
static const struct bulk_action {
    const char *name;
    enum bulk_kind kind;
    struct store_change change;
} actions[] = {
    { "archive", BULK_CHANGE, { .what = STORE_CHANGE_ARCHIVED, .is_archived = true } },
    { "unarchive", BULK_CHANGE, { .what = STORE_CHANGE_ARCHIVED } },
    { "pin", BULK_CHANGE, { .what = STORE_CHANGE_PINNED, .is_pinned = true } },
    { "unpin", BULK_CHANGE, { .what = STORE_CHANGE_PINNED } },
    { "move", BULK_CHANGE, { .what = STORE_CHANGE_FOLDER } },
    { "restore", BULK_CHANGE, { .what = STORE_CHANGE_TRASH } },
    { "delete", BULK_DELETE, { 0 } },
    { "purge", BULK_PURGE, { 0 } },
};

struct bulk;

struct bulk_item {
    struct bulk *bulk;
    struct chat_call *call; /* NULL: it is answered */
    char name[ID_CONVERSATION_BYTES];
};

struct bulk {
    struct api_conn conn;
    size_t n_open; /* without an answer, and one while they are asked */
    int64_t n_done;
    json_t *failed;
    size_t n_items;
    struct bulk_item items[];
};

static void on_close(struct api_conn *conn) {
    struct bulk *bulk = (struct bulk *)conn;
    for (size_t i = 0; i < bulk->n_items; i++) {
        chat_abandon(bulk->items[i].call);
    }
    json_decref(bulk->failed);
    free(bulk);
}

static void close_one(struct bulk *bulk) {
    if (--bulk->n_open == 0) {
        reply_json(bulk->conn.net, 200,
                   json_pack("{s:b, s:I, s:O}", "success", json_array_size(bulk->failed) == 0, "done",
                             (json_int_t)bulk->n_done, "failed", bulk->failed));
    }
}

static void on_done(void *ctx, enum status status) {
    struct bulk_item *item = ctx;
    struct bulk *bulk = item->bulk;
    item->call = NULL;
    if (status == STATUS_OK) {
        bulk->n_done++;
    } else {
        const char *text =
            status == STATUS_NOT_FOUND ? CHAT_NO_CONVERSATION : "it could not be stored: look at the log";
        json_array_append_new(bulk->failed, json_pack("{s:s, s:s}", "id", item->name, "error", text));
    }
    close_one(bulk);
}

static void on_changed(void *ctx, enum status status, const struct conversation *conversation) {
    (void)conversation;
    on_done(ctx, status);
}

/* The callback may come before the call returns. */
static void ask(struct bulk_item *item, const struct bulk_action *action, const char *folder) {
    struct chat *chat = item->bulk->conn.api->chat;
    struct chat_call *call;
    if (action->kind == BULK_CHANGE) {
        struct store_change change = action->change;
        change.name = item->name;
        change.folder = folder;
        call = chat_change(chat, &change, on_changed, item);
    } else {
        call = chat_delete(chat, item->name, action->kind == BULK_PURGE, on_done, item);
    }
    if (call) {
        item->call = call;
    }
}

static void begin(struct api *api, struct net_conn *net, const json_t *ids, const struct bulk_action *action,
                  const char *folder) {
    static const struct api_conn_ops ops = { .on_close = on_close };
    size_t n = json_array_size(ids);
    struct bulk *bulk = mem_alloc(sizeof *bulk + n * sizeof bulk->items[0]);
    api_conn_attach(&bulk->conn, &ops, api, net);
    bulk->failed = json_array();
    bulk->n_items = n;
    bulk->n_open = n + 1;
    for (size_t i = 0; i < n; i++) {
        bulk->items[i].bulk = bulk;
        if (!id_parse_conversation(json_string_value(json_array_get(ids, i)), bulk->items[i].name)) {
            on_done(&bulk->items[i], STATUS_NOT_FOUND); /* take_ids has seen to it that none is */
        } else {
            ask(&bulk->items[i], action, folder);
        }
    }
    close_one(bulk);
}

static enum status take_ids(const json_t *body, const json_t **ids, struct fault *fault) {
    char name[ID_CONVERSATION_BYTES];
    *ids = json_object_get(body, "ids");
    size_t n = json_array_size(*ids);
    if (n < 1 || n > BULK_MAX) {
        return fault_set(fault, STATUS_INVALID, "\"ids\" must be a list of 1 to %d conversations", BULK_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        const char *id = json_string_value(json_array_get(*ids, i));
        if (id == NULL || !id_parse_conversation(id, name)) {
            return fault_set(fault, STATUS_INVALID, "each of \"ids\" " REQUEST_CONVERSATION_FORM);
        }
    }
    return STATUS_OK;
}

static enum status take_action(const json_t *body, const struct bulk_action **out, struct fault *fault) {
    const char *name;
    enum status status = request_need_string(body, "action", &name, fault);
    for (size_t i = 0; status == STATUS_OK && i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(actions[i].name, name) == 0) {
            *out = &actions[i];
            return STATUS_OK;
        }
    }
    return status ? status
                  : fault_set(fault, STATUS_INVALID,
                              "\"action\" must be one of archive, unarchive, pin, unpin, move, delete, "
                              "restore, purge");
}

void rest_bulk_handle(struct api *api, struct net_conn *net) {
    json_t *body = request_body(net);
    if (body == NULL) {
        return;
    }
    const json_t *ids = NULL;
    const struct bulk_action *action = NULL;
    const char *folder = NULL;
    struct fault fault;
    enum status status = take_ids(body, &ids, &fault);
    status = status ? status : take_action(body, &action, &fault);
    status = status ? status : request_take_folder(body, "folder", &folder, &fault);
    if (status) {
        reply_error(net, 400, fault.text);
    } else {
        begin(api, net, ids, action, folder);
    }
    json_decref(body);
}
