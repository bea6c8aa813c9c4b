#include "common/command.h"

#include "common/command_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum command_op op;
} op_names[] = {
    { "ping", COMMAND_PING },
    { "load", COMMAND_LOAD },
    { "inspect", COMMAND_INSPECT },
    { "unload", COMMAND_UNLOAD },
    { "generate", COMMAND_GENERATE },
    { "cancel", COMMAND_CANCEL },
    { "tokenize", COMMAND_TOKENIZE },
    { "prefill", COMMAND_PREFILL },
    { "forget", COMMAND_FORGET },
    { "template", COMMAND_TEMPLATE },
    { "detokenize", COMMAND_DETOKENIZE },
    { "embed", COMMAND_EMBED },
};

/* The places are the values of the enums. */
static const char *const sampler_names[] = { "ChainFull", "Greedy", "Temperature", "Mirostat",
                                             "TopP",      "TopK",   NULL };
static const char *const kv_type_names[] = { "auto", "f16", "q8_0", NULL };
static const char *const flash_attention_names[] = { "auto", "on", "off", NULL };
static const char *const speculation_names[] = { "auto", "off", "always", NULL };
static const char *const overflow_names[] = { "stop", "drop_oldest", NULL };

enum status command_missing(struct fault *fault, const char *key) {
    return fault_set(fault, STATUS_INVALID, "\"%s\" is missing", key);
}

static enum status take_int(const json_t *object, const char *key, int min, int max, int *out,
                            struct fault *fault) {
    int64_t number = *out;
    enum status status = json_take_int(object, key, min, max, &number, fault);
    *out = (int)number;
    return status;
}

static enum status refuse_choice(const char *key, const char *const *names, struct fault *fault) {
    char list[120] = "";
    for (size_t i = 0; names[i]; i++) {
        size_t at = strlen(list);
        snprintf(list + at, sizeof list - at, "%s%s", i == 0 ? "" : names[i + 1] ? ", " : " or ", names[i]);
    }
    return fault_set(fault, STATUS_INVALID, "\"%s\" must be %s", key, list);
}

/* A field that is one of some names; its place among them goes to an enum. */
static enum status take_choice(const json_t *object, const char *key, const char *const *names, void *out,
                               struct fault *fault) {
    const char *name = NULL;
    enum status status = json_take_string(object, key, &name, fault);
    if (status || name == NULL) {
        return status;
    }
    for (unsigned i = 0; names[i]; i++) {
        if (strcmp(name, names[i]) == 0) {
            memcpy(out, &i, sizeof i);
            return STATUS_OK;
        }
    }
    return refuse_choice(key, names, fault);
}

enum status command_take_object(const json_t *object, const char *key, const json_t **out,
                                struct fault *fault) {
    *out = json_object_get(object, key);
    if (json_is_null(*out)) {
        *out = NULL;
    }
    if (*out && !json_is_object(*out)) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" must be an object", key);
    }
    return STATUS_OK;
}

/* What the memory of the context looks like, and where it is kept. */
static enum status decode_cache(const json_t *options, struct load_options *load, struct fault *fault) {
    enum status status = take_choice(options, "kv_type", kv_type_names, &load->kv_type, fault);
    if (status == STATUS_OK) {
        status =
            take_choice(options, "flash_attention", flash_attention_names, &load->flash_attention, fault);
    }
    if (status == STATUS_OK) {
        status = json_take_string(options, "cache_dir", &load->cache_dir, fault);
    }
    if (status == STATUS_OK) {
        status = json_take_int(options, "cache_bytes", -1, INT64_MAX, &load->cache_bytes, fault);
    }
    return status;
}

