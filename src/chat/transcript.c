/* transcript.c - a conversation as plain text [W18]. */
#include "base/mem.h"
#include "chat/conversation.h"

#include <stdlib.h>

static void add_head(const struct message *message, struct bytes *out) {
    static const char *const heads[] = { [STORE_ROLE_SYSTEM] = "SYSTEM:\n",
                                         [STORE_ROLE_USER] = "USER:\n",
                                         [STORE_ROLE_ASSISTANT] = "ASSISTANT:\n" };
    bytes_add_text(out, heads[message->role]);
}

static void add_message(const struct message *message, struct bytes *out) {
    add_head(message, out);
    message_add_text(message, out);
    bytes_add_text(out, "\n\n");
}

/* The path from the root down to `last`, the root first. The caller frees it. */
static const struct message **find_path(const struct message *last, size_t *n) {
    *n = 0;
    for (const struct message *at = last; at; at = at->above) {
        ++*n;
    }
    const struct message **path = mem_alloc(*n * sizeof *path + 1);
    size_t i = *n;
    for (const struct message *at = last; at; at = at->above) {
        path[--i] = at;
    }
    return path;
}

/* Up to the event `seq` of one of its generations. */
static void add_beginning(const struct message *message, const struct stream *last, uint64_t seq,
                          struct bytes *out) {
    add_head(message, out);
    for (const struct stream *stream = message->first; stream != last; stream = stream->next) {
        bytes_add(out, stream->text.data, stream->text.size);
    }
    bytes_add(out, last->text.data, last->ends[seq - 1]);
    bytes_add_text(out, "\n\n");
}

static void add_markdown(const struct message *message, struct bytes *out) {
    static const char *const names[] = {
        [STORE_ROLE_SYSTEM] = "System", [STORE_ROLE_USER] = "You", [STORE_ROLE_ASSISTANT] = "Assistant"
    };
    bytes_add_format(out, "## %s\n\n", names[message->role]);
    for (size_t i = 0; i < message->n_attachments; i++) {
        bytes_add_format(out, "*File: %s*\n\n", message->attachments[i].name);
    }
    message_add_text(message, out);
    bytes_add_text(out, "\n\n");
}

static enum status status_of(const struct bytes *out) {
    return out->failed ? STATUS_FULL : STATUS_OK;
}

enum status conversation_transcript(const struct conversation *conversation, struct bytes *out) {
    size_t n;
    const struct message **path =
        find_path(conversation_current_of(conversation, conversation_shown(conversation)), &n);
    for (size_t i = 0; i < n; i++) {
        add_message(path[i], out);
    }
    free(path);
    return status_of(out);
}

enum status watcher_transcript(const struct watcher *watcher, struct bytes *out) {
    const struct conversation *conversation = watcher->conversation;
    size_t n;
    const struct message **path =
        find_path(conversation_current_of(conversation, watcher_n_given(watcher)), &n);
    for (size_t i = 0; i < n; i++) {
        if (path[i]->index == watcher->index) {
            add_beginning(path[i], watcher->stream, watcher->seq, out);
        } else {
            add_message(path[i], out);
        }
    }
    free(path);
    return status_of(out);
}

enum status conversation_markdown(const struct conversation *conversation, struct bytes *out) {
    size_t n;
    const struct message **path =
        find_path(conversation_current_of(conversation, conversation_shown(conversation)), &n);
    bytes_add_format(out, "# %s\n\n", conversation->title);
    for (size_t i = 0; i < n; i++) {
        add_markdown(path[i], out);
    }
    free(path);
    return status_of(out);
}
