/* rest_backup.c - [W29]. */
#include "api/api_internal.h"

static void on_backed_up(void *ctx, const struct store_backed_up *backup) {
    struct api_call *self = ctx;
    self->call = NULL;
    if (backup->status) {
        reply_status(self->conn.net, backup->status, "no backup could be made: look at the log");
        return;
    }
    reply_json(self->conn.net, 200,
               json_pack("{s:b, s:s, s:I}", "success", true, "path", backup->path, "size",
                         (json_int_t)backup->size_bytes));
}

void rest_backup_handle(struct api *api, struct net_conn *net) {
    struct api_call *self = api_call_begin(sizeof *self, api, net);
    self->call = chat_backup(api->chat, on_backed_up, self);
}
