/* transcript.c - a conversation as plain text [W18]. */
#include "chat/conversation.h"

static void add_head(const struct message *message, struct bytes *out) {
    static const char *const heads[] = { [STORE_ROLE_SYSTEM] = "SYSTEM:\n",
                                         [STORE_ROLE_USER] = "USER:\n",
                                         [STORE_ROLE_ASSISTANT] = "ASSISTANT:\n" };
    bytes_add_text(out, heads[message->role]);
}

static void add_messages(const struct conversation *conversation, size_t n, struct bytes *out) {
    for (size_t i = 0; i < n; i++) {
        add_head(conversation->messages[i], out);
        message_add_text(conversation->messages[i], out);
        bytes_add_text(out, "\n\n");
    }
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

static enum status status_of(const struct bytes *out) {
    return out->failed ? STATUS_FULL : STATUS_OK;
}

enum status conversation_transcript(const struct conversation *conversation, struct bytes *out) {
    add_messages(conversation, conversation_shown(conversation), out);
    return status_of(out);
}

enum status watcher_transcript(const struct watcher *watcher, struct bytes *out) {
    const struct conversation *conversation = watcher->conversation;
    add_messages(conversation, watcher->index, out);
    if (watcher->stream && watcher->seq > 0) {
        add_beginning(conversation->messages[watcher->index], watcher->stream, watcher->seq, out);
    }
    return status_of(out);
}
