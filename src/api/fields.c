#include "api/fields.h"

#include "base/log.h"

#include <string.h>

/* ---- What cannot be had ---- */

static bool says_nothing(const json_t *value) {
    return value == NULL || json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

/* The value of a name, in the body or in an object in it. */
static const json_t *value_of(const json_t *body, const char *name) {
    const char *point = strchr(name, '.');
    if (point == NULL) {
        return json_object_get(body, name);
    }
    return json_object_get(json_object_getn(body, name, (size_t)(point - name)), point + 1);
}

static bool is_allowed(const struct field *field, const json_t *value) {
    json_t *only = json_loads(field->only, JSON_DECODE_ANY, NULL);
    bool is_equal = json_equal(only, value);
    json_decref(only);
    return is_equal;
}

bool fields_refuse(const struct fields *fields, const json_t *body, struct openai_error *error) {
    for (const struct field *field = fields->list; field->name; field++) {
        const json_t *value = value_of(body, field->name);
        if (says_nothing(value)) {
            continue;
        }
        if (field->use == FIELD_REFUSED) {
            return openai_error_set(error, 400, "unsupported_parameter", field->name,
                                    "\"%s\" is not supported: %s", field->name, field->note);
        }
        if (field->only && !is_allowed(field, value)) {
            return openai_error_set(error, 400, "unsupported_parameter", field->name,
                                    "\"%s\" can only be %s%s%s", field->name, field->only,
                                    field->note ? ": " : "", field->note ? field->note : "");
        }
    }
    return true;
}

/* ---- What has no effect ---- */

static const struct field *find(const struct fields *fields, const char *name) {
    for (const struct field *field = fields->list; field->name; field++) {
        if (strcmp(field->name, name) == 0) {
            return field;
        }
    }
    return NULL;
}

/* Some of its members have a place of their own in the list. */
static bool has_members(const struct fields *fields, const char *name) {
    size_t length = strlen(name);
    for (const struct field *field = fields->list; field->name; field++) {
        if (strncmp(field->name, name, length) == 0 && field->name[length] == '.') {
            return true;
        }
    }
    return false;
}

/* A header can say it, and a log. */
static bool is_usual(const char *name) {
    size_t length = strlen(name);
    return length > 0 && length < FIELDS_NAME_BYTES &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") == length;
}

struct telling {
    const struct fields *fields;
    struct bytes *out;
    size_t n;
};

static void tell(struct telling *telling, const char *name) {
    if (telling->n < FIELDS_TOLD_MAX) {
        bytes_add_format(telling->out, "%s%s", telling->n ? ", " : "", name);
        telling->n++;
    }
}

/* Whoever is listed as a whole has only those members without effect that are listed as such. */
static void tell_members(struct telling *telling, const char *outer, const json_t *object,
                         bool is_listed_whole) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        char name[2 * FIELDS_NAME_BYTES];
        if (!is_usual(key) || says_nothing(value)) {
            continue;
        }
        snprintf(name, sizeof name, "%s%s%s", outer ? outer : "", outer ? "." : "", key);
        const struct field *field = find(telling->fields, name);
        bool goes_in = outer == NULL && json_is_object(value) && has_members(telling->fields, name);
        if (field ? field->use == FIELD_IGNORED : !is_listed_whole && !goes_in) {
            tell(telling, name);
        } else if (goes_in) {
            tell_members(telling, name, value, field != NULL);
        }
    }
}

void fields_add_ignored(const struct fields *fields, const json_t *body, struct bytes *out) {
    struct telling telling = { .fields = fields, .out = out };
    tell_members(&telling, NULL, body, false);
}

bool fields_check(const struct fields *fields, struct net_conn *net, const json_t *body,
                  struct openai_error *error) {
    if (!fields_refuse(fields, body, error)) {
        return false;
    }
    struct bytes names;
    bytes_init(&names, (size_t)FIELDS_TOLD_MAX * 2 * FIELDS_NAME_BYTES);
    fields_add_ignored(fields, body, &names);
    if (names.size > 0) {
        LOG_DEBUG("[API]", "fields without effect conn=%llu names=\"%s\"",
                  (unsigned long long)net_conn_number(net), names.data);
        net_conn_add_header(net, "X-Runnel-Ignored", names.data);
    }
    bytes_deinit(&names);
    return true;
}

/* ---- For the document ---- */

static json_t *list_json(const struct fields *fields) {
    static const char *const uses[] = { "done", "ignored", "refused" };
    json_t *list = json_array();
    for (const struct field *field = fields->list; field->name; field++) {
        json_array_append_new(list, json_pack("{s:s, s:s, s:s?, s:s?}", "name", field->name, "use",
                                              uses[field->use], "only", field->only, "note", field->note));
    }
    return json_pack("{s:s, s:o}", "request", fields->request, "fields", list);
}

json_t *fields_json(void) {
    static const struct fields *const all[] = {
        &fields_chat,        &fields_completions,  &fields_responses,
        &fields_messages,    &fields_ollama_chat,  &fields_ollama_generate,
        &fields_embeddings,  &fields_ollama_embed, &fields_ollama_embeddings,
        &fields_ollama_pull, &fields_completion,   &fields_infill,
    };
    json_t *lists = json_array();
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        json_array_append_new(lists, list_json(all[i]));
    }
    return lists;
}
