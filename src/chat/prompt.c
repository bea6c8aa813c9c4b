/* prompt.c - what the model reads: the path through the tree from its root to the newest message. */
#include "base/mem.h"
#include "base/utf8.h"
#include "chat/chat_internal.h"

#include <stdlib.h>
#include <string.h>

#define TITLE_BYTES_MAX 80
/* What files are in a prompt: an imported message may have more of them than one that is sent here, each with fences around it. */
#define PROMPT_ATTACHED_BYTES_MAX (64u << 20)

/* Longer than every row of back quotes in it. */
static int fence_length(const char *text, size_t size) {
    int longest = 2, row = 0;
    for (size_t i = 0; i < size; i++) {
        row = text[i] == '`' ? row + 1 : 0;
        longest = row > longest ? row : longest;
    }
    return longest + 1;
}

static void add_fence(struct bytes *out, int length) {
    for (int i = 0; i < length; i++) {
        bytes_add_char(out, '`');
    }
    bytes_add_char(out, '\n');
}

/* A file is a fenced block under its name, before what the person says. */
static void add_attachment(const struct store_attachment *attachment, struct bytes *out) {
    int length = fence_length(attachment->text, attachment->text_size);
    bytes_add_format(out, "%s:\n", attachment->name);
    add_fence(out, length);
    bytes_add(out, attachment->text, attachment->text_size);
    if (attachment->text_size == 0 || attachment->text[attachment->text_size - 1] != '\n') {
        bytes_add_char(out, '\n');
    }
    add_fence(out, length);
    bytes_add_char(out, '\n');
}

static json_t *message_json(const struct message *message) {
    struct bytes text;
    bytes_init(&text, message_text_size(message) + PROMPT_ATTACHED_BYTES_MAX);
    for (size_t i = 0; i < message->n_attachments; i++) {
        if (message->attachments[i].text) {
            add_attachment(&message->attachments[i], &text);
        }
    }
    message_add_text(message, &text);
    json_t *object = json_pack("{s:s, s:s%}", "role", message_role_name(message), "content",
                               text.size ? text.data : "", text.size);
    bytes_deinit(&text);
    return object;
}

json_t *prompt_messages(const struct conversation *conversation, const struct message *last) {
    /* A system prompt of its own takes the place of the one that it began with. */
    json_t *settings = json_object_get(conversation->settings, "settings");
    const char *system = json_string_value(json_object_get(settings, "system_prompt"));
    json_t *messages = json_array();
    for (const struct message *at = last; at; at = at->above) {
        /* An answer that was cancelled before its first token says nothing, and templates dislike empty turns. */
        bool is_empty = at->first && message_text_size(at) == 0;
        if (!is_empty && (system == NULL || at->role != STORE_ROLE_SYSTEM)) {
            json_array_insert_new(messages, 0, message_json(at));
        }
    }
    if (system && system[0]) {
        json_array_insert_new(messages, 0, json_pack("{s:s, s:s}", "role", "system", "content", system));
    }
    return messages;
}

char *prompt_title(const char *text) {
    text += strspn(text, " \t\r\n");
    size_t length = strcspn(text, "\r\n");
    if (length <= TITLE_BYTES_MAX) {
        return mem_copy_bytes(text, length);
    }
    size_t cut = utf8_whole_length(text, TITLE_BYTES_MAX);
    return mem_format("%.*s…", (int)cut, text);
}
