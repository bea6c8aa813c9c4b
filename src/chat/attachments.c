/* attachments.c - files that persons send along.
 *
 *   chat_attach → look at it (aside) → its row (D2) → its name for good (aside) → the callback
 *   chat_sweep_attachments → rows that nobody may use any more → their files (aside) → the rows go
 *
 * The row is there before the file has its name, and goes after it: a crash leaves a row that says what is to be removed, never a file that
 * nobody knows. What waits aside is done in its order, so a file that comes again while it is being removed is there in the end.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "chat/attachment_file.h"
#include "chat/chat_internal.h"

#include <stdlib.h>
#include <unistd.h>

struct attaching {
    struct chat_call call;
    chat_on_attached callback;
    const char *folder;
    char *path;
    struct store_attachment attachment;
    enum status status;
    struct fault fault;
};

static void answer(struct attaching *attaching) {
    if (attaching->status) {
        unlink(attaching->path);
    } else {
        chat_sweep_attachments(attaching->call.chat);
    }
    if (!attaching->call.is_abandoned) {
        attaching->callback(attaching->call.ctx, attaching->status, attaching->fault.text,
                            &attaching->attachment);
    }
    free(attaching->attachment.name);
    free(attaching->attachment.type);
    free(attaching->attachment.text);
    free(attaching->path);
    call_free(attaching);
}

static void fail(struct attaching *attaching, enum status status) {
    attaching->status = fault_set(&attaching->fault, status, "%s",
                                  status == STATUS_FULL ? "too much waits for the disk: try again in a moment"
                                  : status == STATUS_CLOSED ? CHAT_STOPPING
                                                            : "the file cannot be kept now: look at the log");
    answer(attaching);
}

static void keep(void *ctx) {
    struct attaching *attaching = ctx;
    attaching->status = attachment_file_keep(attaching->folder, attaching->path, attaching->attachment.id);
}

static void on_kept(void *ctx, enum status status) {
    struct attaching *attaching = ctx;
    status = status ? status : attaching->status;
    status ? fail(attaching, status) : answer(attaching);
}

static void on_put(void *ctx, enum status status) {
    struct attaching *attaching = ctx;
    status = status ? status : store_aside(attaching->call.chat->store, keep, on_kept, attaching);
    if (status) {
        fail(attaching, status);
    }
}

static void look(void *ctx) {
    struct attaching *attaching = ctx;
    attaching->status = attachment_file_look(attaching->path, &attaching->attachment, &attaching->fault);
}

static void on_looked(void *ctx, enum status status) {
    struct attaching *attaching = ctx;
    if (status == STATUS_OK && attaching->status) {
        answer(attaching);
        return;
    }
    status = status ? status
                    : store_put_attachment(attaching->call.chat->store, &attaching->attachment,
                                           clock_wall_ms(), on_put, attaching);
    if (status) {
        fail(attaching, status);
    }
}

struct chat_call *chat_attach(struct chat *chat, const char *path, const char *name,
                              chat_on_attached callback, void *ctx) {
    struct attaching *attaching = call_new(sizeof *attaching, chat, ctx);
    attaching->callback = callback;
    attaching->folder = chat->options.attachments_dir;
    attaching->path = mem_copy_string(path);
    attaching->attachment.name = mem_copy_string(name);
    enum status status = chat->store ? store_aside(chat->store, look, on_looked, attaching) : STATUS_CLOSED;
    if (status) {
        fail(attaching, status);
        return NULL;
    }
    return &attaching->call;
}

const char *chat_attachments_dir(const struct chat *chat) {
    return chat->options.attachments_dir;
}

/* ---- What is known of one ---- */

struct finding {
    struct chat_call call;
    chat_on_attachment callback;
    chat_on_done on_done;
};

static void on_found(void *ctx, enum status status, const struct store_attachment *found) {
    struct finding *finding = ctx;
    if (!finding->call.is_abandoned) {
        finding->callback(finding->call.ctx, status, found);
    }
    call_free(finding);
}

