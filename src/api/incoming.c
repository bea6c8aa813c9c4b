#include "api/incoming.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "chat/attachment_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORM_BYTES_MAX (64u << 10) /* of what multipart adds */

static void drop_file(struct incoming *incoming) {
    if (incoming->path) {
        unlink(incoming->path);
        free(incoming->path);
        incoming->path = NULL;
    }
    if (incoming->fd >= 0) {
        close(incoming->fd);
        incoming->fd = -1;
    }
}

static void on_close(struct api_conn *conn) {
    struct incoming *incoming = (struct incoming *)conn;
    drop_file(incoming);
    if (incoming->is_multipart) {
        multipart_deinit(&incoming->multipart);
    }
    free(incoming->name);
    api_call_on_close(conn);
}

/* The answer goes out at once; the rest of the body is thrown away. */
static enum status refuse(struct incoming *incoming, int status, const char *text) {
    drop_file(incoming);
    reply_error(incoming->call.conn.net, status, text);
    return STATUS_DENIED;
}

static enum status refuse_write(struct incoming *incoming) {
    bool is_full = errno == ENOSPC || errno == EDQUOT;
    LOG_WARN("incoming_failed", "error=%s", strerror(errno));
    return refuse(incoming, is_full ? 507 : 503,
                  is_full ? "the disk is full: free some space and send it again"
                          : "the file cannot be written: look at the log");
}

static enum status take_name(struct incoming *incoming, const char *given) {
    const char *name = file_plain_name(given);
    if (name == NULL && incoming->options->needs_name) {
        return refuse(incoming, 400,
                      "the file must have a name of 1 to 200 bytes, without control characters");
    }
    incoming->name = mem_copy_string(name);
    return STATUS_OK;
}

static enum status on_file(void *ctx, const char *file_name) {
    return take_name(ctx, file_name);
}

static enum status on_bytes(void *ctx, const char *bytes, size_t n_bytes) {
    struct incoming *incoming = ctx;
    incoming->n_bytes += n_bytes;
    if (incoming->n_bytes > incoming->options->n_bytes_max) {
        return refuse(incoming, 413, incoming->options->too_large);
    }
    return file_write(incoming->fd, bytes, n_bytes) ? STATUS_OK : refuse_write(incoming);
}

static enum status on_piece(struct net_conn *net, const char *bytes, size_t n_bytes) {
    struct incoming *incoming = net_conn_ctx(net);
    if (!incoming->is_multipart) {
        return on_bytes(incoming, bytes, n_bytes);
    }
    enum status status = multipart_feed(&incoming->multipart, bytes, n_bytes);
    if (status == STATUS_INVALID || status == STATUS_FULL) {
        return refuse(incoming, 400, "the body must be multipart/form-data with one file");
    }
    return status;
}

/* False: it has been answered. */
static bool read_head(struct incoming *incoming) {
    static const struct multipart_handlers handlers = { .on_file = on_file, .on_bytes = on_bytes };
    struct net_conn *net = incoming->call.conn.net;
    const char *type = net_conn_header(net, NET_HEADER_CONTENT_TYPE);
    char name[NET_ADDRESS_BYTES + 4 * FILE_NAME_BYTES_MAX];
    incoming->is_multipart = doors_is_content_type(type, "multipart/form-data");
    if (incoming->is_multipart) {
        if (multipart_init(&incoming->multipart, type, &handlers, incoming) == STATUS_OK) {
            return true;
        }
        reply_error(net, 400, "the Content-Type must name a boundary: multipart/form-data; boundary=…");
        return false;
    }
    enum net_query found = net_conn_query(net, "name", name, sizeof name);
    return take_name(incoming, found == NET_QUERY_FOUND ? name : "") == STATUS_OK;
}

void incoming_begin(size_t n_bytes, const struct incoming_options *options, struct api *api,
                    struct net_conn *net) {
    static const struct api_conn_ops ops = { .on_close = on_close };
    const char *folder = chat_attachments_dir(api->chat);
    struct incoming *incoming = api_call_begin(n_bytes, api, net);
    api_conn_attach(&incoming->call.conn, &ops, api, net);
    incoming->options = options;
    incoming->fd = -1;
    if (net_conn_body_announced(net) > options->n_bytes_max + FORM_BYTES_MAX) {
        reply_error(net, 413, options->too_large);
    } else if (read_head(incoming)) {
        incoming->fd = folder ? attachment_file_create(folder, &incoming->path) : -1;
        if (incoming->fd < 0) {
            refuse_write(incoming);
            return;
        }
        net_conn_accept_body(net, options->n_bytes_max + FORM_BYTES_MAX, on_piece);
    }
}

struct incoming *incoming_take(struct net_conn *net) {
    struct incoming *incoming = net_conn_ctx(net);
    if (net_conn_is_answered(net)) {
        return NULL;
    }
    if (incoming->is_multipart && !multipart_is_complete(&incoming->multipart)) {
        refuse(incoming, 400, "the body must hold one whole file");
        return NULL;
    }
    return incoming;
}
