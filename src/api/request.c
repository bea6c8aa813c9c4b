#include "api/request.h"

#include "api/api_internal.h"

#include <errno.h>
#include <stdlib.h>

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

enum status request_take_message(const json_t *object, char conversation[ID_CONVERSATION_BYTES],
                                 struct chat_send *send, struct fault *fault) {
    *send = (struct chat_send){ 0 };
    enum status status = request_need_string(object, "message", &send->text, fault);
    status = status ? status : request_take_conversation(object, "conversation_id", conversation, fault);
    send->conversation = status == STATUS_OK && conversation[0] ? conversation : NULL;
    return status;
}
