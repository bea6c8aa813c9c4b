/* export_encode.c - a conversation, and the files that it needs besides, as [W61] has them. */
#include "api/export_encode.h"

#include "base/base64.h"
#include "base/clock.h"
#include "chat/attachment_file.h"
#include "chat/import_read.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static json_t *iso(int64_t wall_ms) {
    char text[CLOCK_ISO_BYTES];
    clock_format_iso(wall_ms, text);
    return json_string(text);
}

static json_t *encode_whole_generation(const struct stream *stream) {
    json_t *object = encode_generation(stream);
    json_t *settings = stream->settings ? json_loads(stream->settings, 0, NULL) : NULL;
    json_object_set_new(object, "content",
                        json_stringn(stream->text.size ? stream->text.data : "", stream->text.size));
    json_object_set_new(object, "settings", settings ? settings : json_null());
    json_object_set_new(object, "prompt_tokens", json_integer(stream->n_prompt_tokens));
    json_object_set_new(object, "context_size", json_integer(stream->context_size));
    return object;
}

static json_t *encode_whole_message(const struct message *message) {
    json_t *object = encode_message(message);
    json_t *generations = json_array();
    for (const struct stream *stream = message->first; stream; stream = stream->next) {
        json_array_append_new(generations, encode_whole_generation(stream));
    }
    if (message->first) {
        json_object_set(object, "generations", generations);
    }
    json_decref(generations);
    json_t *attachments = json_object_get(object, "attachments");
    for (size_t i = 0; i < message->n_attachments; i++) {
        const struct store_attachment *from = &message->attachments[i];
        json_object_set_new(json_array_get(attachments, i), "text",
                            from->text ? json_stringn(from->text, from->text_size) : json_null());
    }
    return object;
}

char *export_encode(const struct conversation *conversation) {
    static const char *const not_kept[] = { "unread", "deleted", "temporary" };
    json_t *messages = json_array();
    for (size_t i = 0; i < conversation->n_messages; i++) {
        if (conversation->messages[i]->hidden_ms == 0) {
            json_array_append_new(messages, encode_whole_message(conversation->messages[i]));
        }
    }
    json_t *object = json_pack("{s:s, s:i, s:s, s:s, s:o, s:o, s:o}", "format", IMPORT_EXPORT_FORMAT,
                               "version", IMPORT_EXPORT_VERSION, "id", conversation->name, "title",
                               conversation->title, "created", iso(conversation->created_ms), "updated",
                               iso(conversation->updated_ms), "messages", messages);
    encode_own(object, conversation);
    json_object_set_new(object, "current", encode_current(conversation));
    for (size_t i = 0; i < sizeof not_kept / sizeof not_kept[0]; i++) {
        json_object_del(object, not_kept[i]);
    }
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(object);
    return text;
}

/* ---- Files ---- */

/* A file that is text is whole in the conversation. */
static bool is_its_text(const struct store_attachment *attachment) {
    return attachment->text && (int64_t)attachment->text_size == attachment->size_bytes;
}

void export_list_files(const struct conversation *conversation, json_t *known, json_t *out) {
    for (size_t i = 0; i < conversation->n_messages; i++) {
        const struct message *message = conversation->messages[i];
        for (size_t j = 0; message->hidden_ms == 0 && j < message->n_attachments; j++) {
            const struct store_attachment *attachment = &message->attachments[j];
            if (!is_its_text(attachment) && json_object_get(known, attachment->id) == NULL) {
                json_object_set_new(known, attachment->id, json_true());
                json_array_append_new(out, encode_attachment(attachment, attachment->text != NULL));
            }
        }
    }
}

/* False: it is not there, or larger than any of ours. */
static bool read_bytes(const char *folder, const char *id, struct bytes *out) {
    int fd = attachment_file_open(folder, id);
    ssize_t n = fd >= 0 ? 1 : -1;
    while (n > 0) {
        char *room = bytes_reserve(out, ATTACHMENT_PIECE);
        n = room ? read(fd, room, ATTACHMENT_PIECE) : -1;
        out->size += n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    return n == 0;
}

bool export_encode_file(const char *folder, const json_t *file, struct bytes *out) {
    struct bytes data;
    bytes_init(&data, ATTACHMENT_BYTES_MAX + ATTACHMENT_PIECE);
    bool is_read = folder && read_bytes(folder, json_string_value(json_object_get(file, "id")), &data);
    if (is_read) {
        json_t *head =
            json_pack("{s:s, s:i}", "format", IMPORT_FILE_FORMAT, "version", IMPORT_EXPORT_VERSION);
        json_object_update(head, (json_t *)(uintptr_t)file);
        char *text = json_text(head);
        json_decref(head);
        bytes_add(out, text, strlen(text) - 1); /* without its brace */
        free(text);
        bytes_add_text(out, ",\"data\":\"");
        base64_add(out, data.size ? data.data : "", data.size);
        bytes_add_text(out, "\"}");
    }
    bytes_deinit(&data);
    return is_read && !out->failed;
}
