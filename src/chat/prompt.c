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

json_t *chat_calls_json(const struct message *message) {
    json_t *calls = message_tool_calls(message);
    json_t *list = calls ? json_array() : NULL;
    size_t index;
    json_t *call;
    json_array_foreach(calls, index, call) {
        json_array_append_new(list,
                              json_pack("{s:O, s:s, s:{s:O, s:O}}", "id", json_object_get(call, "id"), "type",
                                        "function", "function", "name", json_object_get(call, "name"),
                                        "arguments", json_object_get(call, "arguments")));
    }
    json_decref(calls);
    return list;
}

/* An answer that calls tools is understood only with them: its kept call brings their answers. */
static json_t *kept_answer_json(const struct message *message) {
    json_t *object = message_json(message);
    json_t *calls = chat_calls_json(message);
    if (calls) {
        json_object_set_new(object, "tool_calls", calls);
    }
    return object;
}

/* What a kept call was asked with (chat_keep); NULL: it was none. */
static json_t *kept_of(const struct message *message) {
    const char *text = message->first ? message->first->settings : NULL;
    json_t *settings = text && strstr(text, "\"kept\"") ? json_loads(text, 0, NULL) : NULL;
    json_t *kept = json_incref(json_object_get(settings, "kept"));
    json_decref(settings);
    return kept;
}

json_t *chat_kept_record(const struct message *answer) {
    json_t *kept = kept_of(answer);
    json_t *record = json_incref(json_object_get(kept, "record"));
    json_decref(kept);
    return record;
}

/* One message more on the way from the root. `n_given` of the prompt are certain; behind them are the texts of messages that the next kept
 * call may have in another form. */
static void add_to_prompt(json_t *messages, size_t *n_given, json_t **instructions, const struct message *at,
                          bool is_asked_for) {
    json_t *kept = at->first ? kept_of(at) : NULL;
    if (kept) {
        json_decref(*instructions);
        *instructions = json_incref(json_object_get(kept, "instructions"));
        if (json_is_true(json_object_get(kept, "whole"))) {
            *n_given = 0;
        }
        while (json_array_size(messages) > *n_given) {
            json_array_remove(messages, json_array_size(messages) - 1);
        }
        json_array_extend(messages, json_object_get(kept, "input"));
    }
    /* An answer that was cancelled before its first token says nothing, and templates dislike empty turns. */
    if (!is_asked_for && (at->first == NULL || message_said_size(at) > 0)) {
        json_t *object = kept ? kept_answer_json(at) : message_json(at);
        bool is_silent = at->first && message_text_size(at) == 0 && !json_object_get(object, "tool_calls");
        if (is_silent) {
            json_decref(object);
        } else {
            json_array_append_new(messages, object);
        }
    }
    if (at->first) {
        *n_given = json_array_size(messages);
    }
    json_decref(kept);
}

bool prompt_is_kept(const struct message *message) {
    json_t *kept = kept_of(message);
    json_decref(kept);
    return kept != NULL;
}

static json_t *own_system(const struct conversation *conversation) {
    return json_object_get(json_object_get(conversation->settings, "settings"), "system_prompt");
}

static void add_system(json_t *messages, json_t *text) {
    if (json_string_length(text) > 0) {
        json_array_insert_new(messages, 0, json_pack("{s:s, s:O}", "role", "system", "content", text));
    }
}

/* A system prompt of its own takes the place of those that it has. */
static void set_system(json_t *messages, json_t *text) {
    for (size_t i = json_array_size(messages); i-- > 0;) {
        if (strcmp(json_get_text(json_array_get(messages, i), "role", ""), "system") == 0) {
            json_array_remove(messages, i);
        }
    }
    add_system(messages, text);
}

/* From the root to `last`. is_asked_for: `last` is the answer that is to be made. The instructions of the newest kept call come first where
 * has_instructions: they are its own, and those of whoever goes on with it in the page. */
static json_t *path_json(const struct conversation *conversation, const struct message *last,
                         bool is_asked_for, bool has_instructions) {
    const struct message **path = NULL;
    size_t n = 0;
    size_t capacity = 0;
    json_t *messages = json_array();
    json_t *instructions = NULL;
    size_t n_given = 0;
    for (const struct message *at = last; at; at = at->above) {
        path = mem_grow_array(path, n, &capacity, sizeof(struct message *), CONVERSATION_MESSAGES_MAX);
        path[n++] = at;
    }
    for (size_t i = n; i-- > 0;) {
        add_to_prompt(messages, &n_given, &instructions, path[i], is_asked_for && i == 0);
    }
    json_t *own = is_asked_for && prompt_is_kept(last) ? NULL : own_system(conversation);
    if (json_is_string(own) && has_instructions) {
        set_system(messages, own);
    } else if (instructions && has_instructions) {
        add_system(messages, instructions);
    }
    json_decref(instructions);
    free(path);
    return messages;
}

json_t *prompt_messages(const struct conversation *conversation, const struct message *last) {
    return path_json(conversation, last, false, true);
}

json_t *chat_prompt_behind(const struct conversation *conversation, const struct message *last) {
    return path_json(conversation, last, false, false);
}

json_t *prompt_for(const struct conversation *conversation, const struct message *answer) {
    return path_json(conversation, answer, true, true);
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
