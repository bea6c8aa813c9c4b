/* rest_generations.c - [W26] one generation, [W27] its events: a page, or a stream that goes on until the last end. */
#include "api/generation_events.h"
#include "api/request.h"
#include "api/sse.h"

#include <stdlib.h>
#include <string.h>

#define PATH_PREFIX    "/api/generations/"
#define EVENTS_SUFFIX  "/events"
#define EVENTS_DEFAULT 1000
#define EVENTS_MAX     10000

/* A question about one generation that is answered at once. */
struct question {
    struct api_call call;
    char generation[ID_HEX_BYTES];
    bool wants_events;
    uint64_t after_seq;
    uint32_t n_max;
};

/* ---- [W26] ---- */

static json_t *generation_json(const struct api *api, const struct conversation *conversation,
                               const struct message *message, const struct stream *stream) {
    json_t *object = encode_generation(stream);
    json_object_set_new(object, "conversation", encode_text(conversation->name));
    json_object_set_new(object, "message", json_string(message->id));
    json_object_set_new(object, "continued_by", encode_text(stream->next ? stream->next->id : NULL));
    json_object_set_new(object, "epoch", json_string(chat_epoch(api->chat)));
    if (stream->error == NULL) {
        json_object_set_new(object, "error", json_null());
    }
    return object;
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct question *self = ctx;
    struct api *api = self->call.conn.api;
    struct net_conn *net = self->call.conn.net;
    size_t index;
    self->call.call = NULL;
    const struct message *message =
        status ? NULL : conversation_find_generation(conversation, self->generation, &index);
    const struct stream *stream = message ? message_find_generation(message, self->generation) : NULL;
    if (stream == NULL) {
        reply_status(net, status ? status : STATUS_NOT_FOUND, CHAT_NO_ANSWER " (generation)");
    } else if (!self->wants_events) {
        reply_json(net, 200, generation_json(api, conversation, message, stream));
    } else if (self->after_seq > stream->last_seq) {
        reply_error(net, 404,
                    "\"after\" names an event that does not exist yet: read from one that was seen (ahead)");
    } else {
        generation_events_reply(net, chat_epoch(api->chat), message, stream, self->after_seq, self->n_max);
    }
}

/* ---- [W27] as a stream ---- */

static void add_event(struct event_stream *events, struct bytes *frame, const struct watch_item *item) {
    sse_add_id(events, frame, item->seq);
    bytes_add_format(frame, "event: %s\ndata: ", generation_events_type(item->stream, item->seq));
    generation_events_add(frame, item->message, item->stream, item->seq);
    bytes_add_text(frame, "\n\n");
}

/* The phase of a conversation is that of the answer being made; one behind it waits. */
static void add_phase(struct event_stream *events, struct bytes *frame, const struct watch_item *item) {
    const struct conversation *conversation = events->watcher.conversation;
    bool is_made = conversation->messages[conversation_shown(conversation) - 1] == item->message;
    json_t *object = json_pack("{s:s, s:s}", "generation", item->stream->id, "type", "phase");
    encode_phase(object, is_made ? &conversation->phase : &(struct phase){ .kind = PHASE_QUEUED });
    char *text = json_text(object);
    bytes_add_format(frame, "event: phase\ndata: %s\n\n", text);
    free(text);
    json_decref(object);
}

static void add_item(struct event_stream *events, struct bytes *frame, const struct watch_item *item) {
    switch (item->kind) {
    case WATCH_PHASE:
        add_phase(events, frame, item);
        break;
    case WATCH_START:
    case WATCH_TOKENS:
        add_event(events, frame, item);
        break;
    case WATCH_END:
        add_event(events, frame, item);
        events->is_complete = true;
        break;
    default:
        events->is_complete =
            true; /* the conversation was deleted: a reader that comes back is told by 404 */
    }
}

static const struct sse_encoder encoder = { .events = { .add_item = add_item, .add_seam = add_event },
                                            .cursor_name = "the cursor" };

/* ---- The request ---- */

/* The path's id. False: it has none. */
static bool take_path(const char *path, char generation[ID_HEX_BYTES], bool *wants_events) {
    const char *at = path + strlen(PATH_PREFIX);
    size_t n_id = ID_HEX_BYTES - 1;
    if (strlen(at) < n_id) {
        return false;
    }
    memcpy(generation, at, n_id);
    generation[n_id] = '\0';
    *wants_events = strcmp(at + n_id, EVENTS_SUFFIX) == 0;
    return id_is_hex(generation) && (*wants_events || at[n_id] == '\0');
}

/* False: it has been answered. */
static bool check_epoch(const struct api *api, struct net_conn *net) {
    char epoch[STORE_EPOCH_BYTES];
    enum net_query found = net_conn_query(net, "epoch", epoch, sizeof epoch);
    if (found == NET_QUERY_TOO_LONG) {
        reply_error(net, 400, "\"epoch\" must be the one that the answer was read with");
    } else if (found == NET_QUERY_FOUND && strcmp(epoch, chat_epoch(api->chat)) != 0) {
        reply_error(net, 404, "\"epoch\" is of another database: read the answer from its beginning (epoch)");
    }
    return !net_conn_is_answered(net);
}

static void begin_stream(struct api *api, struct net_conn *net, const char *generation, uint64_t after_seq) {
    const char *last = net_conn_header(net, NET_HEADER_LAST_EVENT_ID);
    struct sse *sse = sse_new(&encoder, api, net);
    memcpy(sse->of_generation, generation, sizeof sse->of_generation);
    if (*last && !sse_parse_id(last, &sse->cursor)) {
        reply_error(net, 400, SSE_ID_FORM);
        return;
    }
    if (*last == '\0') {
        memcpy(sse->cursor.generation, generation, sizeof sse->cursor.generation);
        memcpy(sse->cursor.epoch, chat_epoch(api->chat), sizeof sse->cursor.epoch);
        sse->cursor.after_seq = after_seq;
    }
    sse_resume(sse);
}

static bool wants_stream(const struct net_conn *net) {
    return net_conn_method(net) == NET_GET &&
           strstr(net_conn_header(net, NET_HEADER_ACCEPT), "text/event-stream") != NULL;
}

void rest_generations_handle(struct api *api, struct net_conn *net) {
    char generation[ID_HEX_BYTES];
    bool wants_events;
    uint64_t after_seq = 0;
    uint64_t n_max = EVENTS_DEFAULT;
    struct fault fault;
    if (!take_path(net_conn_path(net), generation, &wants_events)) {
        reply_error(net, 400, "the address " REQUEST_GENERATION_FORM ", and /events or nothing behind it");
    } else if (request_take_number(net, "after", 0, INT64_MAX, &after_seq, &fault) != STATUS_OK ||
               request_take_number(net, "limit", 1, EVENTS_MAX, &n_max, &fault) != STATUS_OK) {
        reply_error(net, 400, fault.text);
    } else if (!check_epoch(api, net)) {
        return;
    } else if (wants_events && wants_stream(net)) {
        begin_stream(api, net, generation, after_seq);
    } else {
        struct question *self = api_call_begin(sizeof *self, api, net);
        memcpy(self->generation, generation, sizeof self->generation);
        self->wants_events = wants_events;
        self->after_seq = after_seq;
        self->n_max = (uint32_t)n_max;
        self->call.call = chat_open_generation(api->chat, generation, on_opened, self);
    }
}
