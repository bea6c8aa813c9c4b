/* import_own.c - a conversation that this program exported [W62]. */
#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "chat/attachment_file.h"
#include "chat/import_read.h"
#include "chat/settings.h"

#include <sha2.h>
#include <stdlib.h>
#include <string.h>

static char *copy_json(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_object(value) ? json_text(value) : NULL;
}

static enum status take_time(const json_t *object, const char *key, int64_t *wall_ms, struct fault *fault) {
    const char *text = NULL;
    enum status status = json_take_string(object, key, &text, fault);
    if (status == STATUS_OK && text && !clock_parse(text, wall_ms)) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" must be a time, as 2026-11-22T21:05:10.123Z", key);
    }
    return status;
}

static enum status take_id(const json_t *object, const char *key, char out[ID_HEX_BYTES],
                           struct fault *fault) {
    const char *text = NULL;
    enum status status = json_take_string(object, key, &text, fault);
    if (status == STATUS_OK && text && !id_is_hex(text)) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" must be 32 hexadecimal digits", key);
    }
    id_copy(out, ID_HEX_BYTES, text ? text : "");
    return status;
}

/* ---- Answers ---- */

static void add_other(struct store_import_generation *generation, enum store_event_kind kind, char *text) {
    size_t n = generation->n_others++;
    generation->others = mem_resize(generation->others, (n + 1) * sizeof generation->others[0]);
    generation->other_kinds =
        mem_resize(generation->other_kinds, (n + 1) * sizeof generation->other_kinds[0]);
    generation->others[n] = text;
    generation->other_kinds[n] = kind;
}

/* What was thought and called is told of the message as a whole: it comes before its text. */
static enum status take_others(const json_t *object, struct store_import_generation *out,
                               struct fault *fault) {
    const json_t *newest = json_object_get(object, "generation");
    const char *reasoning = NULL;
    enum status status = json_take_string(newest, "reasoning", &reasoning, fault);
    if (status == STATUS_OK && reasoning && reasoning[0]) {
        add_other(out, STORE_EVENT_REASONING, mem_copy_string(reasoning));
    }
    size_t index;
    json_t *call;
    json_array_foreach(json_object_get(newest, "tool_calls"), index, call) {
        if (!json_is_object(call)) {
            return fault_set(fault, STATUS_INVALID, "\"tool_calls\" must hold objects");
        }
        json_t *piece = json_copy(call);
        json_object_set_new(piece, "index", json_integer((json_int_t)index));
        add_other(out, STORE_EVENT_TOOL, json_text(piece));
        json_decref(piece);
    }
    return status;
}

static enum status take_generation(const json_t *object, struct store_import_generation *out,
                                   struct fault *fault) {
    const char *text = NULL, *reason = NULL, *model = NULL;
    int64_t n_prompt_tokens = 0, context_size = 0;
    enum status status = take_id(object, "id", out->id, fault);
    status = status ? status : json_take_string(object, "content", &text, fault);
    status = status ? status : json_take_string(object, "reason", &reason, fault);
    status = status ? status : json_take_string(object, "model", &model, fault);
    status = status ? status : json_take_int(object, "prompt_tokens", 0, INT32_MAX, &n_prompt_tokens, fault);
    status = status ? status : json_take_int(object, "context_size", 0, INT32_MAX, &context_size, fault);
    out->text = mem_copy_string(text);
    out->reason = mem_copy_string(reason ? reason : "interrupted"); /* it was being written */
    out->model = mem_copy_string(model);
    out->error = copy_json(object, "error");
    out->usage = copy_json(object, "usage");
    out->timings = copy_json(object, "timings");
    out->settings = copy_json(object, "settings");
    out->n_prompt_tokens = (uint32_t)n_prompt_tokens;
    out->context_size = (uint32_t)context_size;
    return status;
}

static enum status take_answer(const json_t *object, const char *content, struct store_import_message *out,
                               struct fault *fault) {
    const json_t *list = json_object_get(object, "generations");
    size_t n = json_array_size(list);
    if (n == 0) {
        import_add_answer(out, content, NULL);
        return take_others(object, out->generations, fault);
    }
    if (n > IMPORT_MESSAGES_MAX) {
        return fault_set(fault, STATUS_INVALID, "an answer has too many generations");
    }
    out->generations = mem_alloc(n * sizeof out->generations[0]);
    out->n_generations = n;
    enum status status = take_others(object, out->generations, fault);
    for (size_t i = 0; i < n && status == STATUS_OK; i++) {
        status = take_generation(json_array_get(list, i), &out->generations[i], fault);
    }
    return status;
}

/* ---- Files ---- */

/* `text` has STORE_HASH_BYTES − 1 letters. */
static bool has_hash(const struct bytes *data, const char *text) {
    char id[SHA256_DIGEST_STRING_LENGTH];
    SHA2_CTX sha256;
    SHA256Init(&sha256);
    SHA256Update(&sha256, (const uint8_t *)(data->size ? data->data : ""), data->size);
    SHA256End(&sha256, id);
    return strcmp(id, text) == 0;
}

