/* rest_search.c - [W60] words in messages and titles, with the places that were looked for. */
#include "api/api_internal.h"
#include "api/request.h"
#include "base/clock.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

#define LIMIT_DEFAULT 50
#define LIMIT_MAX     200

static json_t *encode_hit(const struct store_search_hit *hit) {
    static const char *const roles[] = { "system", "user", "assistant" };
    char time[CLOCK_ISO_BYTES];
    bool is_title = hit->message[0] == '\0';
    json_t *marks = json_array();
    for (size_t i = 0; i < hit->n_marks; i++) {
        json_array_append_new(
            marks, json_pack("[I, I]", (json_int_t)hit->marks[i].start, (json_int_t)hit->marks[i].length));
    }
    clock_format_iso(hit->created_ms, time);
    return json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:o}", "conversation", hit->conversation, "title",
                     hit->title, "message", encode_text(hit->message), "role",
                     is_title ? json_null() : json_string(roles[hit->role]), "timestamp", time, "snippet",
                     hit->snippet, "marks", marks);
}

static void on_searched(void *ctx, enum status status, const struct store_search_hit *hits, size_t n_hits,
                        int64_t next) {
    struct api_call *self = ctx;
    self->call = NULL;
    if (status) {
        reply_status(self->conn.net, status, "nothing can be searched now: look at the log");
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n_hits; i++) {
        json_array_append_new(list, encode_hit(&hits[i]));
    }
    char place[24];
    snprintf(place, sizeof place, "%lld", (long long)next);
    reply_json(self->conn.net, 200,
               json_pack("{s:o, s:o}", "hits", list, "next", next ? json_string(place) : json_null()));
}

void rest_search_handle(struct api *api, struct net_conn *net) {
    char query[NET_HEAD_BYTES_MAX]; /* room for a whole head */
    uint64_t limit = LIMIT_DEFAULT, before = 0;
    struct fault fault;
    if (net_conn_query(net, "q", query, sizeof query) != NET_QUERY_FOUND ||
        !utf8_is_valid(query, strlen(query))) {
        reply_error(net, 400, "\"q\" must be what is looked for, in valid UTF-8");
        return;
    }
    enum status status = request_take_number(net, "limit", 1, LIMIT_MAX, &limit, &fault);
    status = status ? status : request_take_number(net, "before", 1, INT64_MAX, &before, &fault);
    if (status) {
        reply_error(net, 400, fault.text);
        return;
    }
    struct store_search search = { .query = query, .before = (int64_t)before, .n_max = (uint32_t)limit };
    struct api_call *self = api_call_begin(sizeof *self, api, net);
    self->call = chat_search(api->chat, &search, on_searched, self);
}
