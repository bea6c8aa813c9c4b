/* queries.c - what the store answers without a conversation in memory: the list, a search, a backup. */
#include "base/log.h"
#include "base/mem.h"
#include "chat/attachment_file.h"
#include "chat/chat_internal.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- The list ---- */

struct listing {
    struct chat_call call;
    chat_on_listed callback;
};

static void on_listed(void *ctx, enum status status, const struct store_listed *rows, size_t n_rows) {
    struct listing *listing = ctx;
    if (!listing->call.is_abandoned) {
        listing->callback(listing->call.ctx, status, rows, n_rows);
    }
    call_free(listing);
}

struct chat_call *chat_list(struct chat *chat, const struct store_list *list, chat_on_listed callback,
                            void *ctx) {
    struct listing *listing = call_new(sizeof *listing, chat, ctx);
    listing->callback = callback;
    enum status status = store_list_conversations(chat->store, list, on_listed, listing);
    if (status) {
        on_listed(listing, status, NULL, 0);
        return NULL;
    }
    return &listing->call;
}

/* ---- Search ---- */

struct searching {
    struct chat_call call;
    store_on_searched callback;
};

static void on_searched(void *ctx, enum status status, const struct store_search_hit *hits, size_t n_hits,
                        int64_t next) {
    struct searching *searching = ctx;
    if (!searching->call.is_abandoned) {
        searching->callback(searching->call.ctx, status, hits, n_hits, next);
    }
    call_free(searching);
}

struct chat_call *chat_search(struct chat *chat, const struct store_search *search,
                              store_on_searched callback, void *ctx) {
    struct searching *searching = call_new(sizeof *searching, chat, ctx);
    searching->callback = callback;
    enum status status = store_search(chat->store, search, on_searched, searching);
    if (status) {
        on_searched(searching, status, NULL, 0, 0);
        return NULL;
    }
    return &searching->call;
}

/* ---- A backup ---- */

/*   the database (store_backup) → the files of its messages, of which none goes meanwhile (aside) → the callback */
struct backup {
    struct chat_call call;
    store_on_backed_up callback;
    struct store_backed_up made;
    char *path;
    char *files_path;
    enum status status; /* of the files */
};

static void answer_backup(struct backup *backup) {
    struct chat *chat = backup->call.chat;
    chat->n_backups--;
    if (!backup->call.is_abandoned) {
        backup->callback(backup->call.ctx, &backup->made);
    }
    chat_sweep_attachments(chat);
    free(backup->path);
    free(backup->files_path);
    call_free(backup);
}

static void copy_files(void *ctx) {
    struct backup *backup = ctx;
    backup->status = attachment_file_copy_all(backup->call.chat->options.attachments_dir, backup->files_path);
    if (backup->status) {
        LOG_ERROR("backup_files", "folder=%s status=%s", backup->files_path, status_name(backup->status));
        unlink(backup->path);
    }
}

static void on_files_copied(void *ctx, enum status status) {
    struct backup *backup = ctx;
    status = status ? status : backup->status;
    if (status) {
        backup->made = (struct store_backed_up){ .status = STATUS_IO, .path = "" };
    }
    answer_backup(backup);
}

static void on_backed_up(void *ctx, const struct store_backed_up *result) {
    struct backup *backup = ctx;
    struct chat *chat = backup->call.chat;
    backup->path = mem_copy_string(result->path);
    backup->files_path = mem_format("%s" CHAT_BACKUP_FILES, result->path);
    backup->made = *result;
    backup->made.path = backup->path;
    if (result->status || chat->options.attachments_dir == NULL) {
        answer_backup(backup);
        return;
    }
    enum status status =
        chat->store ? store_aside(chat->store, copy_files, on_files_copied, backup) : STATUS_CLOSED;
    if (status) {
        unlink(backup->path);
        on_files_copied(backup, status);
    }
}

struct chat_call *chat_backup(struct chat *chat, store_on_backed_up callback, void *ctx) {
    struct backup *backup = call_new(sizeof *backup, chat, ctx);
    backup->callback = callback;
    chat->n_backups++;
    enum status status = store_backup(chat->store, on_backed_up, backup);
    if (status) {
        on_backed_up(backup, &(struct store_backed_up){ .status = status, .path = "" });
        return NULL;
    }
    return &backup->call;
}
