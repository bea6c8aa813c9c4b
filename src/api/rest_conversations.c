/* rest_conversations.c - [W17] [W18] [W19]: the list, one, its end. */
#include "api/api_internal.h"
#include "api/request.h"
#include "base/clock.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define LIST_DEFAULT 200
#define QUERY_BYTES  NET_HEAD_BYTES_MAX
/* A whole conversation as one answer; larger ones are read by /ws. */
#define TRANSCRIPT_BYTES_MAX (256u << 20)

/* ---- [W17] ---- */

static bool take_view(struct net_conn *net, enum store_view *view) {
    static const char *const names[] = { [STORE_VIEW_USUAL] = "usual",
                                         [STORE_VIEW_ALL] = "all",
                                         [STORE_VIEW_ARCHIVED] = "archived",
                                         [STORE_VIEW_TRASH] = "trash" };
    char name[16];
    if (net_conn_query(net, "view", name, sizeof name) == NET_QUERY_ABSENT) {
        return true;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            *view = (enum store_view)i;
            return true;
        }
    }
    reply_error(net, 400, "\"view\" must be one of usual, all, archived, trash");
    return false;
}

static bool take_folder(struct net_conn *net, char folder[REQUEST_FOLDER_BYTES], struct store_list *list) {
    enum net_query found = net_conn_query(net, "folder", folder, REQUEST_FOLDER_BYTES);
    list->folder = found == NET_QUERY_FOUND ? folder : NULL;
    bool is_good =
        found == NET_QUERY_ABSENT || (found == NET_QUERY_FOUND && utf8_is_valid(folder, strlen(folder)));
    if (!is_good) {
        reply_error(net, 400, "\"folder\" " REQUEST_FOLDER_FORM);
    }
    return is_good;
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
    if (has_before && !clock_parse(before, &list->before_ms)) {
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
        json_array_append_new(list,
                              encode_row(&rows[i], chat_is_running(self->conn.api->chat, rows[i].name)));
    }
    reply_json(self->conn.net, 200, json_pack("{s:o}", "conversations", list));
}

void rest_conversations_handle(struct api *api, struct net_conn *net) {
    char query[QUERY_BYTES];
    char folder[REQUEST_FOLDER_BYTES];
    struct store_list list;
    if (take_list(net, query, &list) && take_view(net, &list.view) && take_folder(net, folder, &list)) {
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
    json_t *whole = json_pack(
        "{s:s%, s:o, s:o, s:s, s:s, s:s}", "content", transcript->size ? transcript->data : "",
        transcript->size, "messages", encode_messages(conversation), "current", encode_current(conversation),
        "id", conversation->name, "title", conversation->title, "epoch", chat_epoch(api->chat));
    encode_own(whole, conversation);
    return whole;
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

/* For ever with ?purge=1. False: it was answered. */
static bool take_purge(struct net_conn *net, bool *is_for_ever) {
    uint64_t purge = 0;
    struct fault fault;
    if (request_take_number(net, "purge", 0, 1, &purge, &fault) != STATUS_OK) {
        reply_error(net, 400, fault.text);
        return false;
    }
    *is_for_ever = purge == 1;
    return true;
}

static void delete (struct api *api, struct net_conn *net, const char *name) {
    bool is_for_ever;
    if (take_purge(net, &is_for_ever)) {
        struct api_call *self = api_call_begin(sizeof *self, api, net);
        self->call = chat_delete(api->chat, name, is_for_ever, on_deleted, self);
    }
}

static void get(struct api *api, struct net_conn *net, const char *name) {
    struct api_call *self = api_call_begin(sizeof *self, api, net);
    self->call = chat_open_conversation(api->chat, name, on_opened, self);
}

static void not_allowed(struct api *api, struct net_conn *net, const char *name) {
    (void)api;
    (void)name;
    reply_not_allowed(net, "POST");
}

static void get_alone(struct api *api, struct net_conn *net, const char *name) {
    (void)api;
    (void)name;
    reply_not_allowed(net, "GET, HEAD");
}

/* What follows the id. */
static const struct {
    const char *verb;
    void (*get)(struct api *api, struct net_conn *net, const char *name);
    void (*post)(struct api *api, struct net_conn *net, const char *name);
    void (*delete)(struct api *api, struct net_conn *net, const char *name);
} verbs[] = {
    { "", get, rest_change_handle, delete },
    { "/restore", not_allowed, rest_restore_handle, not_allowed },
    { "/fork", not_allowed, rest_fork_handle, not_allowed },
    { "/export", rest_export_one, get_alone, get_alone },
};

/* The id is what comes before the next slash. */
static bool take_name(const char *given, size_t n_bytes, char name[ID_CONVERSATION_BYTES]) {
    char text[ID_CONVERSATION_BYTES];
    if (n_bytes >= sizeof text) {
        return false;
    }
    memcpy(text, given, n_bytes);
    text[n_bytes] = '\0';
    return id_parse_conversation(text, name);
}

void rest_conversation_handle(struct api *api, struct net_conn *net) {
    char name[ID_CONVERSATION_BYTES];
    const char *path = net_conn_path(net);
    const char *given = path + (strncmp(path, "/api/conversations/", 19) == 0 ? 19 : 18);
    const char *verb = strchr(given, '/');
    verb = verb ? verb : given + strlen(given);
    if (!take_name(given, (size_t)(verb - given), name)) {
        reply_error(net, 400, "the address " REQUEST_CONVERSATION_FORM);
        return;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verb, verbs[i].verb) == 0) {
            enum net_method method = net_conn_method(net);
            (method == NET_POST     ? verbs[i].post
             : method == NET_DELETE ? verbs[i].delete
                                    : verbs[i].get)(api, net, name);
            return;
        }
    }
    reply_error(net, 404, REPLY_NOT_FOUND_TEXT);
}
