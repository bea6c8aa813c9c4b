#include "base/json.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

static void *take(size_t n_bytes) {
    return mem_resize(NULL, n_bytes);
}

void json_use_mem(void) {
    json_set_alloc_funcs(take, free);
}

/* The nesting of `text`, looking only at brackets outside strings. An invalid text may be misjudged: the parser
 * refuses it afterwards. */
static size_t depth_of(const char *text, size_t n_bytes) {
    size_t depth = 0;
    size_t deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < n_bytes; i++) {
        char c = text[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
            deepest = depth > deepest ? depth : deepest;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return deepest;
}

enum status json_parse(const char *text, size_t n_bytes, json_t **out, struct fault *fault) {
    *out = NULL;
    if (depth_of(text, n_bytes) > JSON_DEPTH_MAX) {
        return fault_set(fault, STATUS_INVALID, "JSON is nested deeper than %d levels", JSON_DEPTH_MAX);
    }
    /* The library reads a number over the NUL behind it. */
    if (n_bytes > 0 && memchr(text, '\0', n_bytes)) {
        return fault_set(fault, STATUS_INVALID, "invalid JSON: there is a NUL in it");
    }
    json_error_t error;
    *out = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (*out == NULL) {
        /* The library quotes the place, and cuts where it likes. */
        bool is_text = utf8_is_valid(error.text, strlen(error.text));
        return fault_set(fault, STATUS_INVALID, "invalid JSON at line %d column %d%s%s", error.line,
                         error.column, is_text ? ": " : "", is_text ? error.text : "");
    }
    return STATUS_OK;
}

enum status json_parse_object(const char *text, size_t n_bytes, json_t **out, struct fault *fault) {
    enum status status = json_parse(text, n_bytes, out, fault);
    if (status == STATUS_OK && !json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        return fault_set(fault, STATUS_INVALID, "the JSON text must be an object");
    }
    return status;
}

json_t *json_get_present(const json_t *object, const char *key) {
    json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

enum status json_take_string(const json_t *object, const char *key, const char **out, struct fault *fault) {
    const json_t *value = json_get_present(object, key);
    if (value == NULL) {
        return STATUS_OK;
    }
    if (!json_is_string(value)) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" must be a string", key);
    }
    if (strlen(json_string_value(value)) != json_string_length(value)) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" must not contain the character U+0000", key);
    }
    *out = json_string_value(value);
    return STATUS_OK;
}

enum status json_take_bool(const json_t *object, const char *key, bool *out, struct fault *fault) {
    const json_t *value = json_get_present(object, key);
    if (value == NULL) {
        return STATUS_OK;
    }
    if (!json_is_boolean(value)) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" must be true or false", key);
    }
    *out = json_is_true(value);
    return STATUS_OK;
}

enum status json_take_int(const json_t *object, const char *key, int64_t min, int64_t max, int64_t *out,
                          struct fault *fault) {
    const json_t *value = json_get_present(object, key);
    if (value == NULL) {
        return STATUS_OK;
    }
    if (!json_is_integer(value)) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" must be a whole number", key);
    }
    int64_t number = json_integer_value(value);
    if (number < min || number > max) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" must be between %lld and %lld", key, (long long)min,
                         (long long)max);
    }
    *out = number;
    return STATUS_OK;
}

enum status json_take_double(const json_t *object, const char *key, double min, double max, double *out,
                             struct fault *fault) {
    const json_t *value = json_get_present(object, key);
    if (value == NULL) {
        return STATUS_OK;
    }
    if (!json_is_number(value)) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" must be a number", key);
    }
    double number = json_number_value(value);
    if (!(number >= min && number <= max)) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" must be between %g and %g", key, min, max);
    }
    *out = number;
    return STATUS_OK;
}

char *json_text(const json_t *value) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    return text ? text : mem_copy_string("null");
}

const char *json_get_text(const json_t *object, const char *key, const char *otherwise) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : otherwise;
}
