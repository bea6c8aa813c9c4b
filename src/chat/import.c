/* import.c - conversations of a file, one after the other.
 *
 *   chat_import → the whole file is looked through (aside): cut short or no list, and nothing of it is taken
 *     → read the next conversation, or file (aside) → its files: chat_attach → store_import → on_stored → read the next …
 *     → the end: what was stored is waited for (D2) → the callback
 *
 * One conversation is in memory at a time, and one import runs at a time.
 */
#include "base/log.h"
#include "base/mem.h"
#include "chat/chat_internal.h"
#include "chat/import_files.h"
#include "chat/import_split.h"

#include <stdlib.h>
#include <unistd.h>

struct importing {
    struct chat_call call;
    chat_on_imported callback;
    struct import_split split;
    int fd;
    /* What was done aside last. */
    enum status status;
    struct fault fault;
    bool is_end;
    bool is_unreadable;          /* the conversation at hand, not the file */
    struct store_import *import; /* NULL: a file alone */
    struct import_files files;   /* that come before it */
    char title[IMPORT_TITLE_BYTES];
    struct chat_imported result;
};

static void answer(struct importing *importing, enum status status) {
    struct chat_imported *result = &importing->result;
    import_files_clear(&importing->files);
    store_import_free(importing->import);
    result->status = status;
    result->fault = status == STATUS_OK ? "" : importing->fault.text;
    LOG_INFO("import", "status=%s imported=%llu skipped=%llu failed=%llu", status_name(status),
             (unsigned long long)result->n_imported, (unsigned long long)result->n_skipped,
             (unsigned long long)result->n_failed);
    if (!importing->call.is_abandoned) {
        importing->callback(importing->call.ctx, result);
    }
    json_decref(result->failed);
    close(importing->fd);
    call_free(importing);
}

static void finish(struct importing *importing, enum status status) {
    importing->call.chat->is_importing = false;
    answer(importing, status);
}

static void stop(struct importing *importing, enum status status) {
    finish(importing,
           fault_set(&importing->fault, status, "%s",
                     status == STATUS_CLOSED
                         ? "the server is stopping: import the rest when it has started again"
                         : "not all could be stored: look at the log, then import the file again, which "
                           "takes what is missing"));
}

/* ---- Aside ---- */

static void look_through(void *ctx) {
    struct importing *importing = ctx;
    importing->status = import_split_open(&importing->split, importing->fd, &importing->fault);
    while (importing->status == STATUS_OK && !importing->is_end) {
        importing->status = import_split_next(&importing->split, NULL, &importing->is_end, &importing->fault);
    }
    if (importing->status == STATUS_OK) {
        importing->status = import_split_open(&importing->split, importing->fd, &importing->fault);
    }
}

static enum status take_files(struct importing *importing, const struct import_file *file) {
    const char *folder = importing->call.chat->options.attachments_dir;
    if (folder == NULL) {
        return STATUS_OK;
    }
    return file->name ? import_files_add(&importing->files, folder, file)
                      : import_files_add_texts(&importing->files, folder, importing->import);
}

static enum status read_object(struct importing *importing, const char *text, size_t n_bytes) {
    struct import_file file;
    enum status status =
        import_read_json(text, n_bytes, &importing->import, &file, importing->title, &importing->fault);
    importing->is_unreadable = status != STATUS_OK;
    status = status ? status : take_files(importing, &file);
    import_file_deinit(&file);
    return status;
}

static enum status read_text(struct importing *importing, const char *text, size_t n_bytes) {
    enum status status =
        import_read_text(text, n_bytes, &importing->import, importing->title, &importing->fault);
    importing->is_unreadable = status != STATUS_OK;
    return status;
}

static void read_next(void *ctx) {
    struct importing *importing = ctx;
    struct bytes piece;
    bytes_init(&piece, IMPORT_PIECE_BYTES_MAX);
    importing->title[0] = '\0';
    importing->is_unreadable = false;
    importing->status = import_split_next(&importing->split, &piece, &importing->is_end, &importing->fault);
    if (importing->status == STATUS_OK && !importing->is_end) {
        const char *text = piece.size ? piece.data : "";
        importing->status = importing->split.form == IMPORT_TEXT ? read_text(importing, text, piece.size)
                                                                 : read_object(importing, text, piece.size);
    } else if (importing->status == STATUS_TOO_LARGE) {
        importing->is_unreadable = true;
    }
    bytes_deinit(&piece);
}

/* ---- One conversation ---- */

