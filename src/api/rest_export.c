/* rest_export.c - [W61] [W62] conversations as files: one, as JSON, Markdown or plain text; or all, as a list that is written while it is read. */
#include "api/api_internal.h"
#include "api/export_encode.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define EXPORT_BYTES_MAX (256u << 20)
#define EXPORT_PIECE     (256u << 10)
#define EXPORT_LIST      200 /* conversations that are listed at a time */

enum form { FORM_JSON, FORM_MARKDOWN, FORM_TEXT };

static const struct {
    const char *name;
    const char *suffix;
    const char *type;
} forms[] = { [FORM_JSON] = { "json", ".json", "application/json" },
              [FORM_MARKDOWN] = { "markdown", ".md", "text/markdown; charset=utf-8" },
              [FORM_TEXT] = { "text", ".txt", "text/plain; charset=utf-8" } };

/*   list the next (EXPORT_LIST at a time) → open one → read a file of it (aside), write it in pieces … → write it in pieces → open the next …
 *
 * One conversation is in memory at a time, or one file. Of one conversation alone there is no list to read; and unless it has files, none to
 * write. */
struct exporting {
    struct api_call call;
    enum form form;
    bool is_one;
    char names[EXPORT_LIST][ID_CONVERSATION_BYTES];
    size_t n_names;
    size_t at; /* of the next one */
    int64_t before_ms;
    bool is_listed; /* there are no more than the names at hand */
    bool is_begun;
    bool has_one; /* something stands before the next one */
    bool is_over;
    char *conversation;      /* it waits for its files; NULL: there is none */
    json_t *files;           /* that it waits for */
    json_t *known;           /* ids of files that were written, or are to be */
    struct reading *reading; /* NULL: no file is read */
    struct bytes text;       /* that is being written */
    size_t n_written;
};

static void go_on(struct exporting *self);

static char *make_headers(const char *title, enum form form) {
    char *name = mem_format("%s%s", title[0] ? title : "conversation", forms[form].suffix);
    char *disposition = encode_disposition(name);
    char *headers = mem_format("%s%s", API_HEADERS, disposition);
    free(disposition);
    free(name);
    return headers;
}

static void reply_file(struct exporting *self, const char *title, const char *text, size_t n_bytes) {
    char *headers = make_headers(title, self->form);
    net_reply(self->call.conn.net, &(struct net_reply){ .status = 200,
                                                        .content_type = forms[self->form].type,
                                                        .headers = headers,
                                                        .body = text,
                                                        .n_bytes = n_bytes });
    free(headers);
}

static void reply_readable(struct exporting *self, const struct conversation *conversation) {
    struct bytes text;
    bytes_init(&text, EXPORT_BYTES_MAX);
    enum status status = self->form == FORM_TEXT ? conversation_transcript(conversation, &text)
                                                 : conversation_markdown(conversation, &text);
    if (status) {
        reply_error(self->call.conn.net, 413,
                    "the conversation is too large for one file: export it as JSON");
    } else {
        reply_file(self, conversation->title, text.size ? text.data : "", text.size);
    }
    bytes_deinit(&text);
}

/* ---- The list ---- */

static void write_text(struct exporting *self, const char *before, const char *text) {
    bytes_clear(&self->text);
    self->n_written = 0;
    bytes_add_text(&self->text, before);
    bytes_add_text(&self->text, text);
    net_conn_want_write(self->call.conn.net);
}

static const char *separator(const struct exporting *self) {
    return self->has_one ? ",\n" : "";
}

static void begin_list(struct exporting *self, const char *headers) {
    self->is_begun = true;
    net_stream_begin(self->call.conn.net, "application/json", headers);
    write_text(self, "", "[");
}

/* A file without its end is not taken for whole. */
static void break_off(struct exporting *self) {
    net_conn_close(self->call.conn.net, NET_CLOSE_GOING_AWAY, "");
}

/* ---- A file ---- */

struct reading {
    struct exporting *owner; /* NULL: its client has gone */
    const char *folder;
    json_t *file;
    struct bytes text;
    bool is_read;
};

static void read_file(void *ctx) {
    struct reading *reading = ctx;
    reading->is_read = export_encode_file(reading->folder, reading->file, &reading->text);
}

static void on_file_read(void *ctx, enum status status) {
    struct reading *reading = ctx;
    struct exporting *self = reading->owner;
    if (self) {
        self->reading = NULL;
    }
    if (self && status) {
        break_off(self);
    } else if (self && reading->is_read) {
        bytes_deinit(&self->text);
        self->text = reading->text;
        self->n_written = 0;
        self->has_one = true;
        reading->text = (struct bytes){ 0 };
        net_conn_want_write(self->call.conn.net);
    } else if (self) {
        go_on(self); /* it is not there: the conversation says what is known of it */
    }
    json_decref(reading->file);
    bytes_deinit(&reading->text);
    free(reading);
}

