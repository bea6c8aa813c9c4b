/* command_embed.c - [E49] what is to become vectors: texts, and texts that are tokens already. */
#include "common/command_internal.h"

#include <stdio.h>
#include <string.h>

static enum status take_input(const json_t *item, size_t index, struct embed_input *out,
                              struct fault *fault) {
    char name[40];
    const char *text = json_string_value(item);
    snprintf(name, sizeof name, "inputs[%zu]", index);
    if (json_is_array(item)) {
        enum status status = command_take_tokens(item, name, 0, &out->tokens, &out->n_tokens, fault);
        return status == STATUS_OK && out->n_tokens == 0
                   ? fault_set(fault, STATUS_INVALID, "%s must not be empty", name)
                   : status;
    }
    if (text == NULL || strlen(text) != json_string_length(item)) {
        return fault_set(fault, STATUS_INVALID,
                         "%s must be a text without the character U+0000, or a list of token ids", name);
    }
    if (strlen(text) > COMMAND_TOKENIZE_BYTES_MAX) {
        return fault_set(fault, STATUS_INVALID, "%s must not be longer than %u bytes", name,
                         COMMAND_TOKENIZE_BYTES_MAX);
    }
    out->text = text;
    return STATUS_OK;
}

enum status command_decode_embed(struct command *command, struct fault *fault) {
    struct embed *embed = &command->embed;
    const json_t *list = json_object_get(command->json, "inputs");
    int64_t dimensions = 0;
    if (command->id == NULL) {
        return command_missing(fault, "id");
    }
    if (json_array_size(list) < 1 || json_array_size(list) > COMMAND_EMBED_MAX) {
        return fault_set(fault, STATUS_INVALID, "\"inputs\" must be a list of 1 to %d texts",
                         COMMAND_EMBED_MAX);
    }
    enum status status = json_take_bool(command->json, "truncate", &embed->truncate, fault);
    if (status == STATUS_OK) {
        status = json_take_int(command->json, "dimensions", 0, COMMAND_DIMENSIONS_MAX, &dimensions, fault);
        embed->dimensions = (int)dimensions;
    }
    for (size_t i = 0; status == STATUS_OK && i < json_array_size(list); i++) {
        embed->n_inputs++;
        status = take_input(json_array_get(list, i), i, &embed->inputs[i], fault);
    }
    return status;
}
