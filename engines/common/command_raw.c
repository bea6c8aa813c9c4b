/* command_raw.c - what a model is given in the place of messages: a text, texts and tokens, or what is around a gap. */
#include "common/command_internal.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#define MADE_BYTES_MAX ((8u << 20) + 64) /* not more than the line that it was in */

/* A text, without a U+0000 that would end it. */
static bool is_text(const json_t *item) {
    return json_is_string(item) && strlen(json_string_value(item)) == json_string_length(item);
}

static bool is_token(const json_t *item) {
    json_int_t token = json_integer_value(item);
    return json_is_integer(item) && token >= 0 && token <= INT32_MAX;
}

/* Texts as they are, tokens as their numbers: for those who do not look at the parts. */
static char *make_prompt(const json_t *parts) {
    struct bytes text;
    size_t index;
    json_t *part;
    bytes_init(&text, MADE_BYTES_MAX);
    json_array_foreach(parts, index, part) {
        bytes_add_text(&text, index ? " " : "");
        if (json_is_string(part)) {
            bytes_add_text(&text, json_string_value(part));
        } else {
            bytes_add_format(&text, "%lld", (long long)json_integer_value(part));
        }
    }
    bytes_add_char(&text, '\0');
    return text.data;
}

/* [E52] */
static enum status take_parts(const json_t *parts, struct generate *generate, struct fault *fault) {
    size_t index;
    json_t *part;
    if (json_array_size(parts) == 0 || json_array_size(parts) > COMMAND_PARTS_MAX) {
        return fault_set(fault, STATUS_INVALID, "\"prompt\" must have 1 to %d texts and token ids",
                         COMMAND_PARTS_MAX);
    }
    json_array_foreach(parts, index, part) {
        if (!is_text(part) && !is_token(part)) {
            return fault_set(fault, STATUS_INVALID, "prompt[%zu] must be a text or a token id", index);
        }
    }
    generate->prompt_parts = parts;
    generate->prompt = generate->made_prompt = make_prompt(parts);
    return STATUS_OK;
}

static enum status check_extra(const json_t *extra, struct fault *fault) {
    size_t index;
    json_t *file;
    if (extra && !json_is_array(extra)) {
        return fault_set(fault, STATUS_INVALID, "\"infill.extra\" must be an array");
    }
    json_array_foreach(extra, index, file) {
        const json_t *name = json_object_get(file, "filename");
        if (!is_text(json_object_get(file, "text")) || (name && !is_text(name))) {
            return fault_set(fault, STATUS_INVALID,
                             "infill.extra[%zu] must be {\"text\":…,\"filename\"?:…}, both texts", index);
        }
    }
    return STATUS_OK;
}

/* [E53] */
static enum status take_infill(const json_t *infill, struct generate *generate, struct fault *fault) {
    static const char *const keys[] = { "prefix", "suffix", "prompt" };
    json_t *parts = json_array();
    enum status status = check_extra(json_object_get(infill, "extra"), fault);
    for (size_t i = 0; status == STATUS_OK && i < sizeof keys / sizeof keys[0]; i++) {
        const char *text = NULL;
        status = json_take_string(infill, keys[i], &text, fault);
        json_array_append_new(parts, json_string(text ? text : ""));
    }
    if (status == STATUS_OK) {
        generate->infill = infill;
        generate->prompt = generate->made_prompt = make_prompt(parts);
    }
    json_decref(parts);
    return status;
}

enum status command_decode_raw(const json_t *object, struct generate *generate, struct fault *fault) {
    const json_t *infill;
    const json_t *prompt = json_object_get(object, "prompt");
    enum status status = command_take_object(object, "infill", &infill, fault);
    if (status) {
        return status;
    }
    if (infill) {
        return take_infill(infill, generate, fault);
    }
    return json_is_array(prompt) ? take_parts(prompt, generate, fault)
                                 : json_take_string(object, "prompt", &generate->prompt, fault);
}