static enum status decode_load(struct command *command, struct fault *fault) {
    const json_t *options;
    enum status status = json_take_string(command->json, "model", &command->model, fault);
    if (status == STATUS_OK && command->model == NULL) {
        status = command_missing(fault, "model");
    }
    if (status == STATUS_OK) {
        status = command_take_object(command->json, "options", &options, fault);
    }
    if (status || options == NULL) {
        return status;
    }
    struct load_options *load = &command->load;
    status = take_int(options, "context_size", 0, COMMAND_CONTEXT_TOKENS_MAX, &load->context_size, fault);
    if (status == STATUS_OK) {
        status = take_int(options, "slots", 0, COMMAND_SLOTS_MAX, &load->slots, fault);
    }
    if (status == STATUS_OK) {
        status = take_int(options, "threads", 0, 512, &load->threads, fault);
    }
    if (status == STATUS_OK) {
        status = take_int(options, "gpu_layers", -1, 100000, &load->gpu_layers, fault);
    }
    if (status == STATUS_OK) {
        status = take_int(options, "step_ms", 0, COMMAND_STEP_MS_MAX, &load->step_ms, fault);
    }
    if (status == STATUS_OK) {
        status = take_choice(options, "speculation", speculation_names, &load->speculation, fault);
    }
    return status ? status : decode_cache(options, load, fault);
}

/* One that calls tools may say nothing. */
static enum status decode_message(const json_t *item, size_t index, struct chat_message *message,
                                  struct fault *fault) {
    if (!json_is_object(item)) {
        return fault_set(fault, STATUS_INVALID, "messages[%zu] must be an object", index);
    }
    enum status status = json_take_string(item, "role", &message->role, fault);
    if (status == STATUS_OK) {
        status = json_take_string(item, "content", &message->content, fault);
    }
    if (status == STATUS_OK && message->content == NULL &&
        json_is_array(json_object_get(item, "tool_calls"))) {
        message->content = "";
    }
    if (status == STATUS_OK && (message->role == NULL || message->content == NULL)) {
        status =
            fault_set(fault, STATUS_INVALID, "messages[%zu] must have a \"role\" and a \"content\"", index);
    }
    return status;
}

static enum status decode_messages(struct command *command, struct fault *fault) {
    const json_t *list = json_object_get(command->json, "messages");
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0) {
        return fault_set(fault, STATUS_INVALID, "\"messages\" must be an array with at least one message");
    }
    struct generate *generate = &command->generate;
    generate->messages = mem_alloc(n * sizeof *generate->messages);
    generate->n_messages = n;
    generate->message_list = list;
    for (size_t i = 0; i < n; i++) {
        enum status status = decode_message(json_array_get(list, i), i, &generate->messages[i], fault);
        if (status) {
            return status;
        }
    }
    return STATUS_OK;
}

/* [E46] [E52] [E53] */
static enum status decode_prompt(struct command *command, struct fault *fault) {
    struct generate *generate = &command->generate;
    enum status status = command_decode_raw(command->json, generate, fault);
    if (status || generate->prompt == NULL) {
        return status ? status : decode_messages(command, fault);
    }
    if (json_array_size(json_object_get(command->json, "messages")) > 0) {
        return fault_set(fault, STATUS_INVALID, "\"prompt\" and \"messages\" cannot be had together");
    }
    generate->messages = mem_alloc(sizeof *generate->messages);
    generate->messages[0] = (struct chat_message){ .role = "user", .content = generate->prompt };
    generate->n_messages = 1;
    return STATUS_OK;
}

