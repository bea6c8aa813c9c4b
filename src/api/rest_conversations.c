/* rest_conversations.c - [W17] [W18] [W19] [W30]: the list, one, its end, and what it has of its own. */
#include "api/api_internal.h"
#include "api/request.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIST_DEFAULT 200
#define QUERY_BYTES  NET_HEAD_BYTES_MAX
/* A whole conversation as one answer; larger ones are read by /ws. */
#define TRANSCRIPT_BYTES_MAX (256u << 20)

/* ---- [W17] ---- */

/* Reads digits where `form` has a 'd', and the very character elsewhere. */
static bool read_form(const char *text, const char *form, int digits[17]) {
    size_t n = 0;
    if (strlen(text) != strlen(form)) {
        return false;
    }
    for (size_t i = 0; form[i]; i++) {
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == 'd' ? !is_digit : text[i] != form[i]) {
            return false;
        }
        if (form[i] == 'd') {
            digits[n++] = text[i] - '0';
        }
    }
    return true;
}

static int number(const int *digits, size_t n) {
    int value = 0;
    for (size_t i = 0; i < n; i++) {
        value = value * 10 + digits[i];
    }
    return value;
}

/* A `timestamp` of the list, or of a message. */
static bool parse_time(const char *text, int64_t *wall_ms) {
    int digits[17];
    if (!read_form(text, "dddd-dd-dd-dd-dd-dd-ddd", digits) &&
        !read_form(text, "dddd-dd-ddTdd:dd:dd.dddZ", digits)) {
        return false;
    }
    struct tm date = {
        .tm_year = number(digits, 4) - 1900,
        .tm_mon = number(digits + 4, 2) - 1,
        .tm_mday = number(digits + 6, 2),
        .tm_hour = number(digits + 8, 2),
        .tm_min = number(digits + 10, 2),
        .tm_sec = number(digits + 12, 2),
    };
    *wall_ms = (int64_t)timegm(&date) * 1000 + number(digits + 14, 3);
    return *wall_ms > 0;
}

static bool take_list(struct net_conn *net, char query[QUERY_BYTES], struct store_list *list) {
    char before[40];
    *list = (struct store_list){ 0 };
    /* There is room for a whole head. */
    if (net_conn_query(net, "q", query, QUERY_BYTES) == NET_QUERY_FOUND) {
        list->query = query;
    }
    if (list->query && !utf8_is_valid(query, strlen(query))) {
        reply_error(net, 400, "\"q\" must be valid UTF-8");
        return false;
    }
    bool has_before = net_conn_query(net, "before", before, sizeof before) != NET_QUERY_ABSENT;
    if (has_before && !parse_time(before, &list->before_ms)) {
        reply_error(net, 400, "\"before\" must be a timestamp of the list, as 2026-11-22-21-05-10-123");
        return false;
    }
    uint64_t n_max = LIST_DEFAULT;
    struct fault fault;
    if (request_take_number(net, "limit", 1, STORE_LIST_MAX, &n_max, &fault) != STATUS_OK) {
        reply_error(net, 400, fault.text);
        return false;
    }
    list->n_max = (uint32_t)n_max;
    return true;
}

static void on_listed(void *ctx, enum status status, const struct store_listed *rows, size_t n_rows) {
    struct api_call *self = ctx;
    self->call = NULL;
    if (status) {
        reply_status(self->conn.net, status, "the conversations cannot be read now: look at the log");
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n_rows; i++) {
        const struct store_listed *row = &rows[i];
        json_t *object = encode_conversation(row->name, row->title, row->created_ms, row->updated_ms,
                                             chat_is_running(self->conn.api->chat, row->name));
        if (row->snippet) {
            json_object_set_new(object, "snippet", json_string(row->snippet));
        }
        json_array_append_new(list, object);
    }
    reply_json(self->conn.net, 200, json_pack("{s:o}", "conversations", list));
}

void rest_conversations_handle(struct api *api, struct net_conn *net) {
    char query[QUERY_BYTES];
    struct store_list list;
    if (take_list(net, query, &list)) {
        struct api_call *self = api_call_begin(sizeof *self, api, net);
        self->call = chat_list(api->chat, &list, on_listed, self);
    }
}

/* ---- [W18] ---- */

static bool wants_text(const struct net_conn *net) {
    return strstr(net_conn_header(net, NET_HEADER_ACCEPT), "text/plain") != NULL;
}

