#include "chat/import_read.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "chat/chat_internal.h"

#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TITLE_BYTES_MAX 200
#define TIME_MS_MAX     253402300799999 /* the end of 9999 */
#define SECONDS_MAX     100000000000.0  /* what is larger counts milliseconds */

struct store_import *import_new(void) {
    struct store_import *import = mem_alloc(sizeof *import);
    import->current = SIZE_MAX;
    return import;
}

void import_file_deinit(struct import_file *file) {
    free(file->name);
    bytes_deinit(&file->data);
    *file = (struct import_file){ 0 };
}

struct store_import_message *import_add_message(struct store_import *import, enum store_role role,
                                                size_t parent, int64_t created_ms) {
    if (import->n_messages == IMPORT_MESSAGES_MAX) {
        return NULL;
    }
    import->messages = mem_grow_array(import->messages, import->n_messages, &import->capacity,
                                      sizeof import->messages[0], IMPORT_MESSAGES_MAX);
    struct store_import_message *message = &import->messages[import->n_messages++];
    *message = (struct store_import_message){ .parent = parent, .role = role, .created_ms = created_ms };
    return message;
}

void import_add_answer(struct store_import_message *message, const char *text, const char *model) {
    message->generations = mem_alloc(sizeof message->generations[0]);
    message->n_generations = 1;
    message->generations[0].text = mem_copy_string(text);
    message->generations[0].reason = mem_copy_string("stop");
    message->generations[0].model = mem_copy_string(model);
}

bool import_parse_role(const char *name, enum store_role *role) {
    static const char *const names[] = {
        [STORE_ROLE_SYSTEM] = "system", [STORE_ROLE_USER] = "user", [STORE_ROLE_ASSISTANT] = "assistant"
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (name && strcmp(name, names[i]) == 0) {
            *role = (enum store_role)i;
            return true;
        }
    }
    return false;
}

int64_t import_time(const json_t *number) {
    double value = json_number_value(number);
    double wall_ms = value > SECONDS_MAX ? value : value * 1000;
    return wall_ms > 0 && wall_ms < (double)TIME_MS_MAX ? (int64_t)wall_ms : 0;
}

/* ---- What every conversation needs ---- */

static const char *first_text(const struct store_import *import) {
    for (size_t i = 0; i < import->n_messages; i++) {
        const struct store_import_message *message = &import->messages[i];
        if (message->role == STORE_ROLE_USER && message->text && message->text[0]) {
            return message->text;
        }
    }
    return "";
}

static void mend_title(struct store_import *import) {
    if (import->title == NULL || import->title[strspn(import->title, " \t\r\n")] == '\0') {
        free(import->title);
        import->title = prompt_title(first_text(import));
    }
    import->title[utf8_whole_length(import->title, strnlen(import->title, TITLE_BYTES_MAX))] = '\0';
    for (char *at = import->title; *at; at++) {
        *at = (unsigned char)*at < 0x20 ? ' ' : *at;
    }
}

/* A message that says nothing of its time has that of its conversation. */
static void mend_times(struct store_import *import) {
    if (import->created_ms <= 0) {
        import->created_ms = import->n_messages ? import->messages[0].created_ms : 0;
    }
    if (import->created_ms <= 0) {
        import->created_ms = import->updated_ms > 0 ? import->updated_ms : clock_wall_ms();
    }
    int64_t last_ms = import->created_ms;
    for (size_t i = 0; i < import->n_messages; i++) {
        struct store_import_message *message = &import->messages[i];
        message->created_ms = message->created_ms > 0 ? message->created_ms : last_ms;
        last_ms = message->created_ms;
    }
    import->updated_ms = import->updated_ms > 0 ? import->updated_ms : last_ms;
}

/* One that has no name elsewhere is known by its bytes. */
static void mend_origin(struct store_import *import, const char *text, size_t n_bytes) {
    char hex[SHA256_DIGEST_STRING_LENGTH];
    if (import->origin == NULL && import->messages[0].id[0] == '\0') {
        SHA2_CTX sha256;
        SHA256Init(&sha256);
        SHA256Update(&sha256, (const uint8_t *)text, n_bytes);
        SHA256End(&sha256, hex);
        import->origin = mem_format("sha256:%s", hex);
    }
}

static enum status finish(struct store_import *import, const char *text, size_t n_bytes,
                          char title[IMPORT_TITLE_BYTES], struct fault *fault) {
    if (import->n_messages == 0) {
        return fault_set(fault, STATUS_INVALID, "it has no message that says something");
    }
    mend_title(import);
    mend_times(import);
    mend_origin(import, text, n_bytes);
    snprintf(title, IMPORT_TITLE_BYTES, "%s", import->title);
    return STATUS_OK;
}

/* ---- JSON ---- */

