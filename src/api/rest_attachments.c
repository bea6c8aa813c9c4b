/* rest_attachments.c - [W64] [W65] files that persons send along: sent here, read again, and the text of those that have none of their own. */
#include "api/incoming.h"
#include "api/request.h"
#include "base/mem.h"
#include "chat/attachment_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "/api/attachments/"

/* ---- POST /api/attachments ---- */

static const struct incoming_options options = {
    .n_bytes_max = ATTACHMENT_BYTES_MAX,
    .too_large = "the file is larger than 32 MiB: send a part of it",
    .needs_name = true,
};

static void on_attached(void *ctx, enum status status, const char *fault,
                        const struct store_attachment *attachment) {
    struct incoming *self = ctx;
    self->call.call = NULL;
    if (status) {
        /* What the file is, is no fault of the request. */
        int code = status == STATUS_INVALID ? 415 : reply_http_status(status);
        reply_error(self->call.conn.net, code, fault);
    } else {
        reply_json(self->call.conn.net, 200, encode_attachment(attachment, attachment->text != NULL));
    }
}

void rest_attachments_head(struct api *api, struct net_conn *net) {
    incoming_begin(sizeof(struct incoming), &options, api, net);
}

void rest_attachments_handle(struct api *api, struct net_conn *net) {
    struct incoming *self = incoming_take(net);
    if (self == NULL) {
        return;
    }
    char *path = self->path;
    self->path = NULL; /* the chat's from here on */
    self->call.call = chat_attach(api->chat, path, self->name, on_attached, self);
    free(path);
}

/* ---- GET /api/attachments/{id} ---- */

/*   find it → read a piece (aside) → the head, once → write the piece → read the next …   What is read aside outlives the connection. */
struct download {
    struct api_call call;
    const char *folder;
    char id[STORE_HASH_BYTES];
    char *name;
    char *type;
    int fd; /* −1: not open */
    char *piece;
    ssize_t n_bytes;
    bool is_reading;
    bool is_begun;
    bool is_closed;
};

static void download_free(struct download *self) {
    if (self->fd >= 0) {
        close(self->fd);
    }
    free(self->piece);
    free(self->name);
    free(self->type);
    free(self);
}

static void on_close(struct api_conn *conn) {
    struct download *self = (struct download *)conn;
    chat_abandon(self->call.call);
    self->is_closed = true;
    if (!self->is_reading) {
        download_free(self);
    }
}

static void read_piece(void *ctx) {
    struct download *self = ctx;
    if (self->fd < 0) {
        self->fd = attachment_file_open(self->folder, self->id);
    }
    self->n_bytes = self->fd < 0 ? -1 : read(self->fd, self->piece, ATTACHMENT_PIECE);
}

static void begin(struct download *self) {
    bool is_text = strcmp(self->type, "text/plain") == 0;
    char *disposition = encode_disposition(self->name);
    char *headers =
        mem_format("%s%sContent-Security-Policy: sandbox; default-src 'none'\r\n", API_HEADERS, disposition);
    self->is_begun = true;
    net_stream_begin(self->call.conn.net, is_text ? "text/plain; charset=utf-8" : self->type, headers);
    free(headers);
    free(disposition);
}

static void on_read(void *ctx, enum status status) {
    struct download *self = ctx;
    self->is_reading = false;
    if (self->is_closed) {
        download_free(self);
        return;
    }
    bool has_failed = status || self->n_bytes < 0;
    if (has_failed && !self->is_begun) {
        reply_error(self->call.conn.net, status ? reply_http_status(status) : 404,
                    "the bytes of this file are not here: its text is kept with its message");
        return;
    }
    if (has_failed) {
        net_conn_close(self->call.conn.net, NET_CLOSE_GOING_AWAY, "");
        return;
    }
    if (!self->is_begun) {
        begin(self);
    }
    net_conn_want_write(self->call.conn.net);
}