static enum status decode_sampling(struct command *command, struct fault *fault) {
    struct sampling *sampling = &command->generate.sampling;
    const json_t *object;
    enum status status = command_take_object(command->json, "sampling", &object, fault);
    if (status || object == NULL) {
        return status;
    }
    const struct {
        const char *key;
        double min, max, *out;
    } numbers[] = {
        { "temperature", -100, 100, &sampling->temperature },
        { "top_p", 0, 1, &sampling->top_p },
        { "min_p", 0, 1, &sampling->min_p },
        { "mirostat_tau", 0, 100, &sampling->mirostat_tau },
        { "mirostat_eta", 0, 100, &sampling->mirostat_eta },
        { "repeat_penalty", 0.01, 100, &sampling->repeat_penalty },
        { "frequency_penalty", -2, 2, &sampling->frequency_penalty },
        { "presence_penalty", -2, 2, &sampling->presence_penalty },
    };
    status = take_choice(object, "sampler_type", sampler_names, &sampling->type, fault);
    for (size_t i = 0; status == STATUS_OK && i < sizeof numbers / sizeof numbers[0]; i++) {
        status =
            json_take_double(object, numbers[i].key, numbers[i].min, numbers[i].max, numbers[i].out, fault);
    }
    if (status == STATUS_OK) {
        status = take_int(object, "top_k", 0, 1 << 24, &sampling->top_k, fault);
    }
    if (status == STATUS_OK) {
        status = json_take_int(object, "seed", -1, INT64_MAX, &sampling->seed, fault);
    }
    return status ? status : command_decode_biases(object, sampling, fault);
}

static enum status decode_stop(struct command *command, struct fault *fault) {
    const json_t *list = json_object_get(command->json, "stop");
    if (list == NULL || json_is_null(list)) {
        return STATUS_OK;
    }
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > STOP_STRINGS_MAX) {
        return fault_set(fault, STATUS_INVALID, "\"stop\" must be an array of at most %d strings",
                         STOP_STRINGS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        const char *text = json_string_value(item);
        size_t size = json_string_length(item);
        if (text == NULL || size == 0 || size > STOP_STRING_BYTES_MAX || strlen(text) != size) {
            return fault_set(fault, STATUS_INVALID, "stop[%zu] must be a string of 1 to %d bytes", i,
                             STOP_STRING_BYTES_MAX);
        }
        command->generate.stop[i] = text;
    }
    command->generate.n_stop = n;
    return STATUS_OK;
}

enum status command_take_tokens(const json_t *list, const char *name, int32_t min, int32_t **out, size_t *n,
                                struct fault *fault) {
    if (!json_is_array(list)) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" must be an array of token ids", name);
    }
    *n = json_array_size(list);
    *out = mem_alloc((*n + 1) * sizeof **out);
    for (size_t i = 0; i < *n; i++) {
        const json_t *item = json_array_get(list, i);
        json_int_t token = json_integer_value(item);
        if (!json_is_integer(item) || token < min || token > INT32_MAX) {
            return fault_set(fault, STATUS_INVALID, "%s[%zu] must be a token id", name, i);
        }
        (*out)[i] = (int32_t)token;
    }
    return STATUS_OK;
}

/* [E21] */
static enum status decode_prefix(struct command *command, struct fault *fault) {
    struct generate *generate = &command->generate;
    const json_t *object;
    enum status status = command_take_object(command->json, "prefix", &object, fault);
    if (status || object == NULL) {
        return status;
    }
    const json_t *tokens = json_object_get(object, "tokens");
    status = json_take_string(object, "text", &generate->prefix_text, fault);
    if (status) {
        return status;
    }
    bool has_tokens = tokens && !json_is_null(tokens);
    if (has_tokens == (generate->prefix_text != NULL)) {
        return fault_set(fault, STATUS_INVALID, "\"prefix\" must have either \"tokens\" or \"text\"");
    }
    return has_tokens ? command_take_tokens(tokens, "prefix.tokens", -1, &generate->prefix_tokens,
                                            &generate->n_prefix_tokens, fault)
                      : STATUS_OK;
}

/* [E56] */
static enum status decode_begun(struct command *command, struct fault *fault) {
    struct generate *generate = &command->generate;
    enum status status = json_take_string(command->json, "begun", &generate->begun, fault);
    if (status == STATUS_OK && generate->begun && generate->prompt) {
        status = fault_set(fault, STATUS_INVALID, "\"prompt\" and \"begun\" cannot be had together");
    }
    return status;
}

