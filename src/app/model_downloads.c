#include "app/model_downloads.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

#define SETTING "downloads"

static void on_saved(void *ctx, enum status status) {
    (void)ctx;
    if (status) {
        LOG_WARN("downloads_not_stored", "status=%s", status_name(status));
    }
}

/* One that is not stored costs what was downloaded since, after a crash. */
static void save(void *ctx, const char *json) {
    struct model_downloads *self = ctx;
    enum status status = store_put_setting(self->store, SETTING, json, on_saved, NULL);
    if (status) {
        on_saved(NULL, status);
    }
}

struct checking {
    downloads_on_checked on_checked;
    void *ctx;
};

static void on_inspected(void *ctx, enum status status, const json_t *info, const char *text) {
    struct checking *checking = ctx;
    (void)info;
    checking->on_checked(checking->ctx, status, text);
    free(checking);
}

static enum status check(void *ctx, const char *path, downloads_on_checked on_checked, void *checked_ctx) {
    struct model_downloads *self = ctx;
    struct checking *checking = mem_alloc(sizeof *checking);
    *checking = (struct checking){ .on_checked = on_checked, .ctx = checked_ctx };
    enum status status = models_inspect(chat_models(self->chat), path, on_inspected, checking);
    if (status) {
        free(checking);
    }
    return status;
}

void model_downloads_open(struct model_downloads *self, const struct loop *loop, struct store *store,
                          struct chat *chat, const char *hub_token) {
    *self = (struct model_downloads){ .store = store, .chat = chat };
    char *saved = store_setting(store, SETTING);
    self->downloads = downloads_open(&(struct downloads_options){ .loop = loop,
                                                                  .folder = models_folder(chat_models(chat)),
                                                                  .suffix = models_suffix(chat_models(chat)),
                                                                  .saved = saved,
                                                                  .hub_token = hub_token,
                                                                  .save = save,
                                                                  .check = check,
                                                                  .ctx = self });
    free(saved);
}
