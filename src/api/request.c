#include "api/request.h"

#include "api/api_internal.h"
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

json_t *request_body(struct net_conn *net) {
    size_t n_bytes;
    const char *body = net_conn_body(net, &n_bytes);
    if (n_bytes == 0) {
        return json_object();
    }
    bool is_any_type = net_conn_tag(net) == API_DOOR_OLLAMA;
    if (!is_any_type &&
        !doors_is_content_type(net_conn_header(net, NET_HEADER_CONTENT_TYPE), "application/json")) {
        reply_error(net, 415, "send the body as JSON, with the header Content-Type: application/json");
        return NULL;
    }
    json_t *object = NULL;
    struct fault fault;
    enum status status = json_parse_object(body, n_bytes, &object, &fault);
    if (status) {
        reply_status(net, status, fault.text);
    }
    return object;
}

enum status request_missing(const char *key, struct fault *fault) {
    return fault_set(fault, STATUS_INVALID, "\"%s\" is missing: send it", key);
}

enum status request_need_string(const json_t *object, const char *key, const char **out,
                                struct fault *fault) {
    *out = NULL;
    enum status status = json_take_string(object, key, out, fault);
    return status == STATUS_OK && *out == NULL ? request_missing(key, fault) : status;
}

enum status request_take_conversation(const json_t *object, const char *key, char out[ID_CONVERSATION_BYTES],
                                      struct fault *fault) {
    const char *text = NULL;
    out[0] = '\0';
    enum status status = json_take_string(object, key, &text, fault);
    if (status == STATUS_OK && text && !id_parse_conversation(text, out)) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" " REQUEST_CONVERSATION_FORM, key);
    }
    return status;
}

enum status request_take_generation(const json_t *object, const char *key, char out[ID_HEX_BYTES],
                                    struct fault *fault) {
    const char *text = NULL;
    out[0] = '\0';
    enum status status = json_take_string(object, key, &text, fault);
    if (status == STATUS_OK && text && !id_is_hex(text)) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" " REQUEST_GENERATION_FORM, key);
    }
    if (status == STATUS_OK && text) {
        id_copy(out, ID_HEX_BYTES, text);
    }
    return status;
}

enum status request_take_number(const struct net_conn *net, const char *name, uint64_t min, uint64_t max,
                                uint64_t *out, struct fault *fault) {
    char text[32];
    char *end;
    enum net_query found = net_conn_query(net, name, text, sizeof text);
    if (found == NET_QUERY_ABSENT) {
        return STATUS_OK;
    }
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    /* strtoull itself takes signs and white space. */
    bool is_number = text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
    if (!is_number || value < min || value > max) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" must be a number between %llu and %llu", name,
                         (unsigned long long)min, (unsigned long long)max);
    }
    *out = value;
    return STATUS_OK;
}

static enum status take_attachment(const json_t *object, struct store_attached *out, struct fault *fault) {
    const char *id = NULL;
    enum status status = request_need_string(object, "id", &id, fault);
    status = status ? status : json_take_string(object, "name", &out->name, fault);
    if (status) {
        return status;
    }
    size_t length = strlen(id);
    if (length != STORE_HASH_BYTES - 1 || strspn(id, "0123456789abcdef") != length) {
        return fault_set(fault, STATUS_INVALID,
                         "the \"id\" of an attachment must be as POST /api/attachments gave it");
    }
    if (out->name && file_plain_name(out->name) != out->name) {
        return fault_set(fault, STATUS_INVALID,
                         "the \"name\" of an attachment must be that of a file: at most %d bytes, no path",
                         FILE_NAME_BYTES_MAX);
    }
    id_copy(out->id, sizeof out->id, id);
    return STATUS_OK;
}

enum status request_take_attachments(const json_t *object, struct store_attached *out, size_t *n,
                                     struct fault *fault) {
    const json_t *list = json_object_get(object, "attachments");
    *n = json_array_size(list);
    if (list && !json_is_null(list) && !json_is_array(list)) {
        return fault_set(fault, STATUS_INVALID, "\"attachments\" must be a list");
    }
    if (*n > STORE_ATTACHED_MAX) {
        return fault_set(fault, STATUS_INVALID, "a message takes %d files at most", STORE_ATTACHED_MAX);
    }
    enum status status = STATUS_OK;
    for (size_t i = 0; i < *n && status == STATUS_OK; i++) {
        out[i] = (struct store_attached){ 0 };
        status = take_attachment(json_array_get(list, i), &out[i], fault);
    }
    return status;
}

enum status request_take_message(const json_t *object, char conversation[ID_CONVERSATION_BYTES],
                                 struct chat_send *send, struct fault *fault) {
    *send = (struct chat_send){ 0 };
    enum status status = request_need_string(object, "message", &send->text, fault);
    status = status ? status : request_take_conversation(object, "conversation_id", conversation, fault);
    send->conversation = status == STATUS_OK && conversation[0] ? conversation : NULL;
    return status;
}