static enum status decode_generate(struct command *command, struct fault *fault) {
    struct generate *generate = &command->generate;
    if (command->id == NULL) {
        return command_missing(fault, "id");
    }
    enum status status = decode_prompt(command, fault);
    if (status == STATUS_OK) {
        status = decode_sampling(command, fault);
    }
    if (status == STATUS_OK) {
        status = decode_stop(command, fault);
    }
    if (status == STATUS_OK) {
        status = command_decode_constraints(command->json, generate, fault);
    }
    if (status == STATUS_OK && generate->prompt && generate->tools) {
        status = fault_set(fault, STATUS_INVALID, "\"prompt\" and \"tools\" cannot be had together");
    }
    if (status == STATUS_OK) {
        status = decode_prefix(command, fault);
    }
    if (status == STATUS_OK) {
        status = decode_begun(command, fault);
    }
    if (status == STATUS_OK) {
        status = json_take_string(command->json, "cache_key", &generate->cache_key, fault);
    }
    if (status == STATUS_OK) {
        status = take_int(command->json, "max_tokens", -1, INT32_MAX, &generate->max_tokens, fault);
    }
    if (status == STATUS_OK) {
        status = json_take_bool(command->json, "ignore_eos", &generate->ignore_eos, fault);
    }
    if (status == STATUS_OK) {
        status = take_choice(command->json, "overflow", overflow_names, &generate->overflow, fault);
    }
    return status;
}

static enum status decode_prefill(struct command *command, struct fault *fault) {
    if (command->id == NULL) {
        return command_missing(fault, "id");
    }
    struct generate *generate = &command->generate;
    enum status status = decode_messages(command, fault);
    if (status == STATUS_OK) {
        status = json_take_string(command->json, "cache_key", &generate->cache_key, fault);
    }
    return status ? status
                  : take_choice(command->json, "overflow", overflow_names, &generate->overflow, fault);
}

static enum status decode_forget(struct command *command, struct fault *fault) {
    enum status status = json_take_string(command->json, "cache_key", &command->generate.cache_key, fault);
    if (status == STATUS_OK) {
        status = json_take_string(command->json, "cache_dir", &command->load.cache_dir, fault);
    }
    if (status == STATUS_OK && command->generate.cache_key == NULL) {
        status = command_missing(fault, "cache_key");
    }
    return status;
}

static enum status decode_tokenize(struct command *command, struct fault *fault) {
    enum status status = json_take_string(command->json, "text", &command->text, fault);
    if (status == STATUS_OK) {
        status = json_take_bool(command->json, "special", &command->special, fault);
    }
    if (status == STATUS_OK) {
        status = json_take_bool(command->json, "add_special", &command->add_special, fault);
    }
    if (status == STATUS_OK) {
        status = json_take_bool(command->json, "pieces", &command->pieces, fault);
    }
    if (status == STATUS_OK && (command->id == NULL || command->text == NULL)) {
        status = command_missing(fault, command->id ? "text" : "id");
    }
    if (status == STATUS_OK && strlen(command->text) > COMMAND_TOKENIZE_BYTES_MAX) {
        status = fault_set(fault, STATUS_INVALID, "\"text\" must not be longer than %u bytes",
                           COMMAND_TOKENIZE_BYTES_MAX);
    }
    return status;
}

/* [E47] */
static enum status decode_template(struct command *command, struct fault *fault) {
    if (command->id == NULL) {
        return command_missing(fault, "id");
    }
    enum status status = decode_messages(command, fault);
    if (status == STATUS_OK) {
        status = decode_begun(command, fault);
    }
    return status ? status : command_decode_constraints(command->json, &command->generate, fault);
}

/* [E48] */
static enum status decode_detokenize(struct command *command, struct fault *fault) {
    if (command->id == NULL) {
        return command_missing(fault, "id");
    }
    const json_t *list = json_object_get(command->json, "tokens");
    if (json_array_size(list) > COMMAND_DETOKENIZE_MAX) {
        return fault_set(fault, STATUS_INVALID, "\"tokens\" must be at most %u token ids",
                         COMMAND_DETOKENIZE_MAX);
    }
    return command_take_tokens(list, "tokens", 0, &command->tokens, &command->n_tokens, fault);
}