static void note_failed(struct importing *importing, const char *why) {
    struct chat_imported *result = &importing->result;
    result->n_failed++;
    result->failed = result->failed ? result->failed : json_array();
    if (json_array_size(result->failed) < CHAT_IMPORT_FAILED_MAX) {
        json_t *row = json_pack("{s:s, s:s}", "title", importing->title, "error", why);
        json_array_append_new(result->failed, row);
    }
}

static void tell_created(struct chat *chat, const struct store_imported *imported) {
    struct conversation *conversation =
        conversation_new(NULL, imported->name, imported->title, imported->created_ms);
    conversation->updated_ms = imported->updated_ms;
    chat_tell(chat, conversation, CONVERSATION_CREATED);
    conversation_unref(conversation);
}

static void go_on(struct importing *importing);

static void on_stored(void *ctx, const struct store_imported *imported) {
    struct importing *importing = ctx;
    if (imported->status == STATUS_OK) {
        imported->is_known ? importing->result.n_skipped++ : importing->result.n_imported++;
    } else if (imported->status == STATUS_CONFLICT || imported->status == STATUS_TOO_LARGE) {
        note_failed(importing, "an id in it is that of another conversation here");
    } else {
        stop(importing, imported->status);
        return;
    }
    if (imported->status == STATUS_OK && !imported->is_known) {
        tell_created(importing->call.chat, imported);
    }
    go_on(importing);
}

static void on_safe(void *ctx, const struct store_imported *imported) {
    struct importing *importing = ctx;
    imported->status ? stop(importing, imported->status) : finish(importing, STATUS_OK);
}

/* Of a file with one conversation what is wrong with it is what is wrong with the file. */
static bool is_all_wrong(const struct importing *importing) {
    const struct chat_imported *result = &importing->result;
    return result->n_failed == 1 && result->n_imported + result->n_skipped == 0;
}

static void attach_next(struct importing *importing);

/* A file that cannot be kept is told, and what it belongs to is taken all the same: its text, at the least. */
static void on_attached(void *ctx, enum status status, const char *fault,
                        const struct store_attachment *attachment) {
    struct importing *importing = ctx;
    bool is_refused = status == STATUS_INVALID || status == STATUS_TOO_LARGE;
    (void)attachment;
    if (status && !is_refused) {
        stop(importing, status);
        return;
    }
    if (is_refused) {
        note_failed(importing, fault);
    }
    attach_next(importing);
}

static void attach_next(struct importing *importing) {
    struct import_files *files = &importing->files;
    if (files->at < files->n) {
        const struct import_incoming *file = &files->list[files->at++];
        chat_attach(importing->call.chat, file->path, file->name, on_attached, importing);
        return;
    }
    import_files_clear(files);
    struct store_import *import = importing->import;
    importing->import = NULL;
    if (import == NULL && !importing->is_end) {
        go_on(importing);
        return;
    }
    enum status status =
        store_import(importing->call.chat->store, import, importing->is_end ? on_safe : on_stored, importing);
    if (status) {
        stop(importing, status);
    }
}

static void on_read(void *ctx, enum status status) {
    struct importing *importing = ctx;
    if (status == STATUS_OK && importing->is_unreadable) {
        note_failed(importing, importing->fault.text);
        go_on(importing);
        return;
    }
    if (status || importing->status) {
        stop(importing, status ? status : importing->status);
        return;
    }
    if (importing->is_end && is_all_wrong(importing)) {
        finish(importing, STATUS_INVALID);
        return;
    }
    attach_next(importing);
}

static void go_on(struct importing *importing) {
    struct chat *chat = importing->call.chat;
    enum status status =
        chat->is_stopping ? STATUS_CLOSED : store_aside(chat->store, read_next, on_read, importing);
    if (status) {
        stop(importing, status);
    }
}

static void on_looked(void *ctx, enum status status) {
    struct importing *importing = ctx;
    importing->is_end = false;
    if (status) {
        stop(importing, status);
    } else if (importing->status) {
        finish(importing, importing->status);
    } else {
        go_on(importing);
    }
}

struct chat_call *chat_import(struct chat *chat, int fd, chat_on_imported callback, void *ctx) {
    struct importing *importing = call_new(sizeof *importing, chat, ctx);
    importing->callback = callback;
    importing->fd = fd;
    if (chat->is_importing) {
        answer(importing, fault_set(&importing->fault, STATUS_BUSY,
                                    "another import is under way: try again when it is done"));
        return NULL;
    }
    chat->is_importing = true;
    enum status status =
        chat->store ? store_aside(chat->store, look_through, on_looked, importing) : STATUS_CLOSED;
    if (status) {
        stop(importing, status);
        return NULL;
    }
    return &importing->call;
}