static bool is_hash(const char *text) {
    return text && strlen(text) == STORE_HASH_BYTES - 1 &&
           strspn(text, "0123456789abcdef") == STORE_HASH_BYTES - 1;
}

static enum status take_attachment(const json_t *object, struct store_attachment *out, struct fault *fault) {
    const char *id = NULL, *name = NULL, *type = NULL, *text = NULL;
    enum status status = json_take_string(object, "id", &id, fault);
    status = status ? status : json_take_string(object, "name", &name, fault);
    status = status ? status : json_take_string(object, "type", &type, fault);
    status = status ? status : json_take_string(object, "text", &text, fault);
    status = status ? status : json_take_int(object, "size", 0, INT32_MAX, &out->size_bytes, fault);
    if (status == STATUS_OK && (!is_hash(id) || name == NULL)) {
        status = fault_set(fault, STATUS_INVALID,
                           "an attachment must have an id of 64 hexadecimal digits, and a name");
    }
    id_copy(out->id, sizeof out->id, id ? id : "");
    out->name = mem_copy_string(name ? name : "");
    out->type = mem_copy_string(type ? type : "text/plain");
    out->text = mem_copy_string(text);
    out->text_size = text ? strlen(text) : 0;
    return status;
}

static enum status take_attachments(const json_t *object, struct store_import_message *out,
                                    struct fault *fault) {
    const json_t *list = json_object_get(object, "attachments");
    size_t n = json_array_size(list);
    if (n > STORE_ATTACHED_MAX) {
        return fault_set(fault, STATUS_INVALID, "a message has more than %d attachments", STORE_ATTACHED_MAX);
    }
    out->attachments = n ? mem_alloc(n * sizeof out->attachments[0]) : NULL;
    out->n_attachments = n;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < n && status == STATUS_OK; i++) {
        status = take_attachment(json_array_get(list, i), &out->attachments[i], fault);
    }
    return status;
}

/* ---- Messages ---- */

/* The place of each message by its id, as it is met: a parent comes before its children. */
static enum status find_parent(const json_t *object, const json_t *places, size_t *parent,
                               struct fault *fault) {
    char id[ID_HEX_BYTES];
    enum status status = take_id(object, "parent", id, fault);
    const json_t *place = json_object_get(places, id);
    if (status == STATUS_OK && id[0] && place == NULL) {
        return fault_set(fault, STATUS_INVALID, "the parent of a message must come before it");
    }
    *parent = place ? (size_t)json_integer_value(place) : SIZE_MAX;
    return status;
}

static enum status take_message(const json_t *object, json_t *places, struct store_import *import,
                                struct fault *fault) {
    const char *role_name = NULL, *content = "";
    enum store_role role;
    size_t parent = SIZE_MAX;
    int64_t created_ms = 0;
    char id[ID_HEX_BYTES];
    enum status status = take_id(object, "id", id, fault);
    status = status ? status : json_take_string(object, "role", &role_name, fault);
    status = status ? status : json_take_string(object, "content", &content, fault);
    status = status ? status : take_time(object, "timestamp", &created_ms, fault);
    status = status ? status : find_parent(object, places, &parent, fault);
    if (status) {
        return status;
    }
    if (id[0] == '\0' || !import_parse_role(role_name, &role) || json_object_get(places, id)) {
        return fault_set(fault, STATUS_INVALID,
                         "a message must have an id of its own, and the role system, user or assistant");
    }
    json_object_set_new(places, id, json_integer((json_int_t)import->n_messages));
    struct store_import_message *message = import_add_message(import, role, parent, created_ms);
    if (message == NULL) {
        return fault_set(fault, STATUS_INVALID, "it has more than %d messages", IMPORT_MESSAGES_MAX);
    }
    id_copy(message->id, sizeof message->id, id);
    if (role == STORE_ROLE_ASSISTANT) {
        return take_answer(object, content, message, fault);
    }
    message->text = mem_copy_string(content);
    return take_attachments(object, message, fault);
}

/* ---- What a conversation has of its own ---- */

/* Of the settings what this program knows: another version may have others. */
static json_t *known_settings(const json_t *given) {
    json_t *known = json_object();
    const char *name;
    json_t *value;
    struct settings scratch;
    settings_init(&scratch);
    json_object_foreach((json_t *)(uintptr_t)given, name, value) {
        json_t *one = json_pack("{s:O}", name, value);
        if (settings_merge(&scratch, one, SETTINGS_OWN, NULL) == STATUS_OK) {
            json_object_set(known, name, value);
        }
        json_decref(one);
    }
    settings_deinit(&scratch);
    return known;
}

static enum status take_settings(const json_t *object, struct store_own *own, struct fault *fault) {
    const char *model = NULL;
    int64_t detach = INT64_MIN;
    enum status status = json_take_string(object, "model", &model, fault);
    status = status
                 ? status
                 : json_take_int(object, "detach_seconds", -1, SETTINGS_DETACH_SECONDS_MAX, &detach, fault);
    json_t *out = json_object();
    json_t *settings = known_settings(json_object_get(object, "settings"));
    if (status == STATUS_OK && model && model[0]) {
        json_object_set_new(out, "model", json_string(model));
    }
    if (status == STATUS_OK && detach != INT64_MIN) {
        json_object_set_new(out, "detach_seconds", json_integer(detach));
    }
    if (json_object_size(settings) > 0) {
        json_object_set(out, "settings", settings);
    }
    own->settings = status == STATUS_OK && json_object_size(out) > 0 ? json_text(out) : NULL;
    json_decref(settings);
    json_decref(out);
    return status;
}