static enum status decode_fields(struct command *command, struct fault *fault) {
    switch (command->op) {
    case COMMAND_PING:
        return json_take_int(command->json, "n", INT64_MIN, INT64_MAX, &command->n, fault);
    case COMMAND_LOAD:
    case COMMAND_INSPECT:
        return decode_load(command, fault);
    case COMMAND_GENERATE:
        return decode_generate(command, fault);
    case COMMAND_CANCEL:
        return command->id ? STATUS_OK : command_missing(fault, "id");
    case COMMAND_TOKENIZE:
        return decode_tokenize(command, fault);
    case COMMAND_PREFILL:
        return decode_prefill(command, fault);
    case COMMAND_FORGET:
        return decode_forget(command, fault);
    case COMMAND_TEMPLATE:
        return decode_template(command, fault);
    case COMMAND_DETOKENIZE:
        return decode_detokenize(command, fault);
    case COMMAND_EMBED:
        return command_decode_embed(command, fault);
    case COMMAND_UNLOAD:
    case COMMAND_UNKNOWN:
        break;
    }
    return STATUS_OK;
}

static enum command_op find_op(const char *name) {
    for (size_t i = 0; i < sizeof op_names / sizeof op_names[0]; i++) {
        if (strcmp(name, op_names[i].name) == 0) {
            return op_names[i].op;
        }
    }
    return COMMAND_UNKNOWN;
}

static enum status take_id(struct command *command, struct fault *fault) {
    const char *id = NULL;
    enum status status = json_take_string(command->json, "id", &id, fault);
    if (status == STATUS_OK && id && (id[0] == '\0' || strlen(id) > COMMAND_ID_BYTES_MAX)) {
        return fault_set(fault, STATUS_INVALID, "\"id\" must have 1 to %d bytes", COMMAND_ID_BYTES_MAX);
    }
    command->id = status ? NULL : id;
    return status;
}

enum status command_decode(const char *line, size_t n_bytes, struct command **out, struct fault *fault) {
    struct command *command = mem_alloc(sizeof *command);
    *out = command;
    command->op_name = "";
    command->load = (struct load_options){ .gpu_layers = -1, .cache_bytes = -1 };
    command->generate.max_tokens = -1;
    command->generate.parallel_tool_calls = true;
    command->generate.reasoning = true;
    command->generate.n_logprobs = -1;
    command->generate.sampling = (struct sampling){ .type = SAMPLER_CHAIN_FULL,
                                                    .temperature = 0.7,
                                                    .top_p = 0.95,
                                                    .top_k = 20,
                                                    .mirostat_tau = 5.0,
                                                    .mirostat_eta = 0.1,
                                                    .repeat_penalty = 1.0,
                                                    .seed = -1 };
    enum status status = json_parse_object(line, n_bytes, &command->json, fault);
    if (status) {
        return status;
    }
    const char *op = NULL;
    status = json_take_string(command->json, "op", &op, fault);
    if (status == STATUS_OK && op == NULL) {
        status = command_missing(fault, "op");
    }
    if (status) {
        return status;
    }
    command->op_name = op;
    command->op = find_op(op);
    if (command->op == COMMAND_UNKNOWN) {
        return STATUS_OK;
    }
    status = take_id(command, fault);
    return status ? status : decode_fields(command, fault);
}

void command_free(struct command *command) {
    if (command) {
        json_decref(command->json);
        free(command->generate.messages);
        free(command->generate.made_prompt);
        free(command->tokens);
        for (size_t i = 0; i < command->embed.n_inputs; i++) {
            free(command->embed.inputs[i].tokens);
        }
        free(command->generate.prefix_tokens);
        free(command->generate.sampling.biases);
        free(command);
    }
}
