#include "api/anthropic.h"
#include "api/api_internal.h"
#include "api/openai.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* When a place in a full queue may be free: about as long as a short answer takes. */
#define REPLY_RETRY_AFTER_S "2"

void reply_text(struct net_conn *net, int status, const char *content_type, const char *text,
                size_t n_bytes) {
    if (net_conn_is_answered(net)) {
        return;
    }
    net_reply(net, &(struct net_reply){ .status = status,
                                        .content_type = content_type,
                                        .headers = API_HEADERS,
                                        .body = text,
                                        .n_bytes = n_bytes });
}

void reply_json_with(struct net_conn *net, int status, const char *headers, json_t *body) {
    if (!net_conn_is_answered(net)) {
        /* 15 digits: 0.7 stays 0.7. A file name that is no UTF-8 made no body: it cannot be said in JSON. */
        char *text = body ? json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
        status = text ? status : 500;
        text =
            text ? text
                 : mem_copy_string("{\"error\":\"a file name in the answer is no UTF-8: rename that file\"}");
        char *all = mem_format("%s%s", API_HEADERS, headers ? headers : "");
        net_reply(net, &(struct net_reply){ .status = status,
                                            .content_type = "application/json",
                                            .headers = all,
                                            .body = text,
                                            .n_bytes = strlen(text) });
        free(all);
        free(text);
    }
    json_decref(body);
}

void reply_json(struct net_conn *net, int status, json_t *body) {
    reply_json_with(net, status, NULL, body);
}

static const char *headers_of(int status) {
    return status == 401   ? "WWW-Authenticate: Bearer\r\n"
           : status == 429 ? "Retry-After: " REPLY_RETRY_AFTER_S "\r\n"
                           : NULL;
}

void openai_error_reply(struct net_conn *net, const struct openai_error *error) {
    reply_json_with(net, error->status, headers_of(error->status),
                    openai_error_body(net_conn_path(net), error));
}

static json_t *error_json(const struct net_conn *net, int status, const char *text) {
    struct openai_error error;
    const char *code = status == 401 ? "invalid_api_key" : status == 429 ? "rate_limit_exceeded" : NULL;
    openai_error_set(&error, status, code, NULL, "%s", text);
    if (anthropic_is_path(net_conn_path(net))) {
        return anthropic_error_json(status, error.text);
    }
    return openai_error_is_path(net_conn_path(net)) ? openai_error_body(net_conn_path(net), &error)
                                                    : json_pack("{s:s}", "error", error.text);
}

void reply_error(struct net_conn *net, int status, const char *text) {
    reply_json_with(net, status, headers_of(status), error_json(net, status, text));
}

void reply_too_many(struct net_conn *net, uint32_t wait_s, const char *text) {
    char *headers = mem_format("Retry-After: %u\r\n", wait_s);
    reply_json_with(net, 429, headers, error_json(net, 429, text));
    free(headers);
}

void reply_not_allowed(struct net_conn *net, const char *allow) {
    char *headers = mem_format("Allow: %s\r\n", allow);
    char *text = mem_format("this can be asked with %s only", allow);
    reply_json_with(net, 405, headers, error_json(net, 405, text));
    free(text);
    free(headers);
}

int reply_http_status(enum status status) {
    switch (status) {
    case STATUS_OK:
        return 200;
    case STATUS_INVALID:
        return 400;
    case STATUS_DENIED:
        return 403;
    case STATUS_NOT_FOUND:
        return 404;
    case STATUS_BUSY:
        return 409;
    case STATUS_TOO_LARGE:
        return 413;
    case STATUS_CONFLICT:
        return 422;
    case STATUS_FULL:
        return 429;
    case STATUS_CORRUPT:
        return 500;
    case STATUS_NOMEM:
    case STATUS_IO:
    case STATUS_CLOSED:
    case STATUS_UNAVAILABLE:
        return 503;
    }
    return 500;
}

const char *reply_error_code(enum status status) {
    switch (status) {
    case STATUS_INVALID:
        return "bad_request";
    case STATUS_DENIED:
        return "denied";
    case STATUS_NOT_FOUND:
        return "not_found";
    case STATUS_BUSY:
        return "busy";
    case STATUS_TOO_LARGE:
        return "too_large";
    case STATUS_CONFLICT:
        return "conflict";
    case STATUS_FULL:
        return "queue_full";
    case STATUS_IO:
    case STATUS_CORRUPT:
        return "storage";
    case STATUS_UNAVAILABLE:
        return "model";
    default:
        return "internal";
    }
}

void reply_status(struct net_conn *net, enum status status, const char *text) {
    reply_error(net, reply_http_status(status), text);
}

bool reply_goes_on(const struct api *api, const struct stream *stream) {
    const struct stream *next = stream->next;
    /* What a server that stops leaves behind begins with its next start. */
    bool is_left = next && next->last_seq == 1 && !next->is_ended && chat_is_stopping(api->chat);
    return next && !is_left;
}

bool reply_is_failure(const struct stream *stream) {
    return strcmp(stream->reason, "error") == 0 || strcmp(stream->reason, "interrupted") == 0;
}

int reply_end_http_status(const struct stream *stream) {
    const char *code = json_get_text(stream->error, "code", "");
    if (strcmp(code, "context_full") == 0 || strcmp(code, "bad_request") == 0) {
        return 400;
    }
    if (strcmp(code, "model_not_found") == 0) {
        return 404;
    }
    if (strcmp(code, "not_supported") == 0) {
        return 501;
    }
    return strcmp(code, "internal") == 0 || strcmp(code, "model_corrupt") == 0 ? 500 : 503;
}

const char *reply_end_text(const struct stream *stream) {
    return json_get_text(stream->error, "text",
                         strcmp(stream->reason, "interrupted") == 0
                             ? "the answer was interrupted: the engine or the server stopped"
                             : "the answer could not be made: look at the log");
}
