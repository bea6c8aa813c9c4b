#include "api/openai.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A text may repeat what a client sent, or be cut inside a character. */
static void make_valid(char *text) {
    for (size_t left = strlen(text); left > 0;) {
        int n = utf8_step(text, left);
        size_t n_bytes = n > 0 ? (size_t)n : 1;
        *text = n > 0 ? *text : '?';
        text += n_bytes;
        left -= n_bytes;
    }
}

bool openai_error_set(struct openai_error *error, int status, const char *code, const char *param,
                      const char *format, ...) {
    *error = (struct openai_error){ .status = status, .code = code };
    snprintf(error->param, sizeof error->param, "%s", param ? param : "");
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    make_valid(error->text);
    return false;
}

bool openai_error_check(enum status status, const struct fault *fault, const char *param,
                        struct openai_error *error) {
    return status == STATUS_OK || openai_error_set(error, 400, NULL, param, "%s", fault->text);
}

static void rename_param(struct openai_error *error, const struct openai_name *name) {
    char rest[OPENAI_PARAM_BYTES];
    size_t length = strlen(name->chat);
    snprintf(rest, sizeof rest, "%s", error->param + length);
    snprintf(error->param, sizeof error->param, "%s%s", name->own, rest);
}

/* Names stand between quotes there. */
static void rename_text(struct openai_error *error, const struct openai_name *name) {
    size_t length = strlen(name->chat);
    char *at = strstr(error->text, name->chat);
    if (at && at > error->text && at[-1] == '"' && at[length] == '"') {
        char rest[FAULT_TEXT_BYTES];
        snprintf(rest, sizeof rest, "%s", at + length);
        snprintf(at, sizeof error->text - (size_t)(at - error->text), "%s%s", name->own, rest);
        make_valid(error->text);
    }
}

void openai_error_rename(struct openai_error *error, const struct openai_name *names, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (strncmp(error->param, names[i].chat, strlen(names[i].chat)) == 0) {
            rename_text(error, &names[i]);
            rename_param(error, &names[i]);
            return;
        }
    }
}

static const char *type_of(int status) {
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 429:
        return "rate_limit_error";
    default:
        return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

json_t *openai_error_json(const struct openai_error *error) {
    return json_pack("{s:{s:s, s:s, s:s?, s:s?}}", "error", "message", error->text, "type",
                     type_of(error->status), "param", error->param[0] ? error->param : NULL, "code",
                     error->code);
}

/* ---- llama-server's ---- */

static const char *llama_type_of(const struct openai_error *error) {
    if (error->code && strcmp(error->code, "context_length_exceeded") == 0) {
        return "exceed_context_size_error";
    }
    switch (error->status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 429:
        return "rate_limit_error";
    case 501:
        return "not_supported_error";
    case 503:
        return "unavailable_error";
    default:
        return error->status >= 500 ? "server_error" : "invalid_request_error";
    }
}

static bool is_one_of(const char *path, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(path, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_llama_path(const char *path) {
    static const char *const names[] = { "/completion", "/completions",       "/infill",       "/tokenize",
                                         "/detokenize", "/apply-template",    "/props",        "/slots",
                                         "/v1/stream",  "/v1/streams/lookup", "/lora-adapters" };
    return is_one_of(path, names, sizeof names / sizeof names[0]);
}

bool openai_error_is_path(const char *path) {
    static const char *const names[] = { "/chat/completions", "/models" };
    return strncmp(path, "/v1/", 4) == 0 || is_llama_path(path) ||
           is_one_of(path, names, sizeof names / sizeof names[0]);
}

json_t *openai_error_body(const char *path, const struct openai_error *error) {
    if (!is_llama_path(path)) {
        return openai_error_json(error);
    }
    return json_pack("{s:{s:i, s:s, s:s}}", "error", "code", error->status, "message", error->text, "type",
                     llama_type_of(error));
}