static enum status read_object(const json_t *object, struct store_import *import, struct fault *fault) {
    if (strcmp(json_get_text(object, "format", ""), IMPORT_EXPORT_FORMAT) == 0) {
        return import_read_own(object, import, fault);
    }
    if (json_is_object(json_object_get(object, "mapping"))) {
        return import_read_chatgpt(object, import, fault);
    }
    if (json_is_object(json_object_get(object, "chat"))) {
        return import_read_webui(object, import, fault);
    }
    return fault_set(fault, STATUS_INVALID, "it is in no form that is known: see docs/protocol.md [W63]");
}

static enum status read_conversation(const json_t *object, const char *text, size_t n_bytes,
                                     struct store_import **out, char title[IMPORT_TITLE_BYTES],
                                     struct fault *fault) {
    struct store_import *import = import_new();
    enum status status = read_object(object, import, fault);
    status = status ? status : finish(import, text, n_bytes, title, fault);
    if (status) {
        store_import_free(import);
        return status;
    }
    *out = import;
    return STATUS_OK;
}

enum status import_read_json(const char *text, size_t n_bytes, struct store_import **out,
                             struct import_file *file, char title[IMPORT_TITLE_BYTES], struct fault *fault) {
    json_t *object = NULL;
    *out = NULL;
    *file = (struct import_file){ 0 };
    title[0] = '\0';
    enum status status = json_parse_object(text, n_bytes, &object, fault);
    if (status) {
        return status;
    }
    bool is_file = strcmp(json_get_text(object, "format", ""), IMPORT_FILE_FORMAT) == 0;
    const char *given = json_get_text(object, is_file ? "name" : "title", "");
    snprintf(title, IMPORT_TITLE_BYTES, "%.*s",
             (int)utf8_whole_length(given, strnlen(given, TITLE_BYTES_MAX)), given);
    status = is_file ? import_read_own_file(object, file, fault)
                     : read_conversation(object, text, n_bytes, out, title, fault);
    json_decref(object);
    return status;
}

/* ---- The plain text of [W18] ---- */

static bool parse_head(const char *line, size_t size, enum store_role *role) {
    static const struct {
        const char *text;
        enum store_role role;
    } heads[] = { { "SYSTEM:", STORE_ROLE_SYSTEM },
                  { "USER:", STORE_ROLE_USER },
                  { "ASSISTANT:", STORE_ROLE_ASSISTANT } };
    size -= size > 0 && line[size - 1] == '\r';
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        if (size == strlen(heads[i].text) && memcmp(line, heads[i].text, size) == 0) {
            *role = heads[i].role;
            return true;
        }
    }
    return false;
}

static bool is_line_end(char c) {
    return c == '\n' || c == '\r';
}

/* Empty ones are left out: an answer that was cancelled before its first word. */
static void add_said(struct store_import *import, enum store_role role, const char *text, size_t size) {
    while (size > 0 && is_line_end(text[size - 1])) {
        size--;
    }
    size_t parent = import->n_messages ? import->n_messages - 1 : SIZE_MAX;
    struct store_import_message *message = size ? import_add_message(import, role, parent, 0) : NULL;
    if (message) {
        char *copy = mem_copy_bytes(text, size);
        if (role == STORE_ROLE_ASSISTANT) {
            import_add_answer(message, copy, NULL);
            free(copy);
        } else {
            message->text = copy;
        }
    }
}

static enum status read_lines(const char *text, size_t n_bytes, struct store_import *import,
                              struct fault *fault) {
    enum store_role role = STORE_ROLE_USER, next;
    const char *said = NULL;
    const char *end = text + n_bytes;
    for (const char *line = text; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t size = (size_t)((stop ? stop : end) - line);
        if (parse_head(line, size, &next)) {
            if (said) {
                add_said(import, role, said, (size_t)(line - said));
            }
            role = next;
            said = stop ? stop + 1 : end;
        } else if (said == NULL && size > 0 && !is_line_end(line[0])) {
            return fault_set(
                fault, STATUS_INVALID,
                "it is neither JSON nor a transcript, which begins with a line USER: or SYSTEM:");
        }
        line = stop ? stop + 1 : end;
    }
    if (said) {
        add_said(import, role, said, (size_t)(end - said));
    }
    return STATUS_OK;
}

enum status import_read_text(const char *text, size_t n_bytes, struct store_import **out,
                             char title[IMPORT_TITLE_BYTES], struct fault *fault) {
    *out = NULL;
    title[0] = '\0';
    if (memchr(text, '\0', n_bytes) || !utf8_is_valid(text, n_bytes)) {
        return fault_set(fault, STATUS_INVALID, "it is neither JSON nor text in UTF-8");
    }
    struct store_import *import = import_new();
    enum status status = read_lines(text, n_bytes, import, fault);
    status = status ? status : finish(import, text, n_bytes, title, fault);
    if (status) {
        store_import_free(import);
        return status;
    }
    *out = import;
    return STATUS_OK;
}
