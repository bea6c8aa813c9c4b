#include "api/openai.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool openai_error_set(struct openai_error *error, int status, const char *code, const char *param,
                      const char *format, ...) {
    *error = (struct openai_error){ .status = status, .code = code };
    snprintf(error->param, sizeof error->param, "%s", param ? param : "");
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return false;
}

static const char *type_of(int status) {
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    default:
        return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

json_t *openai_error_json(const struct openai_error *error) {
    return json_pack("{s:{s:s, s:s, s:s?, s:s?}}", "error", "message", error->text, "type",
                     type_of(error->status), "param", error->param[0] ? error->param : NULL, "code",
                     error->code);
}
