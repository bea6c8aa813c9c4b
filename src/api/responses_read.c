/* responses_read.c - [W78] [W79] /v1/responses/{id}: a stored response, read again, taken up where a stream broke off, cancelled, deleted. */
#include "api/request.h"
#include "api/responses_call.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX "/v1/responses/"

enum wish { WISH_OBJECT, WISH_STREAM, WISH_ITEMS, WISH_CANCEL, WISH_DELETE, WISH_NONE };

/* One who comes back: a response, perhaps as a stream. */
struct reader {
    struct responses_call call;
    char generation[ID_HEX_BYTES];
    enum wish wish;
};

static struct net_conn *net_of(const struct reader *self) {
    return self->call.call.attached.events.call.conn.net;
}

static struct api *api_of(const struct reader *self) {
    return self->call.call.attached.events.call.conn.api;
}

static void fail(struct net_conn *net, int status, const char *param, const char *text) {
    struct openai_error error;
    openai_error_set(&error, status, NULL, param, "%s", text);
    openai_error_reply(net, &error);
}

static void not_found(struct net_conn *net) {
    fail(net, 404, NULL, "there is no response with this id: it was deleted, or not stored");
}

/* ---- The answers ---- */

static void reply_object(const struct reader *self, const struct conversation *conversation,
                         const struct message *message) {
    struct responses_view view = { .conversation = conversation,
                                   .message = message,
                                   .model = self->call.call.model,
                                   .record = self->call.record };
    reply_json(net_of(self), 200, responses_object_now(&view));
}

static void reply_items(const struct reader *self, const struct message *message) {
    json_t *items = json_object_get(self->call.record, "items");
    json_t *data = json_array();
    size_t index;
    json_t *item;
    json_array_foreach(items, index, item) {
        char *id = mem_format("msg_%sin%zu", message->id, index);
        json_t *one = json_copy(item);
        if (json_object_get(one, "id") == NULL) {
            json_object_set_new(one, "id", json_string(id));
        }
        if (json_object_get(one, "type") == NULL) {
            json_object_set_new(one, "type", json_string("message"));
        }
        json_array_insert_new(data, 0, one); /* newest first, as OpenAI's */
        free(id);
    }
    json_t *first = json_object_get(json_array_get(data, 0), "id");
    json_t *last = json_object_get(json_array_get(data, json_array_size(data) - 1), "id");
    reply_json(net_of(self), 200,
               json_pack("{s:s, s:o, s:O?, s:O?, s:b}", "object", "list", "data", data, "first_id", first,
                         "last_id", last, "has_more", false));
}

static void on_deleted(void *ctx, enum status status) {
    struct reader *self = ctx;
    self->call.call.attached.events.call.call = NULL;
    if (status) {
        reply_status(net_of(self), status, "the response could not be deleted: try again");
        return;
    }
    char *id = mem_format(RESPONSES_ID_PREFIX "%s", self->generation);
    reply_json(net_of(self), 200,
               json_pack("{s:s, s:s, s:b}", "id", id, "object", "response", "deleted", true));
    free(id);
}

static size_t count_answers(const struct conversation *conversation) {
    size_t n = 0;
    for (size_t i = 0; i < conversation->n_messages; i++) {
        n += conversation->messages[i]->first != NULL;
    }
    return n;
}

static void delete (struct reader *self, const struct conversation *conversation) {
    if (count_answers(conversation) > 1) {
        char *text = mem_format("the conversation %s has other answers too: delete it as a whole with DELETE "
                                "/api/conversations/%s",
                                conversation->name, conversation->name);
        fail(net_of(self), 409, NULL, text);
        free(text);
        return;
    }
    self->call.call.attached.events.call.call =
        chat_delete(api_of(self)->chat, conversation->name, true, on_deleted, self);
}

static void cancel(const struct reader *self, const struct conversation *conversation,
                   const struct message *message) {
    bool was_running = chat_cancel_generation(api_of(self)->chat, message->stream->id);
    struct responses_view view = { .conversation = conversation,
                                   .message = message,
                                   .model = self->call.call.model,
                                   .record = self->call.record };
    json_t *object = responses_object_now(&view);
    if (was_running) {
        json_object_set_new(object, "status", json_string("cancelled")); /* its end is on the way */
    }
    reply_json(net_of(self), 200, object);
}

static void answer(struct reader *self, struct conversation *conversation, size_t index) {
    const struct message *message = conversation->messages[index];
    self->call.record = chat_kept_record(message);
    self->call.call.model =
        openai_call_model_id(api_of(self), message->first->model ? message->first->model : "");
    switch (self->wish) {
    case WISH_STREAM:
        attached_read(&self->call.call.attached, conversation, index);
        break;
    case WISH_ITEMS:
        reply_items(self, message);
        break;
    case WISH_CANCEL:
        cancel(self, conversation, message);
        break;
    case WISH_DELETE:
        delete (self, conversation);
        break;
    default:
        reply_object(self, conversation, message);
    }
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct reader *self = ctx;
    size_t index;
    self->call.call.attached.events.call.call = NULL;
    if (status && status != STATUS_NOT_FOUND) {
        reply_status(net_of(self), status, "the response could not be read: look at the log");
    } else if (status || conversation->name[0] == '\0' ||
               conversation_find_generation(conversation, self->generation, &index) == NULL) {
        not_found(net_of(self));
    } else {
        answer(self, conversation, index);
    }
}

/* ---- What is asked ---- */

static bool wants_stream(const struct net_conn *net) {
    char text[8];
    return net_conn_query(net, "stream", text, sizeof text) == NET_QUERY_FOUND && strcmp(text, "true") == 0;
}

/* The id, and what follows it in the path. */
static enum wish wish_of(const struct net_conn *net, char id[ID_HEX_BYTES]) {
    const char *path = net_conn_path(net) + sizeof PREFIX - 1;
    enum net_method method = net_conn_method(net);
    size_t length = strcspn(path, "/");
    char *text = mem_copy_bytes(path, length);
    bool is_id = responses_parse_id(text, id);
    free(text);
    const char *rest = path + length;
    if (!is_id) {
        return WISH_NONE;
    }
    if (rest[0] == '\0' && method != NET_POST) {
        return method == NET_DELETE ? WISH_DELETE : wants_stream(net) ? WISH_STREAM : WISH_OBJECT;
    }
    if (strcmp(rest, "/input_items") == 0 && method == NET_GET) {
        return WISH_ITEMS;
    }
    return strcmp(rest, "/cancel") == 0 && method == NET_POST ? WISH_CANCEL : WISH_NONE;
}

void responses_read_handle(struct api *api, struct net_conn *net) {
    char id[ID_HEX_BYTES];
    enum wish wish = wish_of(net, id);
    uint64_t after = 0;
    struct fault fault;
    char text[32];
    if (wish == WISH_NONE) {
        not_found(net);
        return;
    }
    if (request_take_number(net, "starting_after", 0, INT64_MAX, &after, &fault)) {
        fail(net, 400, "starting_after", fault.text);
        return;
    }
    struct reader *self = attached_begin(sizeof *self, &responses_encoder, api, net);
    self->wish = wish;
    self->call.starting_after =
        net_conn_query(net, "starting_after", text, sizeof text) == NET_QUERY_ABSENT ? -1 : (int64_t)after;
    id_copy(self->generation, sizeof self->generation, id);
    self->call.call.attached.events.is_complete = wish != WISH_STREAM;
    self->call.call.attached.events.call.call = chat_open_generation(api->chat, id, on_opened, self);
}
