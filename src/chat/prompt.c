/* prompt.c - what the model reads: the path through the tree from its root to the newest message. */
#include "base/mem.h"
#include "base/utf8.h"
#include "chat/chat_internal.h"

#include <stdlib.h>
#include <string.h>

#define TITLE_BYTES_MAX 80

static json_t *message_json(const struct message *message) {
    struct bytes text;
    bytes_init(&text, message_text_size(message));
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