static void read_on(struct download *self) {
    self->is_reading = true;
    chat_aside(self->call.conn.api->chat, read_piece, on_read, self);
}

static void on_writable(struct api_conn *conn) {
    struct download *self = (struct download *)conn;
    if (self->is_reading) {
        return;
    }
    if (self->n_bytes == 0) {
        net_stream_end(conn->net);
        return;
    }
    net_conn_write(conn->net, self->piece, (size_t)self->n_bytes);
    read_on(self);
}

static void on_found(void *ctx, enum status status, const struct store_attachment *found) {
    struct download *self = ctx;
    self->call.call = NULL;
    if (status) {
        reply_status(self->call.conn.net, status, "there is no such file: look at the message that has it");
        return;
    }
    self->name = mem_copy_string(found->name);
    self->type = mem_copy_string(found->type);
    read_on(self);
}

static void download(struct api *api, struct net_conn *net, const char *id) {
    static const struct api_conn_ops ops = { .on_writable = on_writable, .on_close = on_close };
    struct download *self = api_call_begin(sizeof *self, api, net);
    api_conn_attach(&self->call.conn, &ops, api, net);
    self->folder = chat_attachments_dir(api->chat);
    self->fd = -1;
    self->piece = mem_alloc(ATTACHMENT_PIECE);
    id_copy(self->id, sizeof self->id, id);
    self->call.call = chat_find_attachment(api->chat, id, on_found, self);
}

/* ---- POST /api/attachments/{id}/text ---- */

struct giving {
    struct api_call call;
    size_t text_size;
};

static void on_given(void *ctx, enum status status) {
    struct giving *self = ctx;
    self->call.call = NULL;
    if (status) {
        reply_status(self->call.conn.net, status,
                     status == STATUS_NOT_FOUND ? "there is no such file, or it has its text from its bytes"
                                                : "the text cannot be stored now: look at the log");
        return;
    }
    reply_json(self->call.conn.net, 200,
               json_pack("{s:b, s:I}", "success", true, "text_size", (json_int_t)self->text_size));
}

static enum status take_text(const json_t *body, const char **text, struct fault *fault) {
    enum status status = request_need_string(body, "text", text, fault);
    if (status == STATUS_OK && strlen(*text) > STORE_ATTACHED_TEXT_MAX) {
        return fault_set(fault, STATUS_TOO_LARGE, "the text is larger than %u KiB: send a part of it",
                         STORE_ATTACHED_TEXT_MAX >> 10);
    }
    if (status == STATUS_OK && (*text)[strspn(*text, " \t\r\n\f")] == '\0') {
        return fault_set(fault, STATUS_INVALID, "there is no text in it: a scan has only pictures");
    }
    return status;
}

static void give_text(struct api *api, struct net_conn *net, const char *id) {
    json_t *body = request_body(net);
    const char *text = NULL;
    struct fault fault;
    if (body == NULL) {
        return;
    }
    enum status status = take_text(body, &text, &fault);
    if (status) {
        reply_status(net, status, fault.text);
    } else {
        struct giving *self = api_call_begin(sizeof *self, api, net);
        self->text_size = strlen(text);
        self->call.call = chat_set_attachment_text(api->chat, id, text, on_given, self);
    }
    json_decref(body);
}

void rest_attachment_handle(struct api *api, struct net_conn *net) {
    const char *path = net_conn_path(net) + sizeof PREFIX - 1;
    size_t length = strspn(path, "0123456789abcdef");
    bool is_post = net_conn_method(net) == NET_POST;
    char id[STORE_HASH_BYTES];
    id_copy(id, sizeof id, path);
    if (length != STORE_HASH_BYTES - 1 || strcmp(path + length, is_post ? "/text" : "") != 0) {
        reply_error(net, 404, REPLY_NOT_FOUND_TEXT);
    } else if (is_post) {
        give_text(api, net, id);
    } else {
        download(api, net, id);
    }
}