static enum status take_title_by(const json_t *object, struct store_own *own, struct fault *fault) {
    static const char *const names[] = {
        [STORE_TITLE_TEXT] = "text", [STORE_TITLE_MODEL] = "model", [STORE_TITLE_PERSON] = "person"
    };
    const char *name = names[STORE_TITLE_TEXT];
    enum status status = json_take_string(object, "title_by", &name, fault);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (status == STATUS_OK && strcmp(name, names[i]) == 0) {
            own->title_by = (enum store_title_by)i;
            return STATUS_OK;
        }
    }
    return status ? status : fault_set(fault, STATUS_INVALID, "\"title_by\" must be text, model or person");
}

static enum status take_own(const json_t *object, struct store_own *own, struct fault *fault) {
    const char *folder = "";
    enum status status = take_title_by(object, own, fault);
    status = status ? status : json_take_bool(object, "pinned", &own->is_pinned, fault);
    status = status ? status : json_take_bool(object, "archived", &own->is_archived, fault);
    status = status ? status : json_take_string(object, "folder", &folder, fault);
    if (status == STATUS_OK && strlen(folder) > STORE_FOLDER_BYTES_MAX) {
        status =
            fault_set(fault, STATUS_INVALID, "\"folder\" must have at most %d bytes", STORE_FOLDER_BYTES_MAX);
    }
    own->folder = status == STATUS_OK && folder[0] ? mem_copy_string(folder) : NULL;
    return status ? status : take_settings(object, own, fault);
}

static enum status take_current(const json_t *object, const json_t *places, struct store_import *out,
                                struct fault *fault) {
    char id[ID_HEX_BYTES];
    enum status status = take_id(object, "current", id, fault);
    const json_t *place = json_object_get(places, id);
    out->current = place ? (size_t)json_integer_value(place) : SIZE_MAX;
    return status;
}

/* False: it is no base64, or more than `out` may be. */
static bool read_bytes(const char *text, struct bytes *out) {
    size_t n_text = strlen(text);
    size_t n_pads = n_text < 4 ? 0 : (size_t)(text[n_text - 1] == '=') + (text[n_text - 2] == '=');
    size_t n = n_text / 4 * 3 - n_pads;
    char *room = bytes_reserve(out, n);
    if (room == NULL || !base64_read(text, n_text, room, n)) {
        return false;
    }
    room[n] = '\0';
    out->size += n;
    return true;
}

enum status import_read_own_file(const json_t *object, struct import_file *out, struct fault *fault) {
    const char *id = NULL, *name = NULL, *data = NULL;
    enum status status = json_take_string(object, "id", &id, fault);
    status = status ? status : json_take_string(object, "name", &name, fault);
    status = status ? status : json_take_string(object, "data", &data, fault);
    bytes_init(&out->data, ATTACHMENT_BYTES_MAX);
    if (status == STATUS_OK &&
        (!is_hash(id) || name == NULL || data == NULL || !read_bytes(data, &out->data))) {
        status =
            fault_set(fault, STATUS_INVALID,
                      "a file must have an id of 64 hexadecimal digits, a name, and its bytes in base64, "
                      "%u MiB of them at most",
                      ATTACHMENT_BYTES_MAX >> 20);
    }
    if (status == STATUS_OK && !has_hash(&out->data, id)) {
        status = fault_set(fault, STATUS_INVALID, "the bytes of this file are not those that its id says");
    }
    if (status) {
        import_file_deinit(out);
        return status;
    }
    id_copy(out->id, sizeof out->id, id);
    out->name = mem_copy_string(name);
    return STATUS_OK;
}

enum status import_read_own(const json_t *object, struct store_import *out, struct fault *fault) {
    const json_t *messages = json_object_get(object, "messages");
    const char *title = NULL;
    int64_t version = 0;
    enum status status = json_take_int(object, "version", 0, INT32_MAX, &version, fault);
    if (status == STATUS_OK && (version > IMPORT_EXPORT_VERSION || !json_is_array(messages))) {
        status =
            fault_set(fault, STATUS_INVALID, "it was written by a newer Runnel, or its messages are no list");
    }
    status = status ? status : json_take_string(object, "title", &title, fault);
    status = status ? status : take_time(object, "created", &out->created_ms, fault);
    status = status ? status : take_time(object, "updated", &out->updated_ms, fault);
    status = status ? status : take_own(object, &out->own, fault);
    out->title = mem_copy_string(title);
    json_t *places = json_object();
    for (size_t i = 0; i < json_array_size(messages) && status == STATUS_OK; i++) {
        status = take_message(json_array_get(messages, i), places, out, fault);
    }
    status = status ? status : take_current(object, places, out, fault);
    json_decref(places);
    return status;
}