struct chat_call *chat_find_attachment(struct chat *chat, const char *id, chat_on_attachment callback,
                                       void *ctx) {
    struct finding *finding = call_new(sizeof *finding, chat, ctx);
    finding->callback = callback;
    enum status status = store_find_attachment(chat->store, id, on_found, finding);
    if (status) {
        on_found(finding, status, NULL);
        return NULL;
    }
    return &finding->call;
}

static void on_text_set(void *ctx, enum status status) {
    struct finding *finding = ctx;
    if (!finding->call.is_abandoned) {
        finding->on_done(finding->call.ctx, status);
    }
    call_free(finding);
}

struct chat_call *chat_set_attachment_text(struct chat *chat, const char *id, const char *text,
                                           chat_on_done callback, void *ctx) {
    struct finding *finding = call_new(sizeof *finding, chat, ctx);
    finding->on_done = callback;
    enum status status = store_set_attachment_text(chat->store, id, text, on_text_set, finding);
    if (status) {
        on_text_set(finding, status);
        return NULL;
    }
    return &finding->call;
}

struct aside {
    struct chat_call call;
    void (*work)(void *ctx);
    chat_on_done callback;
};

static void run_aside(void *ctx) {
    struct aside *aside = ctx;
    aside->work(aside->call.ctx);
}

static void on_aside(void *ctx, enum status status) {
    struct aside *aside = ctx;
    aside->callback(aside->call.ctx, status);
    call_free(aside);
}

void chat_aside(struct chat *chat, void (*work)(void *ctx), chat_on_done callback, void *ctx) {
    struct aside *aside = call_new(sizeof *aside, chat, ctx);
    aside->work = work;
    aside->callback = callback;
    enum status status = chat->store ? store_aside(chat->store, run_aside, on_aside, aside) : STATUS_CLOSED;
    if (status) {
        on_aside(aside, status);
    }
}

/* ---- Those that nobody has any more ---- */

struct sweeping {
    struct chat_call call;
    struct store_swept swept;
};

static void on_forgotten(void *ctx, enum status status) {
    struct sweeping *sweeping = ctx;
    struct chat *chat = sweeping->call.chat;
    bool has_more = status == STATUS_OK && sweeping->swept.n == STORE_SWEEP_MAX;
    call_free(sweeping);
    if (has_more) {
        chat_sweep_attachments(chat);
    }
}

static void remove_files(void *ctx) {
    const struct sweeping *sweeping = ctx;
    for (size_t i = 0; i < sweeping->swept.n; i++) {
        attachment_file_remove(sweeping->call.chat->options.attachments_dir, sweeping->swept.ids[i]);
    }
}

static void on_removed(void *ctx, enum status status) {
    struct sweeping *sweeping = ctx;
    status = status ? status
                    : store_forget_attachments(sweeping->call.chat->store, &sweeping->swept, on_forgotten,
                                               sweeping);
    if (status) {
        on_forgotten(sweeping, status);
    }
}

static void on_swept(void *ctx, enum status status, const struct store_swept *swept) {
    struct sweeping *sweeping = ctx;
    sweeping->swept = *swept;
    if (status || swept->n == 0) {
        call_free(sweeping);
        return;
    }
    LOG_INFO("attachments_removed", "n=%zu", swept->n);
    status = store_aside(sweeping->call.chat->store, remove_files, on_removed, sweeping);
    if (status) {
        on_removed(sweeping, status);
    }
}

void chat_sweep_attachments(struct chat *chat) {
    bool is_copied = chat->n_backups > 0;
    if (chat->options.attachments_dir == NULL || chat->store == NULL || chat->is_stopping || is_copied) {
        return;
    }
    struct sweeping *sweeping = call_new(sizeof *sweeping, chat, NULL);
    if (store_sweep_attachments(chat->store, clock_wall_ms(), on_swept, sweeping) != STATUS_OK) {
        call_free(sweeping);
    }
}
