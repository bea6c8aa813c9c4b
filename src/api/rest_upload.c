/* rest_upload.c - [W24] a model file, streamed to disk.
 *
 * <name>.part is written while the body arrives, and gets its name when the last boundary was seen. A lock on
 * the part file says that somebody writes it: what a crash left behind is overwritten by the next try.
 */
#include "api/api_internal.h"
#include "api/multipart.h"
#include "api/request.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define UPLOAD_BYTES_MAX   (1ull << 40)
#define UPLOAD_EXISTS_TEXT "there is a file of this name already: give this one another name"

struct upload {
    struct api_call call;
    struct multipart multipart;
    int fd; /* -1: no file is open */
    char *path;
    char *part_path;
    uint64_t n_bytes;
    bool needs_magic; /* a GGUF file says so in its first four bytes */
};

static void drop_file(struct upload *upload) {
    if (upload->fd >= 0) {
        unlink(upload->part_path);
        close(upload->fd);
        upload->fd = -1;
    }
}

static void on_close(struct api_conn *conn) {
    struct upload *upload = (struct upload *)conn;
    drop_file(upload);
    multipart_deinit(&upload->multipart);
    free(upload->path);
    free(upload->part_path);
    api_call_on_close(conn);
}

/* The answer goes out at once; the rest of the body is thrown away. */
static enum status refuse(struct upload *upload, int status, const char *text) {
    drop_file(upload);
    reply_error(upload->call.conn.net, status, text);
    return STATUS_DENIED;
}

static enum status refuse_write(struct upload *upload) {
    bool is_full = errno == ENOSPC || errno == EDQUOT;
    LOG_WARN("upload_failed", "error=%s", strerror(errno));
    return refuse(upload, is_full ? 507 : 503,
                  is_full ? "the disk is full: free some space and send it again"
                          : "the file cannot be written: look at the log");
}

static enum status open_part(struct upload *upload) {
    upload->fd = open(upload->part_path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (upload->fd < 0) {
        return refuse_write(upload);
    }
    if (flock(upload->fd, LOCK_EX | LOCK_NB) != 0) {
        close(upload->fd);
        upload->fd = -1;
        return refuse(upload, 409,
                      "a file of this name is being uploaded: wait for it, or give this one another name");
    }
    return ftruncate(upload->fd, 0) == 0 ? STATUS_OK : refuse_write(upload);
}

static enum status on_file(void *ctx, const char *file_name) {
    struct upload *upload = ctx;
    const struct models *models = chat_models(upload->call.conn.api->chat);
    const char *suffix = models_suffix(models);
    const char *name = file_safe_name(file_name);
    if (name == NULL || !models_has_suffix(models, name)) {
        char *text =
            mem_format("the file's name must end in %s, begin with no point, and have at most %d bytes",
                       suffix, FILE_NAME_BYTES_MAX);
        enum status status = refuse(upload, 400, text);
        free(text);
        return status;
    }
    upload->needs_magic = strcmp(suffix, ".gguf") == 0;
    upload->path = mem_format("%s/%s", models_folder(models), name);
    upload->part_path = mem_format("%s.part", upload->path);
    if (access(upload->path, F_OK) == 0) {
        return refuse(upload, 409, UPLOAD_EXISTS_TEXT);
    }
    return open_part(upload);
}

/* Looks at those of the first four bytes that are in this piece. */
static bool is_magic(const struct upload *upload, const char *bytes, size_t n_bytes) {
    static const char magic[4] = { 'G', 'G', 'U', 'F' };
    for (size_t i = 0; i < n_bytes && upload->n_bytes + i < sizeof magic; i++) {
        if (bytes[i] != magic[upload->n_bytes + i]) {
            return false;
        }
    }
    return true;
}

static enum status on_bytes(void *ctx, const char *bytes, size_t n_bytes) {
    struct upload *upload = ctx;
    if (upload->needs_magic && !is_magic(upload, bytes, n_bytes)) {
        return refuse(upload, 400, "the file must be a model in the GGUF format");
    }
    upload->n_bytes += n_bytes;
    return file_write(upload->fd, bytes, n_bytes) ? STATUS_OK : refuse_write(upload);
}

static enum status on_piece(struct net_conn *net, const char *bytes, size_t n_bytes) {
    struct upload *upload = net_conn_ctx(net);
    enum status status = multipart_feed(&upload->multipart, bytes, n_bytes);
    if (status == STATUS_INVALID || status == STATUS_FULL) {
        return refuse(upload, 400, "the body must be multipart/form-data with one file");
    }
    return status;
}

void rest_upload_head(struct api *api, struct net_conn *net) {
    static const struct api_conn_ops ops = { .on_close = on_close };
    static const struct multipart_handlers handlers = { .on_file = on_file, .on_bytes = on_bytes };
    struct upload *upload = api_call_begin(sizeof *upload, api, net);
    api_conn_attach(&upload->call.conn, &ops, api, net);
    upload->fd = -1;
    const char *type = net_conn_header(net, NET_HEADER_CONTENT_TYPE);
    if (multipart_init(&upload->multipart, type, &handlers, upload) != STATUS_OK) {
        reply_error(net, 400, "the Content-Type must name a boundary: multipart/form-data; boundary=…");
        return;
    }
    net_conn_accept_body(net, UPLOAD_BYTES_MAX, on_piece);
}

void rest_upload_handle(struct api *api, struct net_conn *net) {
    (void)api;
    struct upload *upload = net_conn_ctx(net);
    if (net_conn_is_answered(net)) {
        return;
    }
    if (!multipart_is_complete(&upload->multipart)) {
        refuse(upload, 400, "the body must hold one whole file");
        return;
    }
    if (upload->needs_magic && upload->n_bytes < 4) {
        refuse(upload, 400, "the file must be a model in the GGUF format");
        return;
    }
    if (!file_take_name(upload->part_path, upload->path)) {
        errno == EEXIST ? (void)refuse(upload, 409, UPLOAD_EXISTS_TEXT) : (void)refuse_write(upload);
        return;
    }
    close(upload->fd);
    upload->fd = -1;
    LOG_INFO("upload", "bytes=%llu", (unsigned long long)upload->n_bytes);
    reply_json(net, 200,
               json_pack("{s:b, s:s, s:I}", "success", true, "path", upload->path, "size",
                         (json_int_t)upload->n_bytes));
}