static void read_next_file(struct exporting *self) {
    struct chat *chat = self->call.conn.api->chat;
    struct reading *reading = mem_alloc(sizeof *reading);
    reading->owner = self;
    reading->folder = chat_attachments_dir(chat);
    reading->file = json_incref(json_array_get(self->files, 0));
    bytes_init(&reading->text, EXPORT_BYTES_MAX);
    bytes_add_text(&reading->text, separator(self));
    json_array_remove(self->files, 0);
    self->reading = reading;
    chat_aside(chat, read_file, on_file_read, reading);
}

/* ---- A conversation ---- */

static void take_conversation(struct exporting *self, const struct conversation *conversation) {
    char *json = export_encode(conversation);
    if (json == NULL || strlen(json) >= EXPORT_BYTES_MAX - 8) {
        free(json); /* it is larger than can be read again */
        self->is_one ? reply_error(self->call.conn.net, 413, "the conversation is too large for one file")
                     : go_on(self);
        return;
    }
    self->conversation = json;
    export_list_files(conversation, self->known, self->files);
    if (self->is_begun) {
        go_on(self);
    } else if (json_array_size(self->files) == 0) {
        reply_file(self, conversation->title, json, strlen(json));
    } else {
        char *headers = make_headers(conversation->title, FORM_JSON);
        begin_list(self, headers);
        free(headers);
    }
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct exporting *self = ctx;
    self->call.call = NULL;
    if (status && self->is_one) {
        reply_status(self->call.conn.net, status, CHAT_NO_CONVERSATION);
    } else if (status) {
        go_on(self); /* it was deleted meanwhile */
    } else if (self->form == FORM_JSON) {
        take_conversation(self, conversation);
    } else {
        reply_readable(self, conversation);
    }
}

static void on_listed(void *ctx, enum status status, const struct store_listed *rows, size_t n_rows) {
    struct exporting *self = ctx;
    self->call.call = NULL;
    if (status && !self->is_begun) {
        reply_status(self->call.conn.net, status, "the conversations cannot be read now: look at the log");
        return;
    }
    if (status) {
        break_off(self);
        return;
    }
    for (size_t i = 0; i < n_rows; i++) {
        id_copy(self->names[i], sizeof self->names[i], rows[i].name);
        self->before_ms = rows[i].created_ms;
    }
    self->n_names = n_rows;
    self->at = 0;
    self->is_listed = n_rows < EXPORT_LIST;
    if (self->is_begun) {
        go_on(self);
    } else {
        begin_list(self, API_HEADERS "Content-Disposition: attachment; filename=\"runnel-export.json\"\r\n");
    }
}

static void write_conversation(struct exporting *self) {
    write_text(self, separator(self), self->conversation);
    self->has_one = true;
    free(self->conversation);
    self->conversation = NULL;
}

static void go_on(struct exporting *self) {
    struct chat *chat = self->call.conn.api->chat;
    struct chat_call *call = NULL;
    if (json_array_size(self->files) > 0) {
        read_next_file(self);
    } else if (self->conversation) {
        write_conversation(self);
    } else if (self->at < self->n_names) {
        call = chat_open_conversation(chat, self->names[self->at++], on_opened, self);
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
    struct exporting *self = (struct exporting *)conn;
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
    } else if (self->is_begun && self->call.call == NULL && self->reading == NULL) {
        go_on(self);
    }
}

/* ---- Life ---- */

static void on_close(struct api_conn *conn) {
    struct exporting *self = (struct exporting *)conn;
    if (self->reading) {
        self->reading->owner = NULL;
    }
    bytes_deinit(&self->text);
    free(self->conversation);
    json_decref(self->files);
    json_decref(self->known);
    api_call_on_close(conn);
}

static struct exporting *begin(struct api *api, struct net_conn *net, enum form form) {
    static const struct api_conn_ops ops = { .on_writable = on_writable, .on_close = on_close };
    struct exporting *self = api_call_begin(sizeof *self, api, net);
    api_conn_attach(&self->call.conn, &ops, api, net);
    self->form = form;
    self->files = json_array();
    self->known = json_object();
    bytes_init(&self->text, EXPORT_BYTES_MAX);
    return self;
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
    struct exporting *self = begin(api, net, form);
    self->is_one = self->is_listed = true;
    self->call.call = chat_open_conversation(api->chat, name, on_opened, self);
}

void rest_export_handle(struct api *api, struct net_conn *net) {
    go_on(begin(api, net, FORM_JSON));
}
