/* rest_export.c - [W61] [W62] conversations as files: one, as JSON, Markdown or plain text; or all, as a list that is written while it is read. */
#include "api/api_internal.h"
#include "base/clock.h"
#include "base/mem.h"
#include "chat/import_read.h"

#include <stdlib.h>
#include <string.h>

#define EXPORT_BYTES_MAX (256u << 20)
#define EXPORT_PIECE     (256u << 10)

/* ---- One as JSON ---- */

static json_t *iso(int64_t wall_ms) {
    char text[CLOCK_ISO_BYTES];
    clock_format_iso(wall_ms, text);
    return json_string(text);
}

static json_t *encode_whole_generation(const struct stream *stream) {
    json_t *object = encode_generation(stream);
    json_t *settings = stream->settings ? json_loads(stream->settings, 0, NULL) : NULL;
    json_object_set_new(object, "content",
                        json_stringn(stream->text.size ? stream->text.data : "", stream->text.size));
    json_object_set_new(object, "settings", settings ? settings : json_null());
    json_object_set_new(object, "prompt_tokens", json_integer(stream->n_prompt_tokens));
    json_object_set_new(object, "context_size", json_integer(stream->context_size));
    return object;
}

static json_t *encode_whole_message(const struct message *message) {
    json_t *object = encode_message(message);
    json_t *generations = json_array();
    for (const struct stream *stream = message->first; stream; stream = stream->next) {
        json_array_append_new(generations, encode_whole_generation(stream));
    }
    if (message->first) {
        json_object_set(object, "generations", generations);
    }
    json_decref(generations);
    json_t *attachments = json_object_get(object, "attachments");
    for (size_t i = 0; i < message->n_attachments; i++) {
        const struct store_attachment *from = &message->attachments[i];
        json_object_set_new(json_array_get(attachments, i), "text",
                            from->text ? json_stringn(from->text, from->text_size) : json_null());
    }
    return object;
}

/* New memory. */
static char *encode_export(const struct conversation *conversation) {
    json_t *messages = json_array();
    for (size_t i = 0; i < conversation->n_messages; i++) {
        if (conversation->messages[i]->hidden_ms == 0) {
            json_array_append_new(messages, encode_whole_message(conversation->messages[i]));
        }
    }
    json_t *object = json_pack("{s:s, s:i, s:s, s:s, s:o, s:o, s:o}", "format", IMPORT_EXPORT_FORMAT,
                               "version", IMPORT_EXPORT_VERSION, "id", conversation->name, "title",
                               conversation->title, "created", iso(conversation->created_ms), "updated",
                               iso(conversation->updated_ms), "messages", messages);
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(object);
    return text;
}

/* ---- One ---- */

enum form { FORM_JSON, FORM_MARKDOWN, FORM_TEXT };

struct export_one {
    struct api_call call;
    enum form form;
};

static const struct {
    const char *name;
    const char *suffix;
    const char *type;
} forms[] = { [FORM_JSON] = { "json", ".json", "application/json" },
              [FORM_MARKDOWN] = { "markdown", ".md", "text/markdown; charset=utf-8" },
              [FORM_TEXT] = { "text", ".txt", "text/plain; charset=utf-8" } };

static void reply_file(struct net_conn *net, enum form form, const char *title, const char *text,
                       size_t n_bytes) {
    char *name = mem_format("%s%s", title[0] ? title : "conversation", forms[form].suffix);
    char *disposition = encode_disposition(name);
    char *headers = mem_format("%s%s", API_HEADERS, disposition);
    net_reply(net, &(struct net_reply){ .status = 200,
                                        .content_type = forms[form].type,
                                        .headers = headers,
                                        .body = text,
                                        .n_bytes = n_bytes });
    free(headers);
    free(disposition);
    free(name);
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct export_one *self = ctx;
    struct net_conn *net = self->call.conn.net;
    self->call.call = NULL;
    if (status) {
        reply_status(net, status, CHAT_NO_CONVERSATION);
        return;
    }
    if (self->form == FORM_JSON) {
        char *json = encode_export(conversation);
        reply_file(net, FORM_JSON, conversation->title, json ? json : "", json ? strlen(json) : 0);
        free(json);
        return;
    }
    struct bytes text;
    bytes_init(&text, EXPORT_BYTES_MAX);
    status = self->form == FORM_TEXT ? conversation_transcript(conversation, &text)
                                     : conversation_markdown(conversation, &text);
    if (status) {
        reply_error(net, 413, "the conversation is too large for one file: export it as JSON");
    } else {
        reply_file(net, self->form, conversation->title, text.size ? text.data : "", text.size);
    }
    bytes_deinit(&text);
}

