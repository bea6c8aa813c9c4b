/* rest_import.c - [W63] conversations of a file. */
#include "api/incoming.h"

#include <stdlib.h>
#include <unistd.h>

static const struct incoming_options options = {
    .n_bytes_max = CHAT_IMPORT_BYTES_MAX,
    .too_large = "the file is larger than 256 MiB: import it in parts",
};

static void on_imported(void *ctx, const struct chat_imported *imported) {
    struct incoming *self = ctx;
    self->call.call = NULL;
    if (imported->status) {
        reply_status(self->call.conn.net, imported->status, imported->fault);
        return;
    }
    json_t *failed = imported->failed ? json_incref(imported->failed) : json_array();
    reply_json(self->call.conn.net, 200,
               json_pack("{s:b, s:I, s:I, s:o, s:I}", "success", true, "imported",
                         (json_int_t)imported->n_imported, "skipped", (json_int_t)imported->n_skipped,
                         "failed", failed, "failed_count", (json_int_t)imported->n_failed));
}

void rest_import_head(struct api *api, struct net_conn *net) {
    incoming_begin(sizeof(struct incoming), &options, api, net);
}

void rest_import_handle(struct api *api, struct net_conn *net) {
    struct incoming *self = incoming_take(net);
    if (self == NULL) {
        return;
    }
    /* Nobody needs its name: a crash leaves nothing of it. */
    unlink(self->path);
    free(self->path);
    self->path = NULL;
    int fd = self->fd;
    self->fd = -1;
    self->call.call = chat_import(api->chat, fd, on_imported, self);
}