static json_t *conversation_json(const struct api *api, const struct conversation *conversation,
                                 const struct bytes *transcript) {
    json_t *messages = json_array();
    size_t n_shown = conversation_shown(conversation);
    for (size_t i = 0; i < n_shown; i++) {
        json_array_append_new(messages, encode_message(conversation->messages[i]));
    }
    return json_pack("{s:s%, s:o, s:s, s:s, s:s, s:o}", "content", transcript->size ? transcript->data : "",
                     transcript->size, "messages", messages, "id", conversation->name, "title",
                     conversation->title, "epoch", chat_epoch(api->chat), "detach_seconds",
                     conversation->has_detach ? json_integer(conversation->detach_seconds) : json_null());
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct api_call *self = ctx;
    struct net_conn *net = self->conn.net;
    self->call = NULL;
    if (status) {
        reply_status(net, status, CHAT_NO_CONVERSATION);
        return;
    }
    struct bytes transcript;
    bytes_init(&transcript, TRANSCRIPT_BYTES_MAX);
    if (conversation_transcript(conversation, &transcript) != STATUS_OK) {
        reply_error(net, 413, "the conversation is too large for one answer: read it by its generations");
    } else if (wants_text(net)) {
        reply_text(net, 200, "text/plain; charset=utf-8", transcript.size ? transcript.data : "",
                   transcript.size);
    } else {
        reply_json(net, 200, conversation_json(self->conn.api, conversation, &transcript));
    }
    bytes_deinit(&transcript);
}

/* ---- [W19] ---- */

static void on_deleted(void *ctx, enum status status) {
    struct api_call *self = ctx;
    self->call = NULL;
    if (status) {
        reply_status(self->conn.net, status,
                     status == STATUS_NOT_FOUND ? CHAT_NO_CONVERSATION
                                                : "it could not be deleted: look at the log");
        return;
    }
    reply_json(self->conn.net, 200, json_pack("{s:b}", "success", true));
}

/* ---- [W30] ---- */

struct change {
    struct api_call call;
    bool has_seconds;
    int64_t seconds;
};

static void on_changed(void *ctx, enum status status) {
    struct change *self = ctx;
    self->call.call = NULL;
    if (status) {
        reply_status(self->call.conn.net, status,
                     status == STATUS_NOT_FOUND ? CHAT_NO_CONVERSATION
                                                : "it could not be stored: look at the log");
        return;
    }
    json_t *seconds = self->has_seconds ? json_integer(self->seconds) : json_null();
    reply_json(self->call.conn.net, 200, json_pack("{s:b, s:o}", "success", true, "detach_seconds", seconds));
}

/* null is the setting again. */
static enum status take_change(const json_t *body, struct change *out, struct fault *fault) {
    const json_t *value = json_object_get(body, "detach_seconds");
    out->has_seconds = !json_is_null(value);
    return value
               ? json_take_int(body, "detach_seconds", -1, SETTINGS_DETACH_SECONDS_MAX, &out->seconds, fault)
               : request_missing("detach_seconds", fault);
}

static void change(struct api *api, struct net_conn *net, const char *name) {
    json_t *body = request_body(net);
    struct change asked = { 0 };
    struct fault fault;
    if (body == NULL) {
        return;
    }
    if (take_change(body, &asked, &fault) != STATUS_OK) {
        reply_error(net, 400, fault.text);
    } else {
        struct change *self = api_call_begin(sizeof *self, api, net);
        self->has_seconds = asked.has_seconds;
        self->seconds = asked.seconds;
        self->call.call =
            chat_set_detach(api->chat, name, self->has_seconds ? &self->seconds : NULL, on_changed, self);
    }
    json_decref(body);
}

void rest_conversation_handle(struct api *api, struct net_conn *net) {
    char name[ID_CONVERSATION_BYTES];

    const char *given = strncmp(net_conn_path(net), "/api/conversations/", 19) == 0 ? net_conn_path(net) + 19
                                                                                    : net_conn_path(net) + 18;
    if (!id_parse_conversation(given, name)) {
        reply_error(net, 400, "the address " REQUEST_CONVERSATION_FORM);
        return;
    }
    if (net_conn_method(net) == NET_POST) {
        change(api, net, name);
        return;
    }
    struct api_call *self = api_call_begin(sizeof *self, api, net);
    self->call = net_conn_method(net) == NET_DELETE
                     ? chat_delete(api->chat, name, on_deleted, self)
                     : chat_open_conversation(api->chat, name, on_opened, self);
}