void rest_export_one(struct api *api, struct net_conn *net, const char *name) {
    char given[16];
    enum form form = FORM_JSON;
    if (net_conn_query(net, "format", given, sizeof given) != NET_QUERY_ABSENT) {
        while (form < FORM_TEXT && strcmp(given, forms[form].name) != 0) {
            form++;
        }
        if (strcmp(given, forms[form].name) != 0) {
            reply_error(net, 400, "\"format\" must be json, markdown or text");
            return;
        }
    }
    struct export_one *self = api_call_begin(sizeof *self, api, net);
    self->form = form;
    self->call.call = chat_open_conversation(api->chat, name, on_opened, self);
}

/* ---- All ---- */

/*   list the next (EXPORT_LIST at a time) → open one → write it in pieces → open the next …   One is in memory at a time. */
#define EXPORT_LIST 200

struct export_all {
    struct api_call call;
    char names[EXPORT_LIST][ID_CONVERSATION_BYTES];
    size_t n_names;
    size_t at; /* of the next one */
    int64_t before_ms;
    bool is_listed; /* there are no more than the names at hand */
    bool is_begun;
    bool has_one; /* something stands before the next one */
    bool is_over;
    struct bytes text; /* that is being written */
    size_t n_written;
};

static void export_free(struct api_conn *conn) {
    bytes_deinit(&((struct export_all *)conn)->text);
    api_call_on_close(conn);
}

static void write_text(struct export_all *self, const char *before, const char *text) {
    bytes_clear(&self->text);
    self->n_written = 0;
    bytes_add_text(&self->text, before);
    bytes_add_text(&self->text, text);
    net_conn_want_write(self->call.conn.net);
}

static void go_on(struct export_all *self);

static void on_one(void *ctx, enum status status, struct conversation *conversation) {
    struct export_all *self = ctx;
    self->call.call = NULL;
    if (status == STATUS_OK) {
        char *json = encode_export(conversation);
        if (json && strlen(json) < EXPORT_BYTES_MAX - 8) {
            write_text(self, self->has_one ? ",\n" : "", json);
            self->has_one = true;
            free(json);
            return;
        }
        free(json);
    }
    go_on(self); /* it was deleted meanwhile, or is larger than can be read again */
}

static void on_listed(void *ctx, enum status status, const struct store_listed *rows, size_t n_rows) {
    struct export_all *self = ctx;
    struct net_conn *net = self->call.conn.net;
    self->call.call = NULL;
    if (status && !self->is_begun) {
        reply_status(net, status, "the conversations cannot be read now: look at the log");
        return;
    }
    if (status) {
        net_conn_close(net, NET_CLOSE_GOING_AWAY, ""); /* a file without its end is not taken for whole */
        return;
    }
    for (size_t i = 0; i < n_rows; i++) {
        id_copy(self->names[i], sizeof self->names[i], rows[i].name);
        self->before_ms = rows[i].created_ms;
    }
    self->n_names = n_rows;
    self->at = 0;
    self->is_listed = n_rows < EXPORT_LIST;
    if (!self->is_begun) {
        self->is_begun = true;
        net_stream_begin(net, "application/json",
                         API_HEADERS "Content-Disposition: attachment; filename=\"runnel-export.json\"\r\n");
        write_text(self, "", "[");
        return;
    }
    go_on(self);
}

static void go_on(struct export_all *self) {
    struct chat *chat = self->call.conn.api->chat;
    struct chat_call *call = NULL;
    if (self->at < self->n_names) {
        call = chat_open_conversation(chat, self->names[self->at++], on_one, self);
    } else if (!self->is_listed) {
        struct store_list list = { .view = STORE_VIEW_ALL,
                                   .before_ms = self->before_ms,
                                   .n_max = EXPORT_LIST };
        call = chat_list(chat, &list, on_listed, self);
    } else {
        self->is_over = true;
        write_text(self, "", "]\n");
    }
    self->call.call = call ? call : self->call.call;
}

static void on_writable(struct api_conn *conn) {
    struct export_all *self = (struct export_all *)conn;
    size_t left = self->text.size - self->n_written;
    if (left > 0) {
        size_t n = left < EXPORT_PIECE ? left : EXPORT_PIECE;
        net_conn_write(conn->net, self->text.data + self->n_written, n);
        self->n_written += n;
        if (left > n) {
            net_conn_want_write(conn->net);
            return;
        }
    }
    if (self->is_over) {
        net_stream_end(conn->net);
    } else if (self->call.call == NULL) {
        go_on(self);
    }
}

void rest_export_handle(struct api *api, struct net_conn *net) {
    static const struct api_conn_ops ops = { .on_writable = on_writable, .on_close = export_free };
    struct export_all *self = api_call_begin(sizeof *self, api, net);
    api_conn_attach(&self->call.conn, &ops, api, net);
    bytes_init(&self->text, EXPORT_BYTES_MAX);
    go_on(self);
}
